"""Units that are zero in most examples, in two questions: is there a value, and how large is it?

The mean of such a unit mixes how often it is there with how much there is of it (a two-part or
hurdle model; Duan and others 1983), and a t test of it leans on few examples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lens_probes.stats._options import checked_options
from lens_probes.stats.groups import group_examples, group_labels
from lens_probes.stats.inputs import (
    CountPerUnit,
    Floats,
    Labels,
    PerUnit,
    Units,
    check_labels,
    check_units,
    chunks,
    refuse_nonfinite,
)
from lens_probes.stats.ttest import welch

# Group means of a class that Welch's t of the values needs: of two the variance is no estimate.
LEAST_VALUES = 3


@dataclass(frozen=True)
class ZeroInflated:
    """Presence, and value given presence; every array is [unit]. Positive t: class 1 is higher.

    presence0, presence1: mean over the groups of a class of the share of its examples that are not
    zero; presence_t and its p: Welch's t of these shares. value_t and its p: Welch's t of the means
    of the examples that are not zero, of the groups that have any (n_value0, n_value1 of them); NaN
    where a class has fewer than three.
    """

    presence0: PerUnit
    presence1: PerUnit
    presence_t: PerUnit
    presence_p: PerUnit
    log10_presence_p: PerUnit
    value_t: PerUnit
    value_p: PerUnit
    log10_value_p: PerUnit
    n_value0: CountPerUnit
    n_value1: CountPerUnit


@checked_options
def zero_inflated(x: Units, y: Labels, groups: Any = None) -> ZeroInflated:
    """Two-part tests of x [example, unit] between classes y [example], over groups [example].

    Without groups every example is one. Each group counts once in both tests.

    Raises ValueError for a group with both labels, and whatever ttest refuses.
    """
    x = check_units(x)
    n = int(x.shape[0])
    positive = check_labels(y, n)
    of = group_examples(np.arange(n) if groups is None else groups, n, what="group")
    labels = group_labels(of, positive)
    columns = np.full((10, int(x.shape[1])), np.nan)
    for first, part in chunks(x, max_units=512):
        if not np.isfinite(part).all():
            refuse_nonfinite(part, first)
        values = part.astype(np.float64)
        counts = of.sums((values != 0).astype(np.float64))
        share = counts / of.sizes[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            means = of.sums(values) / counts
        presence, value = (_tests(one, labels) for one in (share, means))
        units = slice(first, first + part.shape[1])
        columns[:, units] = np.stack([*presence[:2], *presence[4:], *value[4:], *value[2:4]])
    return ZeroInflated(*columns[:8], *columns[8:].astype(np.int64))


def _tests(means: Floats, labels: Any) -> tuple[Floats, ...]:
    """Means and numbers of both classes, t, p and log10 p [unit] of groups that have a value."""
    sides = [means[~labels], means[labels]]
    there = [~np.isnan(side) for side in sides]
    n = [np.asarray(one.sum(axis=0), dtype=np.float64) for one in there]
    with np.errstate(divide="ignore", invalid="ignore"):
        centres = [
            np.where(t, s, 0).sum(axis=0) / k for s, t, k in zip(sides, there, n, strict=True)
        ]
        squares = [
            np.where(t, (s - c) ** 2, 0).sum(axis=0) / (k * (k - 1))
            for s, t, c, k in zip(sides, there, centres, n, strict=True)
        ]
        t, _, p, log10_p = welch(centres[1] - centres[0], *squares, *n)
    few = (np.minimum(*n) < LEAST_VALUES) | ~np.isfinite(t)
    return (*centres, *n, *(np.where(few, np.nan, one) for one in (t, p, log10_p)))
