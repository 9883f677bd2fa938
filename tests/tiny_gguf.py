"""A tiny random Llama model as a GGUF file."""

from __future__ import annotations

import json
from pathlib import Path

import gguf
import numpy as np
from tiny_models import byte_level_tokenizer

LAYERS, WIDTH, MLP, HEADS, KV_HEADS = 2, 32, 64, 4, 2


def write_tiny_gguf(path: Path, seed: int = 0) -> Path:
    """Write a Llama of 2 layers with float32 weights and a byte-level tokenizer."""
    rng = np.random.default_rng(seed)
    vocabulary = json.loads(byte_level_tokenizer().backend_tokenizer.to_str())["model"]
    tokens = sorted(vocabulary["vocab"], key=vocabulary["vocab"].get)
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in vocabulary["merges"]]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(LAYERS)
    writer.add_context_length(128)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(MLP)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([3 if token == "<|endoftext|>" else 1 for token in tokens])
    writer.add_token_merges(merges)
    for add in (writer.add_bos_token_id, writer.add_eos_token_id, writer.add_unk_token_id):
        add(0)
    kv = WIDTH // HEADS * KV_HEADS

    def put(name: str, *shape: int) -> None:
        writer.add_tensor(f"{name}.weight", rng.normal(0, 0.3, shape).astype(np.float32))

    put("token_embd", len(tokens), WIDTH)
    put("output_norm", WIDTH)
    for layer in range(LAYERS):
        block = f"blk.{layer}"
        put(f"{block}.attn_norm", WIDTH)
        put(f"{block}.ffn_norm", WIDTH)
        put(f"{block}.attn_q", WIDTH, WIDTH)
        put(f"{block}.attn_k", kv, WIDTH)
        put(f"{block}.attn_v", kv, WIDTH)
        put(f"{block}.attn_output", WIDTH, WIDTH)
        put(f"{block}.ffn_gate", MLP, WIDTH)
        put(f"{block}.ffn_up", MLP, WIDTH)
        put(f"{block}.ffn_down", WIDTH, MLP)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
