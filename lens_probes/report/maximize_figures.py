"""Figures of activation maximisation: over embeddings and over tokens, each beside its null."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from lens_probes.drawing.activation_axis import (
    ActivationAxis,
    mean_and_range,
    one_line_text,
    said,
    token_said,
)
from lens_probes.drawing.frame import evenly, frame, jitter, plain
from lens_probes.drawing.numbers import fixed, percent, whole
from lens_probes.drawing.palette import BLUE, GREEN, GREY, ORANGE, VERMILLION

if TYPE_CHECKING:
    from lens_probes.maximize import Maximized, MaximizedTokens, Reproducibility, TopContexts

HEIGHT = 300
MAX_STEPS = 200
MAX_STARTS = 10
MAX_POINTS = 400
THIN_LINE = 0.8


def activation_path(run: Maximized) -> go.Figure:
    """Activation of the unit and of its neighbours, step by step, one line a start (L02)."""
    steps = evenly(len(run.path), MAX_STEPS)
    starts = evenly(run.path.shape[1], MAX_STARTS)
    near = run.neighbours_path[np.ix_(steps, starts)].reshape(len(steps), -1)
    target = run.path[np.ix_(steps, starts)]
    axis = ActivationAxis.of(np.hstack([target, near]), run.path[0])
    figure = go.Figure()
    for lines, name, colour, width in (
        (near, f"{len(run.neighbours)} neighbours by index", GREY, THIN_LINE),
        (target, plain(run.name), BLUE, 2.5),
    ):
        if not lines.shape[1]:
            continue
        x, y, values = _with_gaps(steps, axis.place(lines), lines)
        figure.add_trace(
            go.Scatter(
                x=x, y=y, customdata=values, name=name, mode="lines",
                line={"color": colour, "width": width},
                hoverinfo="skip" if colour == GREY else None,
                hovertemplate=None if colour == GREY else "step %{x}: %{customdata:.4g}"
                f"<extra>{name}</extra>",
            )
        )  # fmt: skip
    figure.update_xaxes(title={"text": "step of the optimiser"})
    figure.update_yaxes(**axis.layout("activation"))
    settings = run.settings
    caption = (
        f"One line a start ({len(starts)} of {run.path.shape[1]} drawn): {settings['n_tokens']} "
        f"free embeddings, read as {settings['read']}; {settings['optimizer']}, learning rate "
        f"{settings['learning_rate']:g}, λ {settings['l2']:g}. Grey: units next to it by index, "
        "not optimised. Free embeddings are no text, and an activation can be high for them that "
        "no text reaches."
    )
    return frame(figure, _path_title(run), caption, height=HEIGHT)


def decode_cosines(run: Maximized) -> go.Figure:
    """Cosine of every embedding to its nearest token, before and after optimisation (L02)."""
    figure = go.Figure()
    for place, (name, decoded, colour) in enumerate(
        [("random start", run.start_decoded, GREY), ("optimised", run.decoded, BLUE)]
    ):
        cosine = decoded.cosine.ravel()
        tokens = (
            [token_said(t) for row in decoded.text for t in row]
            if decoded.text is not None
            else [f"token {i}" for i in decoded.tokens.ravel()]
        )
        figure.add_trace(
            go.Scatter(
                x=place + 0.5 * jitter(len(cosine)),
                y=cosine,
                text=[plain(token) for token in tokens],
                name=name,
                mode="markers",
                marker={"color": colour, "size": 8, "opacity": 0.8},
                hovertemplate="%{text}<br>cosine %{y:.3f}<extra>" + name + "</extra>",
            )
        )
        figure.add_shape(
            type="line", x0=place - 0.35, x1=place + 0.35, y0=cosine.mean(), y1=cosine.mean(),
            line={"color": VERMILLION, "width": 2},
        )  # fmt: skip
    figure.update_layout(showlegend=False)
    figure.update_xaxes(tickvals=[0, 1], ticktext=["random start", "optimised"], range=[-0.6, 1.6])
    figure.update_yaxes(title={"text": "cosine to the nearest token"}, rangemode="tozero")
    caption = (
        f"One point an embedding ({run.decoded.tokens.size} in {run.path.shape[1]} starts), the "
        "token on hover; stroke: mean. The random starts are the null: whatever they decode to, "
        "they mean nothing. A token that an embedding shares with its own start was not found."
    )
    title = (
        f"Optimised embeddings of {run.name} lie at cosine {fixed(run.decoded.cosine.mean(), 3)} "
        f"to their nearest token, random starts at {fixed(run.start_decoded.cosine.mean(), 3)}; "
        f"{percent(run.share_start_tokens, 0)} decode to their start's own token"
    )
    return frame(figure, title, caption, height=HEIGHT)


def optima_compared(
    found: MaximizedTokens, free: Maximized | None = None, real: TopContexts | None = None
) -> go.Figure:
    """How high a unit goes: random text, the text found, real text, free embeddings."""
    rows: list[tuple[str, NDArray[np.floating], Sequence[str], str]] = [
        ("random tokens", found.random_activation, [], GREY),
        ("text found", found.activation, found.text, BLUE),
    ]
    if real is not None:
        column = real.names.index(found.name)
        contexts = real.contexts(int(real.units[column]), kinds=["top"])
        real_texts = [f"…{context.before}[{context.token}]" for context in contexts]
        rows.append(("best real text", real.top.value[:, column], real_texts, GREEN))
    if free is not None:
        rows.append(("free embeddings", free.activation, [], ORANGE))
    every = np.concatenate([values for _, values, _, _ in rows])
    axis = ActivationAxis.of(every, found.random_activation)
    figure = go.Figure()
    for place, (name, values, texts, colour) in enumerate(rows):
        order = np.argsort(values)[evenly(len(values), MAX_POINTS)]
        figure.add_trace(
            go.Scatter(
                x=axis.place(values[order]),
                y=place + 0.6 * jitter(len(order)) * (len(order) > 1),
                customdata=values[order],
                text=[plain(one_line_text(texts[i], 60)) if texts else name for i in order],
                name=name,
                mode="markers",
                marker={"color": colour, "size": 7, "opacity": 0.75},
                hovertemplate="%{customdata:.4g}: %{text}<extra></extra>",
            )
        )
    figure.update_layout(showlegend=False)
    figure.update_yaxes(
        tickvals=list(range(len(rows))), ticktext=[row[0] for row in rows], automargin=True
    )
    figure.update_xaxes(**axis.layout("activation"))
    caption = (
        f"Random tokens: {whole(found.n_evaluations)} sequences, as much computation as the search "
        "took (the null). Text found: one point a start, its text tokenised and run anew."
        + " Real text: the highest tokens of the corpus, with all of its window as context."
        * (real is not None)
        + " Free embeddings: optimised without being tokens: where no text need reach."
        * (free is not None)
    )
    beats = "more than" if found.beats_random else "no more than"
    title = (
        f"The text found drives {found.name} to {said(float(found.activation.max()))}, {beats} the "
        f"best of {whole(found.n_evaluations)} random ones "
        f"({said(float(found.random_activation.max()))})"
    )
    if real is not None:
        title += f"; the best real text to {said(float(rows[2][1].max()))}"
    return frame(figure, title, caption, height=70 + 60 * len(rows))


def restarts_against_chance(found: Reproducibility) -> go.Figure:
    """Distinct decoded tokens and cosines between restarts, beside random embeddings (L04)."""
    cosine = [float(draw.embedding_cosine.mean()) for draw in found.null]
    panels = [
        ("distinct decoded tokens", np.array(found.null_distinct), found.optima.n_distinct),
        (
            "mean cosine between two restarts",
            np.array(cosine),
            float(found.optima.embedding_cosine.mean()),
        ),
    ]
    figure = make_subplots(rows=1, cols=2, horizontal_spacing=0.12)
    for column, (name, null, observed) in enumerate(panels, start=1):
        figure.add_trace(
            go.Histogram(
                x=null, marker={"color": GREY}, nbinsx=30, name="random embeddings",
                hovertemplate="%{x}: %{y} draws<extra>random embeddings</extra>",
            ),
            row=1, col=column,
        )  # fmt: skip
        figure.add_vline(x=observed, line={"color": BLUE, "width": 3}, row=1, col=column)
        figure.update_xaxes(title={"text": name}, row=1, col=column)
    spread = np.ptp([*found.null_distinct, found.optima.n_distinct])
    figure.update_traces(xbins={"size": 1}, nbinsx=None, row=1, col=1)
    figure.update_xaxes(tickformat="d", dtick=max(1, int(spread) // 8), row=1, col=1)
    figure.update_yaxes(title={"text": "draws of the null"}, row=1, col=1)
    figure.update_layout(showlegend=False, bargap=0.05)
    p = f"p {fixed(found.p_distinct, 3)}, cosine: p {fixed(found.p_embedding, 3)}"
    caption = (
        f"Blue: {found.maximized.path.shape[1]} restarts. Grey: as many random embeddings of the "
        f"same lengths, {whole(len(found.null))} times. One-sided p: distinct tokens, {p} (optima "
        "more alike than chance). Many distinct tokens show nothing unless chance gives fewer."
    )
    low, high = min(found.null_distinct), max(found.null_distinct)
    title = (
        f"{found.maximized.path.shape[1]} restarts for {found.maximized.name} decode to "
        f"{found.optima.n_distinct} distinct tokens of {found.n_decoded}; random embeddings to "
        f"{low} to {high}"
    )
    return frame(figure, title, caption, height=HEIGHT - 40)


def path_sentence(run: Maximized) -> str:
    """Where the unit began and ended, and how far its neighbours moved."""
    n = run.path.shape[1]
    starts = "" if n == 1 else f"; mean and range of {n} starts"
    line = (
        f"{run.name} goes from {mean_and_range(run.path[0])} to {mean_and_range(run.path[-1])} in "
        f"{whole(len(run.path) - 1)} steps{starts}."
    )
    if not run.neighbours:
        return line
    moved = np.abs(run.neighbours_path[-1] - run.neighbours_path[0])
    return (
        f"{line} Its {len(run.neighbours)} neighbours by index move by "
        f"{said(float(np.median(moved)))} (median, up or down)."
    )


def _path_title(run: Maximized) -> str:
    rise = float((run.path[-1] - run.path[0]).mean())
    title = (
        f"{run.name} goes from {said(float(run.path[0].mean()))} to "
        f"{said(float(run.path[-1].mean()))} in {whole(len(run.path) - 1)} steps"
    )
    if not run.neighbours:
        return title
    moved = (run.neighbours_path[-1] - run.neighbours_path[0]).mean(axis=0)
    n_up = int((moved >= rise).sum())
    fewer = "none" if n_up == 0 else str(n_up)
    return f"{title}; {fewer} of its {len(moved)} neighbours rise{'s' * (n_up < 2)} as far"


def _with_gaps(
    steps: NDArray[np.int64], places: NDArray[np.float64], values: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Columns as one line with a gap after each: x, y and the values for the hover text."""
    n = places.shape[1]
    gap = np.full((1, n), np.nan)
    x = np.vstack([np.repeat(steps[:, None].astype(np.float64), n, axis=1), gap])
    return x.T.ravel(), np.vstack([places, gap]).T.ravel(), np.vstack([values, gap]).T.ravel()
