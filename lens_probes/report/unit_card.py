"""A unit card: all that a result knows of one unit, with what was found out about it since."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from markupsafe import Markup, escape

from lens_probes.drawing.numbers import fixed, general
from lens_probes.drawing.tables import Column, Table, auc, text
from lens_probes.drawing.token_activations import ShownContext
from lens_probes.report.ranking import several_classes, value_name
from lens_probes.report.unit_columns import unit_columns
from lens_probes.report.unit_figures import EFFECTS
from lens_probes.result.result import SweepData
from lens_probes.units.details import UnitDetails, choose

NEIGHBOURS = 5
KIND_NAMES = {
    "top": "highest",
    "quantile": "75, 50 and 25 % quantile",
    "random": "drawn at random",
    "bottom": "lowest",
    "counter_example": "counter-examples",
    "anywhere_top": "highest",
    "anywhere_random": "drawn at random",
}
ANYWHERE = ("anywhere_top", "anywhere_random")


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
    anywhere: Mapping[str, Sequence[ShownContext]]
    details: UnitDetails


def unit_card(result: SweepData, name: str, details: UnitDetails | None = None) -> UnitCard:
    """All parts of the card of one unit of `result.units`."""
    details = details or UnitDetails()
    row = result.units.loc[result.units["name"] == name].iloc[0]
    kept = name in result.evidence
    return UnitCard(
        name=name,
        summary=_summary(result, row),
        statistics=_statistics(result, row),
        examples=_examples(result, name) if kept else None,
        in_effect=_in_effect(result, row),
        alike=_alike(result, name) if kept and len(result.evidence.columns) > 1 else None,
        vocabulary=_vocabulary(details),
        contexts=_by_kind(details, [kind for kind in KIND_NAMES if kind not in ANYWHERE]),
        anywhere=_by_kind(details, ANYWHERE),
        details=details,
    )


def _by_kind(details: UnitDetails, kinds: Sequence[str]) -> dict[str, Sequence[ShownContext]]:
    found = {KIND_NAMES[k]: [c for c in details.contexts if c.kind == k] for k in kinds}
    return {name: contexts for name, contexts in found.items() if contexts}


def _summary(result: SweepData, row: pd.Series) -> str:
    columns = {c.kind: c for c in unit_columns(result) if c.kind in ("side", "status")}
    side = columns["side"].cell(row[columns["side"].needs[0]])
    verdict = "significant" if row["significant"] else "not significant"
    if value_name(result) is not None:
        return f"{side} with {value_name(result)}, r = {fixed(row['r'], 3)}, {verdict}"
    effect = next(c for c in EFFECTS if c in row.index)
    symbol = {"hedges_g": "g"}.get(effect, effect.replace("_", " "))
    how = "highest" if several_classes(result) else "higher"
    return f"{how} for {side}, {symbol} = {fixed(row[effect])}, {verdict}"


def _statistics(result: SweepData, row: pd.Series) -> Table:
    present = [c for c in unit_columns(result) if all(need in row.index for need in c.needs)]
    facts = [(c.header, c.cell(*(row[need] for need in c.needs)), c.means) for c in present]
    data = pd.DataFrame(facts, columns=["statistic", "value", "meaning"], dtype=object)
    columns = (
        Column("statistic", ("statistic",), text, number=False),
        Column("value", ("value",), escape),
        Column("meaning", ("meaning",), text, number=False),
    )
    return Table.of(f"Statistics of {row['name']}", data, columns)


def _examples(result: SweepData, name: str) -> Table:
    """Highest, lowest, middle, random and least typical examples, with their words."""
    x, examples = result.evidence[name].to_numpy(float), result.examples
    unit = result.units.loc[result.units["name"] == name].iloc[0]
    label = examples["label"].to_numpy(int)
    if several_classes(result):
        label = (label == int(unit["highest"])).astype(int)
    chosen = choose(x, label, float(unit["direction"]))
    rows = examples.iloc[[i for _, i in chosen]].assign(
        kind=[KIND_NAMES[kind] for kind, _ in chosen], activation=[float(x[i]) for _, i in chosen]
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


def _in_effect(result: SweepData, row: pd.Series) -> Table:
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


def _alike(result: SweepData, name: str) -> Table:
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
        Column("logit", ("up_by",), general),
        Column("suppressed", ("down",), text, number=False),
        Column("logit", ("down_by",), general),
    )
    caption = "Direct effect on the vocabulary"
    return Table.of(f"{caption}. {details.direct}" if details.direct else caption, data, columns)


def marked(context: ShownContext) -> Markup:
    """A token in its text with a mark on it: not on the space before it, which may end a line."""
    token = _one_line(context.token)
    bare = token.lstrip(" ") or token
    before = _one_line(context.before) + token[: len(token) - len(bare)]
    parts = before.lstrip(" "), bare, _one_line(context.after)
    return Markup("{}<mark>{}</mark>{}").format(*parts)


def _one_line(text: str) -> str:
    """Text with its line ends as marks, so that it takes no more lines than it has words for."""
    return re.sub(r"\r\n|[\r\n\x0b\x0c\u0085\u2028\u2029]", "↵", text)


def _shown(token: str | None) -> str | None:
    """A token with its spaces and line ends visible."""
    return None if token is None else _one_line(token.replace(" ", "␣"))
