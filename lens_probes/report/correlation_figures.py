"""Correlation of all units with a continuous label, layer by layer."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from lens_probes.drawing.frame import frame, layer_axis, plain
from lens_probes.drawing.numbers import fixed, missing, percent, whole
from lens_probes.drawing.palette import BLUE, GREY, VERMILLION
from lens_probes.report.figures import best_map
from lens_probes.report.ranking import value_name
from lens_probes.result.result import SweepData

BINS, FEW_BINS, FEW_UNITS = 40, 16, 200
BEST, HELD_OUT = "best_r", "best_r_heldout"
_BANDS = (("q05_r", "q95_r", "5th to 95th percentile", 0.25),
          ("q25_r", "q75_r", "25th to 75th percentile", 0.5))  # fmt: skip


def correlation_by_layer(result: SweepData) -> go.Figure:
    """Distribution of r over the units of each layer: median, mean, quartiles and 90 % band."""
    table = result.layers
    sites = list(dict.fromkeys(table["site"]))
    height = 60 + 170 * len(sites)
    figure = make_subplots(rows=len(sites), cols=1, shared_xaxes=True, vertical_spacing=24 / height)
    for row, site in enumerate(sites, start=1):
        rows = table[table["site"] == site].sort_values("layer")
        for low, high, name, opacity in _BANDS:
            for column in (low, high):
                figure.add_trace(
                    _edge(rows, column, name, opacity, first=column == low, legend=row == 1),
                    row=row, col=1,
                )  # fmt: skip
        for column, name, colour, dash in (
            ("median_r", "median", BLUE, "solid"),
            ("mean_r", "mean", VERMILLION, "dash"),
        ):
            figure.add_trace(_line(rows, column, name, colour, dash, row == 1), row=row, col=1)
        figure.update_yaxes(title={"text": f"{plain(site)}: r"}, row=row, col=1)
    figure.update_yaxes(zeroline=True, zerolinewidth=1, zerolinecolor=GREY)
    _layer_axes(figure, table, len(sites))
    value = value_name(result)
    caption = (
        f"Pearson r between activation and {value}, one value a unit. Shaded: the middle 50 % and "
        "90 % of the tested units of a layer. A distribution that is wide on both sides of zero "
        f"holds units that rise and units that fall with {value}."
    )
    return frame(figure, _spread_title(table), caption, height=height)


def correlation_map(result: SweepData) -> go.Figure:
    """Histogram of r by layer as a heat map: share of a layer's units in each interval of r."""
    units, sites = result.units, list(dict.fromkeys(result.layers["site"]))
    layers = sorted(set(result.layers["layer"]))
    known = units["r"].to_numpy(float)
    limit = float(np.nanmax(np.abs(known))) if np.isfinite(known).any() else 1.0
    few = int(result.layers["n_units"].min()) < FEW_UNITS
    bins = FEW_BINS if few else BINS
    edges = np.linspace(-limit, limit, bins + 1)
    height = 60 + 190 * len(sites)
    figure = make_subplots(rows=len(sites), cols=1, shared_xaxes=True, vertical_spacing=24 / height)
    for row, site in enumerate(sites, start=1):
        counts = _counts(units[units["site"] == site], layers, edges)
        totals = counts.sum(axis=0)
        share = np.where(totals > 0, counts / np.maximum(totals, 1), np.nan)
        figure.add_trace(
            go.Heatmap(
                z=np.where(counts > 0, share, np.nan),
                x=layers,
                y=np.round((edges[:-1] + edges[1:]) / 2, 4),
                customdata=counts,
                coloraxis="coloraxis",
                hoverongaps=False,
                hovertemplate=f"layer %{{x}}, {plain(site)}<br>r about %{{y:.2f}}: "
                "%{z:.1%} (%{customdata:,} units)<extra></extra>",
            ),
            row=row,
            col=1,
        )
        figure.update_yaxes(title={"text": f"{plain(site)}: r"}, row=row, col=1)
    bar = {"title": {"text": "units", "font": {"size": 13}}, "tickformat": ".0%", "thickness": 12}
    figure.update_layout(coloraxis={"colorscale": "Cividis", "cmin": 0, "colorbar": bar})
    figure.update_yaxes(showgrid=False, zeroline=False)
    _layer_axes(figure, result.layers, len(sites))
    figure.update_xaxes(showgrid=False)
    caption = (
        f"Every column is the histogram of r over the tested units of one layer ({bins} equal "
        "intervals); colour is the share of the layer's units. Blank: no unit there."
    )
    return frame(figure, _extreme_title(units), caption, height=height)


def best_correlation_map(result: SweepData) -> go.Figure:
    """|r| of the strongest unit of every layer and site, with its held-out r where known."""
    table = result.layers.assign(strength=result.layers[BEST].abs())
    caption = (
        "|r| of the strongest unit in each cell. It is the best of many on the same examples, so "
        "it lies above 0 even where nothing is tuned. Blank: no unit could be tested."
    )
    return best_map(table, _best_title(table), caption, (0, 1), "|r|", _describe)


def _counts(
    units: pd.DataFrame, layers: list[int], edges: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Units [interval, layer]."""
    columns = [
        np.histogram(units.loc[units["layer"] == layer, "r"].dropna(), bins=edges)[0]
        for layer in layers
    ]
    return np.stack(columns, axis=1)


def _edge(
    rows: pd.DataFrame, column: str, name: str, opacity: float, *, first: bool, legend: bool
) -> go.Scatter:
    return go.Scatter(
        x=rows["layer"].to_numpy(),
        y=rows[column].to_numpy(float),
        name=name,
        legendgroup=name,
        showlegend=legend and not first,
        mode="lines",
        line={"color": BLUE, "width": 0},
        fill=None if first else "tonexty",
        fillcolor=f"rgba(86,180,233,{opacity})",
        hovertemplate=f"layer %{{x}}: {column.removesuffix('_r').replace('q', '')}th percentile "
        "%{y:.3f}<extra></extra>",
    )


def _line(
    rows: pd.DataFrame, column: str, name: str, colour: str, dash: str, legend: bool
) -> go.Scatter:
    return go.Scatter(
        x=rows["layer"].to_numpy(),
        y=rows[column].to_numpy(float),
        name=name,
        legendgroup=name,
        showlegend=legend,
        mode="lines+markers",
        connectgaps=False,
        line={"color": colour, "dash": dash, "width": 2},
        marker={"symbol": "circle" if dash == "solid" else "square", "size": 6},
        hovertemplate=f"layer %{{x}}: {name} r %{{y:.3f}}<extra></extra>",
    )


def _layer_axes(figure: go.Figure, table: pd.DataFrame, n_panels: int) -> None:
    """Whole layers on every panel, the title under the last."""
    figure.update_xaxes(**layer_axis(sorted(set(table["layer"]))))
    for row in range(1, n_panels):
        figure.update_xaxes(title=None, row=row, col=1)


def _describe(row: pd.Series) -> str:
    held_out = row.get(HELD_OUT)
    extra = "" if held_out is None or missing(held_out) else f" (held-out {fixed(held_out, 3)})"
    return (
        f"{plain(row['best_unit'])}: r {fixed(row[BEST], 3)}{extra}<br>"
        f"best of {whole(row['n_tested'])} tested units"
    )


def _spread_title(table: pd.DataFrame) -> str:
    known = table.dropna(subset=["q05_r", "q95_r"])
    if known.empty:
        return "No unit could be tested in any layer"
    width = (known["q95_r"] - known["q05_r"]).to_numpy(float)
    widest = known.iloc[int(width.argmax())]
    return (
        f"Correlations spread most widely in layer {widest['layer']} of {widest['site']}: 90 % of "
        f"its units lie between r = {fixed(widest['q05_r'])} and {fixed(widest['q95_r'])}"
    )


def _extreme_title(units: pd.DataFrame) -> str:
    known = units.dropna(subset="r")
    if known.empty:
        return "No unit could be tested in any layer"
    strong = known["r"].abs() > 0.5
    low, high = known["r"].min(), known["r"].max()
    return (
        f"r runs from {fixed(low)} to {fixed(high)} over {whole(len(known))} units; "
        f"{percent(strong.mean())} of them have |r| above 0.5"
    )


def _best_title(table: pd.DataFrame) -> str:
    known = table.dropna(subset=BEST)
    if known.empty:
        return "No layer and site has a unit that could be tested"
    best = known.iloc[int(known[BEST].abs().argmax())]
    held_out = best.get(HELD_OUT)
    extra = "" if held_out is None or missing(held_out) else f", {fixed(held_out)} held-out"
    return (
        f"The strongest correlation of a single unit is in layer {best['layer']} of "
        f"{best['site']}: r = {fixed(best[BEST])}{extra} ({best['best_unit']})"
    )
