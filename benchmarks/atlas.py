"""Many labels on the units of a model: time of an atlas's statistics, and their error.

python benchmarks/atlas.py [--labels 200] [--units 74880] [--relabellings 1000] [--runs 200]

The time is that of labels of 4 to 100 word types and up to three times as many others, every sixth
of pairs; the error is the share of runs with any hit over units x labels, where units follow words
and no label.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from lens_probes.stats.many_labels import RowLabel, many_labels

SITES = (1536, 576, 192, 192)  # widths of mlp_pre, q, k and v of the bundled model


def main() -> None:
    """Write one line for the time and one for the error."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--labels", type=int, default=200)
    parser.add_argument("--units", type=int, default=30 * sum(SITES))
    parser.add_argument("--rows", type=int, default=2500)
    parser.add_argument("--relabellings", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=200)
    given = parser.parse_args()
    if given.labels:
        _time(given)
    if given.runs:
        wrong = sum(_any_hit(run) for run in range(given.runs))
        print(
            f"units that follow words alone (60 units, 16 labels): any hit in {wrong} of "
            f"{given.runs} runs ({wrong / given.runs:.3f}; nominal 0.05)"
        )


def made_labels(n_labels: int, n_rows: int, rng: np.random.Generator) -> list[RowLabel]:
    """Labels of 4 to 100 rows and up to three times as many others; every sixth one of pairs."""
    labels = []
    for k in range(n_labels):
        n1 = int(np.exp(rng.uniform(np.log(4), np.log(100))))
        if k % 6 == 5:
            n1 = max(n1, 8)
            sides, pair = np.repeat([0, 1], n1), np.tile(np.arange(n1), 2)
            labels.append(RowLabel(rng.permutation(n_rows)[: 2 * n1], sides, pair, k))
            continue
        n0 = min(3, max(1, 200 // n1 - 1)) * n1
        sides = np.repeat([0, 1], [n0, n1])
        labels.append(RowLabel(rng.permutation(n_rows)[: n0 + n1], sides, None, k))
    return labels


def _time(given: argparse.Namespace) -> None:
    rng = np.random.default_rng(0)
    widths = []
    while sum(widths) < given.units:
        widths.append(min(SITES[len(widths) % 4], given.units - sum(widths)))
    arrays = [rng.standard_normal((given.rows, width), dtype=np.float32) for width in widths]
    labels = made_labels(given.labels, given.rows, rng)

    def read(index: int, rows: np.ndarray) -> np.ndarray:
        return arrays[index][rows]

    for one in (labels[0], labels[5 % len(labels)]):  # compiled once
        many_labels(lambda i, r: arrays[0][r][:, :20], (20,), [one], n_permutations=200)
    start, busy = time.perf_counter(), time.process_time()
    many_labels(
        read, widths, labels, n_permutations=given.relabellings, n_threads=given.threads
    )  # fmt: skip
    took, busy = time.perf_counter() - start, time.process_time() - busy
    rows = np.mean([len(one.rows) for one in labels])
    print(
        f"{given.labels} labels ({rows:.0f} word types each) x {sum(widths):,} units x "
        f"{given.relabellings:,} relabellings: {busy:.0f} processor seconds ({took:.0f} s here), "
        f"{busy / given.labels:.2f} a label"
    )


def _any_hit(run: int, *, n: int = 240, n_units: int = 60) -> bool:
    """Whether any unit passes for any label; means of few tokens are noisy, units are related."""
    rng = np.random.default_rng(run)
    tokens = np.exp(rng.normal(2, 1.2, n)).astype(int) + 2
    word = rng.standard_normal((n, n_units)) * rng.choice([0.3, 1, 3], n_units)
    mixed = rng.standard_normal((n_units, n_units)) / 8 + np.eye(n_units)
    x = word @ mixed + rng.standard_normal((n, n_units)) / np.sqrt(tokens)[:, None]
    labels = [
        RowLabel(one.rows, one.label, one.pair, 1000 * run + k)
        for k, one in enumerate(made_labels(16, n, rng))
    ]
    found = many_labels(lambda _, r: x[r], (n_units,), labels, n_permutations=499, seed=run)
    return bool((found.p_family <= 0.05).any())


if __name__ == "__main__":
    main()
