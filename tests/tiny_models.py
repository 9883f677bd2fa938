"""Tiny random models, saved to folders, and a text to probe them with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    GPTNeoConfig,
    GPTNeoXConfig,
    LlamaConfig,
    PreTrainedTokenizerFast,
)

PROSE = (
    "We can go there, but they cannot. You may not see it, though I will. He could never say why. "
    "It was nothing that we can't do; she won't, they don't, and nobody is sure that it isn't so. "
    "They did go, we didn't. The road to the river will always be long, and all of it is dark. "
)
VOCABULARY = 400

CONFIGS: dict[str, Callable[[], Any]] = {
    "gpt2": lambda: GPT2Config(
        vocab_size=VOCABULARY, n_positions=128, n_embd=32, n_layer=3, n_head=4
    ),
    "gpt_neo": lambda: GPTNeoConfig(
        vocab_size=VOCABULARY,
        max_position_embeddings=128,
        hidden_size=32,
        num_layers=4,
        num_heads=4,
        attention_types=[[["global", "local"], 2]],
        window_size=6,
    ),
    "llama": lambda: LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=48,
        intermediate_size=96,
        num_hidden_layers=3,
        num_attention_heads=6,
        num_key_value_heads=2,
        max_position_embeddings=128,
    ),
    "pythia": lambda: GPTNeoXConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=128,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=128,
        rotary_pct=0.25,
        use_parallel_residual=True,
    ),
}


def byte_level_tokenizer() -> PreTrainedTokenizerFast:
    """A small byte-level BPE tokenizer, like GPT-2's."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<|endoftext|>"],
        show_progress=False,
    )
    tokenizer.train_from_iterator([PROSE] * 4, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<|endoftext|>", eos_token="<|endoftext|>"
    )


def save_tiny(architecture: str, folder: Path, seed: int = 0) -> Path:
    """A random model with weights large enough that no unit is near constant."""
    torch.manual_seed(seed)
    config = CONFIGS[architecture]()
    config.bos_token_id = config.eos_token_id = 0
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    byte_level_tokenizer().save_pretrained(folder)
    return folder
