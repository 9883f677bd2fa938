"""A toy language model with planted MLP units, swept like any other model."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from lens_probes.activations.collect import collect
from lens_probes.checks.audit import PER_WORD, WORDS, Planted
from lens_probes.examples.examples import Examples
from lens_probes.model.load import LensModel, load_model

TUNED, DEAD, UNITS, WIDTH = 12, 4, 160, 48
FILLER = 40


@torch.random.fork_rng(devices=[])  # the caller's random numbers on the CPU stay as they were
def toy_model(seed: int) -> LensModel:
    """A one-layer GPT-2 whose first MLP units read the class of the token, and no other unit does.

    Two embedding dimensions carry the class of a word with opposite signs, so that layer norm
    keeps the rest free of it; only the tuned units have weights on them, and attention does not
    read them. All other embedding dimensions are word identity.
    """
    n_words = 2 * WORDS
    torch.manual_seed(seed)
    config = GPT2Config(
        vocab_size=n_words + FILLER, n_positions=32, n_embd=WIDTH, n_inner=UNITS, n_layer=1,
        n_head=4, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    model: Any = GPT2LMHeadModel(config)
    block = model.transformer.h[0]
    with torch.no_grad():
        embedding = model.transformer.wte.weight
        embedding.normal_()
        embedding -= embedding.mean(1, keepdim=True)
        side = torch.where(torch.arange(n_words) < WORDS, 1.0, -1.0)
        embedding[:, :2] = 0.0
        embedding[:n_words, 0], embedding[:n_words, 1] = side, -side
        model.transformer.wpe.weight[:, :2] = 0.0
        block.attn.c_attn.weight[:2] = 0.0
        block.attn.c_proj.weight[:, :2] = 0.0
        block.mlp.c_fc.weight.normal_(std=0.3)
        block.mlp.c_fc.weight[:2] = 0.0
        block.mlp.c_fc.weight[0, :TUNED] = 2.0
        block.mlp.c_fc.weight[1, :TUNED] = -2.0
        block.mlp.c_fc.weight[:, TUNED : TUNED + DEAD] = 0.0
    return load_toy(model)


def load_toy(model: Any) -> LensModel:
    """A Hugging Face model loaded as any folder is, with a tokenizer of its ids."""
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        _tokenizer(model.config.vocab_size).save_pretrained(folder)
        return load_model(Path(folder))


def plant_toy(seed: int) -> Planted:
    """Activations of the toy model's MLP units on words in random contexts."""
    rng = np.random.default_rng(seed)
    model = toy_model(seed)
    word = np.repeat(np.arange(2 * WORDS), PER_WORD)
    tokens = rng.integers(2 * WORDS, 2 * WORDS + FILLER, (len(word), 8))
    tokens[:, -1] = word
    names = [f"word {i}" for i in word]
    examples = Examples.from_tokens(tokens, -1, word < WORDS, names)
    x = collect(model, examples, sites=["mlp_pre"])[0, "mlp_pre"]
    kind = np.array(
        ["tuned"] * TUNED + ["constant"] * DEAD + ["word identity"] * (UNITS - TUNED - DEAD)
    )
    return Planted(x, examples.label, np.array(names, dtype=object), kind)


def _tokenizer(size: int) -> Any:
    vocabulary = {f"w{i}": i for i in range(size)}
    make: Any = PreTrainedTokenizerFast
    return make(
        tokenizer_object=Tokenizer(WordLevel(vocabulary, unk_token="w0")),
        bos_token="w0",
        eos_token="w0",
    )
