"""Activations of raw Hugging Face models, read with PyTorch hooks: the independent method."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

# site -> (module path in a block, "in" or "out"); q, k, v are cut out of fused projections below.
_ROUTES: dict[str, dict[str, tuple[str, str]]] = {
    "gpt2": {
        "resid_mid": ("ln_2", "in"),
        "mlp_pre": ("mlp.c_fc", "out"),
        "mlp_post": ("mlp.c_proj", "in"),
        "mlp_out": ("mlp.c_proj", "out"),
        "qkv": ("attn.c_attn", "out"),
        "z": ("attn.c_proj", "in"),
        "attn_out": ("attn.c_proj", "out"),
    },
    "gpt_neo": {
        "resid_mid": ("ln_2", "in"),
        "mlp_pre": ("mlp.c_fc", "out"),
        "mlp_post": ("mlp.c_proj", "in"),
        "mlp_out": ("mlp.c_proj", "out"),
        "q": ("attn.attention.q_proj", "out"),
        "k": ("attn.attention.k_proj", "out"),
        "v": ("attn.attention.v_proj", "out"),
        "z": ("attn.attention.out_proj", "in"),
        "attn_out": ("attn.attention.out_proj", "out"),
    },
    "llama": {
        "resid_mid": ("post_attention_layernorm", "in"),
        "mlp_pre": ("mlp.gate_proj", "out"),
        "mlp_pre_linear": ("mlp.up_proj", "out"),
        "mlp_post": ("mlp.down_proj", "in"),
        "mlp_out": ("mlp.down_proj", "out"),
        "q": ("self_attn.q_proj", "out"),
        "k": ("self_attn.k_proj", "out"),
        "v": ("self_attn.v_proj", "out"),
        "z": ("self_attn.o_proj", "in"),
        "attn_out": ("self_attn.o_proj", "out"),
    },
    "pythia": {
        "mlp_pre": ("mlp.dense_h_to_4h", "out"),
        "mlp_post": ("mlp.dense_4h_to_h", "in"),
        "mlp_out": ("mlp.dense_4h_to_h", "out"),
        "qkv": ("attention.query_key_value", "out"),
        "z": ("attention.dense", "in"),
        "attn_out": ("attention.dense", "out"),
    },
}
_BLOCKS = {
    "gpt2": "transformer.h",
    "gpt_neo": "transformer.h",
    "llama": "model.layers",
    "pythia": "gpt_neox.layers",
}


def sites_of(architecture: str) -> set[str]:
    """Sites that this architecture must offer."""
    routes = set(_ROUTES[architecture])
    if "qkv" in routes:
        routes = routes - {"qkv"} | {"q", "k", "v"}
    return routes | {"resid_pre", "resid_post"}


def raw_activations(
    model: Any, architecture: str, tokens: torch.Tensor
) -> dict[tuple[int, str], torch.Tensor]:
    """(layer, site) -> [unit] at the last position of one sequence, heads flattened."""
    seen: dict[tuple[int, str], torch.Tensor] = {}
    handles = []

    def keep(layer: int, site: str, side: str) -> Callable[..., None]:
        def hook(_module: Any, inputs: Any, output: Any) -> None:
            value = inputs[0] if side == "in" else output
            value = value[0] if isinstance(value, tuple) else value
            seen[layer, site] = value.detach().reshape(-1, value.shape[-1])[-1].clone()

        return hook

    for layer, block in enumerate(model.get_submodule(_BLOCKS[architecture])):
        routes = _ROUTES[architecture] | {"resid_pre": ("", "in"), "resid_post": ("", "out")}
        for site, (path, side) in routes.items():
            module = block.get_submodule(path) if path else block
            handles.append(module.register_forward_hook(keep(layer, site, side)))
    try:
        with torch.no_grad():
            model(tokens[None])
    finally:
        for handle in handles:
            handle.remove()
    for layer, site in [key for key in seen if key[1] == "qkv"]:
        fused = seen.pop((layer, site))
        if architecture == "pythia":  # fused head by head: [head, q k v, d_head]
            heads = model.config.num_attention_heads
            parts = fused.reshape(heads, 3, -1).unbind(1)
        else:
            parts = fused.chunk(3)
        for name, part in zip("qkv", parts, strict=True):
            seen[layer, name] = part.reshape(-1)
    return seen
