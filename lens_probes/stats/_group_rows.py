"""One pass over each unit: how its groups of examples score, vary and rank.

A group is independent evidence, its examples are not: every group counts once, an example weighs
one over the size of its group. Groups are numbered with those of class 0 first: `k0` of them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from lens_probes.stats._compile import EXACT, REORDER, compiled
from lens_probes.stats.inputs import Floats, Ints

COLUMNS = 12
GAP, MEAN_V0, MEAN_V1, WITHIN, AUC, AUC_V0, AUC_V1, HIT0, HIT1, HIT_V0, HIT_V1, SPAN = range(
    COLUMNS
)


@compiled(EXACT)
def _place(row: Floats, order: Ints, group: Ints, weight: Floats, k0: int, out: Floats) -> None:
    """Mean placement of each group: the share of the other class's groups that lie on its right
    side, class 1 above class 0; equal values count half.

    Nothing branches on the class, which a processor cannot predict.
    """
    out[:] = 0.0
    below0, below1, scale0, scale1 = 0.0, 0.0, 1.0 / k0, 1.0 / (out.size - k0)
    ties = 0
    previous = math.inf
    for k in range(row.size):
        i = order[k]
        g = group[i]
        w = weight[i]
        c = np.float64(g >= k0)
        w1 = w * c
        w0 = w - w1
        out[g] += w1 * below0 * scale0 + w0 * (1.0 - below1 * scale1)
        below0 += w0
        below1 += w1
        ties += row[i] == previous
        previous = row[i]
    if ties == 0:
        return
    out[:] = 0.0
    below0, below1 = 0.0, 0.0
    first = 0
    while first < row.size:
        value = row[order[first]]
        last, tied0, tied1 = first, 0.0, 0.0
        while last < row.size and row[order[last]] == value:
            c = np.float64(group[order[last]] >= k0)
            tied0 += 0.5 * weight[order[last]] * (1.0 - c)
            tied1 += 0.5 * weight[order[last]] * c
            last += 1
        score0 = 1.0 - (below1 + tied1) * scale1
        score1 = (below0 + tied0) * scale0
        for k in range(first, last):
            g = group[order[k]]
            out[g] += weight[order[k]] * (score1 if g >= k0 else score0)
        below0 += 2.0 * tied0
        below1 += 2.0 * tied1
        first = last


@compiled(REORDER)
def _moments(values: Floats) -> tuple[float, float]:
    """Mean over groups, and the variance of that mean (0 for a single group)."""
    mean = values.sum() / values.size
    squares = 0.0
    for g in range(values.size):
        squares += (values[g] - mean) ** 2
    return mean, squares / max(values.size - 1, 1) / values.size


@compiled(REORDER)
def _means(row: Floats, group: Ints, weight: Floats, out: Floats) -> float:
    """Means of the groups, and the sum of squares about them."""
    out[:] = 0.0
    for i in range(row.size):
        out[group[i]] += weight[i] * row[i]
    squares = 0.0
    for i in range(row.size):
        squares += (row[i] - out[group[i]]) ** 2
    return squares


@compiled(EXACT)
def _hits(
    row: Floats, group: Ints, weight: Floats, k0: int, middle: float, gap: float, out: Floats
) -> None:
    """Share of each group on its side of the middle; half where the classes have equal means."""
    out[:] = 0.0
    for i in range(row.size):
        apart = (row[i] - middle) * gap * (2.0 * (group[i] >= k0) - 1.0)
        out[group[i]] += 0.5 * weight[i] * (1.0 + np.float64(apart > 0.0) - np.float64(apart < 0.0))


@compiled(EXACT)
def group_rows(
    values: npt.NDArray[Any], order: Ints, group: Ints, weight: Floats, k0: int, out: Floats
) -> None:
    """Rows of values [unit, example], with their sorting order, as out [unit, COLUMNS].

    group and weight are [example]. Means and variances are of the values divided by their span,
    which is out's last column.
    """
    n = values.shape[1]
    row = np.empty(n)
    scores = np.empty(group.max() + 1)
    for u in range(values.shape[0]):
        low = np.float64(values[u, order[u, 0]])
        span = np.float64(values[u, order[u, n - 1]]) - low
        scale = 1.0 / span if span > 0.0 else 0.0
        for i in range(n):
            row[i] = (np.float64(values[u, i]) - low) * scale
        _place(row, order[u], group, weight, k0, scores)
        _, out[u, AUC_V0] = _moments(scores[:k0])
        out[u, AUC], out[u, AUC_V1] = _moments(scores[k0:])
        out[u, WITHIN] = _means(row, group, weight, scores)
        mean0, out[u, MEAN_V0] = _moments(scores[:k0])
        mean1, out[u, MEAN_V1] = _moments(scores[k0:])
        out[u, GAP] = mean1 - mean0
        _hits(row, group, weight, k0, 0.5 * (mean0 + mean1), mean1 - mean0, scores)
        out[u, HIT0], out[u, HIT_V0] = _moments(scores[:k0])
        out[u, HIT1], out[u, HIT_V1] = _moments(scores[k0:])
        out[u, SPAN] = span


@compiled(EXACT)
def group_placements(
    values: Floats, order: Ints, group: Ints, weight: Floats, k0: int, out: Floats
) -> None:
    """Mean placement of each group in each unit: out [unit, group]."""
    for u in range(values.shape[0]):
        _place(values[u], order[u], group, weight, k0, out[u])


@compiled(EXACT)
def _keys(values: npt.NDArray[np.int32], out: Ints) -> None:
    """Bits of float32 as integers of the same order, with the example's number below them."""
    for u in range(values.shape[0]):
        for i in range(values.shape[1]):
            bits = values[u, i]
            ordered = bits ^ ((bits >> np.int32(31)) & np.int32(0x7FFFFFFF))
            out[u, i] = (np.int64(ordered) << np.int64(32)) | np.int64(i)


def sorting_order(values: npt.NDArray[Any]) -> Ints:
    """Order [unit, example] that sorts each row; for float32 by sorting integers: faster."""
    if values.dtype != np.float32:
        return np.argsort(values, axis=1).astype(np.int64, copy=False)
    keys = np.empty(values.shape, dtype=np.int64)
    _keys(values.view(np.int32), keys)
    keys.sort(axis=1)
    keys &= 0xFFFFFFFF
    return keys
