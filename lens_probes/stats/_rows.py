"""Units from [example, unit] to cache-sized blocks [unit, example], with their class sums.

Examples come sorted by class (class 0 first). A row is shifted by its first value and scaled by a
power of two near its range before anything is summed, so neither a large offset nor the unit's
scale costs precision; the scaling itself is exact.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from lens_probes.stats._compile import EXACT, FINITE, REORDER, compiled
from lens_probes.stats.inputs import Floats, Ints

SUMS = 10
SHIFT, SCALE, MEAN0, MEAN1, SS0, SS1, LOW0, HIGH0, LOW1, HIGH1 = range(SUMS)
BLOCK_VALUES = 40_000


@compiled(REORDER)
def _centred_sums(row: Floats) -> tuple[float, float]:
    """Mean and sum of squares about it, corrected for the rounding of the mean."""
    n = row.size
    total = 0.0
    for i in range(n):
        total += row[i]
    mean = total / n
    squares = 0.0
    rest = 0.0
    for i in range(n):
        d = row[i] - mean
        squares += d * d
        rest += d
    return mean + rest / n, max(squares - rest * rest / n, 0.0)


@compiled(EXACT)
def _sums(row: Floats, n0: int, out: Floats) -> None:
    """Shift and scale one row in place and write its class sums; `out` already has its ranges."""
    shift = row[0]
    span = max(out[HIGH0], out[HIGH1]) - min(out[LOW0], out[LOW1])
    exponent = max(min(math.frexp(span)[1], 1000), -1000) if span > 0.0 else 0
    inverse = math.ldexp(1.0, -exponent)
    scale = math.ldexp(1.0, exponent)
    for i in range(row.size):
        row[i] = (row[i] - shift) * inverse
    out[SHIFT] = shift
    out[SCALE] = scale
    out[MEAN0], out[SS0] = row[0], 0.0
    out[MEAN1], out[SS1] = row[n0], 0.0
    if out[LOW0] != out[HIGH0]:
        out[MEAN0], out[SS0] = _centred_sums(row[:n0])
    if out[LOW1] != out[HIGH1]:
        out[MEAN1], out[SS1] = _centred_sums(row[n0:])


@compiled(FINITE)
def _ranges(
    x: npt.NDArray[Any], order: Ints, first: int, low: npt.NDArray[Any], high: npt.NDArray[Any]
) -> None:
    """Smallest and largest value over the examples in `order`, side by side over units."""
    for j in range(low.size):
        low[j] = x[order[0], first + j]
        high[j] = low[j]
    for i in range(1, order.size):
        values = x[order[i], first : first + low.size]
        for j in range(low.size):
            v = values[j]
            low[j] = v if v < low[j] else low[j]
            high[j] = v if v > high[j] else high[j]


@compiled(EXACT)
def _copy_block(x: npt.NDArray[Any], order: Ints, first: int, block: Floats) -> None:
    """Units `first` ... of x [example, unit] into block [unit, example ...], in `order`.

    Four examples at a time: the stores of one unit then fall into one cache line.
    """
    n = order.size
    for i in range(0, n - 3, 4):
        r0, r1, r2, r3 = order[i], order[i + 1], order[i + 2], order[i + 3]
        for j in range(block.shape[0]):
            u = first + j
            block[j, i] = x[r0, u]
            block[j, i + 1] = x[r1, u]
            block[j, i + 2] = x[r2, u]
            block[j, i + 3] = x[r3, u]
    for i in range(n - n % 4, n):
        for j in range(block.shape[0]):
            block[j, i] = x[order[i], first + j]


@compiled(EXACT)
def load_block(
    x: npt.NDArray[Any], order: Ints, n0: int, first: int, block: Floats, sums: Floats
) -> None:
    """One block of units: rows shifted and scaled in `block`, class sums in sums [unit, SUMS].

    Means of a row with a NaN or infinity are NaN or infinite.
    """
    width = sums.shape[0]
    low = np.empty(width, dtype=x.dtype)
    high = np.empty(width, dtype=x.dtype)
    _ranges(x, order[:n0], first, low, high)
    sums[:, LOW0] = low
    sums[:, HIGH0] = high
    _ranges(x, order[n0:], first, low, high)
    sums[:, LOW1] = low
    sums[:, HIGH1] = high
    _copy_block(x, order, first, block)
    for j in range(width):
        _sums(block[j, : order.size], n0, sums[j])


def empty_block(n: int, units: int) -> Floats:
    """An empty block [unit, n or a little more] of about 40,000 values.

    Rows are an odd number of cache lines long: a power of two apart, they would all compete for
    the same few places in the cache. Kernels take n besides, and read row[:n].
    """
    lines = (n + 7) // 8
    return np.empty((max(1, min(BLOCK_VALUES // n, units)), 8 * (lines + 1 - lines % 2)))
