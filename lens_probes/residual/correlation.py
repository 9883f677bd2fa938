"""Correlations over units: of successive states (L06.b), and of tokens with tokens (L05)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray

from lens_probes.arrays import LARGEST
from lens_probes.errors import InputError, number, whole
from lens_probes.model.wrap import Model, check_model
from lens_probes.residual.sinks import SINK_RATIO, Sink, attention_sinks, check_ratio
from lens_probes.residual.stream import Tokens, check_tokens, read, stream
from lens_probes.sites import check_layers, check_sites

OUTLIER_Z = 6.0
_NORMAL_MAD = 0.6744897501960817  # median absolute deviation of a standard normal


@dataclass(frozen=True)
class StreamCorrelation:
    """Correlation of each state of a token with the next one, over dimensions.

    Attributes
    ----------
    r, r_masked
        Pearson r of the state that enters a layer with the one that leaves it, over all dimensions,
        and without those outlying at either state in that token: [layer, sequence, position].
    n_masked
        Dimensions left out: [layer, sequence, position].
    outlying_share
        Share of all tokens in which a dimension is outlying: [state, d_model].
    norm
        Of the stream: [state, sequence, position].
    sinks
        Tokens whose stream is `sink_ratio` times the median or longer, longest first. Their r is
        near 1 for the wrong reason: judge L06.b without them (`at_sink`).
    """

    r: Float[np.ndarray, "layer sequence position"]
    r_masked: Float[np.ndarray, "layer sequence position"]
    n_masked: Int[np.ndarray, "layer sequence position"]
    outlying_share: Float[np.ndarray, "state d_model"]
    norm: Float[np.ndarray, "state sequence position"]
    sinks: tuple[Sink, ...]
    outlier_z: float
    sink_ratio: float

    def outlier_dimensions(self, state: int, *, share: float = 0.5) -> tuple[int, ...]:
        """Dimensions outlying in at least this share of the tokens, the most frequent first."""
        found = self.outlying_share[state]
        order = np.argsort(-found, kind="stable")
        return tuple(int(i) for i in order[found[order] >= share])

    @property
    def at_sink(self) -> Bool[np.ndarray, "layer sequence position"]:
        """Whether the token is a sink at the state that enters the layer or leaves it."""
        sink = np.zeros(self.norm.shape, bool)
        for one in self.sinks:
            sink[one.state, one.sequence, one.position] = True
        return sink[:-1] | sink[1:]


def stream_correlation(
    model: Model,
    tokens: Tokens,
    *,
    outlier_z: float = OUTLIER_Z,
    sink_ratio: float = SINK_RATIO,
) -> StreamCorrelation:
    """How much of a token's state a block keeps: r of successive states, with and without outliers.

    A few dimensions of the stream are so large that they alone decide the raw correlation. The
    rule: in one token's state a value is outlying when its robust z over the dimensions, |value -
    median| / (MAD / 0.674), exceeds `outlier_z` (Iglewicz and Hoaglin 1993; of normal values one in
    5e8 exceeds 6). The states are those between the blocks, none through the final norm (L06, L07).

    Parameters
    ----------
    model
        Of `load_model`, or a model in memory (`wrap_model`).
    tokens
        [position] token ids of one text, or [sequence, position].
    outlier_z
        Robust z beyond which a dimension is masked.
    sink_ratio
        A token whose norm is so many median norms is an attention sink.

    Raises
    ------
    InputError
        Tokens the model cannot read, a threshold that is not positive.
    """
    if not number("outlier_z", outlier_z, least=-LARGEST, most=LARGEST) > 0:
        raise InputError(f"outlier_z must be more than 0; got {outlier_z!r}.")
    check_ratio(sink_ratio)
    model = check_model(model)
    states = stream(model, tokens).astype(np.float64)
    outlying = robust_z(states) > outlier_z
    norm = np.linalg.norm(states, axis=-1)
    masked = outlying[:-1] | outlying[1:]
    return StreamCorrelation(
        r=_pearson(states[:-1], states[1:], np.zeros_like(masked)),
        r_masked=_pearson(states[:-1], states[1:], masked),
        n_masked=masked.sum(axis=-1),
        outlying_share=outlying.mean(axis=(1, 2)),
        norm=norm,
        sinks=attention_sinks(norm, ratio=sink_ratio),
        outlier_z=outlier_z,
        sink_ratio=sink_ratio,
    )


def robust_z(values: Float[np.ndarray, "*token d_model"]) -> Float[np.ndarray, "*token d_model"]:
    """|value - median| in units of MAD / 0.674 over the last axis; 0 where nothing deviates."""
    deviation = np.abs(values - np.median(values, axis=-1, keepdims=True))
    scale = np.median(deviation, axis=-1, keepdims=True) / _NORMAL_MAD
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(deviation == 0, 0.0, deviation / scale)


@dataclass(frozen=True)
class TokenCorrelations:
    """Correlation of every token of a text with every other one, over the units of a site.

    Attributes
    ----------
    activations
        [position, unit]: two rows make the scatter of two tokens.
    r
        [position, position]; NaN for a token whose units are all equal.
    first_with_others, among_others
        Mean r of the first token with the others, and of the others with one another (L05.a).
    """

    layer: int
    site: str
    activations: Float[np.ndarray, "position unit"]
    r: Float[np.ndarray, "position position"]
    first_with_others: float
    among_others: float


def token_correlations(model: Model, tokens: Tokens, layer: int, site: str) -> TokenCorrelations:
    """Token x token correlations over all units of one site in one layer (L05).

    tokens: [position], one text of three tokens or more.

    Parameters
    ----------
    model
        Of `load_model`, or a model in memory (`wrap_model`).
    tokens
        [position] token ids of one text, three or more.
    layer, site
        Where activations are read.

    Raises
    ------
    InputError
        No such layer or site, tokens the model cannot read, fewer than three of them.
    """
    model = check_model(model)
    ids = check_tokens(model, tokens, axes=1)
    if len(ids) < 3:
        raise InputError(f"token correlations need 3 tokens or more; got {len(ids)}.")
    (layer,) = check_layers(whole("layer", layer), model.n_layers)
    (site,) = check_sites([site], model.shapes)
    values = read(model, ids[None], [(layer, site)])[layer, site][0]
    wide = values.astype(np.float64)
    wide -= wide.mean(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        wide /= np.linalg.norm(wide, axis=1, keepdims=True)
    r = wide @ wide.T
    others = r[1:, 1:][np.triu_indices(len(ids) - 1, 1)]
    return TokenCorrelations(layer, site, values, r, float(r[0, 1:].mean()), float(others.mean()))


def _pearson(
    x: NDArray[np.float64], y: NDArray[np.float64], left_out: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Pearson r over the last axis without some of its entries; NaN where one side is constant."""
    keep = ~left_out
    n = keep.sum(axis=-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        x = np.where(keep, x - (x * keep).sum(axis=-1, keepdims=True) / n, 0.0)
        y = np.where(keep, y - (y * keep).sum(axis=-1, keepdims=True) / n, 0.0)
        scale = np.sqrt((x * x).sum(axis=-1) * (y * y).sum(axis=-1))
        r: NDArray[np.float64] = (x * y).sum(axis=-1) / scale
    return r
