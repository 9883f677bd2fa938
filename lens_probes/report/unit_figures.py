"""All units by effect and significance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from lens_probes.drawing.frame import frame, plain
from lens_probes.drawing.numbers import fixed, whole
from lens_probes.drawing.palette import GREY, line_style
from lens_probes.report.ranking import sides
from lens_probes.result.result import SweepData
from lens_probes.units.decision import token_column

EFFECTS: Mapping[str, str] = {
    "hedges_g": "Hedges' g (pooled standard deviations)",
    "t": "Student t",
    "r": "correlation r",
    "eta_squared": "eta squared (share of the variance between classes)",
}
DRAW_ALL = 2000
STRONGEST = 500
EXTREMES = 50
GRID = (160, 90)
BINS = 60
_FUNCTIONS_OF_T = ("score_p", "t_p", "r_p", "F_p")


def effect_and_significance(result: SweepData) -> go.Figure:
    """Effect against -log10 p of all units: few enough points to draw, bars that count them all.

    Above `DRAW_ALL` units the points are the `STRONGEST` by p, the `EXTREMES` by effect on either
    side, and the first unit in every occupied cell of a grid. A unit with p exactly 0 (all pairs
    differ by the same) has no height: it is drawn at the top edge.
    """
    units, decision = result.units, result.provenance["decision"]
    effect = next(column for column in EFFECTS if column in units)
    p_column = _shown_p(units, decision)
    x = units[effect].to_numpy(float)
    y = -units[f"log10_{p_column}"].to_numpy(float)
    zero = np.isposinf(y)
    y = np.where(zero, _above(y), y)
    known = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    group = _group(units)
    apart = _apart(units)
    drawn = known[thin(x[known], y[known], group[known])]
    figure = make_subplots(
        rows=2, cols=1, shared_xaxes=True, row_heights=[0.2, 0.8], vertical_spacing=0.03
    )
    _count_bars(figure, x[known])
    labels = ("not significant", *(f"significant, {side}" for side in sides(result)))
    for code, label in enumerate(labels):
        rows = drawn[group[drawn] == code]
        # Separated units last: on top, and a legend takes the symbol of the first point.
        rows = rows[np.argsort(apart[rows], kind="stable")]
        points = _points(units.iloc[rows], x[rows], y[rows], zero[rows], code, label)
        figure.add_trace(points, row=2, col=1)
    figure.update_xaxes(title={"text": f"effect: {EFFECTS[effect]}"}, row=2, col=1)
    figure.update_yaxes(title={"text": "units"}, type="log", dtick=1, row=1, col=1)
    figure.update_yaxes(title={"text": f"−log10 {p_column}"}, rangemode="tozero", row=2, col=1)
    caption = _volcano_caption(len(drawn), len(known), len(units), p_column, effect)
    if n := int(zero[known].sum()):
        caption += f" Units with p exactly 0, drawn as triangles at the top edge: {whole(n)}."
    if p_column != decision["p_column"]:
        caption += f" Colour: significant by {decision['p_column']}, not by the height."
    return frame(figure, _volcano_title(units, effect, x, known), caption, height=440)


def _above(y: NDArray[np.float64]) -> float:
    """A little above all finite heights."""
    finite = y[np.isfinite(y)]
    return 1.08 * float(finite.max(initial=1.0))


def _shown_p(units: pd.DataFrame, decision: Mapping[str, Any]) -> str:
    """The p-value that decides; a permutation p has a floor, so the word-level p in its place."""
    for column in (decision["p_column"], "pooled_p", "word_p", "paired_p"):
        if f"log10_{column}" in units and units[f"log10_{column}"].notna().any():
            return str(column)
    return token_column(units).removeprefix("log10_")


def _group(units: pd.DataFrame) -> NDArray[np.int64]:
    """0: not significant; 1: significant, class 0 higher; 2: class 1 higher, and so on."""
    if "highest" in units:
        return np.where(units["significant"].to_numpy(bool), 1 + units["highest"].to_numpy(int), 0)
    direction = units["direction"].to_numpy(float) if "direction" in units else 1
    return np.where(units["significant"].to_numpy(bool), np.where(direction > 0, 2, 1), 0)


def _apart(units: pd.DataFrame) -> NDArray[np.bool_]:
    apart: NDArray[np.bool_] = units["status"].isin(["separated", "quasi_separated"]).to_numpy()
    return apart


def thin(
    x: NDArray[np.float64], y: NDArray[np.float64], group: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Indices to draw, in order: all of a few, else extremes and one for each occupied cell."""
    if len(x) <= DRAW_ALL:
        return np.arange(len(x))
    by_effect = np.argsort(x, kind="stable")
    strongest = np.argsort(-y, kind="stable")[:STRONGEST]
    columns = np.digitize(x, np.linspace(x.min(), x.max(), GRID[0] + 1)[1:-1])
    lines = np.digitize(y, np.linspace(y.min(), y.max(), GRID[1] + 1)[1:-1])
    _, one_each = np.unique((group * GRID[0] + columns) * GRID[1] + lines, return_index=True)
    return np.unique(
        np.concatenate([strongest, by_effect[:EXTREMES], by_effect[-EXTREMES:], one_each])
    )


def _count_bars(figure: go.Figure, x: NDArray[np.float64]) -> None:
    if not len(x):
        return
    counts, edges = np.histogram(x, bins=BINS)
    middles, width = (edges[:-1] + edges[1:]) / 2, edges[1] - edges[0]
    bars = go.Bar(
        x=middles,
        y=np.where(counts > 0, counts, np.nan),
        width=width,
        marker={"color": GREY, "line": {"width": 0}},
        showlegend=False,
        hovertemplate="effect about %{x:.2f}: %{y:,} units<extra></extra>",
    )
    figure.add_trace(bars, row=1, col=1)


def _points(
    rows: pd.DataFrame,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    zero: NDArray[np.bool_],
    code: int,
    label: str,
) -> go.Scatter:
    apart = _apart(rows)
    measure, word = ("auc", "AUC") if "auc" in rows else ("word_r", "r of words")
    if "highest" in rows:
        measure, word = "auc_heldout", "held-out AUC"
    shown = rows.get(measure, pd.Series(np.nan, rows.index))
    details: list[Any] = [
        [plain(name), fixed(value, 3), status, "0" if none else f"10^(−{height:.1f})"]
        for name, value, status, none, height in zip(
            rows["name"], shown, rows["status"], zero, y, strict=True
        )
    ]
    colour, of_class = (GREY, "circle") if code == 0 else line_style(code - 1)[:2]
    symbol = np.where(apart, "diamond-open", of_class)
    return go.Scatter(
        x=x,
        y=y,
        customdata=details,
        name=plain(label),
        mode="markers",
        marker={
            "color": colour,
            "symbol": np.where(zero, "triangle-up", symbol),
            "size": np.where(apart | zero, 9, 5),
            "opacity": 0.75,
            "line": {"width": np.where(apart, 1.5, 0)},
        },
        hovertemplate="%{customdata[0]}<br>effect %{x:.2f}, p = %{customdata[3]}<br>"
        f"{word} %{{customdata[1]}}, status %{{customdata[2]}}<extra></extra>",
    )


def _volcano_title(
    units: pd.DataFrame, effect: str, x: NDArray[np.float64], known: NDArray[np.int64]
) -> str:
    significant = int(units["significant"].sum())
    if not len(known):
        return "No unit has both an effect and a p-value"
    # Of all units: a separated one has no Wald p, and may well have the largest.
    largest = int(np.argmax(np.where(np.isfinite(x), np.abs(x), -1)))
    symbol = {"hedges_g": "g", "t": "t", "eta_squared": "eta squared"}.get(effect, "r")
    return (
        f"{whole(significant)} of {whole(len(units))} units are significant; the largest effect is "
        f"{symbol} = {fixed(x[largest])} ({units['name'].iloc[largest]})"
    )


def _volcano_caption(drawn: int, known: int, total: int, p_column: str, effect: str) -> str:
    parts = [f"Points: {whole(drawn)} of {whole(total)} units"]
    if drawn < known:
        parts[0] += (
            f": the {STRONGEST} with the smallest p, the {EXTREMES} largest effects on either "
            f"side, and one for each occupied cell of a grid of {GRID[0]} by {GRID[1]}"
        )
    parts.append(f"the bars count all {whole(known)}")
    text = "; ".join(parts) + "."
    if known < total:
        text += f" {whole(total - known)} units have no {p_column} (constant, or not fitted)."
    if p_column != "r_p" and effect != "eta_squared":
        text += " Open diamonds: the unit separates the classes."
    if p_column in _FUNCTIONS_OF_T:
        of = "F" if effect == "eta_squared" else "t"
        text += (
            f" At equal n this p and this effect are both functions of {of}, so points lie on one "
            "curve: the height adds no evidence to the width."
        )
    return text
