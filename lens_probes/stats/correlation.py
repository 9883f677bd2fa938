"""Pearson and partial correlation of every unit with a continuous label."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lens_probes.arrays import check_scale
from lens_probes.errors import InputError
from lens_probes.stats.groups import centred_scaled
from lens_probes.stats.inputs import (
    Floats,
    Labels,
    Numbers,
    PerUnit,
    Units,
    check_units,
    check_values,
    chunks,
    numbers,
    refuse_nonfinite,
)
from lens_probes.stats.tails import student_tail

SPANNED = 1e-10


@dataclass(frozen=True)
class Correlation:
    """Pearson r with the label, and given the covariates; every array is [unit].

    NaN for a constant unit, for a unit that the covariates determine (partial columns), and in
    all partial columns where no covariates were given.
    """

    r: PerUnit
    r_p: PerUnit
    log10_r_p: PerUnit
    partial_r: PerUnit
    partial_r_p: PerUnit
    log10_partial_r_p: PerUnit


def correlation(x: Units, y: Labels, *, covariates: Numbers | None = None) -> Correlation:
    """Correlation of x [example, unit] with a continuous label y [example].

    covariates [example, k]: the partial correlation is that of the residuals of unit and label
    on the covariates and a constant, by QR; its t has n - 2 - k degrees of freedom.

    Raises ValueError for NaN or infinite values anywhere, a constant label, covariates that are
    constant, collinear or determine the label, and too few examples.

    Examples
    --------
    >>> import numpy as np
    >>> from lens_probes import stats
    >>> x, value = np.array([[1.0], [2.0], [3.0], [5.0]]), np.array([2.0, 1.0, 4.0, 6.0])
    >>> stats.correlation(x, value).r.round(3)
    array([0.902])
    """
    x = check_units(x)
    n = int(x.shape[0])
    label = check_values(y, n)
    one = np.ones((n, 1))
    basis = None if covariates is None else _basis(covariates, n)
    k = 0 if basis is None else basis.shape[1] - 1
    if n < k + 3:
        raise InputError(f"x has {n} examples: with {k} covariates at least {k + 3} are needed")
    constant = one / np.sqrt(n)
    plain, given = np.full((x.shape[1], 2), np.nan), np.full((x.shape[1], 2), np.nan)
    for first, part in chunks(x, max_units=256):
        if not np.isfinite(part).all():
            refuse_nonfinite(part, first)
        values = centred_scaled(part)
        rows = slice(first, first + part.shape[1])
        plain[rows] = _r(values, label, constant, "y is constant: give a label that varies")
        if basis is not None:
            given[rows] = _r(values, label, basis, "the covariates determine y: leave one out")
    r_p, log10_r_p = _test(plain, n - 2)
    partial_r_p, log10_partial_r_p = _test(given, n - 2 - k)
    return Correlation(
        plain[:, 0].copy(), r_p, log10_r_p, given[:, 0].copy(), partial_r_p, log10_partial_r_p
    )


def _basis(covariates: Numbers, n: int) -> Floats:
    """Orthonormal columns spanning a constant and the covariates [example, 1 + k]."""
    values = numbers(covariates, "covariates")
    if values.ndim != 2 or values.shape[0] != n:
        raise InputError(
            f"covariates have shape {values.shape} but x has {n} examples: "
            "they must be [example, covariate]"
        )
    if not np.isfinite(values).all():
        column = int(np.argwhere(~np.isfinite(values))[0][1])
        raise InputError(f"covariate {column} has a NaN or infinite value: drop those examples")
    check_scale("covariates", values)
    centred = values - values.mean(axis=0)
    sizes = np.linalg.norm(centred, axis=0)
    if np.any(sizes <= SPANNED * np.linalg.norm(values, axis=0)):
        column = int(np.argmin(sizes))
        raise InputError(f"covariate {column} is constant: leave it out")
    q, r = np.linalg.qr(np.column_stack([np.ones(n), centred / sizes]))
    lost = np.flatnonzero(np.abs(np.diag(r))[1:] <= SPANNED)
    if len(lost):
        raise InputError(f"covariate {int(lost[0])} is a combination of the others: leave it out")
    basis: Floats = q
    return basis


def _r(values: Floats, label: Floats, basis: Floats, spanned: str) -> Floats:
    """r and 1 - r^2 (from the residual, so that it does not cancel) as [unit, 2]."""
    target, size = _residual(label[:, None] - label.mean(), basis)
    if size[0] == 0.0:
        raise InputError(spanned)
    rest, sizes = _residual(values, basis)
    rest /= np.where(sizes > 0, sizes, 1)
    rest[:, sizes == 0] = np.nan
    r = target[:, 0] / size[0] @ rest
    left = rest - np.outer(target[:, 0] / size[0], r)
    return np.column_stack([r, np.einsum("ij,ij->j", left, left)])


def _residual(values: Floats, basis: Floats) -> tuple[Floats, Floats]:
    """What the basis leaves of each column, and its length: 0 where that is rounding only."""
    whole = np.linalg.norm(values, axis=0)
    rest = values - basis @ (basis.T @ values)
    rest -= basis @ (basis.T @ rest)
    size = np.linalg.norm(rest, axis=0)
    return rest, np.where(size <= SPANNED * whole, 0.0, size)


def _test(table: Floats, dof: int) -> tuple[Floats, Floats]:
    with np.errstate(invalid="ignore", divide="ignore"):
        t = table[:, 0] * np.sqrt(dof / table[:, 1])
    return student_tail(t, float(dof))
