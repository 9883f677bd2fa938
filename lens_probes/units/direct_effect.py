"""Direct effect of a unit on the vocabulary: what it writes, read off by the unembedding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray

from lens_probes.errors import InputError
from lens_probes.model.check import two_rows
from lens_probes.model.load import LensModel
from lens_probes.sites import SITES

MLP_SITES = ("mlp_pre", "mlp_pre_linear", "mlp_post")
N_OTHERS = 20
# Large enough that the norm's epsilon does not count beside it.
_LARGE = 1e3
_NONE = "no direct effect on the vocabulary can be given for this model"
# Largest part of what is written or read that may not follow.
_LINEAR = {torch.bfloat16: 0.1, torch.float16: 0.02}


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

    That is `W_out[unit]` through the final norm and the unembedding, as if no later layer read it,
    times what the model multiplies on that way (residual and logit multipliers), as measured.
    The norm divides by a scale that depends on everything in the residual stream: here by the mean
    over `residual`, final residual streams at typical positions, held fixed.

    Raises
    ------
    InputError
        A layer without a single MLP output matrix, a model without a tokenizer, or one in which the
        way is not linear: what the MLP writes is normed, or the logits are capped.
    """
    if model.tokenizer is None:
        raise InputError("this model has no tokenizer, so its logits have no tokens to name.")
    weights = {layer: model.mlp_output_weights(layer) for layer, _ in units}
    multiplied = _multiplied(model, weights)
    weights = {layer: rows * multiplied[layer] for layer, rows in weights.items()}
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


def _multiplied(model: LensModel, weights: Mapping[int, torch.Tensor]) -> dict[int, float]:
    """Layer -> what the model multiplies between a unit's row and the logits: 1 in most.

    Both halves of the way are run: MLP units are changed and the residual stream that leaves the
    block is read; final streams go through norm and unembedding and are held against the logits.
    """
    tokens = two_rows(model.cfg).to(model.device)
    enters = {layer: SITES["resid_pre"].hook_name(layer) for layer in weights}
    last = SITES["resid_post"].hook_name(model.n_layers - 1)
    with model.computing(gradients=False):
        logits, cache = model.run_with_cache(tokens, names_filter=[*enters.values(), last])
        if last not in cache:
            raise InputError(f"{_NONE}: what leaves its last block cannot be read.")
        read = model.final_norm(cache[last]) @ model.unembedding() + model.unembedding_bias()
        found = {}
        for layer, rows in weights.items():
            changed, written = _change_of_units(model, layer, cache[enters[layer]])
            why = "what its MLPs write is normed before it is added"
            found[layer] = _slope(model, changed.float() @ rows.float(), written.float(), why)
    why = "its logits are no multiple of what final norm and unembedding give (capped?)"
    end = _slope(model, read.float(), logits.float(), why)
    return {layer: one * end for layer, one in found.items()}


def _change_of_units(
    model: LensModel, layer: int, entering: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """A change of the MLP's units [..., unit], and of what leaves the block [..., d_model]."""
    change: list[torch.Tensor] = []

    def other_units(tensor: torch.Tensor, hook: object) -> torch.Tensor:
        change.append(tensor.roll(1, dims=-1) - tensor)
        return tensor + change[0]

    hooks = [(SITES["mlp_post"].hook_name(layer), other_units)]
    plain = model.run_from(layer, entering, stop_at_layer=layer + 1)
    other = model.run_from(layer, entering, fwd_hooks=hooks, stop_at_layer=layer + 1)
    return change[0].reshape(*entering.shape[:-1], -1), other - plain


def _slope(model: LensModel, x: torch.Tensor, y: torch.Tensor, otherwise: str) -> float:
    """The one number that makes `y` of `x` [..., column], a constant aside; an error otherwise."""
    x, y = (one.double() - one.double().mean(-1, keepdim=True) for one in (x, y))
    slope = float((x * y).sum() / x.square().sum())
    error = float((y - slope * x).abs().max() / y.abs().max())
    if not error <= _LINEAR.get(model.dtype, 1e-3):
        raise InputError(f"{_NONE}: {otherwise}.")
    return slope


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
