"""What is left of a label and of units once fixed effects and covariates are taken out.

Examples of one group are correlated. So everything is first whitened inside groups (the quasi-
demeaning of random-effects generalised least squares), which gives a group of 200 examples hardly
more weight than one of 20, and lets effects that cross the groups (speakers) be estimated inside
them. Then label and units are regressed on the rest (Frisch, Waugh and Lovell), exactly, whatever
the balance.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import linalg
from scipy.interpolate import CubicSpline

from lens_probes.errors import InputError
from lens_probes.stats._options import checked_options
from lens_probes.stats.groups import Groups, centred_scaled, group_examples
from lens_probes.stats.inputs import (
    Floats,
    InTurn,
    Numbers,
    check_values,
    chunks,
    one_each,
    refuse_nonfinite,
    to_numpy,
)

# Below this share of its size a residual is rounding.
SPANNED = 1e-10


@checked_options
def spline_columns(values: Numbers, n_knots: int = 4) -> Floats:
    """Natural cubic spline basis [example, n_knots - 1] of values [example], for `covariates`.

    Knots lie at equally spaced quantiles, ends included; with a constant the columns span every
    natural cubic spline with these knots, so all straight lines too. Values with few distinct
    quantiles get fewer knots and columns.

    Raises ValueError for fewer than 3 knots, and for values that are not finite or constant.
    """
    given = one_each(values, "values")
    numbers = check_values(given, len(given), what="values")
    if n_knots < 3:
        raise InputError(f"n_knots is {n_knots}: at least 3 are needed, or give values as they are")
    if len(given) < 2:
        raise InputError(f"values has {len(given)} examples: at least 2 are needed")
    knots = np.unique(np.quantile(numbers, np.linspace(0, 1, n_knots)))
    cardinal = CubicSpline(knots, np.eye(len(knots)), bc_type="natural")
    columns: Floats = cardinal(numbers)[:, 1:]
    return columns


@dataclass(frozen=True)
class GroupModel:
    """One number for each group and unit, with the nuisance effects taken out.

    contrast [group], of length 1: what they leave of the label. mixing [group, k] and gains [k]:
    what makes the numbers uncorrelated, and takes the effects out of a contrast (gain -1).
    effective_groups and largest_share: how the contrast's square is spread over groups. constant:
    whether the label was constant in each group.
    """

    items: Groups
    keep: Floats
    basis: Floats
    rows: Floats
    contrast: Floats
    mixing: Floats
    gains: Floats
    dof: int
    effective_groups: float
    largest_share: float
    constant: bool

    def numbers(self, arrays: InTurn) -> Iterator[tuple[int, Floats]]:
        """Runs of units as (first unit of all, numbers [group, unit] of length 1), NaN if flat."""
        before = 0
        loadings = self.items.sums(self.rows[:, None] * self.basis)
        for array in arrays:
            for first, part in chunks(array, max_units=256):
                if not np.isfinite(part).all():
                    refuse_nonfinite(part, first)
                white = _whiten(self.items, self.keep, centred_scaled(part))
                found = self.items.sums(self.rows[:, None] * white)
                found -= loadings @ (self.basis.T @ white)
                found += self.mixing @ (self.gains[:, None] * (self.mixing.T @ found))
                size = np.linalg.norm(found, axis=0)
                flat = size <= SPANNED * np.linalg.norm(white, axis=0)
                found /= np.where(flat, 1.0, size)
                found[:, flat] = np.nan
                yield before + first, found
            before += int(array.shape[1])

    def direction(self, contrasts: Floats) -> Floats:
        """contrasts [draw, group] without the effects, of length 1 (0 where nothing is left)."""
        effects = self.mixing[:, self.gains == -1.0]
        left: Floats = contrasts - (contrasts @ effects) @ effects.T
        size = np.linalg.norm(left, axis=1, keepdims=True)
        gone = size <= SPANNED * np.linalg.norm(contrasts, axis=1, keepdims=True)
        left /= np.where(gone, np.inf, size)
        return left


def group_model(y: Floats, groups: Any, fixed: Any, covariates: Any, *, icc: float) -> GroupModel:
    """The label y [example] over groups, less a constant, fixed effects and covariates.

    Each group is read along one direction: its whitened mean where the label is constant in every
    group, else its own part of the label. The residuals of these have covariance I - a a' with the
    loadings a [group, k] of the effects; its inverse root makes them uncorrelated again.

    Raises ValueError for arrays of other lengths, missing values, and effects that determine y.
    """
    n = len(y)
    items = group_examples(groups, n, what="group")
    if len(items.sizes) < 3:
        raise InputError(f"there are {len(items.sizes)} groups: the adjusted test needs at least 3")
    keep = np.sqrt((1 - icc) / (1 - icc + items.sizes * icc))
    basis = _span(_whiten(items, keep, _effects(fixed, covariates, n)))
    label = _left(_whiten(items, keep, (y - y.mean())[:, None]), basis)[:, 0]
    constant = bool((y == y[items.order[items.starts]][items.index]).all())
    along = np.ones(n) if constant else label
    squares = items.sums((along**2)[:, None])[:, 0]
    rows = along * np.where(squares > 0, 1 / np.sqrt(np.maximum(squares, 1e-300)), 0)[items.index]
    mixing, shrunk, _ = linalg.svd(items.sums(rows[:, None] * basis), full_matrices=False)
    kept = 1 - np.minimum(shrunk, 1.0) ** 2
    gains = np.where(kept > SPANNED, 1 / np.sqrt(np.maximum(kept, SPANNED)) - 1, -1.0)
    contrast = items.sums((rows * label)[:, None])[:, 0]
    contrast += mixing @ (gains * (mixing.T @ contrast))
    dof = int((squares > 0).sum() - (gains == -1.0).sum()) - 1
    if dof < 1:
        raise InputError(
            f"{len(items.sizes)} groups less the effects taken out leave {dof} degrees of freedom: "
            "give more groups, or fewer fixed effects and covariates"
        )
    contrast /= np.linalg.norm(contrast)
    share = contrast**2
    return GroupModel(
        items, keep, basis, rows, contrast, mixing, gains, dof,
        float(1 / (share**2).sum()), float(share.max()), constant,
    )  # fmt: skip


def _whiten(items: Groups, keep: Floats, values: Floats) -> Floats:
    """values [example, column] with only the share `keep` [group] of the mean of each group."""
    means = items.sums(values) / items.sizes[:, None]
    means *= (1 - keep)[:, None]
    white: Floats = values - means[items.index]
    return white


def _left(label: Floats, basis: Floats) -> Floats:
    """What the effects leave of the label, twice over so that rounding is not taken for it."""
    rest = label - basis @ (basis.T @ label)
    rest -= basis @ (basis.T @ rest)
    if np.linalg.norm(rest) <= SPANNED * np.linalg.norm(label):
        raise InputError("the fixed effects and covariates determine y: leave one out")
    return rest


def _effects(fixed: Any, covariates: Any, n: int) -> Floats:
    """A constant, indicators of fixed ids and covariates as columns [example, k]."""
    columns = [np.ones((n, 1)), *_indicators(fixed, n)]
    if covariates is not None:
        columns.append(_numbers(covariates, n))
    return np.column_stack(columns)


def _span(columns: Floats) -> Floats:
    """Orthonormal columns with the same span; collinear ones add nothing."""
    sizes = np.linalg.norm(columns, axis=0)
    q, r, _ = linalg.qr(columns / np.where(sizes > 0, sizes, 1), mode="economic", pivoting=True)
    size = np.abs(np.diag(r))
    basis: Floats = np.ascontiguousarray(q[:, size > SPANNED * size[0]])
    return basis


def _indicators(fixed: Any, n: int) -> list[Floats]:
    """One column [example] for each level of each fixed factor."""
    if fixed is None:
        return []
    several = isinstance(fixed, list | tuple) and len(fixed) > 0 and _has_length(fixed[0])
    factors: Sequence[Any] = fixed if several else [fixed]
    levels = [group_examples(ids, n, what="fixed") for ids in factors]
    return [np.eye(len(level.sizes))[level.index] for level in levels]


def _has_length(ids: Any) -> bool:
    one = getattr(ids, "ndim", 1) == 1 and not isinstance(ids, str | bytes)
    return one and hasattr(ids, "__len__")


def _numbers(covariates: Any, n: int) -> Floats:
    """covariates [example, k] in float64, centred and scaled."""
    values: npt.NDArray[Any] = to_numpy(covariates, "covariates")
    if values.ndim == 1:
        values = values[:, None]
    if values.ndim != 2 or values.shape[0] != n or values.dtype.kind not in "fiub":
        raise InputError(
            f"covariates have shape {values.shape} and dtype {values.dtype} but x has {n} "
            "examples: they must be numbers [example, covariate]"
        )
    bad = np.argwhere(~np.isfinite(values.T))
    if len(bad):
        raise InputError(
            f"covariate {bad[0][0]} is {values.T[tuple(bad[0])]} at example {bad[0][1]}: every "
            "value must be finite; drop the example"
        )
    scaled = centred_scaled(values)
    scaled -= scaled.mean(axis=0)
    return scaled
