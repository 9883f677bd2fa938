"""HookedTransformers of the tiny models: the back end of hub names on TransformerLens 3."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForCausalLM

from lens_probes.model.load import LensModel, _shapes
from lens_probes.model.options import Processing


def hooked_tiny(folder: Path, *, processing: Processing) -> LensModel:
    """A HookedTransformer of a tiny folder (the library makes one of hub names and Llama only)."""
    import transformer_lens
    from transformer_lens.pretrained import weight_conversions as convert

    raw = AutoModelForCausalLM.from_pretrained(folder)
    c, kind = raw.config, raw.config.model_type
    heads = c.num_attention_heads
    options: dict[str, Any] = {
        "gpt2": {"act_fn": "gelu_new", "normalization_type": "LN"},
        "gpt_neo": {
            "act_fn": "gelu_new", "normalization_type": "LN", "use_attn_scale": False,
            "use_local_attn": True, "window_size": getattr(c, "window_size", None),
            "attn_types": getattr(c, "attention_layers", None),
        },
        "gpt_neox": {
            "act_fn": "gelu", "normalization_type": "LN", "parallel_attn_mlp": True,
            "positional_embedding_type": "rotary", "rotary_adjacent_pairs": False,
            "rotary_dim": c.hidden_size // heads // 4,
        },
        "llama": {
            "act_fn": "silu", "normalization_type": "RMS", "final_rms": True, "gated_mlp": True,
            "positional_embedding_type": "rotary", "rotary_adjacent_pairs": False,
            "rotary_dim": c.hidden_size // heads,
            "n_key_value_heads": getattr(c, "num_key_value_heads", None),
        },
    }[kind]  # fmt: skip
    eps = [getattr(c, n, None) for n in ("layer_norm_epsilon", "layer_norm_eps", "rms_norm_eps")]
    cfg = transformer_lens.HookedTransformerConfig(
        model_name=kind, original_architecture=type(raw).__name__, n_layers=c.num_hidden_layers,
        d_model=c.hidden_size, n_heads=heads, d_head=c.hidden_size // heads,
        d_mlp=getattr(c, "intermediate_size", None) or 4 * c.hidden_size,
        n_ctx=c.max_position_embeddings, d_vocab=c.vocab_size, eps=next(filter(None, eps)),
        device="cpu", init_weights=False, **options,
    )  # fmt: skip
    with pytest.warns(DeprecationWarning, match="HookedTransformer"):
        tl = transformer_lens.HookedTransformer(cfg)
    name = {"gpt2": "gpt2", "gpt_neo": "neo", "gpt_neox": "neox", "llama": "llama"}[kind]
    weights = getattr(convert, f"convert_{name}_weights")(raw, cfg)
    on = processing == "standard"
    tl.load_and_process_state_dict(
        weights, fold_ln=on, center_writing_weights=on and kind != "llama", center_unembed=on,
        fold_value_biases=on,
    )  # fmt: skip
    return LensModel(tl.eval(), None, str(folder), processing, lambda _: None, _shapes(tl))
