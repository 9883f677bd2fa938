"""Sweeps of one model in parts, as one: what holds over all units is computed anew, or refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from lens_probes import stats
from lens_probes.errors import InputError, given_as
from lens_probes.result.layers import summarise_layers
from lens_probes.result.result import SweepData
from lens_probes.units.decision import OF_GROUPS, Decision, rank_column
from lens_probes.units.significance import corrected_log10, families
from lens_probes.units.table import with_shrunk_effects

Result = TypeVar("Result", bound=SweepData)
_BY_FAMILY = ("threshold", "threshold_low", "threshold_high")
# Per layer, but of a bound that holds over one sweep's units together.
_OF_ONE_SWEEP = ("tuned_at_least",)
_OF_THE_DESIGN = ("resolution", "held_out_by", "confounds", "others")


def concat(parts: Sequence[Result]) -> Result:
    """One result of sweeps of the same examples and model, in other layers or sites.

    Bonferroni, Holm, BH, BY and hierarchical corrections are computed anew over the joined families
    (of each unit's p as its part has it), and so are q_word and the shrunk effects. A permutation
    with the maximum over units cannot be: it is taken as it is where each layer and site is a
    family of its own (`scope="layer"`), and refused elsewhere. What one sweep says of all its units
    together (bounds on tuned units, nulls, nested choice) is left out, with a note.

    Raises
    ------
    InputError
        Other examples, another model or decision, a layer and site that two have, or a permutation
        over units of several layers.
    """
    given_as("parts", parts, list | tuple, "a list of SweepResults")
    for part in parts:
        given_as("a part", part, SweepData, "a SweepResult")
    if not parts:
        raise InputError("no results given: give the parts of a sweep.")
    if len(parts) == 1:
        return parts[0]
    _check_same(parts)
    first = parts[0]
    said = dict(first.provenance["decision"])
    decision = Decision(**{name: said[name] for name in Decision.__dataclass_fields__})
    if decision.method in OF_GROUPS and decision.scope != "layer":
        raise InputError(
            f"{decision.method} over all units of a sweep cannot be joined from parts: sweep all "
            "layers at once, or each part with scope='layer', or with method='bh'."
        )
    units = pd.concat([part.units for part in parts], ignore_index=True)
    family = families(units, decision)
    units = _corrected(with_shrunk_effects(units), decision, family)
    sizes = pd.Series(units["p_corrected"].notna()).groupby(family).sum()
    said |= {
        "families": sizes.index.tolist(), "n_families": len(sizes),
        "m_smallest": int(sizes.min()), "m_largest": int(sizes.max()),
        "left_out": int(units["p_corrected"].isna().sum()),
    }  # fmt: skip
    for name in _BY_FAMILY:
        if said.get(name) is not None:
            said[name] = [t for part in parts for t in part.provenance["decision"][name]]
    for name in ("simes_level", "p_beyond", "evidence_level", "simes_factor"):
        said.pop(name, None)
    best = min(parts, key=lambda part: _strength(part, units))
    return replace(
        first,
        units=units,
        layers=_layers(parts, units),
        evidence=pd.concat([part.evidence for part in parts], axis=1),
        direction_table=_all(part.direction_table for part in parts),
        sets=_of_layers(_all(part.sets for part in parts)),
        set_members=_of_layers(_all(part.set_members for part in parts)),
        provenance=_joined(parts, said),
        validation=_validation(parts),
        paintings=best.paintings,
        details={name: one for part in parts for name, one in part.details.items()},
        timings={
            stage: sum(part.timings.get(stage, 0.0) for part in parts) for stage in first.timings
        },
        activations=None,
        folder=None,
    )


def _all(tables: Iterable[pd.DataFrame | None]) -> pd.DataFrame | None:
    """The parts' tables as one; None where a part has none."""
    given = list(tables)
    known = [table for table in given if table is not None]
    return pd.concat(known, ignore_index=True) if len(known) == len(given) else None


def _of_layers(table: pd.DataFrame | None) -> pd.DataFrame | None:
    """Without the rows of a whole sweep, which were of one part's layers."""
    return None if table is None else table[table["layer"] >= 0].reset_index(drop=True)


def _check_same(parts: Sequence[SweepData]) -> None:
    first = parts[0].provenance
    chosen = Decision.__dataclass_fields__
    seen: set[tuple[int, str]] = set()
    for i, part in enumerate(parts):
        now, other = part.provenance, ""
        if now["examples"]["sha256"] != first["examples"]["sha256"]:
            other = "examples"
        elif _without_proof(now["model"]) != _without_proof(first["model"]):
            other = "model, or read on another device or with other versions"
        elif any(now["decision"][name] != first["decision"][name] for name in chosen):
            other = "decision (preset, method, scope, alpha, level, seed, permutations)"
        if other:
            raise InputError(f"part {i} is a sweep of another {other} than part 0.")
        keys = set(zip(part.layers["layer"], part.layers["site"], strict=True))
        if both := seen & keys:
            layer, site = min(both)
            raise InputError(f"layer {layer}, site {site} is in two parts: give each once.")
        seen |= keys


def _without_proof(model: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The model itself: what is proved of sites grows with the sites of one's own of a part."""
    return None if model is None else {k: v for k, v in model.items() if k != "proof"}


def _corrected(units: pd.DataFrame, decision: Decision, family: Any) -> pd.DataFrame:
    """Units with what depends on the other units of the sweep computed anew."""
    if "pooled_p" in units:
        units = units.assign(q_word=stats.adjust(units["pooled_p"].to_numpy(float), method="bh"))
    for name in ("presence", "value"):
        if f"{name}_q" in units:
            q = stats.adjust(units[f"{name}_p"].to_numpy(float), method="bh")
            units = units.assign(**{f"{name}_q": q})
    if "rank" in units:
        size = units["permuted_value"].abs()
        units = units.assign(rank=size.rank(ascending=False, method="first"))
    if decision.method in OF_GROUPS:
        return units
    log10_p = units[f"log10_{decision.p_column}"].to_numpy(float)
    if decision.preset == "course":
        unfitted = units["status"].isin(["separated", "quasi_separated", "not_converged"])
        log10_p = np.where(unfitted & np.isnan(log10_p), 0.0, log10_p)
    corrected = corrected_log10(log10_p, decision, family)
    return units.assign(
        p_corrected=10**corrected,
        log10_p_corrected=corrected,
        significant=corrected <= np.log10(decision.alpha),
    )


def _layers(parts: Sequence[SweepData], units: pd.DataFrame) -> pd.DataFrame:
    """Counts anew, beside what each part has checked in its layers."""
    made = summarise_layers(units)
    checked = pd.concat([part.layers for part in parts], ignore_index=True)
    more = [c for c in checked if c not in made and c not in _OF_ONE_SWEEP]
    return made.merge(checked[["layer", "site", *more]], on=["layer", "site"])


def _strength(part: SweepData, units: pd.DataFrame) -> float:
    """Where the strongest unit of a part stands among all."""
    here = units[units["name"].isin(part.units["name"])]
    return float(here[rank_column(units)].min())


def _joined(parts: Sequence[SweepData], decision: dict[str, Any]) -> dict[str, Any]:
    first = parts[0].provenance
    said = {**first, "decision": decision}
    said["layers"] = sorted({layer for part in parts for layer in part.provenance["layers"]})
    said["sites"] = list(dict.fromkeys(s for part in parts for s in part.provenance["sites"]))
    own = {k: v for part in parts for k, v in part.provenance.get("own_sites", {}).items()}
    tokens = sum(part.provenance["examples"]["tokens_computed"] for part in parts)
    if first["model"] is not None:
        proof = {k: v for part in parts for k, v in part.provenance["model"]["proof"].items()}
        said["model"] = {**first["model"], "proof": proof}
    said["examples"] = {**first["examples"], "tokens_computed": tokens}
    said.pop("command", None)
    return said | ({"own_sites": own} if own else {})


def _validation(parts: Sequence[SweepData]) -> dict[str, Any]:
    first = parts[0].validation
    notes = list(dict.fromkeys(note for part in parts for note in part.validation.get("notes", ())))
    notes.append(
        f"joined of {len(parts)} sweeps: what a sweep says of all its units together (bounds on "
        "tuned units, nulls, other splits, the nested choice) is left out"
    )
    return {name: first[name] for name in _OF_THE_DESIGN if name in first} | {"notes": notes}
