"""Examples of twelve words, six of a class, each read at its own token."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

import lens_probes as lp


def made_examples(n: int = 120, **given: object) -> lp.Examples:
    tokens = np.random.default_rng(0).integers(1, 300, (n, 6))
    tokens[:, -1] = 1 + np.arange(n) % 12  # each word type is read at its own token
    examples = lp.Examples.from_tokens(
        tokens, -1, np.arange(n) % 2, [f"w{i % 12}" for i in range(n)]
    )
    return replace(examples, **given)
