"""All units of a sweep on one map: layer by layer, along the index of the unit."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from lens_probes.drawing.frame import frame, layer_axis, plain
from lens_probes.drawing.numbers import fixed, percent, whole
from lens_probes.drawing.palette import BLUE, NEUTRAL, VERMILLION
from lens_probes.report.ranking import strongest
from lens_probes.report.unit_figures import EFFECTS
from lens_probes.result.result import SweepData

MOST_BINS = 128
SATURATED = 99.5
TOP_SHARE = 0.01
DIVERGING = ((0.0, BLUE), (0.5, NEUTRAL), (1.0, VERMILLION))


def layer_unit_map(result: SweepData, *, bins: int = MOST_BINS) -> go.Figure:
    """Largest effect, with its sign, in every interval of unit indices of every layer and site.

    Binned before drawing: a million units make the same figure as ten thousand.
    """
    units = result.units
    effect = next(column for column in EFFECTS if column in units)
    sites, layers = list(dict.fromkeys(units["site"])), sorted(set(units["layer"]))
    signed = effect != "eta_squared"
    values = np.abs(units[effect].to_numpy(float))
    finite = values[np.isfinite(values)]
    limit = float(np.percentile(finite, SATURATED)) if len(finite) else 1.0
    height = sum(_panel(layers) for _ in sites) + 40 * len(sites)
    figure = make_subplots(rows=len(sites), cols=1, vertical_spacing=46 / height)
    for row, site in enumerate(sites, start=1):
        table = units[units["site"] == site]
        width = int(table["unit"].max()) + 1
        n = min(bins, width)
        z, which = binned(table, effect, layers, width, n)
        figure.add_trace(
            go.Heatmap(
                z=z.astype(np.float32),
                x=((np.arange(n) + 0.5) * width / n - 0.5).astype(np.float32),
                y=layers,
                customdata=which.astype(np.int32),
                coloraxis="coloraxis",
                hoverongaps=False,
                hovertemplate=f"layer %{{y}}, {plain(site)}<br>unit %{{customdata}}: effect "
                f"%{{z:.2f}}, the largest of about {-(-width // n)}<extra></extra>",
            ),
            row=row,
            col=1,
        )
        title = f"unit index at {plain(site)} (0 to {width - 1:,})"
        figure.update_xaxes(title={"text": title, "standoff": 4}, row=row, col=1)
    axis = dict(layer_axis(layers)) | {"title": {"text": "layer"}}
    figure.update_yaxes(**axis, showgrid=False, autorange="reversed")
    figure.update_xaxes(showgrid=False, zeroline=False)
    bar = {"title": {"text": "effect", "font": {"size": 13}}, "thickness": 12}
    figure.update_layout(
        coloraxis={"colorscale": DIVERGING, "cmin": -limit, "cmax": limit, "colorbar": bar}
        if signed
        else {"colorscale": "Cividis", "cmin": 0, "cmax": limit, "colorbar": bar}
    )
    caption = (
        f"Each cell is an interval of unit indices; its colour is the largest {EFFECTS[effect]} in "
        f"it{', in size, with its sign' if signed else ''}. The colours end at "
        f"{'±' if signed else ''}{fixed(limit)} "
        f"({SATURATED:g}th percentile of the size). Neighbours in index are not neighbours in "
        "anything else; columns that run through all layers would be. Blank: nothing testable."
    )
    return frame(figure, _title(units), caption, height=height)


def binned(
    units: pd.DataFrame, effect: str, layers: list[int], width: int, n: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The largest effect in size in each bin, and its unit; both [layer, bin], NaN and -1 for none.

    All of it in sorted arrays: no loop over units.
    """
    values = units[effect].to_numpy(float)
    unit = units["unit"].to_numpy(np.int64)
    cell = np.searchsorted(layers, units["layer"].to_numpy()) * n + unit * n // width
    order = np.argsort(np.abs(values), kind="stable")
    order = order[np.isfinite(values[order])]
    z, which = np.full(len(layers) * n, np.nan), np.full(len(layers) * n, -1)
    # Of several values for one cell the last is kept: the largest.
    z[cell[order]] = values[order]
    which[cell[order]] = unit[order]
    return z.reshape(len(layers), n), which.reshape(len(layers), n)


def _panel(layers: list[int]) -> int:
    return 40 + max(60, min(8 * len(layers), 260))


def _title(units: pd.DataFrame) -> str:
    top = strongest(units, max(1, round(TOP_SHARE * len(units))))
    if top.empty:
        return "No unit could be tested in any layer"
    places = top.groupby(["layer", "site"]).size()
    layer, site = places.index[int(places.to_numpy().argmax())]
    most = int(places.max())
    return (
        f"Of the strongest {whole(len(top))} units ({percent(TOP_SHARE, 0)}), {whole(most)} are "
        f"in layer {layer} of {site}, more than anywhere else"
    )
