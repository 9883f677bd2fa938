"""Logistic regression with an L2 penalty on few predictors, by Newton's method.

Where a step goes need not be exact, where it ends must be: the curvature is made and factorised in
single precision and serves as long as steps with new gradients get shorter; gradients, the
objective and what is returned are in double precision. Where the penalty is too small for single
precision, all is double.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lens_probes.stats._compile import EXACT, REORDER, compiled
from lens_probes.stats.inputs import Bools, Floats

_STEPS = 100
_GAP = 1e-16
_SMALL = 1e-13  # a decrease that rounding hides in the objective: the step is taken whole
_SHORTER = 0.1  # a new factor is cheaper than steps that shorten less
_BLOCK = 32  # rows of a factor that are worked on together
_FEW = 8  # predictors, up to which a factor costs no more than a step
_SINGLE = 1e-5  # penalty for each predictor, above which single precision can factorise


def ridge_logit(x: Floats, y: Bools, *, l2: float, start: Floats | None = None) -> Floats:
    """Coefficients [predictor + 1], the intercept last, of x [example, predictor].

    Minimises the mean logistic loss, both classes weighted to one half, plus l2 / 2 times the sum
    of squared coefficients without the intercept: the objective of TransformerLens 4's
    `fit_sparse_probe`. `start` [predictor + 1 or fewer] is a solution of the first predictors.
    """
    (beta,) = ridge_path(x, y, (x.shape[1],), l2=l2, start=start)
    return beta


def ridge_path(
    x: Floats, y: Bools, ks: Sequence[int], *, l2: float, start: Floats | None = None
) -> list[Floats]:
    """`ridge_logit` of the first k columns of x for each k, from few to many."""
    n, width = x.shape[0], ks[-1]
    weight = np.where(y, 0.5 / max(y.sum(), 1), 0.5 / max((~y).sum(), 1))
    sign = np.where(y, 1.0, -1.0)
    rows = np.empty((width + 1, n))
    rows[0], rows[1:] = 1.0, x[:, :width].T
    coarse, beta, found = rows.astype(np.float32), np.zeros(width + 1), []
    if start is not None:
        beta[0], beta[1 : len(start)] = start[-1], start[:-1]
    for k in ks:
        given = sign, weight, l2, beta[: k + 1]
        single = l2 > _SINGLE * (k + 1)
        if not (single and _newton(rows[: k + 1], coarse[: k + 1], *given)):
            _newton(rows[: k + 1], rows[: k + 1], *given)
        found.append(np.roll(beta[: k + 1], -1))
    return found


@compiled(EXACT)
def _newton(
    rows: Floats,
    coarse: Any,
    sign: Floats,
    weight: Floats,
    l2: float,
    beta: Floats,
) -> bool:
    """Minimise from beta [predictor + 1], which is changed; False where no factor can be made.

    rows [predictor + 1, example], the first of ones; coarse: the same in the precision of the
    curvature.
    """
    width = len(beta) - 1
    score: Any = beta @ rows
    value: Any = _objective(score, sign, weight, l2, beta)
    residual, root = np.empty_like(score), np.empty(len(score), coarse.dtype)
    gradient = _gradient(rows, score, sign, weight, l2, beta, residual)
    for _ in range(_STEPS):
        for i in range(len(score)):
            p = abs(residual[i]) / weight[i]
            root[i] = math.sqrt(weight[i] * p * (1.0 - p))
        scaled = coarse * root
        curvature = scaled @ scaled.T
        for j in range(1, width + 1):
            curvature[j, j] += l2
        if not _factorised(curvature):
            return False
        before: Any = np.inf
        for turn in range(_STEPS):
            step = _solved(curvature, gradient)
            decrement = 0.5 * (gradient @ step)
            if decrement <= _GAP:
                beta -= step
                return True
            if turn > 0 and (width <= _FEW or decrement > _SHORTER * before):
                break
            before = decrement
            along = step @ rows
            size, found = 1.0, decrement <= _SMALL
            new = value
            while not found and size > 1e-10:
                new = _objective(score - size * along, sign, weight, l2, beta - size * step)
                found = new <= value - 2e-4 * size * decrement
                size *= 1.0 if found else 0.5
            if not found:
                if turn == 0:
                    return True  # rounding: no step improves the objective any more
                break
            beta -= size * step
            score = score - size * along
            value = new
            gradient = _gradient(rows, score, sign, weight, l2, beta, residual)
    return True


@compiled(REORDER)
def _objective(score: Floats, sign: Floats, weight: Floats, l2: float, beta: Floats) -> float:
    total = 0.0
    for i in range(len(score)):
        margin = sign[i] * score[i]
        total += weight[i] * (math.log1p(math.exp(-abs(margin))) - min(margin, 0.0))
    for j in range(1, len(beta)):
        total += 0.5 * l2 * beta[j] * beta[j]
    return total


@compiled(REORDER)
def _gradient(
    rows: Floats, score: Floats, sign: Floats, weight: Floats, l2: float, beta: Floats,
    residual: Floats,
) -> Floats:  # fmt: skip
    """Of the objective; residual [example], the weighted p - y, is filled."""
    for i in range(len(score)):
        margin = sign[i] * score[i]
        u = math.exp(-abs(margin))
        residual[i] = -sign[i] * weight[i] * (u if margin > 0.0 else 1.0) / (1.0 + u)
    gradient = rows @ residual
    for j in range(1, len(beta)):
        gradient[j] += l2 * beta[j]
    return gradient


@compiled(REORDER)
def _factorised(matrix: Floats) -> bool:
    """Cholesky's upper factor in place, by blocks of rows; False where none can be made."""
    n = len(matrix)
    for first in range(0, n, _BLOCK):
        end = min(first + _BLOCK, n)
        if first:
            above = np.ascontiguousarray(matrix[:first, first:])
            mine = np.ascontiguousarray(above[:, : end - first].T)
            matrix[first:end, first:] -= mine @ above
        for j in range(first, end):
            row = matrix[j, j:]
            for k in range(first, j):
                times, other = matrix[k, j], matrix[k, j:]
                for i in range(len(row)):
                    row[i] -= times * other[i]
            if not row[0] > 0.0:
                return False
            pivot = math.sqrt(row[0])
            for i in range(len(row)):
                row[i] /= pivot
    return True


@compiled(REORDER)
def _solved(factor: Floats, right: Floats) -> Floats:
    """What the factorised matrix takes to `right`, in the factor's precision."""
    n = len(right)
    out = right.astype(factor.dtype)
    for j in range(n):
        row = factor[j, j + 1 :]
        value = out[j] / factor[j, j]
        out[j] = value
        rest = out[j + 1 :]
        for i in range(len(row)):
            rest[i] -= value * row[i]
    for j in range(n - 1, -1, -1):
        row, rest = factor[j, j + 1 :], out[j + 1 :]
        total = out[j]
        for i in range(len(row)):
            total -= row[i] * rest[i]
        out[j] = total / factor[j, j]
    return out.astype(right.dtype)
