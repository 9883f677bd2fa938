"""A unit card: all that a result knows of one unit, with what was found out about it since."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
from markupsafe import escape
from numpy.typing import NDArray

from lens_probes.report.numbers import fixed, general
from lens_probes.report.ranking import value_name
from lens_probes.report.tables import Column, Table, auc, text
from lens_probes.report.unit_columns import unit_columns
from lens_probes.report.unit_figures import EFFECTS
from lens_probes.result import SweepResult

NEIGHBOURS = 5
EACH = 3
KIND_NAMES = {
    "top": "highest",
    "quantile": "spread over the quantiles",
    "random": "drawn at random",
    "bottom": "lowest",
    "counter_example": "counter-examples",
}


class ShownContext(Protocol):
    """A token with the text around it and the unit's activation there."""

    @property
    def kind(self) -> str:
        """One of `KIND_NAMES`; contexts of a kind are shown together, in their order."""

    @property
    def value(self) -> float:
        """Activation at the token."""

    @property
    def before(self) -> str:
        """Text before the token."""

    @property
    def token(self) -> str:
        """The token itself."""

    @property
    def after(self) -> str:
        """Text after the token."""

    @property
    def source(self) -> str:
        """Speaker, file or document."""


@dataclass(frozen=True)
class UnitDetails:
    """What a card can show beyond the tables of a result; every part may be missing.

    Attributes
    ----------
    contexts
        Tokens of a corpus with the text around them: top, quantile, random, counter-examples.
    promoted, suppressed
        Direct effect on the vocabulary: tokens and what one unit of activation adds to their
        logits, strongest first.
    replication, causal
        Sentences: what a replication and an intervention on this unit found.
    """

    contexts: Sequence[ShownContext] = ()
    promoted: Sequence[tuple[str, float]] = ()
    suppressed: Sequence[tuple[str, float]] = ()
    replication: Sequence[str] = ()
    causal: Sequence[str] = ()


@dataclass(frozen=True)
class UnitCard:
    """The parts of a card as tables; `summary` is its one line while folded."""

    name: str
    summary: str
    statistics: Table
    examples: Table | None
    in_effect: Table
    alike: Table | None
    vocabulary: Table | None
    contexts: Mapping[str, Sequence[ShownContext]]
    details: UnitDetails


def unit_card(result: SweepResult, name: str, details: UnitDetails | None = None) -> UnitCard:
    """All parts of the card of one unit of `result.units`."""
    details = details or UnitDetails()
    row = result.units.loc[result.units["name"] == name].iloc[0]
    kinds = [kind for kind in KIND_NAMES if any(c.kind == kind for c in details.contexts)]
    kept = name in result.evidence
    return UnitCard(
        name=name,
        summary=_summary(result, row),
        statistics=_statistics(result, row),
        examples=_examples(result, name) if kept else None,
        in_effect=_in_effect(result, row),
        alike=_alike(result, name) if kept and len(result.evidence.columns) > 1 else None,
        vocabulary=_vocabulary(details),
        contexts={KIND_NAMES[k]: [c for c in details.contexts if c.kind == k] for k in kinds},
        details=details,
    )


def _summary(result: SweepResult, row: pd.Series) -> str:
    columns = {c.kind: c for c in unit_columns(result) if c.kind in ("side", "status")}
    side = columns["side"].cell(row["direction"])
    verdict = "significant" if row["significant"] else "not significant"
    if value_name(result) is not None:
        return f"{side} with {value_name(result)}, r = {fixed(row['r'], 3)}, {verdict}"
    effect = next(c for c in EFFECTS if c in row.index)
    symbol = {"hedges_g": "g"}.get(effect, effect)
    return f"higher for {side}, {symbol} = {fixed(row[effect])}, {verdict}"


def _statistics(result: SweepResult, row: pd.Series) -> Table:
    present = [c for c in unit_columns(result) if all(need in row.index for need in c.needs)]
    facts = [(c.header, c.cell(*(row[need] for need in c.needs)), c.means) for c in present]
    data = pd.DataFrame(facts, columns=["statistic", "value", "meaning"], dtype=object)
    columns = (
        Column("statistic", ("statistic",), text, number=False),
        Column("value", ("value",), escape),
        Column("meaning", ("meaning",), text, number=False),
    )
    return Table.of(f"Statistics of {row['name']}", data, columns)


def _examples(result: SweepResult, name: str) -> Table:
    """Highest, lowest, middle and least typical examples, with their words."""
    x, examples = result.evidence[name].to_numpy(float), result.examples
    order = np.argsort(-x, kind="stable")
    middle = order[np.linspace(0, len(x) - 1, 5).round().astype(int)[1:-1]]
    chosen = [
        *(("highest", i) for i in order[:EACH]),
        *(("quantiles 75, 50, 25 %", i) for i in middle),
        *(("lowest", i) for i in order[::-1][:EACH]),
        *(("counter-examples", i) for i in _least_typical(result, name, x)),
    ]
    rows = examples.iloc[[i for _, i in chosen]].assign(
        kind=[kind for kind, _ in chosen], activation=[float(x[i]) for _, i in chosen]
    )
    names = result.provenance["examples"]["class_names"]
    columns = (
        Column("which", ("kind",), text, number=False),
        Column("activation", ("activation",), general),
        Column("class", ("label",), lambda k: str(names[k]), number=False),
        Column(value_name(result) or "value", ("value",), general),
        Column("word", ("word",), text, number=False),
        Column("source", ("source",), text, number=False),
        Column("document", ("document",), text, number=False),
        Column("offset", ("offset",), lambda v: text(v), number=True),
    )
    return Table.of(f"Examples under {name}", rows, columns)


def _least_typical(result: SweepResult, name: str, x: NDArray[np.float64]) -> NDArray[np.int64]:
    """Examples that the unit puts farthest beyond the middle between the class means."""
    label = result.examples["label"].to_numpy(int)
    direction = float(result.units.loc[result.units["name"] == name, "direction"].iloc[0])
    # Of class 1 those with little of what the unit has for it, of class 0 those with much.
    halfway = (x[label == 0].mean() + x[label == 1].mean()) / 2
    strangeness = np.where(label == 1, -1.0, 1.0) * np.sign(direction) * (x - halfway)
    order = np.argsort(-strangeness, kind="stable")[:EACH]
    found: NDArray[np.int64] = order[strangeness[order] > 0]
    return found


def _in_effect(result: SweepResult, row: pd.Series) -> Table:
    """Units whose effect is nearest in size, anywhere in the sweep."""
    effect = next(c for c in EFFECTS if c in result.units)
    others = result.units[(result.units["name"] != row["name"]) & result.units[effect].notna()]
    distance = (others[effect] - row[effect]).abs()
    nearest = others.loc[distance.nsmallest(NEIGHBOURS).index]
    columns = (
        Column("unit", ("name",), text, number=False),
        Column(EFFECTS[effect], (effect,), fixed),
        Column("AUC", ("auc",), auc),
        Column("r of words", ("word_r",), auc),
    )
    return Table.of("Nearest in effect, of all units", nearest, columns)


def _alike(result: SweepResult, name: str) -> Table:
    """Kept units whose activations over the examples go with this one's."""
    table = result.evidence
    with np.errstate(invalid="ignore", divide="ignore"):
        r = table.corrwith(table[name]).drop(name).dropna()
    strongest = r.loc[r.abs().sort_values(ascending=False, kind="stable").index[:NEIGHBOURS]]
    data = pd.DataFrame({"name": strongest.index, "r": strongest.to_numpy()})
    columns = (
        Column("unit", ("name",), text, number=False),
        Column("r over the examples", ("r",), auc),
    )
    caption = f"Most alike of the {len(table.columns)} units whose activations were kept"
    return Table.of(caption, data, columns)


def _vocabulary(details: UnitDetails) -> Table | None:
    """Promoted and suppressed tokens side by side."""
    n = max(len(details.promoted), len(details.suppressed))
    if not n:
        return None
    rows = []
    for i in range(n):
        up = details.promoted[i] if i < len(details.promoted) else (None, None)
        down = details.suppressed[i] if i < len(details.suppressed) else (None, None)
        rows.append((_shown(up[0]), up[1], _shown(down[0]), down[1]))
    data = pd.DataFrame(rows, columns=["up", "up_by", "down", "down_by"], dtype=object)
    columns = (
        Column("promoted", ("up",), text, number=False),
        Column("logit per unit of activation", ("up_by",), general),
        Column("suppressed", ("down",), text, number=False),
        Column("logit per unit of activation", ("down_by",), general),
    )
    return Table.of("Direct effect on the vocabulary", data, columns)


def _shown(token: str | None) -> str | None:
    """A token with its spaces and line ends visible."""
    return None if token is None else token.replace(" ", "␣").replace("\n", "↵")
