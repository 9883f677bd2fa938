"""Logistic regression with an L2 penalty on few predictors, by Newton's method."""

from __future__ import annotations

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expit

from lens_probes.stats.inputs import Bools, Floats

_STEPS = 100
_GAP = 1e-18


def ridge_logit(x: Floats, y: Bools, *, l2: float, start: Floats | None = None) -> Floats:
    """Coefficients [predictor + 1], the intercept last, of x [example, predictor].

    Minimises the mean logistic loss, both classes weighted to one half, plus l2 / 2 times the sum
    of squared coefficients without the intercept: the objective of TransformerLens 4's
    `fit_sparse_probe`. `start` [predictor + 1 or fewer] is a solution of the first predictors.
    """
    n, width = x.shape
    weight = np.where(y, 0.5 / max(y.sum(), 1), 0.5 / max((~y).sum(), 1))
    design = np.empty((n, width + 1))
    design[:, :width], design[:, width] = x, 1.0
    penalty = np.full(width + 1, l2)
    penalty[width] = 0.0
    beta = np.zeros(width + 1)
    if start is not None:
        beta[: len(start) - 1], beta[width] = start[:-1], start[-1]
    value = _loss(design @ beta, y, weight) + 0.5 * penalty @ beta**2
    for _ in range(_STEPS):
        p = expit(design @ beta)
        gradient = design.T @ (weight * (p - y)) + penalty * beta
        curvature = weight * p * (1 - p)
        hessian = (design.T * curvature) @ design
        hessian[np.diag_indices(width + 1)] += penalty + 1e-12
        step = cho_solve(cho_factor(hessian, check_finite=False), gradient, check_finite=False)
        decrement = 0.5 * float(gradient @ step)
        if decrement <= _GAP:
            break
        size = 1.0
        while size > 1e-10:
            moved = beta - size * step
            new = _loss(design @ moved, y, weight) + 0.5 * penalty @ moved**2
            if new <= value - 2e-4 * size * decrement:
                break
            size /= 2
        else:
            break  # rounding: no step improves the objective any more
        beta, value = moved, new
    return beta


def _loss(score: Floats, y: Bools, weight: Floats) -> float:
    return float(weight @ np.logaddexp(0.0, np.where(y, -score, score)))
