"""One-predictor logistic regression for every unit at once, with all three of its tests."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from lens_probes.stats import _logit as logit
from lens_probes.stats import _rows as rows
from lens_probes.stats._options import checked_options
from lens_probes.stats._start import start_block
from lens_probes.stats.inputs import (
    Bools,
    Floats,
    Labels,
    PerUnit,
    TextPerUnit,
    Units,
    check_labels,
    check_units,
    to_numpy,
)
from lens_probes.stats.sums import ClassSums, sum_blocks
from lens_probes.stats.tails import chi2_tail, normal_tail

Status = Literal["ok", "separated", "quasi_separated", "constant", "not_converged"]
START_COLUMNS = (rows.MEAN0, rows.MEAN1, rows.SS0, rows.SS1)


@dataclass(frozen=True)
class Logistic:
    """One-predictor logits; every array is [unit]. Positive beta: class 1 is higher.

    status says how each unit ended:

    - ok: finite maximum likelihood estimate, all columns filled
    - separated: max of one class < min of the other: no finite estimate. beta, beta_se, beta_std,
      intercept and wald columns are NaN; lrt_p and the accuracies are at their limits, so every
      separated unit has the same lrt_p: rank by score_p
    - quasi_separated: the two are equal: the same, with the class share as the fitted probability
      of the points that share the boundary value
    - constant: one value throughout: everything is NaN
    - not_converged: the iteration failed: everything but score_p is NaN

    beta_std is beta times the pooled within-class sd: raw betas of units of different scale do
    not compare. accuracy is in-sample, with fitted p > 0.5 as class 1.
    """

    intercept: PerUnit
    beta: PerUnit
    beta_se: PerUnit
    beta_std: PerUnit
    wald_z: PerUnit
    wald_p: PerUnit
    log10_wald_p: PerUnit
    lrt_p: PerUnit
    log10_lrt_p: PerUnit
    score_p: PerUnit
    log10_score_p: PerUnit
    accuracy: PerUnit
    balanced_accuracy: PerUnit
    status: TextPerUnit


@checked_options
def logistic(x: Units, y: Labels, *, n_threads: int = 1) -> Logistic:
    """Logit of labels y [example] on each unit of x [example, unit] with an intercept.

    Maximum likelihood by Newton's method on centred and scaled values in float64, as
    `statsmodels.Logit` to 1e-8 or better. wald_p can rise again as an effect grows
    (Hauck and Donner 1977): decide by score_p or lrt_p. The score statistic is n r^2.

    Raises ValueError for NaN or infinite x, labels that are not 0 or 1, and a class with fewer
    than 2 examples.

    Examples
    --------
    >>> import numpy as np
    >>> from lens_probes import stats
    >>> x, y = np.array([[1.0, 0.0], [2.0, 1.0], [4.0, 0.0], [5.0, 2.0]]), np.array([0, 0, 1, 1])
    >>> stats.logistic(x, y).status
    array(['separated', 'ok'], dtype='<U15')
    """
    x = check_units(x)
    positive = check_labels(y, int(x.shape[0]))
    sums, fits = _fit(x, positive, n_threads)
    return _finish(x, positive, sums, fits)


def _fit(x: Units, positive: Bools, n_threads: int) -> tuple[ClassSums, Floats]:
    fits = np.full((int(x.shape[1]), logit.FITS), np.nan)
    n, n0 = len(positive), int((~positive).sum())

    def work(block: Floats, table: Floats, units: slice) -> None:
        fit = overlapping(table)
        starts = np.full((len(block), 3), np.nan)
        start_block(block, n, n0, table, START_COLUMNS, fit, starts)
        logit.fit_block(block, n, n0, fit, starts, fits[units])

    return sum_blocks(x, positive, n_threads=n_threads, work=work), fits


def overlapping(table: Floats) -> Bools:
    """Rows of a table [unit, SUMS] whose classes overlap, so that a finite estimate exists."""
    above = table[:, rows.HIGH0] > table[:, rows.LOW1]
    fit: Bools = above & (table[:, rows.HIGH1] > table[:, rows.LOW0])
    return fit & (table[:, rows.SS0] + table[:, rows.SS1] > 0)


def _finish(x: Units, positive: Bools, sums: ClassSums, fits: Floats) -> Logistic:
    """Coefficients in the unit's own scale, tests, and the limits of separated units."""
    n0, n1 = sums.n0, sums.n1
    status = _status(sums, fits)
    ok = status == "ok"
    fits[~ok] = np.nan
    llr, right0, right1 = (fits[:, k].copy() for k in (logit.LLR, logit.RIGHT0, logit.RIGHT1))
    apart = status == "separated"
    llr[apart] = -2 * (n0 * math.log(n0 / (n0 + n1)) + n1 * math.log(n1 / (n0 + n1)))
    right0[apart], right1[apart] = n0, n1
    touching = np.flatnonzero(status == "quasi_separated")
    if len(touching):
        llr[touching], right0[touching], right1[touching] = _touching_limits(
            x, positive, sums, touching
        )
    beta = fits[:, logit.SLOPE] / sums.scale
    beta_se = fits[:, logit.SLOPE_SE] / sums.scale
    wald_z = beta / beta_se
    wald_p, log10_wald_p = normal_tail(wald_z)
    lrt_p, log10_lrt_p = chi2_tail(llr)
    score_p, log10_score_p = chi2_tail(score_statistic(sums))
    return Logistic(
        intercept=fits[:, logit.INTERCEPT] - beta * sums.shift,
        beta=beta,
        beta_se=beta_se,
        beta_std=fits[:, logit.SLOPE] * np.sqrt(sums.pooled_variance),
        wald_z=wald_z,
        wald_p=wald_p,
        log10_wald_p=log10_wald_p,
        lrt_p=lrt_p,
        log10_lrt_p=log10_lrt_p,
        score_p=score_p,
        log10_score_p=log10_score_p,
        accuracy=(right0 + right1) / (n0 + n1),
        balanced_accuracy=0.5 * (right0 / n0 + right1 / n1),
        status=status,
    )


def _status(sums: ClassSums, fits: Floats) -> TextPerUnit:
    touching = (sums.high0 == sums.low1) | (sums.high1 == sums.low0)
    apart = (sums.high0 < sums.low1) | (sums.high1 < sums.low0)
    failed = ~(fits[:, logit.CONVERGED] == 1.0)
    names = ["constant", "separated", "quasi_separated", "not_converged"]
    chosen: TextPerUnit = np.select([sums.constant, apart, touching, failed], names, default="ok")
    return chosen


def score_statistic(sums: ClassSums) -> Floats:
    """The score statistic n r^2 [unit] of the one-predictor logit; NaN where constant."""
    n0, n1 = sums.n0, sums.n1
    n = n0 + n1
    between = sums.gap**2 * n0 * n1 / n
    with np.errstate(invalid="ignore"):
        statistic: Floats = n * between / (between + sums.ss0 + sums.ss1)
    return statistic


def _touching_limits(
    x: Units, positive: Bools, sums: ClassSums, units: npt.NDArray[np.intp]
) -> tuple[Floats, Floats, Floats]:
    """LRT, and right answers per class, in the limit of quasi-separated units [unit].

    Only the points at the shared value keep a probability off 0 and 1: their share of class 1.
    """
    n0, n1 = sums.n0, sums.n1
    shared = np.where(sums.high0 == sums.low1, sums.low1, sums.low0)[units]
    here0, here1 = np.zeros(len(units)), np.zeros(len(units))
    for first in range(0, len(units), 1024):
        some = slice(first, first + 1024)
        at = to_numpy(x[:, units[some]]).astype(np.float64) == shared[some]
        here0[some], here1[some] = at[~positive].sum(axis=0), at[positive].sum(axis=0)
    share = here1 / (here0 + here1)
    fitted = here0 * np.log1p(-share) + here1 * np.log(share)
    null = n0 * math.log(n0 / (n0 + n1)) + n1 * math.log(n1 / (n0 + n1))
    wins = share > 0.5
    return 2 * (fitted - null), n0 - here0 * wins, n1 - here1 * ~wins
