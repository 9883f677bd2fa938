"""Scores of held-out examples by layer, one panel a site: small multiples with named lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from lens_probes.drawing.frame import layer_axis, plain
from lens_probes.drawing.palette import GREY

PANEL, REST = 130, 60
Style = tuple[str, str, str, str]


def panels_height(table: pd.DataFrame) -> int:
    """Height of the axes of all panels and what is below them, in pixels."""
    return REST + PANEL * table["site"].nunique()


def site_panels(
    table: pd.DataFrame,
    lines: Mapping[str, Style],
    *,
    y_title: str,
    y_range: tuple[float, float],
    says: str,
    tickformat: str = "",
    band: Sequence[str] = (),
    counts: str = "layer",
) -> go.Figure:
    """One line for each column of `lines` that the table has: its name, colour, marker and dash.

    `says` is what a point says on hover, after layer, site and the line's name, with the column
    `counts` as customdata; `band` are the columns of the lower and upper edge of a grey band.
    """
    sites = list(dict.fromkeys(table["site"]))
    figure = make_subplots(
        rows=len(sites), cols=1, shared_xaxes=True, vertical_spacing=24 / panels_height(table)
    )
    for row, site in enumerate(sites, start=1):
        rows = table[table["site"] == site].sort_values("layer")
        for column, fill in zip(band, (None, "tonexty"), strict=False):
            figure.add_trace(_edge(rows, column, fill), row=row, col=1)
        for column, (name, colour, symbol, dash) in lines.items():
            if column not in rows:
                continue
            line = go.Scatter(
                x=rows["layer"].to_numpy(),
                y=rows[column].to_numpy(float),
                customdata=rows[counts].to_numpy(),
                name=name,
                showlegend=False,
                mode="lines+markers",
                connectgaps=False,
                cliponaxis=False,
                line={"color": colour, "dash": dash, "width": 2},
                marker={"symbol": symbol, "size": 7},
                hovertemplate=f"layer %{{x}}, {plain(site)}<br>{name}: {says}<extra></extra>",
            )
            figure.add_trace(line, row=row, col=1)
        title = {"text": f"{plain(site)}: {y_title}" if len(sites) == 1 else plain(site)}
        figure.update_yaxes(title=title, tickformat=tickformat, row=row, col=1)
    figure.update_yaxes(range=list(y_range))
    figure.update_xaxes(**layer_axis(sorted(set(table["layer"]))))
    for row in range(1, len(sites)):
        figure.update_xaxes(title=None, row=row, col=1)
    return figure


def _edge(rows: pd.DataFrame, column: str, fill: str | None) -> go.Scatter:
    return go.Scatter(
        x=rows["layer"].to_numpy(),
        y=rows[column].to_numpy(float),
        name="control task",
        showlegend=False,
        mode="lines",
        line={"color": GREY, "width": 0.5},
        fill=fill,
        fillcolor="rgba(138,143,152,0.25)",
        hovertemplate=f"layer %{{x}}: {column.replace('_', ' ')} %{{y:.3f}}<extra></extra>",
    )
