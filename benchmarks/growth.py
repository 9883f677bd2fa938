"""How processor time grows with what a stage is given: the exponent of a power law, stage by stage.

    python benchmarks/growth.py [--doublings 4] [--repeats 5]

Each stage runs at a smallest size and at its doublings; the exponent is the slope of log seconds on
log size over the three largest sizes (1: twice as much takes twice as long), each the least of the
repeats. A stage with a large constant part shows an exponent below 1. Exit code 1 where one is
above 1.15. No model is loaded.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np

import lens_probes as lp
from lens_probes import stats
from lens_probes.examples.folds import make_folds
from lens_probes.texts.hard_wraps import unwrap
from lens_probes.texts.load import Document, Text

BOUND = 1.15
Stage = tuple[str, str, int, Callable[[int], Callable[[], object]]]


def examples_of(n: int, *, words: int, sources: int) -> lp.Examples:
    """n examples of some word types of each class, from some sources."""
    rng = np.random.default_rng(0)
    label = np.arange(n) % 2
    word = [f"w{label[i]}-{i % words}" for i in range(n)]
    return lp.Examples.from_tokens(
        rng.integers(0, 50_000, (n, 8)), -1, label, word=word,
        source=[f"s{i % sources}" for i in range(n)],
    )  # fmt: skip


def paragraph(n: int) -> str:
    """One paragraph of n characters, wrapped at 70."""
    words = ("The state of the union is what its people make of it and of each other. " * n)[:n]
    return "\n".join(words[i : i + 70] for i in range(0, n, 70))


def stages() -> Iterator[Stage]:
    """Name, what grows, its smallest size, and what is run at a size once all is prepared."""

    def units(n: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rng = np.random.default_rng(0)
        x = rng.normal(size=(n, width)).astype(np.float32)
        y = np.arange(n) % 2
        return x, y, (np.arange(n) % 120) * 2 + y

    def statistic(function: Callable[..., object], *more: str, n: bool) -> Callable[..., object]:
        def at(size: int) -> Callable[[], object]:
            x, y, group = units(size, 256) if n else units(600, size)
            given = {
                "groups": {"groups": group},
                "word": {"word": group},
                "fold": {"fold": group % 5},
            }
            options = {name: value for key in more for name, value in given[key].items()}
            return lambda: function(x, y, **options)

        return at

    for what, n, smallest in (("examples", True, 600), ("units", False, 512)):
        yield "t test", what, smallest, statistic(stats.ttest, n=n)
        yield "logistic regression", what, smallest, statistic(stats.logistic, n=n)
        yield "AUC", what, smallest, statistic(stats.auc, n=n)
        yield "word level", what, smallest, statistic(stats.word_level, "word", n=n)
        yield "held-out scores", what, smallest, statistic(stats.heldout_direction, "fold", n=n)
        yield "max permutation", what, smallest, statistic(stats.max_permutation, "groups", n=n)

    def permuted_groups(size: int) -> Callable[[], object]:
        x, y, _ = units(size, 512)
        return lambda: stats.max_permutation(x, y, n_permutations=200)

    yield "max permutation", "groups", 200, permuted_groups

    def of_examples(read: Callable[[lp.Examples], object], **fixed: int) -> Callable[..., object]:
        def at(size: int) -> Callable[[], object]:
            made = {"n": size, "words": 50, "sources": 50} | {
                k: v or size for k, v in fixed.items()
            }
            examples = examples_of(made["n"], words=made["words"], sources=made["sources"])
            return lambda: read(examples.select(np.arange(len(examples))))

        return at

    yield "replication groups", "examples", 2000, of_examples(lambda e: e.group)
    yield "replication groups", "words", 2000, of_examples(lambda e: e.group, words=0)
    yield "by source", "sources", 1000, of_examples(lambda e: e.by_source(), sources=0)
    yield "folds", "examples", 2000, of_examples(make_folds)
    yield "folds", "words", 2000, of_examples(make_folds, words=0)
    yield "folds", "sources", 2000, of_examples(make_folds, sources=0)
    yield "digest", "examples", 2000, of_examples(lambda e: e.digest)
    yield "table", "examples", 2000, of_examples(lambda e: e.table())

    def unwrapped(size: int) -> Callable[[], object]:
        text = paragraph(size)
        return lambda: unwrap(text)

    yield "undo hard wraps", "characters", 40_000, unwrapped

    def hashed(size: int) -> Callable[[], object]:
        documents = tuple(Document(f"d{i}", f"s{i}", f"Text {i}. " * 20) for i in range(size))
        return lambda: (lambda text: (text.originals, text.sha256))(Text("all", documents, "here"))

    yield "copies and digest of a text", "documents", 1000, hashed

    def adjusted(size: int) -> Callable[[], object]:
        p = np.random.default_rng(0).random(size)
        return lambda: stats.adjust(p, method="bh")

    yield "Benjamini-Hochberg", "units", 20_000, adjusted


def seconds(run: Callable[[], object], repeats: int) -> float:
    """The least processor seconds of some runs."""
    took = []
    for _ in range(repeats):
        began = time.process_time()
        run()
        took.append(time.process_time() - began)
    return min(took)


def main() -> int:
    """Print the table; 1 where a stage grows faster than the bound."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--doublings", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args()
    print("| stage | grows with | from | to | seconds at the largest | exponent |")
    print("|---|---|---:|---:|---:|---:|")
    steep = []
    for name, what, smallest, prepared in stages():
        sizes = [smallest * 2**k for k in range(asked.doublings + 1)]
        took = []
        for size in sizes:
            run = prepared(size)
            if not took:
                run()  # kernels are compiled once
            took.append(seconds(run, asked.repeats))
        exponent = float(np.polyfit(np.log(sizes[-3:]), np.log(took[-3:]), 1)[0])
        print(
            f"| {name} | {what} | {sizes[0]:,} | {sizes[-1]:,} | {took[-1]:.3f} | {exponent:.2f} |"
        )
        if exponent > BOUND:
            steep.append(f"{name} in {what}")
    if steep:
        print(f"\nabove {BOUND}: {', '.join(steep)}", file=sys.stderr)
    return 1 if steep else 0


if __name__ == "__main__":
    sys.exit(main())
