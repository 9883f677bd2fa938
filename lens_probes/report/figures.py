"""Figures by layer and site. Figures are returned, never shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from lens_probes.drawing.direct_labels import label_ends
from lens_probes.drawing.frame import frame, layer_axis, plain
from lens_probes.drawing.numbers import fixed, percent, whole
from lens_probes.drawing.palette import BLUE, GREY, line_style
from lens_probes.report.methods import METHODS
from lens_probes.report.site_panels import panels_height, site_panels
from lens_probes.result.result import SweepData

UNTRAINED = "untrained_share_significant"
HELD_OUT = "mean_accuracy_significant_positive_heldout"
SHARE = "share_significant"
ACCURACY = "mean_accuracy_significant_positive"
ACCURACIES = {
    ACCURACY: ("in sample", GREY, "circle-open", "solid"),
    HELD_OUT: ("held out", BLUE, "circle", "solid"),
}
PROFILE = 170
Z95 = 1.959963984540054
MOST_BARS, MOST_LINES = 2, 4


def share_by_layer(result: SweepData, *, sites: Sequence[str] | None = None) -> go.Figure:
    """Share of tested units that are significant, by layer, one line a site.

    `sites` are those to draw, in their order; None: all, at most `MOST_LINES` a panel. The grey
    area is the largest share of a site with untrained weights. A layer in which nothing could be
    tested is a gap, not a zero.
    """
    table, every = result.layers, list(dict.fromkeys(result.layers["site"]))
    drawn = list(sites or every)
    groups = [drawn[i : i + MOST_LINES] for i in range(0, len(drawn), MOST_LINES)]
    height = 50 + PROFILE * len(groups)
    bars = _share_intervals(table) if len(drawn) <= MOST_BARS else None
    figure = make_subplots(rows=len(groups), cols=1, shared_xaxes=True, vertical_spacing=0.1)
    untrained = UNTRAINED in table and bool(table[UNTRAINED].notna().any())
    for row, group in enumerate(groups, start=1):
        for site in group:
            line = _share_line(table[table["site"] == site], every.index(site), bars)
            figure.add_trace(line, row=row, col=1)
        if untrained:
            figure.add_trace(_untrained_area(table), row=row, col=1)
    shown = table[table["site"].isin(drawn)]
    top = np.nanmax([*shown[SHARE], *(shown[UNTRAINED] if untrained else ()), 0.001])
    top = max(top, np.nanmax(bars[1][shown.index])) if bars is not None else 1.06 * top
    figure.update_yaxes(range=[0, min(float(top), 1.02)], tickformat=".2~%")
    figure.update_yaxes(title={"text": "significant units"}, row=1, col=1)
    figure.update_xaxes(**layer_axis(sorted(set(table["layer"]))))
    for row in range(1, len(groups)):
        figure.update_xaxes(title=None, row=row, col=1)
    caption = _share_caption(result, untrained, bars is not None, len(every) - len(drawn))
    framed = frame(figure, _share_title(table), caption, height=height)
    return label_ends(framed, height=height, panels=len(groups))


def _share_caption(result: SweepData, untrained: bool, bars: bool, left_out: int) -> str:
    decision = result.provenance["decision"]
    said = [
        f"Significant: {decision['p_column']}, "
        f"{METHODS.get(decision['method'], decision['method'])}, at {decision['alpha']:g}, at the "
        f"level of {decision.get('level', 'token')}s."
    ]
    if untrained:
        said.append("Grey: the same model with random weights, the site with most in each layer.")
    if bars:
        said.append(
            "Bars: 95 % Wilson interval, as if units were independent of each other, which they "
            "are not: the least there can be."
        )
    said.append(
        "The share grows with the number of examples, so compare it between layers of one sweep, "
        "not between sweeps of different n."
    )
    if left_out:
        said.append(f"The other {left_out} sites are under Layers.")
    return " ".join(said)


def accuracy_by_layer(result: SweepData) -> go.Figure:
    """Mean accuracy of significant units that are higher for class 1, by layer, a panel a site.

    Held-out beside in-sample; a layer without such a unit is a gap.
    """
    table = result.layers
    examples = result.provenance["examples"]
    class1 = examples["class_names"][1]
    known = table[[c for c in ACCURACIES if c in table]].to_numpy(float)
    known = known[np.isfinite(known)]
    ends = min([0.48, *(known - 0.03)]), max([0.6, *(known + 0.03)])
    figure = site_panels(
        table, ACCURACIES, y_title="mean accuracy", y_range=ends, tickformat=".0%",
        counts="n_significant_positive",
        says=f"mean accuracy %{{y:.1%}} of %{{customdata:,}} units higher for {plain(class1)}",
    )  # fmt: skip
    figure.add_hline(y=0.5, line={"width": 1, "dash": "dot", "color": GREY})
    n0, n1 = examples["n_per_class"]
    held_out = HELD_OUT in table and bool(table[HELD_OUT].notna().any())
    caption = (
        "In sample: accuracy of the fitted logistic regression on the examples it was fitted to, "
        "for units chosen on the same examples: higher than on new ones. "
        f"{'Held out: chosen without some examples and scored on those. ' * held_out}"
        f"Dotted: a coin. Always naming the larger class scores {percent(max(n0, n1) / (n0 + n1))}."
        f" Gap: no significant unit that is higher for {class1}."
    )
    height = panels_height(table)
    framed = frame(figure, _accuracy_title(table, class1), caption, height=height)
    return label_ends(framed, height=height, panels=table["site"].nunique())


def best_auc_map(result: SweepData) -> go.Figure:
    """AUC of the strongest unit of every layer and site, in that unit's own direction."""
    table = result.layers.assign(
        strength=np.maximum(result.layers["best_auc"], 1 - result.layers["best_auc"])
    )
    caption = (
        "AUC of the strongest unit in each cell, in its own direction (1 − AUC where class 0 is "
        "higher). It is the best of many on the same examples, so it lies above 0.5 even where "
        "nothing is tuned. Blank: no unit could be tested."
    )
    return best_map(
        table, _auc_title(table), caption, (0.5, 1), "AUC",
        lambda row: f"{plain(row['best_unit'])}: AUC {fixed(row['best_auc'], 3)} (class 1 higher "
        f"where above 0.5)<br>best of {whole(row['n_tested'])} tested units",
    )  # fmt: skip


def best_map(
    table: pd.DataFrame,
    title: str,
    caption: str,
    ends: tuple[float, float],
    what: str,
    said: Callable[[pd.Series], str],
) -> go.Figure:
    """`strength` of the best unit of every layer and site; `said` of each row on hover."""
    sites, layers = list(dict.fromkeys(table["site"])), sorted(set(table["layer"]))
    grid = table.set_index(["site", "layer"]).reindex(
        pd.MultiIndex.from_product([sites, layers], names=["site", "layer"])
    )
    figure = go.Figure(
        go.Heatmap(
            z=grid["strength"].to_numpy(float).reshape(len(sites), len(layers)),
            x=[str(layer) for layer in layers],
            y=[plain(site) for site in sites],
            customdata=[[said(row) for _, row in grid.loc[site].iterrows()] for site in sites],
            zmin=ends[0],
            zmax=ends[1],
            colorscale="Cividis",
            colorbar={"title": {"text": what, "font": {"size": 13}}, "thickness": 12},
            xgap=1,
            ygap=1,
            hoverongaps=False,
            hovertemplate="layer %{x}, %{y}<br>%{customdata}<extra></extra>",
        )
    )
    figure.update_xaxes(title={"text": "layer (0 = first block)"}, type="category", showgrid=False)
    figure.update_yaxes(title={"text": "site"}, type="category", autorange="reversed")
    figure.update_yaxes(showgrid=False, automargin=True)
    return frame(figure, title, caption, height=80 + 34 * len(sites))


def _share_line(
    rows: pd.DataFrame, index: int, bars: tuple[pd.Series, pd.Series] | None
) -> go.Scatter:
    """The line of one site; `bars` are the lower and upper ends, row by row of the table."""
    rows = rows.sort_values("layer")
    colour, symbol, dash = line_style(index)
    site = plain(rows["site"].iloc[0])
    return go.Scatter(
        x=rows["layer"].to_numpy(),
        y=rows[SHARE].to_numpy(float),
        customdata=rows[["n_significant", "n_tested", "n_units"]].to_numpy(),
        error_y=None if bars is None else _bars(rows[SHARE], *bars),
        name=site,
        showlegend=False,
        mode="lines+markers",
        connectgaps=False,
        cliponaxis=False,
        line={"color": colour, "dash": dash, "width": 2},
        marker={"symbol": symbol, "size": 8},
        hovertemplate=f"layer %{{x}}, {site}<br>%{{y:.1%}} significant: %{{customdata[0]:,}} of "
        "%{customdata[1]:,} tested (%{customdata[2]:,} units)<extra></extra>",
    )


def _untrained_area(table: pd.DataFrame) -> go.Scatter:
    most = table.groupby("layer")[UNTRAINED].max()
    return go.Scatter(
        x=most.index.to_numpy(),
        y=most.to_numpy(float),
        name="untrained",
        showlegend=False,
        mode="lines",
        marker={"symbol": "square"},
        line={"color": GREY, "width": 1},
        fill="tozeroy",
        fillcolor="rgba(138,143,152,0.3)",
        hovertemplate="layer %{x}, untrained weights<br>at most %{y:.1%} of a site's units "
        "significant<extra></extra>",
    )


def _bars(line: pd.Series, low: pd.Series, high: pd.Series) -> dict[str, Any]:
    return {
        "type": "data",
        "symmetric": False,
        "array": (high[line.index] - line).clip(lower=0).to_numpy(float),
        "arrayminus": (line - low[line.index]).clip(lower=0).to_numpy(float),
        "thickness": 1,
        "width": 0,
    }


def _share_intervals(table: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    n = table["n_tested"].where(table["n_tested"] > 0).to_numpy(float)
    found = table["n_significant"].to_numpy(float)
    centre = (found + Z95**2 / 2) / (n + Z95**2)
    with np.errstate(invalid="ignore"):
        half = Z95 / (n + Z95**2) * np.sqrt(found * (n - found) / n + Z95**2 / 4)
    return pd.Series(centre - half, table.index), pd.Series(centre + half, table.index)


def _share_title(table: pd.DataFrame) -> str:
    known = table.dropna(subset=SHARE)
    if known.empty:
        return "No unit could be tested in any layer"
    best = known.iloc[known[SHARE].argmax()]
    if best[SHARE] == 0:
        return "No unit is significant in any layer"
    others = int((known[SHARE] == best[SHARE]).sum()) - 1
    also = "" if not others else f", and as many in {others} more place{'s' * (others > 1)}"
    return (
        f"Significant units are most common in layer {best['layer']} of {best['site']}: "
        f"{percent(best[SHARE])} of {whole(best['n_tested'])} tested{also}"
    )


def _accuracy_title(table: pd.DataFrame, class1: str) -> str:
    """From held-out accuracies where there are any: the others are biased upwards."""
    held_out = HELD_OUT in table and bool(table[HELD_OUT].notna().any())
    column = HELD_OUT if held_out else ACCURACY
    known = table.dropna(subset=column)
    if known.empty:
        return f"No significant unit is higher for {class1}, so there is no mean accuracy"
    high, low = known.iloc[known[column].argmax()], known.iloc[known[column].argmin()]
    top = (
        f"Significant units higher for {class1} are most accurate in layer {high['layer']} of "
        f"{high['site']}: {percent(high[column])} on average{' (held-out)' * held_out}"
    )
    if high[column] == low[column]:
        return top
    return f"{top}; least in layer {low['layer']} of {low['site']}, {percent(low[column])}"


def _auc_title(table: pd.DataFrame) -> str:
    known = table.dropna(subset="strength")
    if known.empty:
        return "No layer and site has a unit that could be tested"
    best = known.iloc[known["strength"].argmax()]
    return (
        f"The best single unit of a layer tells the classes apart most surely in layer "
        f"{best['layer']} of {best['site']}: AUC {fixed(best['strength'], 3)}"
    )
