"""Relabellings: how many there are, all of them, or a seeded sample.

Labels may be two classes or codes 0, 1, 2 ... of the distinct values of a continuous label.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from lens_probes.stats.inputs import Floats, Ints

# Counts of relabellings of a continuous label stop here: 1,500! has more than 4,000 digits.
MANY = 10**15


def code_values(values: Floats) -> tuple[npt.NDArray[Any], Floats]:
    """Values [item] as small codes, and centred value of each code, of length 1 over the items."""
    distinct, codes = np.unique(values, return_inverse=True)
    centred = distinct - distinct[0]
    centred -= centred[codes].mean()
    scaled: Floats = centred / np.linalg.norm(centred[codes])
    return codes.astype(np.min_scalar_type(len(distinct))), scaled


def count_relabellings(labels: npt.NDArray[Any], stratum: Ints, *, most: int | None = None) -> int:
    """Number of ways to deal labels [item] out again inside each stratum [item].

    With `most`, that number stands for anything larger, which is then never computed.
    """
    tables = [np.unique(labels[part], return_counts=True)[1].tolist() for part in _parts(stratum)]
    log_count = sum(
        math.lgamma(sum(table) + 1) - sum(math.lgamma(count + 1) for count in table)
        for table in tables
    )
    if most is not None and log_count > math.log(most) + 1:
        return most
    count = math.prod(
        math.comb(n, k)
        for table in tables
        for n, k in zip(itertools.accumulate(table), table, strict=True)
    )
    return count if most is None else min(count, most)


def all_relabellings(labels: npt.NDArray[Any], stratum: Ints) -> npt.NDArray[Any]:
    """Every distinct relabelling [relabelling, item], the given one among them."""
    parts = _parts(stratum)
    codes = _as_codes(labels)
    table = np.empty((count_relabellings(labels, stratum), len(codes)), dtype=codes.dtype)
    order = np.concatenate(parts)
    dealt = itertools.product(*([*_arrangements(codes[part].tolist())] for part in parts))
    for row, pieces in enumerate(dealt):
        table[row, order] = list(itertools.chain.from_iterable(pieces))
    return table


def sample_relabellings(
    labels: npt.NDArray[Any], stratum: Ints, *, n: int, seed: int
) -> npt.NDArray[Any]:
    """n random relabellings [n, item]; counts of each label inside every stratum are kept.

    Sorting random keys shuffles all strata of a relabelling at once.
    """
    rng = np.random.default_rng(seed)
    codes = _as_codes(labels)
    ordered = codes[np.argsort(stratum, kind="stable")]
    table = np.empty((n, len(codes)), dtype=codes.dtype)
    for first in range(0, n, 512):
        keys = stratum + rng.random((min(512, n - first), len(codes)))
        np.put_along_axis(
            table[first : first + 512], np.argsort(keys, axis=1), ordered[None, :], axis=1
        )
    return table


def _as_codes(labels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return labels.astype(np.int8) if labels.dtype == bool else labels


def _parts(stratum: Ints) -> list[npt.NDArray[np.intp]]:
    """The items of each stratum."""
    order = np.argsort(stratum, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(stratum[order])) + 1)


def _arrangements(labels: list[int]) -> Iterator[tuple[int, ...]]:
    """Distinct orders of labels, each once, from the sorted one on (Knuth 4A, algorithm 7.2.1.2 L).

    The next order raises the last label that can rise and sorts what follows it.
    """
    row = sorted(labels)
    while True:
        yield tuple(row)
        turn = next((k for k in range(len(row) - 2, -1, -1) if row[k] < row[k + 1]), None)
        if turn is None:
            return
        above = next(k for k in range(len(row) - 1, turn, -1) if row[k] > row[turn])
        row[turn], row[above] = row[above], row[turn]
        row[turn + 1 :] = reversed(row[turn + 1 :])
