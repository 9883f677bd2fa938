"""What all figures share: template, title, caption, and labels that cannot turn into markup."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from lens_probes.drawing.shown_figure import ShownFigure

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
TITLE_WIDTH = 78
CAPTION_WIDTH = 110
MAX_TICKS = 12
LEGEND_SPACE = 40
GOLDEN = 0.6180339887


def plain(text: object) -> str:
    """Text for a plotly label: plotly reads a subset of HTML, and a word may look like a tag."""
    return str(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def isolate(text: object) -> str:
    """Text that cannot pull its neighbours into its own direction of writing."""
    right_to_left = any(unicodedata.bidirectional(c) in ("R", "AL") for c in str(text))
    return f"\u2068{text}\u2069" if right_to_left else str(text)


def short(name: str, limit: int = 14) -> str:
    """A name cut to fit beside an axis."""
    return name if len(name) <= limit else name[: limit - 1] + "…"


def jitter(n: int) -> NDArray[np.float64]:
    """n places between -0.5 and 0.5, neighbours far apart, the same every time."""
    return np.arange(n, dtype=np.float64) * GOLDEN % 1 - 0.5


def evenly(n: int, limit: int) -> NDArray[np.int64]:
    """At most `limit` of n rows, evenly spread in their order."""
    if n <= limit:
        return np.arange(n)
    return np.unique(np.linspace(0, n - 1, limit).round().astype(np.int64))


def frame(figure: go.Figure, title: str, caption: str, *, height: int) -> go.Figure:
    """Give a figure its finding (title) and its account of what is drawn (caption).

    Both are also in `figure.layout.meta`, unwrapped, for a page that sets them itself. Colours of
    background, text and grid come from the template alone: `template="plotly_dark"` is enough.
    `height` is that of the axes and what is below them, in pixels.
    """
    finding, account = _wrap(title, TITLE_WIDTH), _wrap(caption, CAPTION_WIDTH)
    above = 30 + 21 * (1 + finding.count("<br>")) + 16 * (1 + account.count("<br>")) + LEGEND_SPACE
    figure.update_layout(
        template="plotly_white",
        font={"family": FONT, "size": 13},
        title={
            "text": finding,
            "subtitle": {"text": account},
            "x": 0.01,
            "y": 1 - 24 / (height + above),
            "yanchor": "top",
            "font": {"size": 16},
        },
        meta={"title": title, "caption": caption},
        margin={"l": 60, "r": 20, "t": above, "b": 50},
        height=height + above,
        legend={"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom"},
        hoverlabel={"align": "left"},
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": "#8A8F98", "activecolor": "#0072B2"},
    )
    figure.update_xaxes(title={"font": {"size": 13}})
    figure.update_yaxes(title={"font": {"size": 13}})
    figure.__class__ = ShownFigure
    return figure


def layer_axis(layers: Sequence[int]) -> Mapping[str, Any]:
    """Whole layer numbers only: the layers read, or every so many of them."""
    axis: dict[str, Any] = {"title": {"text": "layer (0 = first block)"}, "zeroline": False}
    if len(layers) <= MAX_TICKS:
        return axis | {"tickmode": "array", "tickvals": list(layers)}
    step = -(-(max(layers) - min(layers) + 1) // MAX_TICKS)
    return axis | {"tickmode": "array", "tickvals": list(range(min(layers), max(layers) + 1, step))}


def _wrap(text: str, width: int) -> str:
    return "<br>".join(plain(line) for line in textwrap.wrap(text, width))
