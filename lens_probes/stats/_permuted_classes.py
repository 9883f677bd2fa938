"""The statistic that a permutation test of several classes permutes: Welch's F, made comparable."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

from lens_probes.stats._compile import EXACT, compiled
from lens_probes.stats._permuted import Tops
from lens_probes.stats._raised import FIRST, N_BINS, STEP
from lens_probes.stats.f_test import class_sums
from lens_probes.stats.inputs import Bools, Floats, Ints
from lens_probes.stats.tails import z_of_chi2
from lens_probes.stats.welch import APART

# Below this squared error a class of means (which have length 1 together) is constant.
LEAST = 1e-14


@dataclass(frozen=True)
class NormalisedWelchF:
    """Welch's F of several classes of groups, normalised for its own degrees of freedom.

    (v + m / 2 - 1) log(1 + m F / v), with v Welch's degrees of freedom and m + 1 classes, is near
    chi-square with m degrees of freedom whatever v is (Bartlett 1938): plain F would let a
    relabelling with few degrees of freedom set the maximum. It is given as the |z| of the same p.

    codes [group] are the real classes, table [relabelling, group] the relabelled ones.
    """

    codes: npt.NDArray[Any]
    table: npt.NDArray[Any]
    name: str = "normalised Welch F"

    @cached_property
    def sizes(self) -> Ints:
        """Groups of each class."""
        return np.bincount(self.codes).astype(np.int64)

    def observed(self, means: Floats) -> Floats:
        """|z| of the real classes, from their own deviations."""
        mean, squares = class_sums(means, self.codes.astype(np.int64), self.sizes)
        size = self.sizes[:, None]
        found = np.empty(means.shape[1])
        _chi2_all(mean, squares / (size * (size - 1)), self.sizes.astype(np.float64), found)
        return z_of_chi2(found, len(self.sizes) - 1)

    def same(self) -> Bools:
        """Relabellings that make the same classes, whatever they are called."""
        same = np.ones(len(self.table), dtype=bool)
        for c in range(len(self.sizes)):
            members = self.table[:, np.flatnonzero(self.codes == c)]
            same &= (members == members[:, :1]).all(axis=1)
        return same

    def raise_tops(self, means: Floats, rows: slice, family: Ints, tops: Tops) -> None:
        """Sums of each class and of its squares under each relabelling are all that is needed."""
        table, values = self.table[rows], np.ascontiguousarray(means.T)
        sums, squares = np.empty((2, len(self.sizes), len(values), len(table)))
        for c in range(len(self.sizes)):
            inside = np.ascontiguousarray((table == c).astype(np.float64).T)
            sums[c], squares[c] = values @ inside, values**2 @ inside
        best = np.zeros((len(tops.best), len(table)))
        _raise_welch_f(
            sums, squares, self.sizes.astype(np.float64), self._edges, family, best,
            tops.counts[rows], tops.tails,
        )  # fmt: skip
        top = z_of_chi2(best, len(self.sizes) - 1)
        np.maximum(tops.best[:, rows], top, out=tops.best[:, rows])

    @cached_property
    def _edges(self) -> Floats:
        """The chi-square at which each bin of |z| begins."""
        z = FIRST + STEP * np.arange(N_BINS)
        edges: Floats = special.chdtri(len(self.sizes) - 1, 2 * special.ndtr(-z))
        return np.maximum.accumulate(edges)


@compiled(EXACT)
def _chi2(mean: Floats, variance: Floats, sizes: Floats) -> float:
    """The normalised statistic of one unit from class means and their squared errors."""
    k = sizes.size
    anchor = 0
    for c in range(k):
        if variance[c] < variance[anchor]:
            anchor = c
    # From the most certain mean: its weight may be large beyond all others.
    total, first, second = 0.0, 0.0, 0.0
    for c in range(k):
        weight = 1.0 / max(variance[c], LEAST)
        gap = mean[c] - mean[anchor]
        total += weight
        first += weight * gap
        second += weight * gap * gap
    spread = 0.0
    for c in range(k):
        share = 1.0 - 1.0 / (max(variance[c], LEAST) * total)
        spread += share * share / (sizes[c] - 1.0)
    m = k - 1.0
    f = max(second - first * first / total, 0.0) / m
    f /= 1.0 + 2.0 * (k - 2.0) / (k * k - 1.0) * spread
    dof = (k * k - 1.0) / (3.0 * spread)
    return (dof + 0.5 * m - 1.0) * math.log1p(m * min(f, APART) / dof)


@compiled(EXACT)
def _chi2_all(mean: Floats, variance: Floats, sizes: Floats, out: Floats) -> None:
    for unit in range(out.size):
        out[unit] = _chi2(mean[:, unit].copy(), variance[:, unit].copy(), sizes)


@compiled(EXACT)
def _raise_welch_f(
    sums: Floats,
    squares: Floats,
    sizes: Floats,
    edges: Floats,
    family: Ints,
    best: Floats,
    counts: npt.NDArray[np.int32],
    tails: npt.NDArray[np.int64],
) -> None:
    """sums, squares [class, unit, relabelling]; best [family, relabelling] is a chi-square."""
    counting = counts.shape[1] > 0
    k = sizes.size
    mean, variance = np.empty(k), np.empty(k)
    for unit in range(sums.shape[1]):
        f = family[unit]
        for b in range(sums.shape[2]):
            for c in range(k):
                mean[c] = sums[c, unit, b] / sizes[c]
                rest = squares[c, unit, b] - sums[c, unit, b] * mean[c]
                variance[c] = max(rest, 0.0) / (sizes[c] * (sizes[c] - 1.0))
            found = _chi2(mean, variance, sizes)
            best[f, b] = max(best[f, b], found)
            if counting and found >= edges[0]:
                place = np.searchsorted(edges, found, side="right") - 1
                counts[b, place] += 1
                tails[f, place] += 1
