"""A two-layer GPT-2 with planted units: some are read, some are only tuned, some know words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from lens_probes.examples.examples import Examples
from lens_probes.model.load import LensModel, load_model

READ, DECOY, UNITS, WIDTH = 4, 4, 96, 48
WORDS, PER_WORD, FILLER = 12, 12, 60
PASSAGES = 24


@torch.random.fork_rng(devices=[])  # the caller's random numbers on the CPU stay as they were
def planted_folder(
    folder: Path, seed: int, *, read: int = READ, silent: bool = True, everywhere: bool = False
) -> Path:
    """Write the model into a folder, and give the folder.

    Units 0 to 3 of layer 0 are tuned and read by the unembedding, 4 to 7 tuned and never read. The
    class of a word is in two embedding dimensions of opposite sign, which only these eight read,
    with both signs in turn. What the read ones write is a direction that no other part reads or
    writes but the unembedding of half of the filler words. All others read words.

    Parameters
    ----------
    read
        How many of the first four are read.
    silent
        Tuned ones that are not read write nothing; else what any other unit may.
    everywhere
        Filler words have a class too, in turn.
    """
    torch.manual_seed(seed)
    n_words = 2 * WORDS
    config = GPT2Config(
        vocab_size=n_words + FILLER, n_positions=32, n_embd=WIDTH, n_inner=UNITS, n_layer=2,
        n_head=4, bos_token_id=0, eos_token_id=0, tie_word_embeddings=False,
    )  # fmt: skip
    model: Any = GPT2LMHeadModel(config)
    first, second = model.transformer.h
    with torch.no_grad():
        embedding = model.transformer.wte.weight
        embedding.normal_()
        side = torch.where(torch.arange(n_words) < WORDS, 1.0, -1.0)
        embedding[:, :4] = 0.0
        embedding[:n_words, 0], embedding[:n_words, 1] = side, -side
        if everywhere:
            turn = torch.tensor([1.0, -1.0] * (FILLER // 2))
            embedding[n_words:, 0], embedding[n_words:, 1] = turn, -turn
        embedding[:, 4:] -= embedding[:, 4:].mean(1, keepdim=True)
        model.transformer.wpe.weight[:, :4] = 0.0
        for block in (first, second):
            block.attn.c_attn.weight[:4] = 0.0
            block.attn.c_proj.weight[:, :4] = 0.0
            block.mlp.c_fc.weight.normal_(std=0.3)
            block.mlp.c_fc.weight[:4] = 0.0
            block.mlp.c_proj.weight.normal_(std=0.03)
            block.mlp.c_proj.weight[:, :4] = 0.0
        signs = torch.tensor([1.0, -1.0] * ((READ + DECOY) // 2))
        first.mlp.c_fc.weight[:, : READ + DECOY] *= 0.1
        first.mlp.c_fc.weight[0, : READ + DECOY] = 0.9 * signs
        first.mlp.c_fc.weight[1, : READ + DECOY] = -0.9 * signs
        if silent:
            first.mlp.c_proj.weight[: READ + DECOY] = 0.0
        first.mlp.c_proj.weight[:read] = 0.0
        first.mlp.c_proj.weight[:read, 2], first.mlp.c_proj.weight[:read, 3] = 1.0, -1.0
        model.lm_head.weight.normal_(std=0.3)
        model.lm_head.weight[:, :4] = 0.0
        model.lm_head.weight[n_words : n_words + FILLER // 2, 2] = 2.0
        model.lm_head.weight[n_words + FILLER // 2 :, 3] = 2.0
    model.save_pretrained(folder)
    vocabulary = {f"w{i}": i for i in range(config.vocab_size)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="w0"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    make: Any = PreTrainedTokenizerFast
    make(tokenizer_object=tokenizer, bos_token="w0").save_pretrained(folder)
    return folder


def planted_model(
    folder: Path, seed: int, *, read: int = READ, silent: bool = True, everywhere: bool = False
) -> LensModel:
    """The model of `planted_folder`."""
    return load_model(planted_folder(folder, seed, read=read, silent=silent, everywhere=everywhere))


def planted_examples(seed: int) -> Examples:
    """Words of both classes among fillers, 12 occurrences each, in passages."""
    rng = np.random.default_rng(seed)
    word = np.tile(np.arange(2 * WORDS), PER_WORD)
    tokens = rng.integers(2 * WORDS, 2 * WORDS + FILLER, (len(word), 14))
    tokens[:, 8] = word
    passages = [f"passage {i % PASSAGES}" for i in rng.permutation(len(word))]
    return Examples.from_tokens(
        tokens, 8, (word < WORDS).astype(int), [f"w{i}" for i in word], passages,
        class_names=("without", "with"),
    )  # fmt: skip
