"""Activations with planted units, as the data of a lesson."""

from __future__ import annotations

from typing import Any

import numpy as np

from lens_probes.activations.collect import Activations
from lens_probes.course import Data
from lens_probes.examples.examples import Examples
from lens_probes.sites import SiteShape

SHAPES = {"mlp_pre": SiteShape(None, 40)}


def planted(
    tuned: dict[int, int], *, words: float = 0.0, effect: float = 2.0, seed: int = 0
) -> Data:
    """8 v 8 word types, 12 examples each; `tuned` units a layer follow the class, all the word."""
    rng = np.random.default_rng(seed)
    word = np.repeat([f"w{k}" for k in range(16)], 12)
    label = np.repeat([0, 1], 96)
    tokens = np.ones((192, 3), int)
    tokens[:, -1] = np.repeat(np.arange(16), 12)  # each word type is read at its own token
    examples = Examples.from_tokens(tokens, -1, label, word=word.tolist())
    arrays: dict[tuple[int, str], Any] = {}
    for layer, n in tuned.items():
        x = rng.normal(size=(192, 40)) + words * np.repeat(rng.normal(size=(16, 40)), 12, axis=0)
        x[:, :n] += effect * label[:, None]
        arrays[layer, "mlp_pre"] = x.astype(np.float32)
    bare = {key: rng.normal(size=(192, 40)).astype(np.float32) for key in arrays}
    return Data(
        examples,
        Activations(arrays, SHAPES),
        Data(examples, Activations(bare, SHAPES), is_trained=False),
    )
