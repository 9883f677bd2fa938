"""Many labels on the same units: one test over units x labels, from group means.

Each label compares some groups (rows) with some others, or the two rows of each pair. Their
statistics are on one scale, that of a normal z, so that one maximum may go over all of them:
Welch's t of two classes of groups and the paired t, each normalised for its degrees of freedom.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

from lens_probes.stats._maxima import TIE, Maxima, check_draws, family_maxima
from lens_probes.stats._permutation_design import Design
from lens_probes.stats.corrections import adjust
from lens_probes.stats.inputs import Floats, Ints, InTurn, PerUnit
from lens_probes.stats.relabel import (
    MANY,
    all_relabellings,
    count_relabellings,
    sample_relabellings,
)
from lens_probes.stats.welch import normal_scale

# Relabellings that p of single units come from: each gives as many values as there are units.
FEW = 100


@dataclass(frozen=True, eq=False)
class RowLabel:
    """One label: `rows` [item] of the means, their class `label` [item], 0 or 1.

    `pair` [item] ids, each once in both classes; None: rows are independent of one another. The
    `seed` draws its relabellings.
    """

    rows: Ints
    label: Ints
    pair: Ints | None = None
    seed: int = 0


@dataclass(frozen=True, eq=False)
class ManyLabels:
    """value [label, unit]: z, positive where class 1 is higher; NaN for a constant unit.

    p_family [label, unit]: p over all units and labels together; p_label [label, unit]: over the
    units of one label, as `max_permutation` gives it. q [label, unit]: Benjamini and Hochberg's
    over all units and labels, of each unit's own p. threshold: |value| from which p_family is at
    most alpha.
    """

    value: Floats
    p_family: Floats
    p_label: Floats
    q: Floats
    threshold: float


def many_labels(
    read: Callable[[int, Ints], Any],
    widths: Sequence[int],
    labels: Sequence[RowLabel],
    *,
    n_permutations: int = 1000,
    alpha: float = 0.05,
    n_threads: int = 1,
    seed: int = 0,
    done: Callable[[], object] = lambda: None,
) -> ManyLabels:
    """Test every unit for every label.

    Parameters
    ----------
    read
        (array, rows) -> [row, unit] means of some rows, of one of the arrays that units come in.
    widths
        [array] units of each.
    labels
        What is compared; each is relabelled by draws of its own seed. The b-th maximum goes over
        units and labels, with the b-th relabelling of each. Drawn independently, its quantiles are
        Bonferroni's over labels to within a thirtieth, however the labels depend on one another:
        P(any) <= sum of p <= -log(1 - alpha), 0.0513 at alpha = 0.05; over the units of a label the
        permutations carry the dependence.
    done
        Called after each label.

    Raises
    ------
    InputError
        A value that is not finite, a class without rows.
    """
    check_draws(n_permutations, alpha)

    def test(label: RowLabel) -> _Tested:
        found = _tested(read, widths, label, n_permutations)
        done()
        return found

    if n_threads == 1:
        tested = [test(label) for label in labels]
    else:
        with ThreadPoolExecutor(n_threads) as pool:
            tested = list(pool.map(test, labels))
    rng = np.random.default_rng(seed)
    best = np.zeros(n_permutations)
    for one in tested:
        same = len(one.best) == n_permutations
        drawn = one.best if same else rng.choice(one.best, n_permutations)
        np.maximum(best, drawn, out=best)
    value = np.stack([one.value for one in tested])
    ordered = np.sort(best)
    reached = len(best) - np.searchsorted(ordered, np.abs(value) * (1 - TIE), side="left")
    p_family = np.where(np.isnan(value), np.nan, (1 + reached) / (1 + len(best)))
    allowed = int(np.floor(alpha * (len(best) + 1) + 1e-9))
    threshold = float(ordered[len(best) - allowed]) if allowed >= 1 else float("inf")
    alone = np.stack([one.p for one in tested])
    q = adjust(alone.ravel(), method="bh").reshape(alone.shape)
    return ManyLabels(value, p_family, np.stack([one.p_label for one in tested]), q, threshold)


def z_of_label(x: npt.NDArray[Any], label: Ints, pair: Ints | None) -> PerUnit:
    """The statistic alone [unit], of rows x [item, unit]; 0 where nothing varies."""
    values = x.astype(np.float64)
    if pair is not None:
        gap = _in_pairs(values, label == 1, pair) - _in_pairs(values, label == 0, pair)
        return paired_z(gap)
    sides = values[label == 1], values[label == 0]
    v1, v0 = (side.var(axis=0, ddof=1) / len(side) for side in sides)
    with np.errstate(invalid="ignore"):
        z = normal_scale(
            sides[0].mean(axis=0) - sides[1].mean(axis=0), v0, v1, len(sides[1]), len(sides[0])
        )
    return np.nan_to_num(z)


def paired_z(gap: Floats) -> PerUnit:
    """The paired t of differences [pair, unit], on the scale of a normal z."""
    n = len(gap)
    mean, error = gap.mean(axis=0), gap.std(axis=0, ddof=1) / np.sqrt(n)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = normal_of_t(mean / error, n - 1)
    return np.nan_to_num(z)


def _in_pairs(values: Floats, side: npt.NDArray[np.bool_], pair: Ints) -> Floats:
    """Rows of one side in the order of their pairs."""
    rows = np.flatnonzero(side)
    ordered: Floats = values[rows[np.argsort(pair[rows], kind="stable")]]
    return ordered


def normal_of_t(t: Floats, dof: float) -> Floats:
    """Student's t on the scale of a normal z (Wallace 1959)."""
    size = (8 * dof + 1) / (8 * dof + 3) * np.sqrt(dof * np.log1p(np.minimum(t**2, 1e10) / dof))
    return np.copysign(size, t)


@dataclass(frozen=True, eq=False)
class _Tested:
    value: PerUnit
    p_label: PerUnit
    p: PerUnit
    best: Floats


def _tested(
    read: Callable[[int, Ints], Any], widths: Sequence[int], label: RowLabel, n: int
) -> _Tested:
    """One label: its z, its p over units and alone, the maxima of its relabellings."""
    items = len(label.rows)
    arrays = InTurn(lambda index: read(index, label.rows), tuple(widths), items)
    design = Design.of(label.label, items, None, label.pair, None)
    n_distinct = count_relabellings(design.codes, design.stratum, most=MANY)
    exact = n_distinct <= n
    if exact:
        table = all_relabellings(design.codes, design.stratum)
    else:
        table = sample_relabellings(design.codes, design.stratum, n=n, seed=label.seed)
    maxima = _maxima(arrays, design, table, count=False)
    p_label, _ = maxima.p_values(exact=exact, alpha=0.05)
    if label.pair is None:
        value, best = maxima.value, maxima.tops.best[0]
        counted = _maxima(arrays, design, table[:FEW], count=True)
        return _Tested(value, p_label, counted.pooled_p(), best)
    # Of pairs the studentised slope is a multiple of the paired t.
    k = items // 2
    scale = np.sqrt(2 * k / (k - 1))
    value, best = (normal_of_t(scale * t, k - 1) for t in (maxima.value, maxima.tops.best[0]))
    return _Tested(value, p_label, 2 * special.ndtr(-np.abs(value)), best)


def _maxima(arrays: InTurn, design: Design, table: Any, *, count: bool) -> Maxima:
    return family_maxima(
        arrays, design.items, design.stratum, design.statistic(table, None), None, count=count
    )
