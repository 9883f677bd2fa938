"""Names at the right ends of lines, in place of a legend that a reader has to look up."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

DIRECT = "name of a line"
LABEL_PX, CHARACTER_PX, BELOW_PX = 16, 7, 50
_GLYPHS = {
    "circle": "●", "square": "■", "diamond": "◆", "triangle-up": "▲", "cross": "✚", "x": "✖",
    "star": "★", "triangle-down": "▼",
}  # fmt: skip


def label_ends(figure: go.Figure, *, height: float, panels: int = 1) -> go.Figure:
    """Write each line's name beside its last point, its marker before it in the line's colour.

    The y axes must have a range. `height` is that of all axes and what is below them, in pixels;
    names that would overlap are moved apart. A line without a point has no name. Call it last:
    it takes the legend away and widens the right margin.
    """
    lines = [line for line in figure.data if line.type == "scatter" and line.marker.symbol]
    longest = 0
    for axis in dict.fromkeys(line.yaxis or "y" for line in lines):
        ends = [
            (float(np.asarray(line.y, float)[np.isfinite(np.asarray(line.y, float))][-1]), line)
            for line in lines
            if (line.yaxis or "y") == axis and np.isfinite(np.asarray(line.y, float)).any()
        ]
        low, high = figure.layout[f"yaxis{axis[1:]}"].range
        gap = LABEL_PX / ((height - BELOW_PX) / panels) * (high - low)
        places = apart([end for end, _ in ends], gap, low, high)
        for place, (_, line) in zip(places, ends, strict=True):
            glyph = _GLYPHS.get(str(line.marker.symbol).removesuffix("-open"), "●")
            figure.add_annotation(
                name=DIRECT,
                text=f'<span style="color:{line.line.color}">{glyph}</span> {line.name}',
                x=1, xref="paper", xanchor="left", xshift=8,
                y=place, yref=axis, yanchor="middle",
                showarrow=False, font={"size": 12},
            )  # fmt: skip
            longest = max(longest, len(line.name))
    figure.update_layout(showlegend=False, margin={"r": 28 + CHARACTER_PX * longest})
    return figure


def apart(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Places moved as little as is needed to be `gap` apart, in their order, inside the range.

    Where the range is too short for all of them they are spread evenly over it.
    """
    if len(places) > 1:
        gap = min(gap, (high - low) / (len(places) - 1))
    order = sorted(range(len(places)), key=lambda i: places[i])
    moved, floor = [0.0] * len(places), -math.inf
    for i in order:
        moved[i] = max(places[i], floor, low)
        floor = moved[i] + gap
    ceiling = high
    for i in reversed(order):
        moved[i] = min(moved[i], ceiling)
        ceiling = moved[i] - gap
    return moved
