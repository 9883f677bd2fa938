"""Class sums of every unit: the one pass that moments, t tests and the logit share."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from lens_probes.errors import InputError
from lens_probes.stats import _rows as rows
from lens_probes.stats.inputs import (
    Bools,
    Floats,
    PerUnit,
    Units,
    chunks,
    refuse_nonfinite,
)


@dataclass(frozen=True)
class ClassSums:
    """Means and sums of squares about them, in units of `scale` and relative to `shift`, [unit].

    value = shift + scale * (value here). Differences of means are taken here, so that a large
    offset cancels exactly. low and high are in the unit's own scale.
    """

    n0: int
    n1: int
    shift: PerUnit
    scale: PerUnit
    mean0: PerUnit
    mean1: PerUnit
    ss0: PerUnit
    ss1: PerUnit
    low0: PerUnit
    high0: PerUnit
    low1: PerUnit
    high1: PerUnit

    @property
    def gap(self) -> Floats:
        """mean1 - mean0 in units of scale."""
        difference: Floats = self.mean1 - self.mean0
        return difference

    @property
    def constant(self) -> Bools:
        """Units with one value throughout."""
        same: Bools = np.minimum(self.low0, self.low1) == np.maximum(self.high0, self.high1)
        return same

    @property
    def pooled_variance(self) -> Floats:
        """Within-class variance with n - 2 in the denominator, in units of scale squared."""
        variance: Floats = (self.ss0 + self.ss1) / (self.n0 + self.n1 - 2)
        return variance


def pack(table: Floats, n0: int, n1: int) -> ClassSums:
    """Columns of a table [unit, SUMS] as ClassSums."""
    columns = (rows.SHIFT, rows.SCALE, rows.MEAN0, rows.MEAN1, rows.SS0, rows.SS1)
    ranges = (rows.LOW0, rows.HIGH0, rows.LOW1, rows.HIGH1)
    return ClassSums(n0, n1, *(np.ascontiguousarray(table[:, k]) for k in (*columns, *ranges)))


BlockWork = Callable[[Floats, Floats, slice], None]


def sum_blocks(
    x: Units, positive: Bools, *, n_threads: int = 1, work: BlockWork | None = None
) -> ClassSums:
    """Class sums of x [example, unit], block by block.

    `work(block, table, units)` sees each block [unit, example ...] while it is in cache, with its
    rows of the table [unit, SUMS] and their place among all units.
    Raises ValueError naming unit and example for a NaN or an infinity.
    """
    order = np.argsort(positive, kind="stable").astype(np.int64)
    n0 = int((~positive).sum())
    table = np.empty((x.shape[1], rows.SUMS))
    for first, part in chunks(x):

        def run(start: int, stop: int, first: int = first, part: npt.NDArray[Any] = part) -> None:
            block = rows.empty_block(len(order), stop - start)
            for a in range(start, stop, len(block)):
                units = slice(first + a, first + min(a + len(block), stop))
                filled = block[: units.stop - units.start]
                rows.load_block(part, order, n0, a, filled, table[units])
                if work is not None:
                    work(filled, table[units], units)

        run_threads(run, part.shape[1], n_threads)
        if not np.isfinite(table[first : first + part.shape[1]]).all():
            refuse_nonfinite(part, first)
    return pack(table, n0, len(order) - n0)


def run_threads(work: Callable[[int, int], None], width: int, n_threads: int) -> None:
    """Call work(start, stop) over equal runs of units, one a thread."""
    if n_threads < 1:
        raise InputError(f"n_threads is {n_threads}: it must be at least 1")
    edges = np.linspace(0, width, min(n_threads, max(width, 1)) + 1).astype(int).tolist()
    if len(edges) == 2:
        work(0, width)
        return
    with ThreadPoolExecutor(n_threads) as pool:
        for done in [pool.submit(work, *ends) for ends in pairwise(edges)]:
            done.result()


def class_sums(x: Units, positive: Bools) -> ClassSums:
    """Class sums of x [example, unit]."""
    return sum_blocks(x, positive)
