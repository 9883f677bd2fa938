"""What TransformerLens has done to a model's weights, read off the model as it is."""

from __future__ import annotations

from typing import Any

import torch

from lens_probes.model.offload import block_here

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
    centred, has_q, has_v = _centred(tl.W_E), False, False
    for layer in range(len(tl.blocks)):
        with block_here(tl, layer) as block:
            for written in (_weight(block, "mlp", "W_out"), _weight(block, "attn", "W_O")):
                centred = centred and (written is None or _centred(written))
            has_q |= _has(block, "b_Q", missing=False)
            has_v |= _has(block, "b_V", missing=True)
    folded_values = has_q and not has_v
    differs = [*(_WRITTEN if centred else ()), *(("v", "z") if folded_values else ())]
    return {
        "norms_folded": _norms_folded(tl),
        "writing_weights_centred": centred,
        "unembedding_centred": _centred(tl.W_U),
        "value_biases_folded": folded_values,
        "differs_at": differs,
    }


def _norms_folded(tl: Any) -> bool:
    if not hasattr(tl, "original_model"):
        return str(tl.cfg.normalization_type).endswith("Pre")
    weight = getattr(getattr(tl, "ln_final", None), "weight", None)
    plain = isinstance(weight, torch.Tensor) and bool((weight == 1).all())
    return plain and bool(getattr(tl, "_weights_processed", False))


def _centred(weight: torch.Tensor) -> bool:
    """Whether every row has the mean 0, as far as its numbers allow."""
    weight, wide = weight.detach(), torch.float32
    rms = float(torch.linalg.vector_norm(weight, dtype=wide)) / weight.numel() ** 0.5
    largest = float(weight.mean(-1, dtype=wide).abs().max())
    return bool(rms) and largest <= _CENTRED * rms / weight.shape[-1] ** 0.5


def _has(block: Any, name: str, *, missing: bool) -> bool:
    """Whether biases of an attention are there and not 0; `missing` where it has none."""
    bias = _weight(block, "attn", name)
    return missing if bias is None else bool(bias.any())


def _weight(block: Any, part: str, name: str) -> torch.Tensor | None:
    """A weight in TransformerLens's layout; None where a block has none of this name."""
    try:
        weight = getattr(getattr(block, part), name)
    except Exception:  # a bridge raises whatever its conversion raises
        return None
    return weight if isinstance(weight, torch.Tensor) else None
