"""Figures of maximisation by sampling: winners of batches, and a unit's examples at all heights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from lens_probes.drawing.activation_axis import one_line_text, said, token_said
from lens_probes.drawing.frame import frame, isolate, jitter, plain
from lens_probes.drawing.numbers import fixed, percent, whole
from lens_probes.drawing.palette import BLUE, GREEN, GREY, ORANGE, VERMILLION

if TYPE_CHECKING:
    from lens_probes.maximize import Context, TopContexts, Winners

MAX_BARS = 15
HOVER = 60
SAME_PLACE = 0.5


def winner_tokens(winners: Winners, unit: int) -> go.Figure:
    """Share of batches that each token wins, the commonest first (L03)."""
    table = winners.counts(unit)
    shown = table.head(MAX_BARS)
    names = [f"{plain(isolate(token_said(t)))}" for t in shown["token"]]
    figure = go.Figure(
        go.Bar(
            x=shown["share"].to_numpy(float),
            y=list(range(len(shown))),
            orientation="h",
            marker={"color": BLUE},
            customdata=shown[["n_batches", "n_places", "mean_value"]].to_numpy(float),
            text=names,
            textposition="none",
            hovertemplate="%{text} wins %{customdata[0]:,} batches at %{customdata[1]:,} places"
            "<br>mean activation there %{customdata[2]:.4g}<extra></extra>",
        )
    )
    figure.update_yaxes(
        tickvals=list(range(len(shown))), ticktext=names, autorange="reversed", automargin=True,
        showgrid=False,
    )  # fmt: skip
    figure.update_xaxes(title={"text": "batches won (%)"}, tickformat=".0%", rangemode="tozero")
    name = _name(winners.names, winners.units, unit)
    first, sinks = _of(winners.first_wins, winners.units, unit), _of(
        winners.sink_wins, winners.units, unit
    )  # fmt: skip
    caption = (
        f"{whole(winners.n_batches)} batches of {winners.batch} × {winners.length} tokens at "
        f"random offsets; the {len(shown)} commonest of {len(table)} winners. A batch reads "
        f"{percent(winners.coverage)} of {_drawn_from(winners)}: near 100 % one place wins them "
        f"all. Position 0 holds the largest value in {percent(first / winners.n_batches)} of "
        f"batches{' (left out)' * bool(winners.settings['skip_first'])}; attention sinks win "
        f"{percent(sinks / winners.n_batches)}."
    )
    return frame(figure, winner_sentence(winners, unit, name), caption, height=80 + 22 * len(shown))


def winner_sentence(winners: Winners, unit: int, name: str) -> str:
    """The commonest winner, how often it wins and at how many places."""
    table = winners.counts(unit)
    best = table.iloc[0]
    n_places = int(best["n_places"])
    line = (
        f"{token_said(best['token'])} wins {percent(best['share'], 0)} of "
        f"{whole(winners.n_batches)} batches of {name}, at {whole(n_places)} "
        f"place{'s' * (n_places != 1)} of the corpus; {len(table)} tokens win at all"
    )
    if winners.coverage >= SAME_PLACE:
        line += (
            f" (one batch reads {percent(winners.coverage, 0)} of {_drawn_from(winners)}: too much)"
        )
    return line


def _drawn_from(winners: Winners) -> str:
    """What the coverage of a batch is a share of."""
    return "the corpus" + " without documents too short to draw" * bool(winners.n_short_tokens)


def context_strip(contexts: TopContexts, unit: int) -> go.Figure:
    """Top, quantile, random and bottom tokens of a unit on one scale, their text on hover."""
    rows = _rows(contexts.contexts(unit))
    figure = go.Figure()
    for place, (label, (colour, of)) in enumerate(rows.items()):
        n = len(of)
        figure.add_trace(
            go.Scatter(
                x=[c.value for c in of],
                y=place + 0.6 * jitter(n) * (n > 1),
                customdata=[fixed(c.sds, 1) for c in of],
                text=[plain(isolate(context_said(c, HOVER))) for c in of],
                name=label,
                mode="markers",
                marker={"color": colour, "size": 8, "opacity": 0.8},
                hovertemplate="%{x:.4g} (%{customdata} SD from the mean)<br>%{text}"
                f"<extra>{plain(label)}</extra>",
            )
        )
    name = _name(contexts.names, contexts.units, unit)
    mean = float(_of(contexts.mean, contexts.units, unit))
    figure.add_vline(x=mean, line={"color": VERMILLION, "width": 1, "dash": "dot"})
    figure.update_layout(showlegend=False)
    figure.update_yaxes(
        tickvals=list(range(len(rows))), ticktext=list(rows), automargin=True, showgrid=False
    )
    figure.update_xaxes(title={"text": "activation"})
    caption = (
        f"{whole(contexts.n_counted)} tokens of the corpus were ranked; dotted: their mean. "
        f"Quantile and random examples are from {whole(contexts.n_sampled)} tokens drawn at "
        "random. The top alone always looks meaningful: read the rows below it too."
    )
    return frame(
        figure, contexts_sentence(contexts, unit, name), caption, height=60 + 44 * len(rows)
    )


def contexts_sentence(contexts: TopContexts, unit: int, name: str) -> str:
    """How far the top stands out, and whether it is one token over and over."""
    every = contexts.contexts(unit)
    top = [c for c in every if c.kind == "top"]
    random = [c for c in every if c.kind == "random"]
    tokens, counts = np.unique([c.token for c in top], return_counts=True)
    commonest = token_said(str(tokens[counts.argmax()]))
    return (
        f"The top {len(top)} of {whole(contexts.n_counted)} tokens drive {name} to "
        f"{said(top[-1].value)} to {said(top[0].value)}, {fixed(top[-1].sds, 1)} SD or more above "
        f"its mean; {len(random)} random ones reach {said(max(c.value for c in random))}. "
        f"{commonest} is {int(counts.max())} of the {len(top)}"
    )


def context_said(context: Context, limit: int) -> str:
    """A token in brackets with the text around it, on one line of about `limit` characters."""
    room = max(0, limit - len(context.token) - 2)
    after = context.after[: room // 4]
    before = context.before[-(room - len(after)) :] if room > len(after) else ""
    text = f"{before}[{context.token}]{after}"
    return one_line_text(text, len(text) + 1)


def _rows(contexts: tuple[Context, ...]) -> dict[str, tuple[str, list[Context]]]:
    """Row label -> colour and examples, the lowest first."""
    rows: dict[str, tuple[str, list[Context]]] = {}
    for kind, colour in (("bottom", ORANGE), ("random", GREY), ("quantile", GREEN), ("top", BLUE)):
        for context in contexts:
            if context.kind == kind:
                label = kind if context.quantile is None else f"quantile {context.quantile:g}"
                rows.setdefault(label, (colour, []))[1].append(context)
    return rows


def _name(names: tuple[str, ...], units: np.ndarray, unit: int) -> str:
    return names[int(np.flatnonzero(units == unit)[0])]


def _of(values: np.ndarray, units: np.ndarray, unit: int) -> float:
    return float(values[int(np.flatnonzero(units == unit)[0])])
