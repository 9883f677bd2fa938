"""What TransformerLens has done to a model's weights, read off the model as it is."""

from __future__ import annotations

from typing import Any

import torch

# Means of rows are about rms / sqrt(d_model) where weights are as trained, rounding where centred.
_CENTRED = 0.05
_WRITTEN = ("resid_pre", "resid_mid", "resid_post", "attn_out", "mlp_out")


def weight_processing(tl: Any) -> dict[str, Any]:
    """Whether norms are folded, writing weights and unembedding centred, value biases folded.

    Folding norms changes no site by more than rounding. Centring changes all that is in the
    residual stream by its mean, and folded value biases leave `v` and `z`.

    Parameters
    ----------
    tl
        `HookedTransformer` or `TransformerBridge`.

    Returns
    -------
    Plain values; `differs_at` are the sites that are not those of the Hugging Face model.
    """
    blocks = list(tl.blocks)
    written = [_weight(block, "mlp", "W_out") for block in blocks]
    written += [_weight(block, "attn", "W_O") for block in blocks]
    centred = _centred([tl.W_E, *(one for one in written if one is not None)])
    folded_values = _value_biases_folded(blocks)
    differs = [*(_WRITTEN if centred else ()), *(("v", "z") if folded_values else ())]
    return {
        "norms_folded": _norms_folded(tl),
        "writing_weights_centred": centred,
        "unembedding_centred": _centred([tl.W_U]),
        "value_biases_folded": folded_values,
        "differs_at": differs,
    }


def _norms_folded(tl: Any) -> bool:
    if not hasattr(tl, "original_model"):
        return str(tl.cfg.normalization_type).endswith("Pre")
    weight = getattr(getattr(tl, "ln_final", None), "weight", None)
    plain = isinstance(weight, torch.Tensor) and bool((weight == 1).all())
    return plain and bool(getattr(tl, "_weights_processed", False))


def _centred(weights: list[torch.Tensor]) -> bool:
    """Whether every row has the mean 0, as far as its numbers allow."""
    for weight in weights:
        weight, wide = weight.detach(), torch.float32
        rms = float(torch.linalg.vector_norm(weight, dtype=wide)) / weight.numel() ** 0.5
        largest = float(weight.mean(-1, dtype=wide).abs().max())
        if not rms or largest > _CENTRED * rms / weight.shape[-1] ** 0.5:
            return False
    return True


def _value_biases_folded(blocks: list[Any]) -> bool:
    """Queries have biases and values have none."""

    def has(name: str) -> bool:
        biases = [_weight(block, "attn", name) for block in blocks]
        return any(bool(one.any()) for one in biases if one is not None)

    there = all(_weight(block, "attn", "b_V") is not None for block in blocks)
    return there and has("b_Q") and not has("b_V")


def _weight(block: Any, part: str, name: str) -> torch.Tensor | None:
    """A weight in TransformerLens's layout; None where a block has none of this name."""
    try:
        weight = getattr(getattr(block, part), name)
    except Exception:  # a bridge raises whatever its conversion raises
        return None
    return weight if isinstance(weight, torch.Tensor) else None
