"""Attention sinks, known by the norm of the residual stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import ArrayLike, NDArray

from lens_probes.arrays import LARGEST, array_of, check_scale
from lens_probes.errors import InputError, number

SINK_RATIO = 10.0


@dataclass(frozen=True)
class Sink:
    """A token whose stream is far longer than usual.

    Attributes
    ----------
    state
        State `l` enters block `l`; the last leaves the last block.
    ratio
        Its norm, relative to the typical norm of that state.
    """

    state: int
    sequence: int
    position: int
    ratio: float


def typical_norm(norm: Float[np.ndarray, "state sequence position"]) -> Float[np.ndarray, " state"]:
    """Median norm of a state over all tokens: what a sink is compared with."""
    typical: Float[np.ndarray, " state"] = np.median(_norms(norm), axis=(1, 2))
    return typical


def _norms(norm: Any) -> NDArray[np.float64]:
    """Norms [state, sequence, position]: finite numbers above 0."""
    got = array_of("norm", norm)
    if got.ndim != 3 or not got.size or got.dtype.kind not in "fiu":
        raise InputError(
            f"norm must be numbers [state, sequence, position]; got {got.dtype} of shape "
            f"{list(got.shape)}."
        )
    return _positive("norm", got)


def _positive(name: str, got: NDArray[Any]) -> NDArray[np.float64]:
    values = got.astype(np.float64)
    if not ((values > 0) & (values < np.inf)).all():
        raise InputError(f"{name} must be finite and above 0: norms of a residual stream.")
    check_scale(name, values)
    return values


def is_sink(
    norm: Float[np.ndarray, "*token"], typical: ArrayLike, ratio: float = SINK_RATIO
) -> Bool[np.ndarray, "*token"]:
    """The rule, here and in `maximize`: a stream `ratio` times the typical norm or longer."""
    return np.asarray(norm >= ratio * np.asarray(typical))


def check_ratio(ratio: Any) -> None:
    """An error for anything but a number above 1."""
    if not number("ratio", ratio, least=-LARGEST, most=LARGEST) > 1:
        raise InputError(f"the ratio of a sink must be more than 1; got {ratio!r}.")


def attention_sinks(
    norm: Float[np.ndarray, "state sequence position"],
    *,
    typical: ArrayLike | None = None,
    ratio: float = SINK_RATIO,
) -> tuple[Sink, ...]:
    """Tokens that attention uses as a place to rest, longest first.

    Their residual stream is tens to hundreds of times the usual length and nearly the same whatever
    the token is, so that activations read there say little about it. The first position is one in
    most models, but others are too (after a BOS token, after punctuation): hence by norm (Sun et
    al. 2024, Massive Activations in Large Language Models, arXiv:2402.17762).

    Parameters
    ----------
    norm
        Norms of the residual stream, as in `StreamCorrelation.norm`.
    typical
        Typical norm of every state [state], from an ordinary text; by default the median of `norm`.
        Lone words need it: each is a sink, so that none stands out among them.
    ratio
        A sink is at least this many times the typical norm.

    Raises
    ------
    InputError
        A typical norm for another number of states, a ratio of 1 or less.
    """
    check_ratio(ratio)
    norm = _norms(norm)
    base = typical_norm(norm) if typical is None else array_of("typical", typical)
    if base.dtype.kind not in "fiu":
        raise InputError(f"typical norms must be numbers; got {base.dtype}.")
    if base.shape != (len(norm),):
        raise InputError(
            f"typical norms must be [{len(norm)}], one a state; got shape {list(base.shape)}."
        )
    base = _positive("typical", base)
    ratios = norm / base[:, None, None]
    found = [
        Sink(int(s), int(n), int(p), float(ratios[s, n, p]))
        for s, n, p in np.argwhere(is_sink(norm, base[:, None, None], ratio))
    ]
    return tuple(sorted(found, key=lambda sink: -sink.ratio))
