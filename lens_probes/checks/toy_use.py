"""A toy language model whose MLP units are used, or not, by construction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import GPT2Config, GPT2LMHeadModel

from lens_probes.checks.toy import FILLER, load_toy
from lens_probes.examples.examples import Examples
from lens_probes.model.load import LensModel

SIZES = (0.25, 0.5, 1.0, 2.0)
USED, ENCODED, IDLE, DOUBLED, TYPICAL = "used", "encoded", "idle", "doubled", "typical"
_WORDS, _WIDTH, _UNITS = 20, 48, 200
_PER_SIZE, _STRONG = 3, 8.0


@dataclass(frozen=True, eq=False)
class ToyOfUse:
    """The model, examples of two classes of words, and the [unit] kind of each MLP unit.

    `kind`: used (its write is what the output reads most); encoded (as much tuned, and writes as
    much, in directions that are read no more than any); idle (would be read, and never changes);
    doubled (pairs of equal units that both write where used ones do); typical (random).
    """

    model: LensModel
    examples: Examples
    kind: NDArray[np.object_]


@torch.random.fork_rng(devices=[])  # the caller's random numbers on the CPU stay as they were
def toy_of_use(seed: int, *, used: bool = True) -> ToyOfUse:
    """A one-layer GPT-2 in which the output reads one direction much more than all others.

    Two embedding dimensions carry the class of a word with opposite signs. Tuned units read it;
    used ones write along a third and fourth dimension, which the output reads strongly, others in
    random directions, of every length alike. Without `used` no unit writes along these two.
    """
    rng = torch.manual_seed(seed)
    config = GPT2Config(
        vocab_size=2 * _WORDS + FILLER, n_positions=32, n_embd=_WIDTH, n_inner=_UNITS, n_layer=1,
        n_head=4, bos_token_id=0, eos_token_id=0, tie_word_embeddings=False,
    )  # fmt: skip
    model: Any = GPT2LMHeadModel(config)
    block = model.transformer.h[0]
    kind = np.array([TYPICAL] * _UNITS, dtype=object)
    names = (USED, ENCODED, IDLE, DOUBLED, DOUBLED) if used else (ENCODED, ENCODED, IDLE)
    n_each = _PER_SIZE * len(SIZES)
    for i, name in enumerate(names):
        kind[i * n_each : (i + 1) * n_each] = name
    with torch.no_grad():
        embedding = model.transformer.wte.weight.normal_()
        embedding -= embedding.mean(1, keepdim=True)
        side = torch.where(torch.arange(2 * _WORDS) < _WORDS, 1.0, -1.0)
        embedding[:, :4] = 0.0
        embedding[: 2 * _WORDS, 0], embedding[: 2 * _WORDS, 1] = 2 * side, -2 * side
        model.transformer.wpe.weight[:, :4] = 0.0
        block.attn.c_attn.weight[:2] = 0.0
        block.attn.c_proj.weight[:, :4] = 0.0
        block.mlp.c_fc.weight.normal_(std=0.3)
        tuned = torch.from_numpy(np.isin(kind, [USED, ENCODED, DOUBLED]))
        block.mlp.c_fc.weight[0, tuned] += 1.0
        block.mlp.c_fc.weight[1, tuned] -= 1.0
        block.mlp.c_fc.weight[:, torch.from_numpy(kind == IDLE)] = 0.0
        pairs = np.flatnonzero(kind == DOUBLED).reshape(2, -1) if used else np.empty((2, 0), int)
        block.mlp.c_fc.weight[:, pairs[1]] = block.mlp.c_fc.weight[:, pairs[0]]
        block.mlp.c_proj.weight[:] = _rows(kind, rng)
        model.lm_head.weight.normal_(std=0.2)
        model.lm_head.weight[:, 2:4] *= _STRONG
    labels = np.repeat(np.arange(2 * _WORDS), 2)
    draw = np.random.default_rng(seed)
    tokens = draw.integers(2 * _WORDS, 2 * _WORDS + FILLER, (len(labels), 8))
    tokens[:, -1] = labels
    words = [f"word {i}" for i in labels]
    examples = Examples.from_tokens(tokens, -1, labels < _WORDS, words)
    return ToyOfUse(load_toy(model), examples, kind)


def _rows(kind: NDArray[np.object_], rng: torch.Generator) -> torch.Tensor:
    """[unit, d_model] what each unit writes: random directions, or along dimensions 2 and 3."""
    rows = torch.randn(len(kind), _WIDTH, generator=rng)
    rows[:, 2:4] = 0.0
    read = torch.from_numpy(np.isin(kind, [USED, IDLE, DOUBLED]) & (USED in kind))
    rows[read] = 0.0
    rows[read, 2], rows[read, 3] = 1.0, -1.0
    rows -= rows.mean(1, keepdim=True)
    lengths = torch.tensor(SIZES).repeat(-(-len(kind) // len(SIZES)))[: len(kind), None]
    scaled: torch.Tensor = rows / rows.norm(dim=1, keepdim=True) * lengths * 0.2
    return scaled
