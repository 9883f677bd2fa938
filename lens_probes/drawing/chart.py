"""A figure as a page holds it: JSON that no text can break out of, title and caption apart."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go
import plotly.io as pio
from markupsafe import Markup

from lens_probes.drawing.direct_labels import DIRECT
from lens_probes.drawing.frame import FONT, LEGEND_SPACE


@dataclass(frozen=True)
class Chart:
    """A figure on the page: its title and caption are text of the page, not of the figure."""

    key: str
    title: str
    caption: str
    height: int
    data: Markup

    @classmethod
    def of(cls, key: str, figure: go.Figure) -> Chart:
        """Strip what the page sets itself (title, caption, colours of the theme)."""
        layout = figure.layout
        title, caption = layout.meta["title"], layout.meta["caption"]
        direct = [a for a in layout.annotations if a.name == DIRECT]
        above = len(layout.annotations) > len(direct)
        top = LEGEND_SPACE if _has_legend(figure) else 52 if above else 14 if direct else 30
        height = layout.height - layout.margin.t + top
        figure.update_layout(title=None, meta=None, template=None, height=height)
        figure.update_layout(margin={"t": top, "r": layout.margin.r if direct else 12})
        return cls(key, title, caption, height, embedded(json.loads(figure.to_json(engine="json"))))


def theme(name: str) -> dict[str, Any]:
    """A plotly template without a background of its own, so that the page's shows."""
    template: dict[str, Any] = pio.templates[name].to_plotly_json()
    template["layout"] |= {"paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)"}
    template["layout"]["font"] = {
        "family": FONT,
        "size": 13,
        "color": "#1d2126" if name == "plotly_white" else "#e4e7eb",
    }
    return {"layout": template["layout"]}


def embedded(value: Any) -> Markup:
    """JSON inside a script element: no "<" that could end it."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def _has_legend(figure: go.Figure) -> bool:
    """A scatter shows in the legend unless told not to; a bar only where the figure says so."""
    if figure.layout.showlegend is False:
        return False
    return bool(figure.layout.showlegend) or any(
        trace.showlegend is not False and trace.type == "scatter" for trace in figure.data
    )
