"""What was found out about the units of a saved sweep since: by a replication, by an intervention.

Both lie in folders beside the result's own files, `replication` and `causal`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lens_probes.drawing.numbers import MINUS, NONE, fixed
from lens_probes.errors import InputError
from lens_probes.replication.replication import Replication
from lens_probes.report.replication_figures import Replicated
from lens_probes.result.result import CAUSAL, SweepData
from lens_probes.units.details import UnitDetails

if TYPE_CHECKING:
    from lens_probes.ablation.card import CausalCard

REPLICATION = "replication"
_AGAIN = {
    "both": "significant in both",
    "first": "significant in the first sweep only",
    "second": "significant in the second only",
    "none": "significant in neither",
}
_EFFECTS = {
    "kl": "the next-token distribution moves by",
    "loss_after": "the loss after it changes by",
}


def saved_replication(result: SweepData) -> Replication | None:
    """The replication beside a loaded result; None where there is none.

    Raises
    ------
    InputError
        It cannot be read, or replicates another sweep: of other examples, weights or units.
    """
    folder = None if result.folder is None else result.folder / REPLICATION
    if folder is None or not folder.is_dir():
        return None
    saved, here = Replication.load(folder), result.provenance
    first, model = saved.provenance["first"]["examples"], saved.provenance["model"]
    if first["sha256"] != here["examples"]["sha256"]:
        other = "examples"
    elif model["weights_sha256"] != result.recorded_model["weights_sha256"]:
        other = "weights"
    elif not _same_units(saved.units, result.units):
        other = "units, or with others significant"
    else:
        return saved
    raise InputError(
        f"{folder} replicates a sweep of other {other}: move it out of this result's folder."
    )


def _same_units(replicated: pd.DataFrame, swept: pd.DataFrame) -> bool:
    """Whether a replication's first sweep has these units, and these significant."""
    pairs = (("name", "name"), ("significant1", "significant"))
    return all(
        there in replicated and np.array_equal(replicated[there].to_numpy(), swept[here].to_numpy())
        for there, here in pairs
    )


def saved_card(result: SweepData) -> CausalCard | None:
    """The causal card beside a loaded result, as `SweepResult.causal`."""
    if result.folder is None or not (result.folder / CAUSAL).exists():
        return None
    from lens_probes.ablation.card import CausalCard  # noqa: PLC0415 (loads torch)

    return CausalCard.beside(result)


def with_findings(
    details: Mapping[str, UnitDetails],
    names: Iterable[str],
    *,
    replication: Replicated | None,
    causal: CausalCard | None,
    screened: Callable[[str], tuple[str, ...]] = lambda _: (),
) -> dict[str, UnitDetails]:
    """The details of units with the lines of a replication, a causal card and a screen added."""
    found = dict(details)
    for name in dict.fromkeys([*names, *details]):
        known = found.get(name, UnitDetails())
        again = () if replication is None else replication_lines(replication, name)
        use = (*(() if causal is None else causal_lines(causal, name)), *screened(name))
        if again or use:
            found[name] = replace(
                known, replication=(*known.replication, *again), causal=(*known.causal, *use)
            )
    return found


def replication_lines(replication: Replicated, name: str) -> tuple[str, ...]:
    """What a replication says of one unit; nothing if it did not test it."""
    units = replication.units
    row = _row(units[units["name"] == name])
    if row is None or pd.isna(row["t2"]):
        return ()
    continuous = replication.provenance["first"]["examples"].get("value_name")
    symbol = "r" if continuous else "t"
    same = "the same sign" if row["t1"] * row["t2"] > 0 else "the other sign"
    return (
        f"On new examples {symbol} = {fixed(row['t2'])}, in the first sweep {fixed(row['t1'])}: "
        f"{same}, {_AGAIN[row['group']]}.",
    )


def verdict_line(card: CausalCard) -> str:
    """What a causal card says of all units together."""
    return f"Does the model use them? {_verdict(vars(card))}"


def causal_lines(card: CausalCard, name: str) -> tuple[str, ...]:
    """What taking a unit away did; that it was not where it is not among the top units."""
    row = _row(card.units[card.units["name"] == name])
    if row is not None:
        return (_verdict(row), _measured("Without this unit", row, "random units"))
    layer, site = name.split(".")[:2]
    sets = card.sets
    row = _row(sets[(sets["layer"] == int(layer[1:])) & (sets["site"] == site)])
    if row is None:
        return ()
    return (
        f"This unit was not taken away: it is not among the {row['k']} top units of "
        f"{layer}.{site} on the half of the examples that units were chosen on. Those units "
        f"together: {row['verdict']}: {row['why']}.",
    )


def _row(found: pd.DataFrame) -> Any | None:
    return found.iloc[0] if len(found) else None


def _verdict(row: Any) -> str:
    return f"{row['verdict'][:1].upper()}{row['verdict'][1:]}: {row['why']}."


def _measured(what: str, row: Any, nulls: str) -> str:
    """Each effect with its interval in a sentence of its own."""
    effects = [
        f"{words} {_two(row[m])} nats [95 %: {_two(row[f'{m}_low'])} to {_two(row[f'{m}_high'])}]."
        for m, words in _EFFECTS.items()
        if pd.notna(row.get(m))
    ]
    said = [f"{what} {effects[0] if effects else 'nothing was measured.'}"]
    said += [f"{effect[:1].upper()}{effect[1:]}" for effect in effects[1:]]
    if pd.notna(row.get("p")):
        said.append(f"Against {row['n_nulls']} {nulls} p = {_two(row['p'])}.")
    return " ".join(said)


def _two(value: float) -> str:
    """Two significant digits in plain text, however small the number."""
    if pd.isna(value):
        return NONE
    text = np.format_float_positional(value, precision=2, fractional=False, trim="-")
    return text.replace("-", MINUS)
