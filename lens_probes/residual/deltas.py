"""What a block adds: the sum that makes the next state (L06), and a token's path (L14)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from lens_probes.arrays import array_of, in_order
from lens_probes.errors import InputError, shown, whole
from lens_probes.model.wrap import Model, check_model
from lens_probes.residual.stream import Tokens, check_tokens, read
from lens_probes.sites import check_layers


@dataclass(frozen=True)
class BlockSums:
    """What enters a block, what attention and MLP add, what leaves: each [sequence, position, d].

    Attributes
    ----------
    max_absolute_error
        Largest absolute difference between `resid_pre + attn_out + mlp_out` and `resid_post`.
    max_relative_error
        Largest norm of a token's difference, relative to the norm of that token's `resid_post`.
    """

    layer: int
    resid_pre: Float[np.ndarray, "sequence position d_model"]
    attn_out: Float[np.ndarray, "sequence position d_model"]
    mlp_out: Float[np.ndarray, "sequence position d_model"]
    resid_post: Float[np.ndarray, "sequence position d_model"]
    max_absolute_error: float
    max_relative_error: float


def block_sums(model: Model, tokens: Tokens, layer: int) -> BlockSums:
    """H[l+1] = H[l] + attention + MLP, checked (L06).

    The sum is the same where the MLP reads what attention has left (GPT-2, Llama) and where both
    read what enters the block (Pythia).

    Raises
    ------
    InputError
        No such layer, tokens the model cannot read.
    """
    model = check_model(model)
    ids = check_tokens(model, tokens)
    (layer,) = check_layers(whole("layer", layer), model.n_layers)
    sites = ("resid_pre", "attn_out", "mlp_out", "resid_post")
    values = list(read(model, ids, [(layer, site) for site in sites]).values())
    pre, attention, mlp, post = (value.astype(np.float64) for value in values)
    error = pre + attention + mlp - post
    relative = np.linalg.norm(error, axis=-1) / np.linalg.norm(post, axis=-1)
    return BlockSums(
        layer=layer,
        resid_pre=values[0],
        attn_out=values[1],
        mlp_out=values[2],
        resid_post=values[3],
        max_absolute_error=float(np.abs(error).max()),
        max_relative_error=float(relative.max()),
    )


@dataclass(frozen=True)
class PathLength:
    """How far tokens move through the layers; one column a token, arrays [layer, token].

    Attributes
    ----------
    sequence, position
        Where each token is: [token].
    norm
        ||v|| of the stream that enters the block.
    step
        ||v_l - v_{l-1}||: what the block adds.
    attention, mlp
        Norms of its two parts; they need not add up to `step`.
    straight
        ||v_last - v_0||: [token].
    """

    sequence: Int[np.ndarray, " token"]
    position: Int[np.ndarray, " token"]
    norm: Float[np.ndarray, "layer token"]
    step: Float[np.ndarray, "layer token"]
    attention: Float[np.ndarray, "layer token"]
    mlp: Float[np.ndarray, "layer token"]
    straight: Float[np.ndarray, " token"]

    @property
    def relative_step(self) -> Float[np.ndarray, "layer token"]:
        """Step as a share of the norm of what enters: the stream grows, so late steps are long."""
        return np.asarray(self.step / self.norm)

    @property
    def relative_attention(self) -> Float[np.ndarray, "layer token"]:
        """What attention adds, as a share of the norm of what enters the block."""
        return np.asarray(self.attention / self.norm)

    @property
    def relative_mlp(self) -> Float[np.ndarray, "layer token"]:
        """What the MLP adds, as a share of the norm of what enters the block."""
        return np.asarray(self.mlp / self.norm)

    @property
    def total(self) -> Float[np.ndarray, " token"]:
        """Length of the whole path; never less than `straight`."""
        return np.asarray(self.step.sum(axis=0))


def path_length(
    model: Model,
    tokens: Tokens,
    positions: Sequence[int] | Sequence[Sequence[int]] | None = None,
) -> PathLength:
    """Distance that tokens' vectors move in every block, ||v_l - v_{l-1}|| (L14).

    Parameters
    ----------
    positions
        Tokens to follow: for one sequence their positions; for several one position, or a list of
        positions, a sequence. Negative ones count from the end. None is every token.

    Raises
    ------
    InputError
        Tokens the model cannot read, positions outside them.
    """
    model = check_model(model)
    ids = check_tokens(model, tokens)
    sequence, position = _places(ids, positions)
    layers = range(model.n_layers)
    sites = ("resid_pre", "attn_out", "mlp_out", "resid_post")
    cache = read(model, ids, [(layer, site) for layer in layers for site in sites])
    at = {key: value[sequence, position].astype(np.float64) for key, value in cache.items()}

    def norms(site: str) -> NDArray[np.float64]:
        return np.stack([np.linalg.norm(at[layer, site], axis=-1) for layer in layers])

    moved = [at[layer, "resid_post"] - at[layer, "resid_pre"] for layer in layers]
    return PathLength(
        sequence, position, norms("resid_pre"), np.linalg.norm(moved, axis=-1),
        norms("attn_out"), norms("mlp_out"), np.linalg.norm(np.sum(moved, axis=0), axis=-1),
    )  # fmt: skip


def _places(
    ids: NDArray[np.int64], positions: Sequence[int] | Sequence[Sequence[int]] | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Sequence and position of every token to follow: each [token]."""
    n, length = ids.shape
    if positions is None:
        sequence, position = np.divmod(np.arange(n * length), length)
        return sequence, position
    given: list[Any] = in_order("positions", positions)
    if n == 1 and all(
        getattr(one, "ndim", 0) == 0 and not isinstance(one, list | tuple) for one in given
    ):
        given = [given]
    rows = [np.atleast_1d(array_of("positions", one)) for one in given]
    if len(rows) != n or any(row.ndim != 1 or row.dtype.kind not in "iu" for row in rows):
        raise InputError(
            f"positions must be whole numbers, one or a list for each of {n} sequences; got "
            f"{shown(positions)}."
        )
    sequence, position = np.repeat(np.arange(n), [len(row) for row in rows]), np.concatenate(rows)
    outside = position[(position < -length) | (position >= length)]
    if outside.size:
        raise InputError(f"position {outside[0]} is outside the {length} tokens of a sequence.")
    return sequence, position % length
