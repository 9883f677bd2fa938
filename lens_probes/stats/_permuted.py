"""The statistics that a permutation test permutes, each computed for many relabellings at once.

All are studentised: they divide an effect by its own standard error under each relabelling, so
that classes or values of unequal size and unequal spread keep their level (Janssen 1997; DiCiccio
and Romano 2017). Each is two matrix products and one pass over the result.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from lens_probes.stats._raised import raise_ratio, raise_welch
from lens_probes.stats.inputs import Bools, Floats, Ints
from lens_probes.stats.welch import APART, welch_z

# From this ceiling of the studentised r on it is used: thresholds lie near 5.
CEILING = 6.0


@dataclass(frozen=True)
class Tops:
    """What is kept of the relabellings: best [family, relabelling], the largest |statistic| so far.

    counts [relabelling, bin]: units whose |statistic| falls into each bin; tails [family, bin]: the
    same of all relabellings together. Without bins if not asked.
    """

    best: Floats
    counts: npt.NDArray[np.int32]
    tails: npt.NDArray[np.int64]


class Statistic(Protocol):
    """A studentised effect of group means [group, unit] that are centred and of length 1."""

    @property
    def name(self) -> str:
        """What it is called in results."""

    @property
    def table(self) -> npt.NDArray[Any]:
        """Relabellings [relabelling, group]."""

    def observed(self, means: Floats) -> Floats:
        """Under the real labels [unit], signed."""

    def same(self) -> Bools:
        """Rows of the table that give the same |statistic| as the real labels by definition."""

    def raise_tops(self, means: Floats, rows: slice, family: Ints, tops: Tops) -> None:
        """Raise `tops` by these units under some rows of the table; family [unit]."""


@dataclass(frozen=True)
class NormalisedWelch:
    """Welch's t of two classes of groups, normalised for its own degrees of freedom.

    z = (8v + 1) / (8v + 3) sqrt(v log(1 + t^2 / v)), with t's sign and v Welch's degrees of freedom
    (Wallace 1959), is near normal whatever v is. Plain |t| would let a relabelling with few degrees
    of freedom set the maximum.
    """

    labels: Bools
    table: npt.NDArray[np.int8]
    name: str = "normalised Welch t"

    def observed(self, means: Floats) -> Floats:
        """z of the real labels."""
        return welch_z(means, self.labels)

    def same(self) -> Bools:
        """The real labels, and with classes of equal size their mirror image."""
        equal: Bools = (self.table == self.labels).all(axis=1)
        if 2 * int(self.labels.sum()) == len(self.labels):
            equal |= (self.table != self.labels).all(axis=1)
        return equal

    def raise_tops(self, means: Floats, rows: slice, family: Ints, tops: Tops) -> None:
        """Sums of class 1 and of its squares under each relabelling are all that is needed.

        Where only maxima are asked for, the products are in float32, and in float64 again for the
        few units that could change one.
        """
        kind: Any = np.float64 if tops.counts.shape[1] else np.float32
        table, narrow = self.table[rows], means.astype(kind)
        inside = table.astype(kind)
        raise_welch(
            np.ascontiguousarray(means.T), table, inside @ narrow, inside @ narrow**2,
            float(np.finfo(kind).eps), int(self.labels.sum()), family, tops.best[:, rows],
            tops.counts[rows], tops.tails,
        )  # fmt: skip


@dataclass(frozen=True)
class StudentisedSlope:
    """The slope b of means m on a label c over its standard error, for values and inside strata.

    t = b / se with se^2 = sum(u (m - b c)^2) / sum(c^2)^2 and u = c^2 / (1 - h)^2, h the leverage
    (HC3 of MacKinnon and White 1985). With many groups (`imposed`) b = 0 and u = c^2 in se: the
    studentised r of DiCiccio and Romano (2017), which holds its level best, but cannot exceed
    sum(c^2) / sqrt(sum(c^4)): with few groups a strong effect would hide in its standard error.
    `contrast` [code] are the centred values, `codes` [group] the real and `table` the relabelled
    codes; label and means are centred inside strata, and two groups a stratum (pairs) make t a
    monotone function of the paired t. Without `studentise` it is r, as Student's t has it.
    """

    contrast: Floats
    codes: npt.NDArray[Any]
    table: npt.NDArray[Any]
    stratum: Ints
    studentise: bool = True

    @property
    def name(self) -> str:
        """Student t, or one of the two ways to studentise."""
        if not self.studentise:
            return "Student t"
        return "studentised r" if self.imposed else "studentised slope"

    @cached_property
    def imposed(self) -> bool:
        """Whether even then an effect could stand far above any threshold."""
        squares: Floats = np.square(self._label(self.codes))
        pairs = bool(self.stratum.any())
        return not pairs and float(squares.sum() / np.sqrt(np.square(squares).sum())) >= CEILING

    @cached_property
    def _inside(self) -> tuple[Floats, Floats]:
        """Mean label of each group's stratum, and 1 / size of the stratum: no relabelling moves
        them."""
        sizes = np.bincount(self.stratum)
        means = np.bincount(self.stratum, weights=self.contrast[self.codes]) / sizes
        centre: Floats = means[self.stratum]
        return centre, 1.0 / sizes[self.stratum]

    def _label(self, codes: npt.NDArray[Any]) -> Floats:
        label: Floats = self.contrast[codes] - self._inside[0]
        return label

    def _weights(self, label: Floats) -> Floats:
        """u for labels [relabelling, group]."""
        squares: Floats = label**2
        if self.imposed:
            return squares
        free: Floats = 1 - self._inside[1] - squares / squares.sum(axis=1, keepdims=True)
        weights: Floats = squares / np.maximum(free, 0.05) ** 2
        return weights

    def observed(self, means: Floats) -> Floats:
        """Under the real labels [unit]."""
        label = self._label(self.codes)
        squares = float(label @ label)
        slope: Floats = label @ means / squares
        if not self.studentise:
            r: Floats = slope * np.sqrt(squares)
            return r
        rest = means if self.imposed else means - np.outer(label, slope)
        with np.errstate(divide="ignore", invalid="ignore"):
            t = slope * squares / np.sqrt(self._weights(label[None])[0] @ np.square(rest))
        limit = math.sqrt(APART)
        return np.where(slope == 0, 0.0, np.clip(t, -limit, limit))

    def same(self) -> Bools:
        """The real labels, and labels that are their negative."""
        real, size = self._label(self.codes), np.abs(self.contrast).max()
        rows = np.zeros(len(self.table), dtype=bool)
        for first in range(0, len(self.table), 512):
            part = self._label(self.table[first : first + 512])
            rows[first : first + 512] = (np.abs(part - real).max(axis=1) < 1e-12 * size) | (
                np.abs(part + real).max(axis=1) < 1e-12 * size
            )
        return rows

    def raise_tops(self, means: Floats, rows: slice, family: Ints, tops: Tops) -> None:
        """sum(u (m - b c)^2) from three products: u m^2, u c m and c m."""
        label = self._label(self.table[rows])
        squares = np.square(label).sum(axis=1)
        above = label @ means
        if self.studentise:
            weights = self._weights(label)
            below = weights @ means**2
        if self.studentise and not self.imposed:
            slope = above / squares[:, None]
            below -= slope * (2 * ((weights * label) @ means))
            below += slope**2 * (weights * label**2).sum(axis=1, keepdims=True)
        if not self.studentise:
            below = np.repeat(squares[:, None], means.shape[1], axis=1)
        raise_ratio(above, below, family, tops.best[:, rows], tops.counts[rows], tops.tails)
