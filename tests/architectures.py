"""Tiny random models of many architectures, and where their sites lie in raw Hugging Face modules.

A route is (module path in a block, "in" or "out"); `Fused` cuts one output into several sites.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from tiny_models import VOCABULARY, byte_level_tokenizer
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
)

Side = Literal["in", "out"]
Routes = Mapping[str, tuple[str, Side]]
_HEADS, _KV_HEADS, _D, _MLP = 4, 2, 32, 64


@dataclass(frozen=True)
class Fused:
    """One module whose output holds several sites: their widths in a row, or head by head."""

    path: str
    sites: tuple[str, ...]
    by_head: bool = False


@dataclass(frozen=True)
class Architecture:
    """A configuration and the raw place of every site; `missing` ones must not be offered.

    What attention and the MLP write is `multiplied` on its way into the residual stream.
    """

    settings: Mapping[str, Any]
    blocks: str
    routes: Routes
    fused: tuple[Fused, ...] = ()
    model_type: str = ""
    missing: frozenset[str] = frozenset()
    multiplied: float = 1.0


def _routes(
    attention: str, mlp: str, *, gate: str = "gate_proj", up: str = "up_proj",
    down: str = "down_proj", qkv: tuple[str, ...] = ("q_proj", "k_proj", "v_proj"),
    out: str = "o_proj", mid: str | None = "post_attention_layernorm",
    after_attention: str | None = None, after_mlp: str | None = None,
) -> dict[str, tuple[str, Side]]:  # fmt: skip
    """Routes of the layout that most share: projections by name, a norm between the halves."""
    found: dict[str, tuple[str, Side]] = {
        "z": (f"{attention}.{out}", "in"),
        "attn_out": (after_attention or f"{attention}.{out}", "out"),
        "mlp_post": (f"{mlp}.{down}", "in"),
        "mlp_out": (after_mlp or f"{mlp}.{down}", "out"),
    }
    found |= {site: (f"{attention}.{name}", "out") for site, name in zip("qkv", qkv, strict=False)}
    if mid is not None:
        found["resid_mid"] = (mid, "in")
    if up and gate:
        found |= {"mlp_pre": (f"{mlp}.{gate}", "out"), "mlp_pre_linear": (f"{mlp}.{up}", "out")}
    elif up:
        found["mlp_pre"] = (f"{mlp}.{up}", "out")
    return found


_SMALL = {
    "vocab_size": VOCABULARY, "hidden_size": _D, "intermediate_size": _MLP, "num_hidden_layers": 2,
    "num_attention_heads": _HEADS, "max_position_embeddings": 64, "bos_token_id": 0,
    "eos_token_id": 0, "pad_token_id": None,
}  # fmt: skip
_EMBD = {
    "vocab_size": VOCABULARY, "n_embd": _D, "n_layer": 2, "n_head": _HEADS, "n_positions": 64,
    "bos_token_id": 0, "eos_token_id": 0,
}  # fmt: skip
_GROUPED = {**_SMALL, "num_key_value_heads": _KV_HEADS}
_HEAD_8 = {**_GROUPED, "head_dim": 8}
_LLAMA = _routes("self_attn", "mlp")
_PARALLEL = _routes("self_attn", "mlp", mid=None)
_GPT2 = _routes("attn", "mlp", gate="", up="c_fc", down="c_proj", qkv=(), out="c_proj", mid="ln_2")
_QKV = Fused("attn.c_attn", ("q", "k", "v"))
_GEMMA2 = _routes(
    "self_attn", "mlp", mid="pre_feedforward_layernorm", after_attention="post_attention_layernorm",
    after_mlp="post_feedforward_layernorm",
)  # fmt: skip
_OLMO2 = _routes(
    "self_attn", "mlp", mid="mlp", after_attention="post_attention_layernorm",
    after_mlp="post_feedforward_layernorm",
)  # fmt: skip
_FC = _routes(
    "self_attn", "", gate="", up="", qkv=("q_proj", "k_proj", "v_proj"), out="out_proj",
    mid="final_layer_norm",
) | {"mlp_pre": ("fc1", "out"), "mlp_post": ("fc2", "in"), "mlp_out": ("fc2", "out")}  # fmt: skip
_NO_UNITS = frozenset({"mlp_pre", "mlp_pre_linear", "mlp_post"})
_EXPERTS = {name: place for name, place in _LLAMA.items() if not name.startswith("mlp")} | {
    "mlp_out": ("mlp", "out")
}


def _of(
    blocks: str, routes: Routes, *fused: Fused, base: Mapping[str, Any] = _SMALL,
    model_type: str = "", missing: Iterable[str] = (), multiplied: float = 1.0, **settings: Any,
) -> Architecture:  # fmt: skip
    return Architecture(
        {**base, **settings}, blocks, routes, fused, model_type, frozenset(missing), multiplied
    )


_llama = functools.partial(_of, "model.layers", base=_HEAD_8)
_window = functools.partial(_llama, sliding_window=5)
_experts = functools.partial(_llama, missing=_NO_UNITS, num_experts=4, num_experts_per_tok=2)
_local_experts = functools.partial(
    _llama, missing=_NO_UNITS, num_local_experts=4, num_experts_per_tok=2
)
_GATE_UP = Fused("mlp.gate_up_proj", ("mlp_pre", "mlp_pre_linear"))
_UNGATED = _routes("self_attn", "mlp", gate="")
_4H = {"gate": "", "up": "dense_h_to_4h", "down": "dense_4h_to_h", "qkv": (), "out": "dense"}
_BLOOM = _routes("self_attention", "mlp", **_4H)
_BLOOM_QKV = Fused("self_attention.query_key_value", ("q", "k", "v"), by_head=True)
_NEOX_QKV = Fused("attention.query_key_value", ("q", "k", "v"), by_head=True)
_WINDOWED_THEN_FULL = ["sliding_attention", "full_attention"]

# fmt: off
ARCHITECTURES: dict[str, Architecture] = {
    "llama": _llama(_LLAMA),
    "llama-biases": _llama(_LLAMA, model_type="llama", attention_bias=True, mlp_bias=True),
    "mistral": _window(_LLAMA),
    "ministral3": _llama(_LLAMA, sliding_window=None),
    "qwen2": _llama(_LLAMA),
    "qwen3": _llama(_LLAMA),
    "smollm3": _llama(_LLAMA, no_rope_layers=[1, 0]),
    "ernie4_5": _llama(_LLAMA),
    "seed_oss": _llama(_LLAMA),
    "granite": _llama(
        _LLAMA, multiplied=0.5, residual_multiplier=0.5, logits_scaling=4.0,
        attention_multiplier=0.2, embedding_multiplier=3.0,
    ),
    "gemma": _llama(_LLAMA, hidden_activation="gelu_pytorch_tanh"),
    "gemma2": _window(_GEMMA2, query_pre_attn_scalar=8),
    "gemma3_text": _window(_GEMMA2, query_pre_attn_scalar=8),
    "vaultgemma": _window(
        _routes("self_attn", "mlp", mid="pre_feedforward_layernorm"), query_pre_attn_scalar=8
    ),
    "olmo": _llama(_LLAMA, clip_qkv=0.3),
    "olmo2": _llama(_OLMO2),
    "olmo3": _window(_OLMO2, layer_types=_WINDOWED_THEN_FULL),
    "exaone4": _window(_OLMO2, layer_types=_WINDOWED_THEN_FULL),
    "cohere": _llama(_PARALLEL),
    "cohere2": _window(_PARALLEL),
    "hunyuan_v1_dense": _llama(_LLAMA),
    "arcee": _llama(_UNGATED),
    "nemotron": _llama(_UNGATED),
    "apertus": _llama(_routes("self_attn", "mlp", gate="", mid="feedforward_layernorm")),
    "bitnet": _llama(_LLAMA),
    "stablelm": _llama(_LLAMA),
    "glm": _llama(_routes("self_attn", "mlp", gate="", up=""), _GATE_UP, pad_token_id=0),
    "glm4": _llama(
        _routes("self_attn", "mlp", gate="", up="", after_attention="post_self_attn_layernorm",
                after_mlp="post_mlp_layernorm"),
        _GATE_UP, pad_token_id=0,
    ),
    "phi3": _llama(
        _routes("self_attn", "mlp", gate="", up="", qkv=()), _GATE_UP,
        Fused("self_attn.qkv_proj", ("q", "k", "v")), base=_GROUPED, pad_token_id=0,
    ),
    "starcoder2": _llama(_routes("self_attn", "mlp", gate="", up="c_fc", down="c_proj")),
    "phi": _llama(
        _routes("self_attn", "mlp", gate="", up="fc1", down="fc2", out="dense", mid=None),
        base=_SMALL,
    ),
    "gpt2": _of("transformer.h", _GPT2, _QKV, base=_EMBD),
    "gpt_bigcode": _of("transformer.h", _GPT2, _QKV, base=_EMBD),
    "openai-gpt": _of(
        "transformer.h", {**_GPT2, "resid_mid": ("mlp", "in")}, _QKV, base=_EMBD,
        missing=["resid_post"],
    ),
    "gpt_neo": _of(
        "transformer.h",
        _routes("attn.attention", "mlp", gate="", up="c_fc", down="c_proj", out="out_proj",
                mid="ln_2"),
        num_layers=2, num_heads=_HEADS, attention_types=[[["global", "local"], 1]], window_size=5,
        intermediate_size=None,
    ),
    "gptj": _of(
        "transformer.h",
        _routes("attn", "mlp", gate="", up="fc_in", down="fc_out", out="out_proj", mid=None),
        base=_EMBD, rotary_dim=4,
    ),
    "gpt_neox": _of("gpt_neox.layers", _routes("attention", "mlp", mid=None, **_4H), _NEOX_QKV),
    "gpt_neox-sequential": _of(
        "gpt_neox.layers", _routes("attention", "mlp", **_4H), _NEOX_QKV, model_type="gpt_neox",
        use_parallel_residual=False,
    ),
    "opt": _of(
        "model.decoder.layers", _FC, ffn_dim=_MLP, word_embed_proj_dim=_D, pad_token_id=1
    ),
    "opt-350m": _of(
        "model.decoder.layers", _FC, model_type="opt", ffn_dim=_MLP, word_embed_proj_dim=16,
        do_layer_norm_before=False, pad_token_id=1,
    ),
    "xglm": _of(
        "model.layers", _FC, d_model=_D, ffn_dim=_MLP, num_layers=2, attention_heads=_HEADS,
        pad_token_id=1,
    ),
    "bloom": _of("transformer.h", _BLOOM, _BLOOM_QKV, n_layer=2, n_head=_HEADS),
    "mpt": _of(
        "transformer.blocks",
        _routes("attn", "ffn", gate="", up="up_proj", qkv=(), out="out_proj", mid="norm_2"),
        Fused("attn.Wqkv", ("q", "k", "v")), d_model=_D, n_layers=2, n_heads=_HEADS,
        max_seq_len=64,
    ),
    "falcon": _of(
        "transformer.h", _routes("self_attention", "mlp", mid=None, **_4H),
        Fused("self_attention.query_key_value", ("q", "k", "v")), multi_query=True,
        parallel_attn=True, alibi=False,
    ),
    "falcon-rw": _of(
        "transformer.h", _BLOOM, _BLOOM_QKV, model_type="falcon", multi_query=False,
        parallel_attn=False, alibi=True, bias=True,
    ),
    "falcon-40b": _of(
        "transformer.h", {}, model_type="falcon", new_decoder_architecture=True, num_kv_heads=2,
        alibi=False,
    ),
    "mixtral": _local_experts(_EXPERTS),
    "qwen2_moe": _experts(_EXPERTS, moe_intermediate_size=16, shared_expert_intermediate_size=16),
    "qwen3_moe": _experts(_EXPERTS, moe_intermediate_size=16),
    "olmoe": _experts(_EXPERTS),
    "gpt_oss": _local_experts(_EXPERTS, sliding_window=5, layer_types=_WINDOWED_THEN_FULL),
    "granitemoe": _local_experts(
        {**_EXPERTS, "mlp_out": ("block_sparse_moe", "out")}, residual_multiplier=0.5,
        multiplied=0.5,
    ),
    "minimax_m2": _local_experts(_EXPERTS),
    "jetmoe": _local_experts(
        {"resid_mid": ("post_attention_layernorm", "in"), "mlp_out": ("mlp", "out"),
         "attn_out": ("self_attention", "out")},
        missing=_NO_UNITS | set("qkvz"), kv_channels=8,
    ),
    "llama4_text": _local_experts(
        {**_EXPERTS, "mlp_out": ("feed_forward", "out")}, intermediate_size_mlp=_MLP
    ),
    "deepseek_v3": _experts(
        {site: _EXPERTS[site] for site in ("resid_mid", "z", "attn_out", "mlp_out")}, base=_SMALL,
        missing=_NO_UNITS | set("qkv"), n_routed_experts=4, n_group=1, topk_group=1,
        num_key_value_heads=_HEADS, moe_intermediate_size=16, first_k_dense_replace=1,
        kv_lora_rank=8, q_lora_rank=8, qk_rope_head_dim=4, qk_nope_head_dim=8, v_head_dim=8,
    ),
    "nanochat": _llama(_routes("self_attn", "mlp", gate="", up="fc1", down="fc2")),
    "modernbert-decoder": _llama(
        _routes("attn", "mlp", gate="", up="", down="Wo", out="Wo", mid="mlp_norm"), base=_SMALL,
        missing=["mlp_pre", "mlp_pre_linear"], pad_token_id=0, sep_token_id=0, cls_token_id=0,
    ),
    "persimmon": _llama({}, base=_SMALL),
    "helium": _llama({}),
}
# fmt: on
# Kinds of model that are none of these: each is refused.
OTHERS: dict[str, Mapping[str, Any]] = {
    "bert": _SMALL,
    "t5": {"vocab_size": VOCABULARY, "d_model": _D, "d_kv": 8, "d_ff": _MLP, "num_layers": 2},
    "mamba": {"vocab_size": VOCABULARY, "hidden_size": _D, "num_hidden_layers": 2},
}


def save(name: str, folder: Path) -> Path:
    """A random model, its weights moved away from zeros and ones, and a tokenizer."""
    torch.manual_seed(0)
    one = ARCHITECTURES.get(name)
    settings = OTHERS[name] if one is None else one.settings
    config = AutoConfig.for_model(one.model_type or name if one else name, **settings)
    kind = {"bert": AutoModelForMaskedLM, "t5": AutoModelForSeq2SeqLM}.get(
        name, AutoModelForCausalLM
    )
    model = kind.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    byte_level_tokenizer().save_pretrained(folder)
    return folder
