"""A one-layer GPT-2 with planted units, and a text of made words that have three properties."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

import lens_probes as lp

WORDS, CLASS = 260, 24
EACH, UNITS, WIDTH = 6, 120, 64
KINDS = ("round", "sharp", "both", "frequency")


@dataclass(frozen=True)
class Toy:
    model: lp.LensModel
    text: lp.Text
    properties: Path
    kind: np.ndarray  # [unit] one of KINDS, or "none"


@torch.random.fork_rng(devices=[])
def make_toy(folder: Path, seed: int, *, n_tokens: int = 14_000) -> Toy:
    """Words 0 to 23 are round, 24 to 47 sharp, 48 to 71 common: common ones are only frequent.

    Pairs of embedding dimensions of opposite sign carry round, sharp and the frequency of a word;
    a planted unit reads one of them, or round and sharp. All others read words.
    """
    rng = np.random.default_rng(seed)
    rank = rng.permutation(WORDS)
    common = np.arange(2 * CLASS, 3 * CLASS)
    top = rng.permutation(np.arange(3 * CLASS))[:CLASS]  # frequent, as are as many others
    rest = rng.permutation(np.setdiff1d(np.arange(WORDS), top))
    rank[common], rank[np.setdiff1d(np.arange(WORDS), common)] = top, rest
    frequency = 1.0 / (rank + 12.0)
    names = [f"word{i}" for i in range(WORDS)]
    model = _model(folder / f"model{seed}", seed, names, frequency)
    drawn = rng.choice(WORDS, n_tokens, p=frequency / frequency.sum())
    documents = [
        lp.Document(f"d{i}", f"s{i}", " ".join(names[w] for w in part))
        for i, part in enumerate(np.array_split(drawn, 24))
    ]
    listed = {
        name: names[k * CLASS : (k + 1) * CLASS]
        for k, name in enumerate(("round", "sharp", "common"))
    }
    path = folder / f"toy{seed}.toml"
    path.write_text("\n".join(f"[{name}]\nwords = {words}" for name, words in listed.items()))
    kind = np.array([name for name in KINDS for _ in range(EACH)])
    kind = np.append(kind, ["none"] * (UNITS - len(kind)))
    return Toy(model, lp.Text("toy", tuple(documents), "made"), path, kind)


def _model(folder: Path, seed: int, names: list[str], frequency: np.ndarray) -> lp.LensModel:
    torch.manual_seed(seed)
    config = GPT2Config(
        vocab_size=WORDS + 1, n_positions=64, n_embd=WIDTH, n_inner=UNITS, n_layer=1, n_head=4,
        bos_token_id=WORDS, eos_token_id=WORDS,
    )  # fmt: skip
    model: Any = GPT2LMHeadModel(config)
    block = model.transformer.h[0]
    log = np.log(frequency)
    with torch.no_grad():
        embedding = model.transformer.wte.weight
        embedding.normal_()
        embedding[:, :6] = 0.0
        embedding[:, 6:] -= embedding[:, 6:].mean(1, keepdim=True)
        carried = np.zeros((WORDS, 3))
        carried[:CLASS, 0] = carried[CLASS : 2 * CLASS, 1] = 2.0
        carried[:, 2] = (log - log.mean()) / log.std()
        for k in range(3):
            embedding[:WORDS, 2 * k] = torch.tensor(carried[:, k], dtype=torch.float32)
            embedding[:WORDS, 2 * k + 1] = -embedding[:WORDS, 2 * k]
        model.transformer.wpe.weight[:, :6] = 0.0
        block.attn.c_attn.weight[:6] = 0.0
        block.attn.c_proj.weight[:, :6] = 0.0
        read = block.mlp.c_fc.weight
        read.normal_(std=0.1)
        read[:6] = 0.0
        for unit in range(EACH * len(KINDS)):
            for k in ((0,), (1,), (0, 1), (2,))[unit // EACH]:
                read[2 * k, unit], read[2 * k + 1, unit] = 1.0, -1.0
    model.save_pretrained(folder)
    vocabulary = {name: i for i, name in enumerate([*names, "end"])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="end"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    make: Any = PreTrainedTokenizerFast
    make(tokenizer_object=tokenizer, bos_token="end").save_pretrained(folder)
    return lp.load_model(folder)
