"""The largest statistic of group means over families of units, relabelling by relabelling."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

from lens_probes.errors import InputError
from lens_probes.stats._permuted import Statistic, Tops
from lens_probes.stats._raised import FIRST, N_BINS, STEP
from lens_probes.stats.corrections import families, family_ids
from lens_probes.stats.groups import Groups, centred_scaled
from lens_probes.stats.inputs import Bools, Floats, Ints, InTurn, Numbers, chunks, refuse_nonfinite

# Two values of the statistic closer than this share are one: rounding must not part ties.
TIE = 1e-9
# Units beyond this |z| are counted by p_beyond.
BEYOND = 2.0


@dataclass(frozen=True)
class Maxima:
    """value [unit] under the real labels, and tops of the relabellings.

    ids [family] are the family ids, members their units; same [relabelling]: those that give the
    value of the real labels by definition. A unit with constant means is NaN.
    """

    value: Floats
    tops: Tops
    same: Bools
    ids: npt.NDArray[Any]
    members: list[npt.NDArray[np.intp]]

    def p_values(self, *, exact: bool, alpha: float) -> tuple[Floats, Floats]:
        """Family-wise p [unit] and the threshold of |value| [family] that it sets at alpha.

        Without `exact` the real labels count as one relabelling more: p = (1 + b) / (1 + B).
        The threshold is infinite where no p can be as small as alpha, NaN where none is tested.
        """
        return family_p(self.value, self.tops.best, self.members, exact=exact, alpha=alpha)

    def thresholds_nearby(self, *, exact: bool, alpha: float) -> Floats:
        """[2, family] thresholds that other draws of as many relabellings could have set (95 %).

        The number of relabellings above the true threshold is binomial; both are the threshold
        itself where all relabellings were used.
        """
        n = self.tops.best.shape[1]
        if exact:
            return np.tile(self.p_values(exact=True, alpha=alpha)[1], (2, 1))
        half = 1.96 * np.sqrt(alpha * (1 - alpha) / (n + 1))
        levels = (min(alpha + half, 0.99), max(alpha - half, 1e-12))
        return np.stack([self.p_values(exact=False, alpha=level)[1] for level in levels])

    def p_beyond(self, *, exact: bool) -> float:
        """p of as many units beyond |z| = BEYOND as under the real labels, among relabellings."""
        first = round((BEYOND - FIRST) / STEP)
        many = self.tops.counts[:, first:].sum(axis=1)
        edge = FIRST + STEP * first
        real = int((np.abs(self.value[~np.isnan(self.value)]) >= edge).sum())
        reached = int((many >= real).sum())
        return reached / len(many) if exact else (1 + reached) / (1 + len(many))

    def pooled_p(self) -> Floats:
        """p of each unit alone: the share of its family's relabelled |z| that reach its own.

        Without the relabellings that are the real labels, and with one more that reaches it. Below
        the first bin (p above about 0.1) it is the larger of that and the normal tail.
        """
        z, p = np.abs(self.value), np.full(len(self.value), np.nan)
        for of_family, units in zip(self.tops.tails, self.members, strict=True):
            tested = units[~np.isnan(z[units])]
            place = _bin(z[tested])
            real = np.bincount(place[z[tested] >= FIRST], minlength=N_BINS)
            others = of_family - real * int(self.same.sum())
            reached = np.cumsum(others[::-1])[::-1].clip(0)
            p[tested] = (1 + reached[place]) / (1 + len(tested) * int((~self.same).sum()))
        return np.where(z < FIRST, np.maximum(p, 2 * special.ndtr(-z)), p)

    def simes_level(self, *, exact: bool, alpha: float) -> float:
        """The calibrated level of Blanchard, Neuvial and Roquain (2020) over all tested units.

        For each relabelling the smallest m p_(k) / k over its ordered two-sided normal p-values up
        to 0.1; the alpha quantile of these over relabellings. p of a bin is taken at its far edge,
        which can only lower the level.
        """
        m = int((~np.isnan(self.value)).sum())
        best = self.tops.best.max(axis=0)
        n_bins = int(np.clip((best.max() - FIRST) // STEP + 1, 1, N_BINS))  # the rest are empty
        counts = self.tops.counts[:, :n_bins]
        p = 2 * special.ndtr(-(FIRST + STEP * (np.arange(n_bins) + 1)))
        at_least = np.cumsum(counts[:, ::-1], axis=1)[:, ::-1]
        ratio = np.where(counts > 0, m * p / np.maximum(at_least, 1), np.inf)
        # Nothing lies above the largest: the bin that it is in ends with it.
        rows, top = np.arange(len(best)), n_bins - 1 - (counts[:, ::-1] > 0).argmax(axis=1)
        ends = m * 2 * special.ndtr(-best) / np.maximum(at_least[rows, top], 1)
        ratio[rows, top] = np.where(counts[rows, top] > 0, ends, np.inf)
        pivot = ratio.min(axis=1)
        extra = 0 if exact else 1
        allowed = int(np.floor(alpha * (len(pivot) + extra) + 1e-9)) - extra
        return float(np.sort(pivot)[allowed]) if allowed >= 0 else 0.0


def _bin(z: Floats) -> Ints:
    """Bin of each |z|; the first for those below it."""
    return np.floor((z - FIRST) / STEP).clip(0, N_BINS - 1).astype(np.int64)


def family_p(
    value: Floats,
    best: Floats,
    members: list[npt.NDArray[np.intp]],
    *,
    exact: bool,
    alpha: float,
) -> tuple[Floats, Floats]:
    """Family-wise p [unit] of |value|, and the threshold [family] that it sets at alpha.

    best [family, draw] are the largest |value| of each draw. Without `exact` the real labels count
    as one draw more: p = (1 + b) / (1 + B).
    """
    extra = 0 if exact else 1
    total = best.shape[1] + extra
    p, threshold = np.full(len(value), np.nan), np.full(len(members), np.nan)
    for k, units in enumerate(members):
        ordered = np.sort(best[k])
        tested = units[~np.isnan(value[units])]
        if len(tested) == 0:
            continue
        lowest = np.abs(value[tested]) * (1 - TIE) - 1e-12
        reached = len(ordered) - np.searchsorted(ordered, lowest, side="left")
        p[tested] = (reached + extra) / total
        allowed = int(np.floor(alpha * total + 1e-9))
        rank = max(len(ordered) - 1 - (allowed - extra), 0)
        threshold[k] = ordered[rank] if allowed >= 1 else np.inf
    return p, threshold


def check_draws(n_permutations: int, alpha: float) -> None:
    """A ValueError for a number of permutations or an alpha that cannot be."""
    if n_permutations < 1 or not 0 < alpha < 1:
        raise InputError(
            f"n_permutations is {n_permutations} and alpha {alpha}: "
            "the first must be at least 1, the second between 0 and 1"
        )


def family_maxima(
    arrays: InTurn,
    items: Groups,
    stratum: Ints,
    statistic: Statistic,
    family: Numbers | None,
    *,
    count: bool = False,
) -> Maxima:
    """Maxima of units that follow one another in arrays [example, unit], in bounded memory."""
    width = sum(arrays.widths)
    family = None if family is None else family_ids(family)
    members = list(families(family, width))
    ids = np.array([0]) if family is None else np.unique(family)
    place = np.empty(width, dtype=np.int64)
    for k, indices in enumerate(members):
        place[indices] = k
    n = len(statistic.table)
    n_bins = N_BINS if count else 0
    tops = Tops(
        np.zeros((len(members), n)),
        np.zeros((n, n_bins), dtype=np.int32),
        np.zeros((len(members), n_bins), dtype=np.int64),
    )
    value = np.empty(width)
    same = statistic.same()
    best_real = np.zeros(len(members))
    for first, means in _group_means(arrays, items, stratum):
        units = slice(first, first + means.shape[1])
        real = np.where(np.isnan(means[0]), np.nan, statistic.observed(np.nan_to_num(means)))
        value[units] = real
        usable = np.flatnonzero(~np.isnan(real))
        here = place[units][usable]
        np.maximum.at(best_real, here, np.abs(real[usable]))
        for start in range(0, n, 512):
            rows = slice(start, min(start + 512, n))
            statistic.raise_tops(means[:, usable], rows, here, tops)
    # What the real labels give is known to the last digit: no rounding of a sum may exceed it.
    tops.best[:, same] = best_real[:, None]
    return Maxima(value, tops, same, ids, members)


def _group_means(arrays: InTurn, items: Groups, stratum: Ints) -> Iterator[tuple[int, Floats]]:
    """Runs of units as (first unit of all, group means [group, unit] centred, of length 1).

    Centred inside each stratum; a unit whose means do not vary there is NaN.
    """
    before = 0
    sizes = np.bincount(stratum).astype(np.float64)
    order = np.argsort(stratum, kind="stable")
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
    for array in arrays:
        for first, part in chunks(array, max_units=512):
            if not np.isfinite(part).all():
                refuse_nonfinite(part, first)
            means = items.sums(centred_scaled(part)) / items.sizes[:, None]
            if len(sizes) == 1:
                means -= means.mean(axis=0)
            else:
                centre = np.add.reduceat(means[order], starts, axis=0) / sizes[:, None]
                means -= centre[stratum]
            size = np.linalg.norm(means, axis=0)
            flat = size <= 1e-14 * np.sqrt(len(means))  # the largest value is near 1
            means /= np.where(flat, 1.0, size)
            means[:, flat] = np.nan
            yield before + first, means
        before += int(array.shape[1])
