"""Direct effect of a unit on the vocabulary: what it writes, read off by the unembedding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray

from lens_probes.errors import InputError
from lens_probes.model import LensModel

MLP_SITES = ("mlp_pre", "mlp_pre_linear", "mlp_post")
N_OTHERS = 20
# Large enough that the norm's epsilon does not count beside it.
_LARGE = 1e3


@dataclass(frozen=True)
class DirectEffect:
    """Tokens with what 1 of a unit adds to their logits, the largest and the smallest first.

    The mean over the vocabulary is taken off: it changes no probability. `others` is the largest
    change, up or down, that half of `N_OTHERS` random units of the same layer reach: every unit
    promotes something.
    """

    promoted: tuple[tuple[str, float], ...]
    suppressed: tuple[tuple[str, float], ...]
    others: float


def direct_effects(
    model: LensModel,
    units: Sequence[tuple[int, int]],
    residual: Float[torch.Tensor, "position d_model"],
    *,
    n: int = 8,
) -> tuple[DirectEffect, ...]:
    """Promoted and suppressed tokens of MLP units (layer, unit), by the direct path alone.

    That is `W_out[unit]` through the final norm and the unembedding, as if no later layer read it.
    The norm divides by a scale that depends on everything in the residual stream: here by the mean
    over `residual`, final residual streams at typical positions, held fixed.

    Raises
    ------
    InputError
        A layer without a single MLP output matrix, a model without a tokenizer.
    """
    if model.tokenizer is None:
        raise InputError("this model has no tokenizer, so its logits have no tokens to name.")
    weights = {layer: model.mlp_output_weights(layer) for layer, _ in units}
    values = _logits(model, torch.stack([weights[layer][u] for layer, u in units]), residual)
    rng = np.random.default_rng(0)
    others = {}
    for layer, rows in weights.items():
        drawn = rng.choice(len(rows), min(N_OTHERS, len(rows)), replace=False)
        random = _logits(model, rows[torch.from_numpy(drawn).to(rows.device)], residual)
        others[layer] = float(np.median(np.abs(random).max(axis=1)))
    return tuple(
        _strongest(model, one, n, others[layer])
        for one, (layer, _) in zip(values, units, strict=True)
    )


def _logits(
    model: LensModel,
    rows: Float[torch.Tensor, "unit d_model"],
    residual: Float[torch.Tensor, "position d_model"],
) -> Float[np.ndarray, "unit d_vocab"]:
    with model.computing(gradients=False):
        logits = _through_norm(model, rows.float(), residual.float()) @ model.unembedding().float()
    # Some models pad their vocabulary with rows that no token has.
    logits = logits[:, : len(model.tokenizer)]
    values: NDArray[np.float32] = (logits - logits.mean(dim=1, keepdim=True)).cpu().numpy()
    return values


def _through_norm(
    model: LensModel,
    rows: Float[torch.Tensor, "unit d_model"],
    residual: Float[torch.Tensor, "position d_model"],
) -> Float[torch.Tensor, "unit d_model"]:
    """Rows times the weight of the final norm, over its mean scale at `residual`.

    The norm is asked, not rebuilt: of a long vector it gives weight * vector / size, and whether
    the size is the root mean square or the standard deviation shows when a constant is added.
    """
    dtype = model.dtype

    def norm(x: torch.Tensor) -> torch.Tensor:
        return model.final_norm(x.to(model.device, dtype)).float()

    bias = norm(torch.zeros_like(rows))
    size = rows.square().mean(dim=1, keepdim=True).sqrt()
    unit_size = rows / size
    out = norm(_LARGE * unit_size) - bias
    if torch.allclose(norm(2 * _LARGE * unit_size) - bias, 2 * out, rtol=0.01):
        return out / _LARGE * size  # no norm at all: linear
    centred = torch.allclose(norm(_LARGE * (unit_size + 1)) - bias, out, rtol=0.01, atol=0.01)

    def scale(x: torch.Tensor) -> torch.Tensor:
        return (x - x.mean(dim=1, keepdim=True) * centred).square().mean(dim=1, keepdim=True).sqrt()

    return out * scale(rows) * (1 / scale(residual)).mean()


def _strongest(
    model: LensModel, logits: Float[np.ndarray, " d_vocab"], n: int, others: float
) -> DirectEffect:
    order = np.argsort(-logits, kind="stable")
    promoted, suppressed = order[:n], order[::-1][:n]
    return DirectEffect(
        tuple((_token(model, int(i)), float(logits[i])) for i in promoted),
        tuple((_token(model, int(i)), float(logits[i])) for i in suppressed),
        others,
    )


def _token(model: LensModel, token: int) -> str:
    """Text of one token; where it is part of a character, its name in the vocabulary."""
    text = str(model.tokenizer.decode([token], clean_up_tokenization_spaces=False))
    if text and "\ufffd" not in text:
        return text
    return str(model.tokenizer.convert_ids_to_tokens(token))
