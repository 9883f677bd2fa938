"""Kernels of a permutation test: what units add to the maxima and counts of relabellings."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from lens_probes.stats._compile import EXACT, REORDER, compiled
from lens_probes.stats.inputs import Floats, Ints
from lens_probes.stats.welch import APART

# Exceedances are counted from this |z| on (two-sided p of 0.1), in steps of STEP up to LAST.
FIRST, STEP, LAST = 1.6448536269514722, 0.002, 12.0
N_BINS = math.ceil((LAST - FIRST) / STEP)

# Units that are looked at together.
_BLOCK = 128


@compiled(EXACT)
def _place(z: float, n_bins: int) -> int:
    """The bin of z; beyond the last bin the last, below the first -1."""
    return min(int((z - FIRST) / STEP), n_bins - 1) if z >= FIRST else -1


@compiled(EXACT)
def _needed(z: float, dof: float) -> float:
    """The t^2 below which |z| cannot be reached with any degrees of freedom up to dof."""
    plain = z * (8.0 * dof + 3.0) / (8.0 * dof + 1.0)
    return dof * math.expm1(min(plain * plain / dof, 600.0)) * (1.0 - 1e-12)


@compiled(EXACT)
def _variances(level: float, q: float, n0: float, n1: float) -> tuple[float, float]:
    """Squared errors of both class means, from the squared sum and the squares of class 1."""
    # Divisions by what no unit changes are made once, outside the loop over units.
    share0, share1 = 1.0 / n0, 1.0 / n1
    v0 = max(1.0 - q - level * share0, 0.0) * (share0 / (n0 - 1.0))
    v1 = max(q - level * share1, 0.0) * (share1 / (n1 - 1.0))
    return v0, v1


@compiled(EXACT)
def _welch_z(level: float, v0: float, v1: float, n0: float, n1: float) -> float:
    """|z| from the squared sum of class 1 and the squared errors of both class means."""
    both, most = max(v0 + v1, 1e-300), n0 + n1 - 2.0
    dof = both * both / max(v0 * v0 * (1.0 / (n0 - 1.0)) + v1 * v1 * (1.0 / (n1 - 1.0)), 1e-300)
    dof = min(max(dof, 1e-3), most)
    squared = level * (1.0 / n0 + 1.0 / n1) ** 2 / both
    if squared >= APART:
        squared, dof = APART, most
    z = math.sqrt(dof * math.log1p(squared / dof))
    return z * (8.0 * dof + 1.0) / (8.0 * dof + 3.0)


@compiled(REORDER)
def _sums(values: Floats, inside: npt.NDArray[np.int8]) -> tuple[float, float]:
    """Sum and sum of squares of class 1, in float64."""
    total, squares = 0.0, 0.0
    for g in range(values.size):
        v = values[g] * inside[g]
        total += v
        squares += v * v
    return total, squares


@compiled(REORDER)
def _any_beyond(
    sums: Any, squares: Any, least: Floats, loose: Floats, n0: float, n1: float, rounding: float
) -> bool:
    """Whether t^2 of a unit may reach `least` [unit]; no branch but at the end."""
    beyond = 0
    share0, share1 = 1.0 / n0, 1.0 / n1
    scale0, scale1 = share0 / (n0 - 1.0), share1 / (n1 - 1.0)
    wide = (share0 + share1) ** 2
    for i in range(sums.size):
        size, q = abs(float(sums[i])), float(squares[i])
        level, farther = size * size, size + loose[i]
        v1 = max(q - level * share1, 0.0) * scale1
        v0 = max(1.0 - q - level * share0, 0.0) * scale0
        error = rounding + 2.0 * farther * loose[i] * max(share0, share1)
        beyond += farther * farther * wide > least[i] * (v0 + v1 - error * (scale0 + scale1))
    return beyond > 0


@compiled(EXACT)
def raise_welch(
    values: Floats,
    table: npt.NDArray[np.int8],
    sums: npt.NDArray[Any],
    squares: npt.NDArray[Any],
    rounding: float,
    n_ones: int,
    family: Ints,
    best: Floats,
    counts: npt.NDArray[np.int32],
    tails: npt.NDArray[np.int64],
) -> None:
    """sums, squares [relabelling, unit] of class 1; values [unit, group], table 0 or 1.

    The values of a unit have sum 0 and length 1. z grows with t^2 and with its degrees of freedom,
    of which there are at most n - 2: most units are seen to stay below the best so far by one
    comparison. Where the rounding of the sums (of n products in any order: n times `rounding` times
    the sum of |values|) leaves open whether a unit is above the best, or in which bin it is, its
    sums are taken again in float64.
    """
    n = values.shape[1]
    n1 = float(n_ones)
    n0 = n - n1
    most, counting = n - 2.0, counts.shape[1] > 0
    rounding = (n + 4.0) * rounding
    scales = 1.0 / (n0 * (n0 - 1.0)) + 1.0 / (n1 * (n1 - 1.0))
    wide = (1.0 / n0 + 1.0 / n1) ** 2
    ratio = math.sqrt(max(n0, n1) / min(n0, n1))
    least = np.empty(best.shape[0])
    of_unit, loose = np.empty(family.size), np.empty(family.size)
    for i in range(family.size):
        loose[i] = rounding * np.abs(values[i]).sum()
    for b in range(sums.shape[0]):
        for f in range(best.shape[0]):
            least[f] = _needed(min(best[f, b], FIRST) if counting else best[f, b], most)
        for i in range(family.size):
            of_unit[i] = least[family[i]]
        for first in range(0, family.size, _BLOCK):
            last = min(first + _BLOCK, family.size)
            if not _any_beyond(
                sums[b, first:last], squares[b, first:last], of_unit[first:last], loose[first:last],
                n0, n1, rounding,
            ):  # fmt: skip
                continue
            for i in range(first, last):
                f, q, total = family[i], float(squares[b, i]), abs(float(sums[b, i]))
                level, farther = total * total, total + loose[i]
                v0, v1 = _variances(level, q, n0, n1)
                both = v0 + v1
                error = (rounding + 2.0 * farther * loose[i] / min(n0, n1)) * scales
                if farther * farther * wide <= least[f] * (both - error):
                    continue
                z = _welch_z(level, v0, v1, n0, n1)
                wrong = loose[i] / total + (3.0 + ratio) * error / both
                low, high = z * (1.0 - wrong), z * (1.0 + wrong)
                if (
                    not wrong < 0.5
                    or high > best[f, b]
                    or (counting and _place(low, N_BINS) != _place(high, N_BINS))
                ):
                    total, q = _sums(values[i], table[b])
                    v0, v1 = _variances(total * total, q, n0, n1)
                    z = _welch_z(total * total, v0, v1, n0, n1)
                if counting and z >= FIRST:
                    place = _place(z, N_BINS)
                    counts[b, place] += 1
                    tails[f, place] += 1
                if z > best[f, b]:
                    best[f, b] = z
                    if not counting:
                        least[f] = _needed(z, most)


@compiled(EXACT)
def raise_ratio(
    above: Floats,
    below: Floats,
    family: Ints,
    best: Floats,
    counts: npt.NDArray[np.int32],
    tails: npt.NDArray[np.int64],
) -> None:
    """|above| / sqrt(below) [relabelling, unit]."""
    counting = counts.shape[1] > 0
    for b in range(above.shape[0]):
        for unit in range(above.shape[1]):
            f = family[unit]
            top = min(best[f, b], FIRST) if counting else best[f, b]
            a, under = above[b, unit], max(below[b, unit], 1e-300)
            if a * a > top * top * under:
                z = math.sqrt(min(a * a / under, APART))
                if counting and z >= FIRST:
                    place = _place(z, N_BINS)
                    counts[b, place] += 1
                    tails[f, place] += 1
                best[f, b] = max(best[f, b], z)
