"""Figures by layer and site. Figures are returned, never shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from lens_probes.drawing.frame import frame, layer_axis, plain
from lens_probes.drawing.numbers import fixed, percent, whole
from lens_probes.drawing.palette import line_style
from lens_probes.report.methods import METHODS
from lens_probes.result.result import SweepData

UNTRAINED = "untrained_share_significant"
HELD_OUT = "mean_accuracy_significant_positive_heldout"
SHARE = "share_significant"
ACCURACY = "mean_accuracy_significant_positive"
PROFILE_HEIGHT = 300
Z95 = 1.959963984540054
MOST_BARS = 2


def share_by_layer(result: SweepData) -> go.Figure:
    """Share of tested units that are significant, by layer, one line a site.

    A layer in which nothing could be tested is a gap, not a zero.
    """
    table = result.layers
    figure = _profile(
        table,
        SHARE,
        bars=_share_intervals(table),
        hover=("n_significant", "n_tested", "n_units"),
        says="%{y:.1%} significant: %{customdata[0]:,} of %{customdata[1]:,} tested "
        "(%{customdata[2]:,} units)",
    )
    figure.update_yaxes(
        title={"text": "significant units (% of tested)"}, tickformat=".0%", rangemode="tozero"
    )
    decision = result.provenance["decision"]
    method = METHODS.get(decision["method"], decision["method"])
    untrained = ""
    if UNTRAINED in table and table[UNTRAINED].notna().any():
        _dotted(figure, table, UNTRAINED, "untrained weights: %{y:.1%} significant")
        untrained = " Dotted: the same model with random weights."
    caption = (
        f"Significant: {decision['p_column']}, {method}, at {decision['alpha']:g}, at the level of "
        f"{decision.get('level', 'token')}s.{untrained} Bars: 95 % Wilson interval, as if units "
        "were independent of each other, which they are not: the least there can be. "
        "The share grows with the number of examples, so compare it between layers of one sweep, "
        "not between sweeps of different n."
    )
    return frame(figure, _share_title(table), caption, height=PROFILE_HEIGHT)


def accuracy_by_layer(result: SweepData) -> go.Figure:
    """Mean in-sample accuracy of significant units that are higher for class 1, by layer and site.

    A layer without such a unit is a gap.
    """
    table = result.layers
    examples = result.provenance["examples"]
    class1 = examples["class_names"][1]
    few = table["site"].nunique() <= MOST_BARS
    figure = _profile(
        table,
        ACCURACY,
        bars=_accuracy_spread(result) if few else None,
        hover=("n_significant_positive",),
        says=f"mean accuracy %{{y:.1%}} of %{{customdata[0]:,}} units higher for {plain(class1)}",
    )
    figure.update_yaxes(title={"text": "mean accuracy (% of examples)"}, tickformat=".0%")
    figure.add_hline(
        y=0.5,
        line={"width": 1, "dash": "dot", "color": "#8A8F98"},
        annotation={"text": "0.5: a coin", "font": {"size": 11}, "yshift": -1},
        annotation_position="bottom right",
    )
    n0, n1 = examples["n_per_class"]
    held_out = ""
    if HELD_OUT in table and table[HELD_OUT].notna().any():
        _dotted(figure, table, HELD_OUT, "held-out: mean accuracy %{y:.1%}")
        held_out = " Dotted: chosen without some examples and scored on those."
    caption = (
        "Accuracy of the fitted logistic regression on the examples it was fitted to, for units "
        f"chosen on the same examples: higher than on new ones.{held_out} "
        f"{'Bars: the middle half of those units. ' * few}"
        f"Always naming the larger class scores {percent(max(n0, n1) / (n0 + n1))}. "
        f"Gap: no significant unit that is higher for {class1}."
    )
    return frame(figure, _accuracy_title(table, class1), caption, height=PROFILE_HEIGHT)


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


def _profile(
    table: pd.DataFrame,
    column: str,
    *,
    hover: tuple[str, ...],
    says: str,
    bars: tuple[pd.Series, pd.Series] | None,
) -> go.Figure:
    """One line a site; `bars` are the lower and upper ends, row by row of the table."""
    figure = go.Figure()
    for index, (site, rows) in enumerate(table.groupby("site", sort=False)):
        ordered = rows.sort_values("layer")
        colour, symbol, dash = line_style(index)
        figure.add_trace(
            go.Scatter(
                x=ordered["layer"].to_numpy(),
                y=ordered[column].to_numpy(float),
                customdata=ordered[list(hover)].to_numpy(),
                error_y=None if bars is None else _bars(ordered[column], *bars),
                name=plain(site),
                legendgroup=plain(site),
                mode="lines+markers",
                connectgaps=False,
                cliponaxis=False,
                line={"color": colour, "dash": dash, "width": 2},
                marker={"symbol": symbol, "size": 8},
                hovertemplate=f"layer %{{x}}, {plain(site)}<br>{says}<extra></extra>",
            )
        )
    figure.update_layout(showlegend=True)
    figure.update_xaxes(**layer_axis(sorted(set(table["layer"]))))
    return figure


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


def _accuracy_spread(result: SweepData) -> tuple[pd.Series, pd.Series]:
    units = result.units
    chosen = units[units["significant"] & (units["direction"] > 0)]
    places = pd.MultiIndex.from_frame(result.layers[["layer", "site"]])
    grouped = chosen.groupby(["layer", "site"])["accuracy"]
    low, high = (grouped.quantile(q).reindex(places).to_numpy() for q in (0.25, 0.75))
    return pd.Series(low, result.layers.index), pd.Series(high, result.layers.index)


def _dotted(figure: go.Figure, table: pd.DataFrame, column: str, says: str) -> None:
    """The comparison that belongs to each line, in its colour, dotted and with open markers."""
    for line in tuple(figure.data):
        rows = table[table["site"].map(plain) == line.name].sort_values("layer")
        figure.add_trace(
            go.Scatter(
                x=rows["layer"].to_numpy(),
                y=rows[column].to_numpy(float),
                name=line.name,
                legendgroup=line.name,
                showlegend=False,
                mode="lines+markers",
                connectgaps=False,
                cliponaxis=False,
                line={"color": line.line.color, "dash": "dot", "width": 1.5},
                marker={"symbol": f"{line.marker.symbol}-open", "size": 7},
                hovertemplate=f"layer %{{x}}, {line.name}<br>{says}<extra></extra>",
            )
        )


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
