"""Single examples under the best units of a sweep with a continuous label."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from lens_probes.drawing.frame import evenly, frame, isolate, jitter, plain
from lens_probes.drawing.numbers import fixed, whole
from lens_probes.drawing.palette import BLUE, CLASS_COLOURS, VERMILLION
from lens_probes.report.example_figures import best_evidence, describe
from lens_probes.report.ranking import value_name
from lens_probes.result.result import SweepData

MAX_POINTS = 500
MAX_GROUPS = 12
BINS = 40
_LINE = {"color": VERMILLION, "width": 2}


def value_scatter(result: SweepData, n: int = 4, *, unit: str | None = None) -> go.Figure:
    """Activation against the label, example by example, for the n best units, with least squares.

    `unit` names one unit of `result.evidence` instead.

    Whole-number labels are jittered by up to 0.3; the lines are fitted to the values themselves.
    """
    best, value = best_evidence(result, n, unit), _value(result)
    columns, rows = min(2, max(len(best), 1)), max(-(-len(best) // 2), 1)
    height = 60 + 240 * rows
    figure = make_subplots(
        rows=rows, cols=columns, vertical_spacing=70 / height, horizontal_spacing=0.09,
        subplot_titles=[_panel(unit) for _, unit in best.iterrows()] or None,
    )  # fmt: skip
    drawn = evenly(len(value), MAX_POINTS)
    labels = [describe(row) for _, row in result.examples.iloc[drawn].iterrows()]
    for place, name in enumerate(best["name"]):
        row, column = place // 2 + 1, place % 2 + 1
        y = result.evidence[name].to_numpy(float)
        figure.add_trace(_cloud(value[drawn], y[drawn], labels, spread=0.6), row=row, col=column)
        figure.add_trace(_fitted(value, y), row=row, col=column)
    figure.update_annotations(font={"size": 12})
    figure.update_xaxes(zeroline=False)
    figure.update_yaxes(zeroline=False)
    figure.update_xaxes(title={"text": plain(value_name(result))}, row=rows)
    figure.update_yaxes(title={"text": "activation"}, col=1)
    caption = (
        f"Each point is one example ({whole(len(drawn))} of {whole(len(value))} drawn), the line "
        "is least squares over all of them. Units were picked on these examples."
    )
    return frame(
        figure, _scatter_title(result, best, named=unit is not None), caption, height=height
    )


def value_distributions(result: SweepData) -> go.Figure:
    """Histograms of the best unit's activation in each group of values, one above the other."""
    best, value = best_evidence(result, 1), _value(result)
    if best.empty:
        return frame(go.Figure(), "No unit could be tested", "Nothing to draw.", height=100)
    unit = best.iloc[0]
    y = result.evidence[unit["name"]].to_numpy(float)
    groups = value_groups(value)
    height = 50 + 62 * len(groups)
    figure = make_subplots(
        rows=len(groups), cols=1, shared_xaxes=True, vertical_spacing=min(8 / height, 0.2)
    )
    edges = np.linspace(y.min(), y.max(), BINS + 1)
    middles, width = (edges[:-1] + edges[1:]) / 2, edges[1] - edges[0]
    for row, (name, members) in enumerate(groups, start=1):
        share = np.histogram(y[members], bins=edges)[0] / len(members)
        figure.add_trace(
            go.Bar(
                x=middles, y=share, width=width, showlegend=False,
                marker={"color": BLUE, "line": {"width": 0}},
                hovertemplate=f"{name}: %{{y:.1%}} of {len(members):,} examples near %{{x:.3g}}"
                "<extra></extra>",
            ),
            row=row, col=1,
        )  # fmt: skip
        figure.add_vline(
            x=y[members].mean(), line={"color": VERMILLION, "width": 2}, row=row, col=1
        )
        tick = f"{name} (n = {len(members):,})"
        figure.update_yaxes(tickvals=[0], ticktext=[tick], showgrid=False, row=row, col=1)
    figure.update_yaxes(automargin=True, zeroline=False)
    figure.update_xaxes(zeroline=False)
    figure.update_xaxes(title={"text": f"activation of {plain(unit['name'])}"}, row=len(groups))
    means = [y[members].mean() for _, members in groups]
    caption = (
        f"Share of the examples of each {value_name(result)} by activation; bars of a row add up "
        "to all of its examples, upright lines are means. Each row has its own height."
    )
    title = (
        f"{unit['name']}: mean activation {fixed(means[0])} at the least {value_name(result)}, "
        f"{groups[0][0]}, and {fixed(means[-1])} at the greatest, {groups[-1][0]}"
    )
    return frame(figure, title, caption, height=height)


def word_values(result: SweepData, *, unit: str | None = None) -> go.Figure:
    """Mean activation of each word type under the best unit against its value: what r counts."""
    best = best_evidence(result, 1, unit)
    known = result.examples.dropna(subset="word") if "word" in result.examples else None
    if best.empty or known is None or known.empty:
        return frame(go.Figure(), "No words were given", "Nothing to draw.", height=100)
    row = best.iloc[0]
    y = pd.Series(result.evidence[row["name"]].to_numpy(float), index=result.examples.index)
    words = (
        known.assign(y=y)
        .groupby("word")
        .agg(value=("value", "mean"), y=("y", "mean"), n=("y", "size"))
    )
    words = words.sort_values(["n"], ascending=False, kind="stable").head(MAX_POINTS)
    x, means = words["value"].to_numpy(float), words["y"].to_numpy(float)
    cloud = _cloud(x, means, [f"{plain(isolate(w))} (n = {n})" for w, n in words["n"].items()])
    cloud.marker.size = np.round(4 + 3 * np.log2(words["n"].to_numpy(float)), 1)
    figure = go.Figure([cloud, _fitted(x, means)])
    figure.update_xaxes(title={"text": plain(value_name(result))}, zeroline=False)
    figure.update_yaxes(title={"text": f"mean activation of {plain(row['name'])}"}, zeroline=False)
    r = row.get("word_r", np.nan)
    caption = (
        f"Each point is a word type ({whole(len(words))} drawn), larger where there are more "
        "examples of it; every word counts once for the line. A cloud of few words is what a claim "
        "about the value rests on."
    )
    title = f"{row['name']}: over word types, r = {fixed(r)}; over examples, r = {fixed(row['r'])}"
    return frame(figure, title, caption, height=320)


def value_histogram(result: SweepData) -> go.Figure:
    """How many examples there are of each value, below and above the median."""
    value, label = _value(result), result.examples["label"].to_numpy(int)
    names = result.provenance["examples"]["class_names"]
    whole_numbers = bool(np.all(value == np.round(value)))
    edges = (
        np.arange(value.min() - 0.5, value.max() + 1.5)
        if whole_numbers and np.ptp(value) <= 60
        else np.linspace(value.min(), value.max(), BINS + 1)
    )
    middles = (edges[:-1] + edges[1:]) / 2
    figure = go.Figure()
    for k, name in enumerate(names):
        figure.add_trace(
            go.Bar(
                x=middles,
                y=np.histogram(value[label == k], bins=edges)[0],
                name=plain(name),
                marker={
                    "color": CLASS_COLOURS[k],
                    "pattern": {
                        "shape": ("", "/")[k],
                        "fgcolor": "rgba(255,255,255,.7)",
                        "fillmode": "overlay",
                    },
                    "line": {"width": 0},
                },
                hovertemplate=f"{plain(name)}, %{{x}}: %{{y:,}} examples<extra></extra>",
            )
        )
    figure.update_layout(barmode="stack", bargap=0.08, showlegend=True)
    figure.update_xaxes(title={"text": plain(value_name(result))})
    figure.update_yaxes(title={"text": "examples"})
    low, middle, high = (_number(v) for v in (value.min(), np.median(value), value.max()))
    title = (
        f"The {whole(len(value))} examples have a median {value_name(result)} of {middle}, from "
        f"{low} to {high}"
    )
    caption = "Few examples at an end of the scale weigh much in r: look at them in the scatter."
    return frame(figure, title, caption, height=240)


def value_groups(value: NDArray[np.float64]) -> list[tuple[str, NDArray[np.int64]]]:
    """Each value for itself where there are few, else the last ones together, else quantiles."""
    different = np.unique(value)
    if len(different) <= MAX_GROUPS:
        return [(_number(v), np.flatnonzero(value == v)) for v in different]
    if np.all(different == np.round(different)):
        single = different[: MAX_GROUPS - 1]
        groups = [(_number(v), np.flatnonzero(value == v)) for v in single]
        rest = np.flatnonzero(value > single[-1])
        return [*groups, (f"{_number(different[MAX_GROUPS - 1])} or more", rest)]
    edges = np.unique(np.quantile(value, np.linspace(0, 1, 7)))
    place = np.digitize(value, edges[1:-1])
    return [
        (f"{_number(edges[i])} to {_number(edges[i + 1])}", np.flatnonzero(place == i))
        for i in range(len(edges) - 1)
        if (place == i).any()
    ]


def _value(result: SweepData) -> NDArray[np.float64]:
    value: NDArray[np.float64] = result.examples["value"].to_numpy(float)
    return value


def _cloud(
    x: NDArray[np.float64], y: NDArray[np.float64], labels: list[str], *, spread: float = 0
) -> go.Scatter:
    """Points; whole numbers spread over `spread` of the way to the next one."""
    return go.Scatter(
        x=np.round(x + spread * jitter(len(x)), 4) if np.all(x == np.round(x)) else x,
        y=y,
        customdata=[f"{label}, value {_number(v)}" for label, v in zip(labels, x, strict=True)],
        mode="markers",
        showlegend=False,
        marker={"color": BLUE, "size": 5, "opacity": 0.55, "line": {"width": 0}},
        hovertemplate="%{customdata}<br>activation %{y:.4g}<extra></extra>",
    )


def _fitted(x: NDArray[np.float64], y: NDArray[np.float64]) -> go.Scatter:
    """Least-squares line over the range of x."""
    ends = np.array([x.min(), x.max()])
    slope = 0.0 if ends[0] == ends[1] else float(np.cov(x, y)[0, 1] / x.var(ddof=1))
    return go.Scatter(
        x=ends,
        y=y.mean() + slope * (ends - x.mean()),
        mode="lines",
        showlegend=False,
        line=_LINE,
        hovertemplate=f"least squares, slope {slope:.3g}<extra></extra>",
    )


def _number(value: float) -> str:
    return fixed(value, 0) if value == round(value) else f"{value:.3g}"


def _panel(unit: pd.Series) -> str:
    held_out = unit.get("r_heldout", np.nan)
    extra = "" if pd.isna(held_out) else f"; held-out {fixed(held_out)} in its direction"
    return plain(f"{unit['name']}: r = {fixed(unit['r'])}{extra}")


def _scatter_title(result: SweepData, best: pd.DataFrame, *, named: bool) -> str:
    if best.empty:
        return "No unit could be tested, so no activations were kept"
    first = best.iloc[0]
    who = str(first["name"]) if named else f"{first['name']}, the strongest unit,"
    verb = "rises" if first["r"] > 0 else "falls"
    return (
        f"{who} {verb} with {value_name(result)}: "
        f"r = {fixed(first['r'])} explains {fixed(100 * first['r'] ** 2, 0)} % of its variance"
    )
