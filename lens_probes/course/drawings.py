"""The kinds of figure that lessons draw beside the figures of a sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike

from lens_probes.drawing.frame import evenly, frame, jitter, plain
from lens_probes.drawing.palette import line_style

_MOST_POINTS = 4000


def lines(
    series: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    title: str,
    caption: str,
    x: str,
    y: str,
    percent: bool = False,
) -> go.Figure:
    """One line a name: (x values, y values)."""
    figure = go.Figure()
    for number, (name, (across, up)) in enumerate(series.items()):
        colour, symbol, dash = line_style(number)
        figure.add_scatter(
            x=np.asarray(across).tolist(), y=np.asarray(up, np.float64).tolist(), name=plain(name),
            mode="lines+markers",
            line={"color": colour, "dash": dash}, marker={"symbol": symbol},
        )  # fmt: skip
    figure.update_xaxes(title={"text": plain(x)})
    figure.update_yaxes(title={"text": plain(y)}, tickformat=".0%" if percent else None)
    return frame(figure, title, caption, height=340)


def histograms(groups: Mapping[str, ArrayLike], *, title: str, caption: str, x: str) -> go.Figure:
    """How the values of each name are distributed, from their 0.1 % to their 99.9 % quantile."""
    curves = {}
    for name, values in groups.items():
        x_values = np.asarray(values, np.float64)
        low, high = np.quantile(x_values, (0.001, 0.999))
        edges = np.linspace(low, high, 81)
        density = np.histogram(x_values, edges, density=True)[0]
        curves[name] = ((edges[1:] + edges[:-1]) / 2, density)
    return lines(curves, title=title, caption=caption, x=x, y="density")


def matrix(r: ArrayLike, labels: Sequence[str], *, title: str, caption: str) -> go.Figure:
    """Correlations of everything with everything, from -1 to 1."""
    names = [plain(name) for name in labels]
    heat = go.Heatmap(z=r, x=names, y=names, zmin=-1, zmax=1, colorscale="RdBu_r")
    return frame(go.Figure(heat), title, caption, height=460)


def points(
    groups: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    title: str,
    caption: str,
    x: str,
    y: str,
) -> go.Figure:
    """One cloud a name; very many points are thinned evenly, which the caption says."""
    figure = go.Figure()
    n_all = n_drawn = 0
    for number, (name, (across, up)) in enumerate(groups.items()):
        colour, symbol, _ = line_style(number)
        here, there = np.asarray(across, np.float64), np.asarray(up, np.float64)
        rows = evenly(len(here), _MOST_POINTS)
        n_all, n_drawn = n_all + len(here), n_drawn + len(rows)
        figure.add_scatter(
            x=here[rows], y=there[rows], name=plain(name),
            mode="markers", marker={"color": colour, "symbol": symbol, "size": 5, "opacity": 0.6},
        )  # fmt: skip
    figure.update_xaxes(title={"text": plain(x)})
    figure.update_yaxes(title={"text": plain(y)})
    thinned = f" {n_drawn:,} of {n_all:,} points are drawn." if n_drawn < n_all else ""
    return frame(figure, title, caption + thinned, height=380)


def strips(
    groups: Mapping[str, Mapping[str, Sequence[float]]], *, title: str, caption: str, y: str
) -> go.Figure:
    """Values by category (a word), one colour a group (a class)."""
    figure = go.Figure()
    names: list[str] = []
    for number, (group, categories) in enumerate(groups.items()):
        colour, symbol, _ = line_style(number)
        across: list[float] = []
        up: list[float] = []
        for category, values in categories.items():
            across += (len(names) + 0.5 * jitter(len(values))).tolist()
            up += [float(v) for v in values]
            names.append(category)
        figure.add_scatter(
            x=across, y=up, name=plain(group), mode="markers",
            marker={"color": colour, "symbol": symbol},
        )  # fmt: skip
    figure.update_xaxes(
        tickmode="array", tickvals=list(range(len(names))), ticktext=[plain(n) for n in names]
    )
    figure.update_yaxes(title={"text": plain(y)})
    return frame(figure, title, caption, height=380)
