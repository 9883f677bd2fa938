"""Figures of single units: all of them by effect and p, and the best ones example by example."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from lens_probes.report.frame import frame, plain
from lens_probes.report.numbers import fixed, whole
from lens_probes.report.palette import CLASS_COLOURS, GREY
from lens_probes.result import SweepResult

EFFECTS: Mapping[str, str] = {
    "hedges_g": "Hedges' g (pooled standard deviations)",
    "t": "Student t",
    "partial_r": "partial correlation r",
    "r": "correlation r",
}
DRAW_ALL = 2000
STRONGEST = 500
EXTREMES = 50
GRID = (80, 50)
BINS = 60
_FUNCTIONS_OF_T = ("score_p", "t_p")


def effect_and_significance(result: SweepResult) -> go.Figure:
    """Effect against -log10 p of all units: few enough points to draw, bars that count them all.

    Above `DRAW_ALL` units the points are the `STRONGEST` by p, the `EXTREMES` by effect on either
    side, and the first unit in every occupied cell of a grid.
    """
    units, decision = result.units, result.provenance["decision"]
    effect = next(column for column in EFFECTS if column in units)
    p_column = decision["p_column"]
    x = units[effect].to_numpy(float)
    y = -units[f"log10_{p_column}"].to_numpy(float)
    known = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    group = _group(units)
    drawn = known[_thin(x[known], y[known], group[known])]
    figure = make_subplots(
        rows=2, cols=1, shared_xaxes=True, row_heights=[0.2, 0.8], vertical_spacing=0.03
    )
    _count_bars(figure, x[known])
    class0, class1 = result.provenance["examples"]["class_names"]
    labels = (
        "not significant",
        f"significant, higher for {class0}",
        f"significant, higher for {class1}",
    )
    for code, label in enumerate(labels):
        rows = drawn[group[drawn] == code]
        figure.add_trace(_points(units.iloc[rows], x[rows], y[rows], code, label), row=2, col=1)
    figure.update_xaxes(title={"text": f"effect: {EFFECTS[effect]}"}, row=2, col=1)
    figure.update_yaxes(title={"text": "units"}, type="log", nticks=3, row=1, col=1)
    figure.update_yaxes(title={"text": f"−log10 {p_column}"}, rangemode="tozero", row=2, col=1)
    caption = _volcano_caption(len(drawn), len(known), len(units), effect, p_column)
    return frame(figure, _volcano_title(units, effect, x, known), caption, height=520)


def class_distributions(result: SweepResult, n: int = 6, max_points: int = 250) -> go.Figure:
    """Activation of every example under the n best units, class by class; the word on hover.

    More than `max_points` examples of a class are thinned evenly, in the order of the text.
    """
    best = best_evidence(result, n)
    examples = result.examples
    label = examples["label"].to_numpy(int)
    names = result.provenance["examples"]["class_names"]
    classes = [_Class(k, str(names[k]), np.flatnonzero(label == k), max_points) for k in (0, 1)]
    rows = max(len(best), 1)
    figure = make_subplots(
        rows=rows,
        cols=1,
        vertical_spacing=min(0.3 / rows, 0.25),
        subplot_titles=[_facet_title(unit) for _, unit in best.iterrows()] or None,
    )
    for row, name in enumerate(best["name"], start=1):
        values = result.evidence[name].to_numpy(float)
        for one in classes:
            figure.add_trace(one.points(values, examples, first=row == 1), row=row, col=1)
            figure.add_trace(one.mean(values), row=row, col=1)
    ticks = [plain(_short(one.name)) for one in classes]
    figure.update_yaxes(tickvals=[0, 1], ticktext=ticks, range=[-0.6, 1.6], showgrid=False)
    figure.update_yaxes(zeroline=False, automargin=True)
    figure.update_annotations(x=0, xanchor="left", font={"size": 13})
    if len(best):
        figure.update_xaxes(title={"text": "activation (the model's own units)"}, row=rows, col=1)
    shown = sum(len(one.drawn) for one in classes)
    caption = (
        f"Each point is one example ({whole(shown)} of {whole(len(label))} drawn in each panel, "
        "every panel with its own scale); the upright stroke is the class mean over all examples. "
        "Units were picked on these examples."
    )
    return frame(figure, _distributions_title(best), caption, height=150 + 125 * rows)


def best_evidence(result: SweepResult, n: int) -> pd.DataFrame:
    """The n units with the smallest score p among those whose activations were kept."""
    kept = result.units[result.units["name"].isin(result.evidence.columns)]
    column = "log10_score_p" if "log10_score_p" in kept else "log10_p_corrected"
    return kept.dropna(subset=column).sort_values(column, kind="stable").head(n)


@dataclass(frozen=True)
class _Class:
    """One class's strip in every panel."""

    label: int
    name: str
    rows: NDArray[np.int64]
    max_points: int

    @property
    def drawn(self) -> NDArray[np.int64]:
        if len(self.rows) <= self.max_points:
            return self.rows
        evenly = np.linspace(0, len(self.rows) - 1, self.max_points).round().astype(int)
        thinned: NDArray[np.int64] = self.rows[evenly]
        return thinned

    def points(
        self, values: NDArray[np.float64], examples: pd.DataFrame, first: bool
    ) -> go.Scatter:
        drawn = self.drawn
        place = np.arange(len(drawn)) * 0.6180339887 % 1 - 0.5
        return go.Scatter(
            x=values[drawn],
            y=np.round(self.label + 0.7 * place, 3),
            customdata=[_describe(row) for _, row in examples.iloc[drawn].iterrows()],
            name=plain(f"{self.name} (n = {len(self.rows):,})"),
            legendgroup=str(self.label),
            showlegend=first,
            mode="markers",
            marker={
                "color": CLASS_COLOURS[self.label],
                "symbol": ("circle", "square")[self.label],
                "size": 5,
                "opacity": 0.55,
            },
            hovertemplate="%{customdata}<br>activation %{x:.4g}<extra></extra>",
        )

    def mean(self, values: NDArray[np.float64]) -> go.Scatter:
        return go.Scatter(
            x=[values[self.rows].mean()],
            y=[self.label],
            mode="markers",
            marker={
                "symbol": "line-ns",
                "size": 34,
                "line": {"width": 3, "color": CLASS_COLOURS[self.label]},
            },
            legendgroup=str(self.label),
            showlegend=False,
            hovertemplate=f"mean of {plain(self.name)}: %{{x:.4g}}<extra></extra>",
        )


def _describe(example: pd.Series) -> str:
    parts = [plain(example[c]) for c in ("word", "source") if not pd.isna(example[c])]
    return ", ".join(parts) or f"example {example.name}"


def _short(name: str, limit: int = 14) -> str:
    return name if len(name) <= limit else name[: limit - 1] + "…"


def _facet_title(unit: pd.Series) -> str:
    status = "" if unit["status"] == "ok" else f", {unit['status']}"
    return plain(
        f"{unit['name']}: AUC {fixed(unit['auc'], 3)}, accuracy "
        f"{fixed(100 * unit['accuracy'], 0)} %{status}"
    )


def _distributions_title(best: pd.DataFrame) -> str:
    if best.empty:
        return "No unit could be tested, so no activations were kept"
    first = best.iloc[0]
    if first["status"] == "separated":
        return f"{first['name']}, the strongest unit, separates the classes with no overlap"
    share = fixed(100 * max(first["auc"], 1 - first["auc"]), 1)
    return (
        f"{first['name']}, the strongest unit, puts {share} % of pairs of one example of each "
        "class in the same order"
    )


def _group(units: pd.DataFrame) -> NDArray[np.int64]:
    """0: not significant; 1: significant, class 0 higher; 2: significant, class 1 higher."""
    direction = units["direction"].to_numpy(float) if "direction" in units else 1
    return np.where(units["significant"].to_numpy(bool), np.where(direction > 0, 2, 1), 0)


def _thin(
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
    rows: pd.DataFrame, x: NDArray[np.float64], y: NDArray[np.float64], code: int, label: str
) -> go.Scatter:
    apart = rows["status"].isin(["separated", "quasi_separated"]).to_numpy()
    details: list[Any] = [
        [plain(name), fixed(auc, 3), status]
        for name, auc, status in zip(
            rows["name"], rows.get("auc", rows["n0"] * np.nan), rows["status"], strict=True
        )
    ]
    return go.Scatter(
        x=x,
        y=y,
        customdata=details,
        name=plain(label),
        mode="markers",
        marker={
            "color": (GREY, *CLASS_COLOURS)[code],
            "symbol": np.where(apart, "diamond-open", ("circle", "circle", "square")[code]),
            "size": np.where(apart, 9, 5),
            "opacity": 0.7,
        },
        hovertemplate="%{customdata[0]}<br>effect %{x:.2f}, p = 10^(−%{y:.1f})<br>AUC "
        "%{customdata[1]}, status %{customdata[2]}<extra></extra>",
    )


def _volcano_title(
    units: pd.DataFrame, effect: str, x: NDArray[np.float64], known: NDArray[np.int64]
) -> str:
    significant = int(units["significant"].sum())
    if not len(known):
        return "No unit has both an effect and a p-value"
    largest = known[np.argmax(np.abs(x[known]))]
    symbol = {"hedges_g": "g", "t": "t"}.get(effect, "r")
    return (
        f"{whole(significant)} of {whole(len(units))} units are significant; the largest effect is "
        f"{symbol} = {fixed(x[largest])} ({units['name'].iloc[largest]})"
    )


def _volcano_caption(drawn: int, known: int, total: int, effect: str, p_column: str) -> str:
    parts = [f"Points: {whole(drawn)} of {whole(total)} units"]
    if drawn < known:
        parts[0] += (
            f": the {STRONGEST} with the smallest p, the {EXTREMES} largest effects on either "
            f"side, and one for each occupied cell of a {GRID[0]} by {GRID[1]} grid"
        )
    parts.append(f"the bars count all {whole(known)}")
    text = "; ".join(parts) + "."
    if known < total:
        text += f" {whole(total - known)} units have no {p_column} (constant, or not fitted)."
    text += " Open diamonds: the unit separates the classes."
    if p_column in _FUNCTIONS_OF_T:
        text += (
            " At equal n this p and this effect are both functions of t, so points lie on one "
            "curve: the height adds no evidence to the width."
        )
    return text
