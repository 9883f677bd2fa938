"""Class sums of every unit: the one pass that moments, t tests and the logit share."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from lens_probes.stats import _kernel as kernel
from lens_probes.stats.inputs import Bools, Floats, Ints, Units, chunks, is_cuda, refuse_nonfinite


@dataclass(frozen=True)
class ClassSums:
    """Means and sums of squares about them, in units of `scale` and relative to `shift`, [unit].

    value = shift + scale * (value here). Differences of means are taken here, so that a large
    offset cancels exactly. low and high are in the unit's own scale.
    """

    n0: int
    n1: int
    shift: Floats
    scale: Floats
    mean0: Floats
    mean1: Floats
    ss0: Floats
    ss1: Floats
    low0: Floats
    high0: Floats
    low1: Floats
    high1: Floats

    @property
    def gap(self) -> Floats:
        """mean1 - mean0 in units of scale."""
        return self.mean1 - self.mean0

    @property
    def constant(self) -> Bools:
        """Units with one value throughout."""
        same: Bools = np.minimum(self.low0, self.low1) == np.maximum(self.high0, self.high1)
        return same

    @property
    def pooled_variance(self) -> Floats:
        """Within-class variance with n - 2 in the denominator, in units of scale squared."""
        return (self.ss0 + self.ss1) / (self.n0 + self.n1 - 2)


def by_class(positive: Bools) -> tuple[Ints, int]:
    """Row order with class 0 first, and the size of class 0."""
    return np.argsort(positive, kind="stable").astype(np.int64), int((~positive).sum())


def run_threads(work: Callable[[int, int], None], width: int, n_threads: int) -> None:
    """Call work(start, stop) over equal runs of units, one a thread."""
    if n_threads < 1:
        raise ValueError(f"n_threads is {n_threads}: it must be at least 1")
    edges = np.linspace(0, width, min(n_threads, max(width, 1)) + 1).astype(int).tolist()
    if len(edges) == 2:
        work(0, width)
        return
    with ThreadPoolExecutor(n_threads) as pool:
        for done in [pool.submit(work, *ends) for ends in pairwise(edges)]:
            done.result()


def pack(sums: Floats, n0: int, n1: int) -> ClassSums:
    """Columns of the kernel's table [unit, SUMS] as ClassSums."""
    order = (
        kernel.SHIFT,
        kernel.SCALE,
        kernel.MEAN0,
        kernel.MEAN1,
        kernel.SS0,
        kernel.SS1,
        kernel.LOW0,
        kernel.HIGH0,
        kernel.LOW1,
        kernel.HIGH1,
    )
    return ClassSums(n0, n1, *(np.ascontiguousarray(sums[:, k]) for k in order))


def check_finite(sums: Floats, part: npt.NDArray[Any], first_unit: int) -> None:
    """Raise for the first NaN or infinity of a run of units, which made its sums non-finite."""
    if not np.isfinite(sums[:, [kernel.SS0, kernel.SS1, kernel.MEAN0, kernel.MEAN1]]).all():
        refuse_nonfinite(part, first_unit)


def class_sums(x: Units, positive: Bools, *, n_threads: int = 1) -> ClassSums:
    """Class sums of x [example, unit]; NaN or infinity is a ValueError naming unit and example."""
    if is_cuda(x):
        from lens_probes.stats._torch import class_sums_torch  # noqa: PLC0415 (slow import)

        return class_sums_torch(x, positive)
    order, n0 = by_class(positive)
    table = np.empty((x.shape[1], kernel.SUMS))
    for first, part in chunks(x):
        rows = table[first : first + part.shape[1]]

        def work(start: int, stop: int, part: npt.NDArray[Any] = part, rows: Floats = rows) -> None:
            kernel.sum_units(part, order, n0, start, stop, rows)

        run_threads(work, part.shape[1], n_threads)
        check_finite(rows, part, first)
    return pack(table, n0, len(order) - n0)
