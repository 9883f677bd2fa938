"""Figures of the residual stream: sums, correlations of states, path lengths, who sees whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from lens_probes.drawing.activation_axis import one_line_text, token_said
from lens_probes.drawing.frame import frame, layer_axis, plain
from lens_probes.drawing.numbers import fixed, percent, whole
from lens_probes.drawing.palette import line_style
from lens_probes.report.map_figures import DIVERGING

if TYPE_CHECKING:
    from lens_probes.residual import (
        BlockSums,
        PathLength,
        Sight,
        StreamCorrelation,
        TokenCorrelations,
    )

HEIGHT = 300
LEAST_ERROR = 1e-10
LABEL = 12
MAX_LABELS = 40


def sum_errors(sums: Sequence[BlockSums]) -> go.Figure:
    """How far state + attention + MLP is from the next state, layer by layer (L06)."""
    layers = [one.layer for one in sums]
    error = np.array([one.max_relative_error for one in sums])
    figure = go.Figure(
        go.Scatter(
            x=layers,
            y=np.maximum(error, LEAST_ERROR),
            customdata=np.array([[one.max_relative_error, one.max_absolute_error] for one in sums]),
            mode="lines+markers",
            line={"color": line_style(0)[0]},
            hovertemplate="layer %{x}<br>relative %{customdata[0]:.2e}, absolute "
            "%{customdata[1]:.2e}<extra></extra>",
        )
    )
    figure.update_layout(showlegend=False)
    figure.update_xaxes(**layer_axis(layers))
    figure.update_yaxes(type="log", exponentformat="power", title={"text": "relative error"})
    caption = (
        "Of the worst token: norm of H[l] + attention + MLP − H[l+1], relative to the norm of "
        f"H[l+1]. Floating-point error of float32 is about 1e-7 an addition; errors below "
        f"{LEAST_ERROR:g} are drawn there."
    )
    return frame(figure, sum_sentence(sums), caption, height=HEIGHT - 60)


def sum_sentence(sums: Sequence[BlockSums]) -> str:
    """The largest error of all layers, and where."""
    worst = max(sums, key=lambda one: one.max_relative_error)
    return (
        f"H[l] + attention + MLP is H[l+1] up to {worst.max_relative_error:.0e} of its norm in "
        f"each of {len(sums)} layers (largest in layer {worst.layer})"
    )


def ordinary_median(
    values: NDArray[np.floating], at_sink: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Median of each layer over tokens that are no sinks, NaN where all are: [layer]."""
    return np.array(
        [
            np.median(found) if (found := row[~sink & np.isfinite(row)]).size else np.nan
            for row, sink in zip(values, at_sink, strict=True)
        ]
    )


def state_correlation(found: StreamCorrelation) -> go.Figure:
    """Correlation of the states that enter and leave a block, raw and masked; sinks apart (L06)."""
    layers = list(range(len(found.r)))
    sink = found.at_sink
    figure = go.Figure()
    for index, (name, values) in enumerate(
        [("all dimensions", found.r), ("without outlying dimensions", found.r_masked)]
    ):
        colour, symbol, _ = line_style(index)
        figure.add_trace(
            go.Scatter(
                x=layers, y=ordinary_median(values, sink), name=name, mode="lines+markers",
                line={"color": colour, "dash": ("solid", "dash")[index]},
                marker={"symbol": symbol, "size": 7},
                hovertemplate=f"layer %{{x}}: median r %{{y:.3f}}<extra>{name}</extra>",
            )
        )  # fmt: skip
    if sink.any():
        layer, sequence, position = np.nonzero(sink)
        colour, symbol, _ = line_style(3)
        figure.add_trace(
            go.Scatter(
                x=layer, y=found.r[sink], name="attention sinks, all dimensions", mode="markers",
                customdata=np.stack([sequence, position], axis=1),
                marker={"color": colour, "symbol": symbol, "size": 8},
                hovertemplate="layer %{x}, position %{customdata[1]}: r %{y:.4f}"
                "<extra>sink</extra>",
            )
        )  # fmt: skip
    figure.update_layout(showlegend=True)
    figure.update_xaxes(**layer_axis(layers))
    figure.update_yaxes(title={"text": "r of H[l] with H[l+1]"})
    caption = (
        "Lines: median over tokens that are no attention sinks. A dimension is outlying in a token "
        f"where its robust z exceeds {found.outlier_z:g}; on average "
        f"{fixed(float(found.n_masked.mean()), 1)} of {found.outlying_share.shape[1]} are left "
        f"out. Sinks (streams {found.sink_ratio:g} times the median or longer) mostly "
        "correlate at nearly 1 because a few huge dimensions stay as they are."
    )
    return frame(figure, correlation_sentence(found), caption, height=HEIGHT)


def correlation_sentence(found: StreamCorrelation) -> str:
    """Median of the layers' medians, raw and masked, and what sinks give."""
    sink = found.at_sink
    raw, masked = (ordinary_median(values, sink) for values in (found.r, found.r_masked))
    if np.isnan(raw).all():
        return "Every token is an attention sink: no ordinary token to correlate"
    line = (
        f"Successive states correlate at {fixed(float(np.nanmedian(raw)), 3)} (median over layers)"
    )
    if np.isnan(masked).all():
        line += ", and are too short to correlate without outlying dimensions"
    else:
        low = int(np.nanargmin(masked))
        line += (
            f", without outlying dimensions at {fixed(float(np.nanmedian(masked)), 3)}; least "
            f"in layer {low}, {fixed(float(masked[low]), 3)}"
        )
    if sink.any():
        line += f". At attention sinks: {fixed(float(np.median(found.r[sink])), 3)}"
    return line


def steps_by_layer(path: PathLength) -> go.Figure:
    """How far a block moves tokens, and what attention and MLP add to it (L14)."""
    layers = list(range(len(path.norm)))
    figure = go.Figure()
    for index, (name, values) in enumerate(
        [
            ("whole block", path.relative_step),
            ("attention", path.relative_attention),
            ("MLP", path.relative_mlp),
        ]
    ):
        colour, symbol, _ = line_style(index)
        figure.add_trace(
            go.Scatter(
                x=layers, y=np.median(values, axis=1), name=name, mode="lines+markers",
                line={"color": colour, "dash": ("solid", "dash", "dot")[index]},
                marker={"symbol": symbol, "size": 7},
                hovertemplate=f"layer %{{x}}: %{{y:.1%}} of the norm<extra>{name}</extra>",
            )
        )  # fmt: skip
    figure.update_layout(showlegend=True)
    figure.update_xaxes(**layer_axis(layers))
    figure.update_yaxes(
        type="log", tickformat=".0%", title={"text": "norm added (% of what enters)"}
    )
    caption = (
        f"Median over {whole(path.norm.shape[1])} tokens of ‖what is added‖ / ‖state that enters‖. "
        "Relative, because the stream grows with depth: in its own units the last layers move "
        "every token most. The two parts need not add up to the whole: they may cancel."
    )
    return frame(figure, steps_sentence(path), caption, height=HEIGHT)


def steps_sentence(path: PathLength) -> str:
    """Where tokens move most, and which of the two parts adds more."""
    whole_step = np.median(path.relative_step, axis=1)
    attention = np.median(path.relative_attention, axis=1)
    mlp = np.median(path.relative_mlp, axis=1)
    most = int(whole_step.argmax())
    line = (
        f"The MLP adds more than attention in {int((mlp > attention).sum())} of {len(mlp)} "
        f"layers; tokens move most in layer {most}, by {percent(whole_step[most], 0)} of their "
        "norm"
    )
    if most == 0 and len(whole_step) > 1:
        later = 1 + int(whole_step[1:].argmax())
        line += f" (after it in layer {later}, by {percent(whole_step[later], 0)})"
    return line


def token_correlation_map(found: TokenCorrelations, pieces: Sequence[str]) -> go.Figure:
    """Correlation of every token with every other over the units of a site (L05)."""
    labels = [f"{i} {short_token(piece)}" for i, piece in enumerate(pieces)]
    figure = go.Figure(
        go.Heatmap(
            z=found.r,
            zmin=-1,
            zmax=1,
            colorscale=DIVERGING,
            customdata=[[(a, b) for b in labels] for a in labels],
            colorbar={"title": {"text": "r", "font": {"size": 13}}, "thickness": 12},
            hovertemplate="%{customdata[0]} with %{customdata[1]}: r = %{z:.3f}<extra></extra>",
        )
    )
    places = list(range(len(labels)))
    ticks = {"tickvals": places, "ticktext": labels} if len(labels) <= MAX_LABELS else {}
    figure.update_xaxes(**ticks, tickangle=-60, showgrid=False, automargin=True)
    figure.update_yaxes(**ticks, autorange="reversed", showgrid=False, automargin=True)
    caption = (
        f"Pearson r over the {whole(found.activations.shape[1])} units of {found.site} in layer "
        f"{found.layer}; the number before a token is its position. The first token sees no other "
        "and is an attention sink in most models."
    )
    height = 160 + 17 * min(len(labels), MAX_LABELS)
    return frame(figure, token_correlation_sentence(found), caption, height=height)


def token_correlation_sentence(found: TokenCorrelations) -> str:
    """The first token with the others, and the others with one another."""
    return (
        f"In L{found.layer}.{found.site} the first token correlates with the others at "
        f"{fixed(found.first_with_others)} on average, the others with one another at "
        f"{fixed(found.among_others)}"
    )


def sight_map(sight: Sight, pieces: Sequence[str]) -> go.Figure:
    """How much each token of a word notices when another one is changed (L14)."""
    change = sight.change.max(axis=2)
    labels = [short_token(piece) for piece in pieces]
    words = np.where(sight.sees, "sees it", "blind")
    figure = go.Figure(
        go.Heatmap(
            z=change,
            colorscale="Cividis",
            zmin=0,
            text=words,
            texttemplate="%{text}",
            customdata=[[(a, b) for b in labels] for a in labels],
            colorbar={"title": {"text": "change", "font": {"size": 13}}, "thickness": 12},
            hovertemplate="%{customdata[0]} changed: %{customdata[1]} changes by %{z:.2g} of its "
            "norm<extra></extra>",
        )
    )
    places = list(range(len(labels)))
    figure.update_xaxes(title={"text": "token that looks"}, tickvals=places, ticktext=labels)
    figure.update_yaxes(
        title={"text": "token that is changed"}, tickvals=places, ticktext=labels,
        autorange="reversed", automargin=True,
    )  # fmt: skip
    figure.update_xaxes(showgrid=False)
    figure.update_yaxes(showgrid=False)
    caption = (
        f"Relative change of the looking token's stream, mean over "
        f"{sight.replacements.shape[1]} replacements, in the state where it is largest. Blind: no "
        "state changed by more than floating-point error."
    )
    return frame(figure, sight_sentence(sight, pieces), caption, height=120 + 44 * len(labels))


def sight_sentence(sight: Sight, pieces: Sequence[str]) -> str:
    """Whether each token sees itself and what precedes it, and nothing else."""
    word = token_said("|".join(pieces))
    later = np.tril(sight.sees, -1)
    if later.any():
        changed, looking = np.argwhere(later)[0]
        return (
            f"In {word} {token_said(pieces[looking])} sees {token_said(pieces[changed])}, which "
            "comes after it: this model is not causal there"
        )
    if sight.sees[np.triu_indices(len(pieces))].all():
        return (
            f"In {word} the first token is blind to the rest, and the last one sees all of it: "
            "read a word at its last token"
        )
    return f"In {word} some token does not notice a change of one before it"


def short_token(piece: str) -> str:
    """A token as a tick label."""
    return plain(one_line_text(piece.strip(" ") or "␣", LABEL))
