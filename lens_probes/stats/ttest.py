"""Student and Welch t tests and Hedges' g with its confidence interval, for every unit at once."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lens_probes.stats._noncentral import noncentrality_limits
from lens_probes.stats.inputs import Floats, Labels, PerUnit, Units, check_labels, check_units
from lens_probes.stats.sums import ClassSums, class_sums
from lens_probes.stats.tails import log_gamma_half_step, student_tail


@dataclass(frozen=True)
class TTest:
    """Two-sample t tests; every array is [unit]. Positive t and g: class 1 is higher.

    A constant unit is NaN throughout. A unit with different means and no variance within the
    classes has t = +-inf, p = 0, log10 p = -inf and infinite g; its Welch dof does not exist (NaN).
    """

    t: PerUnit
    t_dof: PerUnit
    t_p: PerUnit
    log10_t_p: PerUnit
    welch_t: PerUnit
    welch_dof: PerUnit
    welch_p: PerUnit
    log10_welch_p: PerUnit
    hedges_g: PerUnit
    g_low: PerUnit
    g_high: PerUnit


def ttest(x: Units, y: Labels) -> TTest:
    """Student, Welch and Hedges' g of x [example, unit] for labels y [example] of 0 and 1.

    Student t is a monotone function of the score statistic of the logit (n r^2): the two do not
    confirm each other. hedges_g is Cohen's d times the exact small-sample factor (Hedges 1981).
    g_low and g_high are the exact 95 % interval of the population effect, by inverting the
    noncentral t distribution (Steiger and Fouladi 1997): the interval of delta itself, to which
    no small-sample factor belongs. It covers delta in 95 % of normal samples, and excludes 0
    exactly when t_p < 0.05.

    Raises ValueError for NaN or infinite x, labels that are not 0 or 1, and a class with fewer
    than 2 examples.

    Examples
    --------
    >>> import numpy as np
    >>> from lens_probes import stats
    >>> x, y = np.array([[1.0, 0.0], [2.0, 1.0], [4.0, 0.0], [5.0, 2.0]]), np.array([0, 0, 1, 1])
    >>> stats.ttest(x, y).t.round(2)
    array([4.24, 0.45])
    """
    x = check_units(x)
    return ttest_from_sums(class_sums(x, check_labels(y, int(x.shape[0]))))


def ttest_from_sums(sums: ClassSums) -> TTest:
    """The same from class sums that are already there."""
    n0, n1 = sums.n0, sums.n1
    dof = float(n0 + n1 - 2)
    size = math.sqrt(1 / n0 + 1 / n1)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = sums.gap / (np.sqrt(sums.pooled_variance) * size)
    t_p, log10_t_p = student_tail(t, dof)
    welch_t, welch_dof, welch_p, log10_welch_p = welch(
        sums.gap, sums.ss0 / (n0 - 1) / n0, sums.ss1 / (n1 - 1) / n1, n0, n1
    )
    low, high = noncentrality_limits(t, dof)
    return TTest(
        t=t,
        t_dof=np.where(np.isnan(t), np.nan, dof),
        t_p=t_p,
        log10_t_p=log10_t_p,
        welch_t=welch_t,
        welch_dof=welch_dof,
        welch_p=welch_p,
        log10_welch_p=log10_welch_p,
        hedges_g=small_sample_factor(dof) * t * size,
        g_low=low * size,
        g_high=high * size,
    )


def welch(
    gap: Floats, v0: Floats, v1: Floats, n0: int | Floats, n1: int | Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """Welch's t, dof, p and log10 p from a difference of means and the variances of the means."""
    with np.errstate(divide="ignore", invalid="ignore"):
        t = gap / np.sqrt(v0 + v1)
        share = v0 / (v0 + v1)
        dof = 1 / (share**2 / (n0 - 1) + (1 - share) ** 2 / (n1 - 1))
    p, log10_p = student_tail(t, dof)
    return t, dof, p, log10_p


def small_sample_factor(dof: float) -> float:
    """Hedges' exact J(dof) = Gamma(dof / 2) / (sqrt(dof / 2) Gamma((dof - 1) / 2))."""
    return math.exp(log_gamma_half_step(0.5 * dof - 0.5)) / math.sqrt(0.5 * dof)
