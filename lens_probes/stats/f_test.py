"""Several classes: one-way F, its score twin, Welch's F, AUC against the rest, pairwise g."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
from jaxtyping import Float64

from lens_probes.stats.auc import auc
from lens_probes.stats.groups import centred_scaled
from lens_probes.stats.inputs import (
    Floats,
    Ints,
    Labels,
    PerUnit,
    Units,
    check_classes,
    check_units,
    chunks,
    refuse_nonfinite,
    to_numpy,
)
from lens_probes.stats.tails import chi2_tail, f_tail
from lens_probes.stats.ttest import ttest

PerClass = Float64[np.ndarray, "class unit"]


@dataclass(frozen=True)
class FTest:
    """One-way tests of k classes; every array is [unit], those of `means` and `sds` [class, unit].

    F, F_dof, F_p: between over within mean squares, with k - 1 and F_dof = n - k degrees of
    freedom. eta_squared: share of the variance between classes. score_p: the score test of the
    multinomial logit on one unit, n eta_squared against chi-square with k - 1 degrees of freedom, a
    monotone function of F. welch_F, welch_F_dof, welch_F_p: Welch's (1951) test, which needs no
    equal variance. A constant unit is NaN; one that varies between classes only has F = inf, p 0.
    """

    F: PerUnit
    F_dof: PerUnit
    F_p: PerUnit
    log10_F_p: PerUnit
    eta_squared: PerUnit
    score_p: PerUnit
    log10_score_p: PerUnit
    welch_F: PerUnit
    welch_F_dof: PerUnit
    welch_F_p: PerUnit
    log10_welch_F_p: PerUnit
    means: PerClass
    sds: PerClass
    sizes: tuple[int, ...]


def f_test(x: Units, y: Labels) -> FTest:
    """F, score and Welch tests of x [example, unit] for classes y [example] of 0, 1, 2 ...

    With two classes F is t squared. F = [sum n_c (m_c - m)^2 / (k - 1)] / [sum ss_c / (n - k)].

    Raises ValueError for NaN or infinite x, classes that are not numbered from 0 without gaps, and
    a class with fewer than 2 examples.

    Examples
    --------
    >>> import numpy as np
    >>> from lens_probes import stats
    >>> x, y = np.array([[1.0], [2.0], [4.0], [5.0], [7.0], [8.0]]), np.array([0, 0, 1, 1, 2, 2])
    >>> stats.f_test(x, y).F
    array([36.])
    """
    x = check_units(x)
    classes = check_classes(y, int(x.shape[0]))
    sizes = np.bincount(classes)
    n, k, width = len(classes), len(sizes), int(x.shape[1])
    columns, means, sds = np.full((4, width), np.nan), *np.empty((2, k, width))
    for first, part in chunks(x, max_units=512):
        if not np.isfinite(part).all():
            refuse_nonfinite(part, first)
        units = slice(first, first + part.shape[1])
        values, scale = centred_scaled(part), scale_of(part)
        mean, squares = class_sums(values, classes, sizes)
        means[:, units] = part[0].astype(np.float64) + mean * scale
        sds[:, units] = np.sqrt(squares / (sizes - 1)[:, None]) * scale
        varies = (part != part[:1]).any(axis=0)
        columns[:, units] = np.where(varies, _statistics(mean, squares, sizes), np.nan)
    f, eta, welch_f, welch_dof = columns
    f_p, log10_f_p = f_tail(f, k - 1, n - k)
    score_p, log10_score_p = chi2_tail(n * eta, k - 1)
    welch_p, log10_welch_p = f_tail(welch_f, k - 1, welch_dof)
    return FTest(
        F=f,
        F_dof=np.where(np.isnan(f), np.nan, float(n - k)),
        F_p=f_p,
        log10_F_p=log10_f_p,
        eta_squared=eta,
        score_p=score_p,
        log10_score_p=log10_score_p,
        welch_F=welch_f,
        welch_F_dof=welch_dof,
        welch_F_p=welch_p,
        log10_welch_F_p=log10_welch_p,
        means=means,
        sds=sds,
        sizes=tuple(sizes.tolist()),
    )


def class_sums(values: Floats, classes: Ints, sizes: Ints) -> tuple[Floats, Floats]:
    """Means and sums of squares about them [class, unit] of values [example, unit]."""
    mean, squares = np.empty((2, len(sizes), values.shape[1]))
    for c in range(len(sizes)):
        part = values[classes == c]
        flat = (part == part[:1]).all(axis=0)
        mean[c] = np.where(flat, part[0], part.mean(axis=0))
        squares[c] = np.where(flat, 0.0, np.square(part - mean[c]).sum(axis=0))
    return mean, squares


def _statistics(mean: Floats, squares: Floats, sizes: Ints) -> Floats:
    """F, eta squared, Welch's F and its degrees of freedom [4, unit]."""
    n, k, size = int(sizes.sum()), len(sizes), sizes[:, None].astype(np.float64)
    overall = (size * mean).sum(axis=0) / n
    between, within = (size * np.square(mean - overall)).sum(axis=0), squares.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        f = (between / (k - 1)) / (within / (n - k))
        eta = between / (between + within)
        f = np.where((mean == mean[:1]).all(axis=0), 0.0, f)
        welch_f, dof = welch_f_of(mean, squares / (size - 1) / size, sizes)
    return np.stack([f, eta, welch_f, dof])


def welch_f_of(mean: Floats, variance: Floats, sizes: Ints) -> tuple[Floats, Floats]:
    """Welch's F and its second degrees of freedom from class means and their squared errors.

    With weights w = 1 / variance, W their sum and m the weighted mean, F = [sum w (mean - m)^2 /
    (k - 1)] / [1 + 2 (k - 2) / (k^2 - 1) L], L = sum (1 - w / W)^2 / (n - 1), and dof = (k^2 - 1) /
    3 L. A class without variance takes the limit; two of them with different means give inf.
    """
    k = len(sizes)
    apart = (variance == 0).sum(axis=0) > 1
    floor = 1e-12 * variance.max(axis=0) + 1e-300
    weight = 1 / np.maximum(variance, floor)
    # From the most certain mean: its weight may be large beyond all others.
    anchor = np.take_along_axis(mean, weight.argmax(axis=0)[None], axis=0)
    gap, total = mean - anchor, weight.sum(axis=0)
    between = (weight * gap**2).sum(axis=0) - (weight * gap).sum(axis=0) ** 2 / total
    spread = (np.square(1 - weight / total) / (sizes - 1)[:, None]).sum(axis=0)
    f = np.maximum(between, 0.0) / (k - 1) / (1 + 2 * (k - 2) / (k**2 - 1) * spread)
    dof: Floats = (k**2 - 1) / (3 * spread)
    return np.where(apart & _differ(mean, variance), np.inf, f), dof


def _differ(mean: Floats, variance: Floats) -> npt.NDArray[np.bool_]:
    """Whether classes without variance have different means [unit]."""
    low = np.where(variance == 0, mean, np.inf).min(axis=0)
    high = np.where(variance == 0, mean, -np.inf).max(axis=0)
    differ: npt.NDArray[np.bool_] = high > low
    return differ


def scale_of(part: npt.NDArray[Any]) -> Floats:
    """What `centred_scaled` divides by [unit]."""
    moved = part.astype(np.float64)
    widest = np.abs(moved - moved[:1]).max(axis=0, initial=0.0)
    scale: Floats = np.ldexp(1.0, np.frexp(widest)[1].clip(-1000, 1000))
    return scale


@dataclass(frozen=True)
class AucAgainstRest:
    """AUC of each class against all others, above 0.5 where it is higher, with DeLong's error.

    Both are [class, unit]; every example counts as independent.
    """

    auc: PerClass
    auc_se: PerClass


def auc_against_rest(x: Units, y: Labels) -> AucAgainstRest:
    """AUC of x [example, unit] of each class y [example] of 0, 1, 2 ... against all others.

    Raises ValueError as f_test does.
    """
    classes = check_classes(y, int(check_units(x).shape[0]))
    found = [auc(x, classes == c) for c in range(int(classes.max()) + 1)]
    return AucAgainstRest(
        np.stack([one.auc for one in found]), np.stack([one.auc_se for one in found])
    )


def pairwise_g(x: Units, y: Labels) -> Float64[np.ndarray, "class class unit"]:
    """Hedges' g of x [example, unit] between every two classes y [example] of 0, 1, 2 ...

    [first, second, unit], positive where the second is higher, 0 on the diagonal; the standard
    deviation is pooled over these two classes, as in `ttest`.

    Raises ValueError as f_test does.
    """
    values = to_numpy(check_units(x), "x")
    classes = check_classes(y, len(values))
    k = int(classes.max()) + 1
    g = np.zeros((k, k, values.shape[1]))
    for a, b in combinations(range(k), 2):
        rows = np.isin(classes, (a, b))
        g[a, b] = ttest(values[rows], classes[rows] == b).hedges_g
        g[b, a] = -g[a, b]
    return g
