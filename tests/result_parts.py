"""Small sweeps of activations that tests of results share."""

from __future__ import annotations

from typing import Any

import numpy as np

import lens_probes as lp

N = 80
RNG = np.random.default_rng(0)
LABEL = np.arange(N) % 2
WORD = [f"w{i % 2}-{i // 2 % 12}" for i in range(N)]
ARRAYS = {
    (layer, site): RNG.normal(size=(N, 5)).astype(np.float32) + 0.4 * layer * LABEL[:, None]
    for layer in (0, 1, 2)
    for site in ("a", "b")
}


def swept(keys: Any = None, label: Any = LABEL, **options: Any) -> lp.SweepResult:
    """A sweep of some layers and sites."""
    arrays = {key: ARRAYS[key] for key in (keys or ARRAYS)}
    given: dict[str, Any] = {"word": WORD, "n_permutations": 60, **options}
    return lp.sweep_activations(arrays, label, **given)
