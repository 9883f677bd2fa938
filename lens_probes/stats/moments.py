"""Means, standard deviations and distinct values of every unit in the two classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lens_probes.stats.inputs import (
    Bools,
    CountPerUnit,
    Ints,
    Labels,
    PerUnit,
    Units,
    check_labels,
    check_units,
    chunks,
)
from lens_probes.stats.sums import class_sums


@dataclass(frozen=True)
class Moments:
    """Class moments; every array is [unit], means and sds in the unit's own scale (sd: ddof 1)."""

    n0: int
    n1: int
    mean0: PerUnit
    mean1: PerUnit
    sd0: PerUnit
    sd1: PerUnit
    n_distinct: CountPerUnit
    direction: PerUnit


def moments(x: Units, y: Labels) -> Moments:
    """Moments of x [example, unit] for labels y [example] of 0 and 1.

    n_distinct counts the different values over all examples: a unit of a layer that sees only
    the token takes as many values as there are tokens, and its p-values count rows, not evidence.
    direction is sign(mean1 - mean0): 1, -1, or 0 (equal means).

    Raises ValueError for NaN or infinite x, labels that are not 0 or 1, and a class with fewer
    than 2 examples.

    Examples
    --------
    >>> import numpy as np
    >>> from lens_probes import stats
    >>> x, y = np.array([[1.0, 0.0], [2.0, 1.0], [4.0, 0.0], [5.0, 2.0]]), np.array([0, 0, 1, 1])
    >>> stats.moments(x, y).mean1
    array([4.5, 1. ])
    """
    x = check_units(x)
    positive = check_labels(y, int(x.shape[0]))
    sums = class_sums(x, positive)
    return Moments(
        n0=sums.n0,
        n1=sums.n1,
        mean0=sums.shift + sums.scale * sums.mean0,
        mean1=sums.shift + sums.scale * sums.mean1,
        sd0=sums.scale * np.sqrt(sums.ss0 / (sums.n0 - 1)),
        sd1=sums.scale * np.sqrt(sums.ss1 / (sums.n1 - 1)),
        n_distinct=count_distinct(x),
        direction=np.sign(sums.gap),
    )


def count_distinct(x: Units) -> Ints:
    """Number of different values of each unit of x [example, unit].

    Examples
    --------
    >>> import numpy as np
    >>> from lens_probes import stats
    >>> stats.count_distinct(np.array([[1.0, 0.0], [2.0, 0.0]]))
    array([2, 1])
    """
    x = check_units(x)
    counts = np.zeros(x.shape[1], dtype=np.int64)
    for first, part in chunks(x, max_units=256):
        ordered = np.sort(np.ascontiguousarray(part.T), axis=1)
        changes: Bools = ordered[:, 1:] != ordered[:, :-1]
        counts[first : first + part.shape[1]] = 1 + changes.sum(axis=1)
    return counts
