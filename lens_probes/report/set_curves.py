"""How few units carry a behaviour: what is kept and what is left, by number of units."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from lens_probes.drawing.frame import frame
from lens_probes.drawing.palette import BLUE, GREY, VERMILLION
from lens_probes.screening.saved_set import SmallestSet

_STYLES = {"screen": (BLUE, "circle"), "t": (VERMILLION, "square"), "random": (GREY, "x")}
_RANKED = {"screen": "by the screen", "t": "by |t|", "random": "at random"}


def set_curves(found: Mapping[str, SmallestSet]) -> go.Figure:
    """Shares of the contrast by number of units, for units ranked in several ways.

    Solid: kept by these units alone (faithfulness), with 95 % limits; dotted: left without them
    (completeness). The curves end where all units are kept, and taken away.
    """
    figure = go.Figure()
    first = next(iter(found.values()))
    for rank, one in found.items():
        colour, symbol = _STYLES[rank]
        curve = one.curve[one.curve["k"] > 0]
        low, mid, high = (curve[f"faithfulness{end}"] for end in ("_low", "", "_high"))
        figure.add_trace(
            go.Scatter(
                x=curve["k"],
                y=mid,
                name=f"kept, ranked {_RANKED[rank]}",
                mode="lines+markers",
                line={"color": colour, "width": 2},
                marker={"symbol": symbol, "size": 6},
                error_y={
                    "type": "data",
                    "array": high - mid,
                    "arrayminus": mid - low,
                    "thickness": 1,
                    "width": 0,
                },
            )
        )
        figure.add_trace(
            go.Scatter(
                x=curve["k"],
                y=curve["completeness"],
                name=f"left, ranked {_RANKED[rank]}",
                mode="lines",
                line={"color": colour, "width": 1.5, "dash": "dot"},
            )
        )
    level = first.provenance["options"]["level"]
    figure.add_hline(y=level, line={"color": GREY, "width": 1, "dash": "dash"})
    n = first.provenance["n_units"]
    figure.update_xaxes(
        title={"text": "units kept, or taken away"}, type="log", range=[0, np.log10(n) + 0.05]
    )
    top = max(
        one.curve[["faithfulness", "completeness"]].to_numpy().max() for one in found.values()
    )
    figure.update_yaxes(
        title={"text": "share of the contrast"}, range=[-0.15, max(1.25, 1.05 * top)]
    )
    size = f"more than {n:,}" if np.isinf(first.size) else f"{first.size:,.0f}"
    title = (
        f"{first.provenance['question']} {size} of {n:,} units keep {100 * level:g}\u00a0%, ranked "
        f"{_RANKED[first.provenance['options']['rank']]}"
    )
    caption = (
        "All other units of these sites are at their mean over the prompts of a construction, all "
        "at once; units are ranked on half of the words and measured on the other half. Bars: 95 % "
        "over words. Above 1: more contrast than the whole model has."
    )
    return frame(figure, title, caption, height=430)
