"""A whole run in small: extraction into a store, statistics, result, report.

    python pipeline.py MODEL STORE OUT

What was finished before is used; run again after any stop, it ends with the same files.
"""

from __future__ import annotations

import functools
import sys
from pathlib import Path

import numpy as np

import lens_probes as lp
from lens_probes.sealed import seal, write_atomic

N = 60


def examples() -> lp.Examples:
    """Windows of three lengths with twelve word types."""
    rng = np.random.default_rng(0)
    rows = [rng.integers(1, 400, 30 - 5 * (i % 3)).tolist() for i in range(N)]
    words = [f"w{i % 2}-{i % 12}" for i in range(N)]
    return lp.Examples.from_tokens(rows, -1, np.arange(N) % 2, words)


@functools.cache
def load(source: str) -> lp.LensModel:
    """The model, once for all runs of a process."""
    model = lp.load_model(source)
    assert model.weights_digest
    return model


def prepare(arguments: list[str]) -> None:
    """What need not be done again in every run."""
    given = examples()
    read = lp.collect(load(arguments[0]), given, sites=["k"], layers=0)[0, "k"]
    lp.stats.ttest(read, given.label)


def main(arguments: list[str]) -> int:
    """Extract, test, save, report."""
    source, store, out = arguments
    model, given = load(source), examples()
    activations = lp.collect(model, given, sites=["mlp_pre", "k"], layers=[0, 1], store=store)
    tests = {
        f"{layer}.{site}": lp.stats.ttest(activations[layer, site], given.label).t.tolist()
        for layer, site in activations
    }
    Path(out).mkdir(parents=True, exist_ok=True)
    write_atomic(Path(out) / "tests.json", seal(tests))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
