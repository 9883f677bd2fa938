"""The strongest units, and the layers, as tables of a paper: LaTeX (booktabs) and Markdown."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, Literal

import pandas as pd

from lens_probes.drawing.numbers import fixed, percent, whole
from lens_probes.report.latex import escaped
from lens_probes.report.unit_columns import side_names
from lens_probes.result.result import SweepData

Table = Literal["units", "layers"]
_EFFECTS: dict[str, tuple[str, int]] = {
    "g_group": ("$g$", 2), "hedges_g": ("$g$ (tokens)", 2), "r": ("$r$", 3),
    "eta_squared": (r"$\eta^2$", 3), "auc": ("AUC", 3), "auc_heldout": ("AUC held out", 3),
}  # fmt: skip
_LAYERS: dict[str, tuple[str, Callable[[Any], str]]] = {
    "n_tested": ("tested", whole),
    "n_significant": ("significant", whole),
    "share_significant": ("share", percent),
    "share_significant_token_level": ("counting tokens", percent),
    "untrained_share_significant": ("untrained", percent),
    "mean_accuracy_significant_positive_heldout": ("accuracy held out", percent),
    "best_unit": ("best unit", str),
}


def latex_table(result: SweepData, rows: pd.DataFrame, table: Table) -> str:
    """A booktabs table; its note is a comment below it."""
    head, cells, note = _cells(result, rows, table)
    lines = [rf"\begin{{tabular}}{{ll{'r' * (len(head) - 2)}}}", r"\toprule"]
    lines += [" & ".join(head) + r" \\", r"\midrule"]
    lines += [" & ".join(_tex(cell) for cell in row) + r" \\" for row in cells]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", f"% {note}", ""])


def markdown_table(result: SweepData, rows: pd.DataFrame, table: Table) -> str:
    """A pipe table with its note below it."""
    head, cells, note = _cells(result, rows, table)
    plain = [name.replace("$", "").replace(r"\eta^2", "eta squared") for name in head]
    ruler = ["---", "---", *["--:"] * (len(head) - 2)]
    lines = [_row(plain), _row(ruler), *(_row(_piped(cell) for cell in row) for row in cells)]
    return "\n".join([*lines, "", note, ""])


def _cells(
    result: SweepData, rows: pd.DataFrame, table: Table
) -> tuple[list[str], list[list[str]], str]:
    """Head, cells and note: what both forms show."""
    return (_units if table == "units" else _layers)(result, rows)


def _units(result: SweepData, units: pd.DataFrame) -> tuple[list[str], list[list[str]], str]:
    """Name, side, effect, held-out score and corrected p of units."""
    kept = {name: said for name, said in _EFFECTS.items() if name in units}
    head = ["unit", "higher for", *(title for title, _ in kept.values()), "corrected $p$"]
    cells = []
    for row in units.to_dict("records"):
        cells.append([str(row["name"]), side_of(result, row)])
        cells[-1] += [_number(row[name], digits) for name, (_, digits) in kept.items()]
        cells[-1].append(_p(row["log10_p_corrected"]) + ("*" if row["significant"] else ""))
    alpha = result.provenance["decision"]["alpha"]
    return head, cells, f"* significant at alpha = {alpha:g}, corrected; {len(units)} units"


def _layers(result: SweepData, layers: pd.DataFrame) -> tuple[list[str], list[list[str]], str]:
    """Layer, site, and what was found there."""
    kept = {name: said for name, said in _LAYERS.items() if name in layers}
    head = ["layer", "site", *(title for title, _ in kept.values())]
    cells = [
        [str(row["layer"]), str(row["site"])]
        + ["--" if _missing(row[name]) else form(row[name]) for name, (_, form) in kept.items()]
        for row in layers.to_dict("records")
    ]
    decision = result.provenance["decision"]
    return head, cells, f"shares are of tested units; p: {decision['p_column']}"


def side_of(result: SweepData, row: dict[Hashable, Any]) -> str:
    """What a unit is higher for: a class, or how it goes with a value; "" for neither."""
    side = row["highest" if "highest" in row else "direction"]
    return "" if pd.isna(side) else str(side_names(result).get(int(side), ""))


def _missing(value: Any) -> bool:
    return value is None or bool(pd.isna(value))


def _number(value: Any, digits: int) -> str:
    return "--" if pd.isna(value) else fixed(float(value), digits).replace("−", "-")


def _p(log10_p: float) -> str:
    if pd.isna(log10_p):
        return "--"
    if log10_p > -3:
        return f"{10**log10_p:.3f}"
    whole_part = int(log10_p // 1)
    return rf"${10 ** (log10_p - whole_part):.1f} \times 10^{{{whole_part}}}$"


def _tex(cell: str) -> str:
    """A cell for LaTeX: p-values are in its language already."""
    return cell if r"\times" in cell else escaped(cell)


def _piped(cell: str) -> str:
    return cell.replace("|", r"\|")


def _row(cells: Sequence[str] | Any) -> str:
    return f"| {' | '.join(cells)} |"
