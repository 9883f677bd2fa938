"""Relabellings: how many there are, all of them, or a seeded sample."""

from __future__ import annotations

import itertools
import math

import numpy as np
import numpy.typing as npt

from lens_probes.stats.inputs import Bools, Ints


def count_relabellings(labels: Bools, stratum: Ints) -> int:
    """Number of ways to deal labels [item] out again inside each stratum [item]."""
    sizes, positives = np.bincount(stratum), np.bincount(stratum, weights=labels)
    return math.prod(
        math.comb(int(n), round(k)) for n, k in zip(sizes.tolist(), positives.tolist(), strict=True)
    )


def all_relabellings(labels: Bools, stratum: Ints) -> npt.NDArray[np.int8]:
    """Every relabelling [relabelling, item] of 0 and 1, the given one among them."""
    choices = []
    for s in np.unique(stratum).tolist():
        members = np.flatnonzero(stratum == s).tolist()
        choices.append(itertools.combinations(members, int(labels[stratum == s].sum())))
    table = np.zeros((count_relabellings(labels, stratum), len(labels)), dtype=np.int8)
    for row, parts in enumerate(itertools.product(*choices)):
        table[row, list(itertools.chain.from_iterable(parts))] = 1
    return table


def sample_relabellings(labels: Bools, stratum: Ints, *, n: int, seed: int) -> npt.NDArray[np.int8]:
    """n random relabellings [n, item]; counts of each label inside every stratum are kept.

    Sorting random keys shuffles all strata of a relabelling at once.
    """
    rng = np.random.default_rng(seed)
    ordered = labels[np.argsort(stratum, kind="stable")].astype(np.int8)
    table = np.empty((n, len(labels)), dtype=np.int8)
    for first in range(0, n, 512):
        keys = stratum + rng.random((min(512, n - first), len(labels)))
        np.put_along_axis(
            table[first : first + 512], np.argsort(keys, axis=1), ordered[None, :], axis=1
        )
    return table
