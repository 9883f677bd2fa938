"""Welch's t on the scale of a normal z: what a permutation test of two classes permutes."""

from __future__ import annotations

import numpy as np

from lens_probes.arrays import check_scale
from lens_probes.stats.inputs import (
    Bools,
    Floats,
    Labels,
    Units,
    check_labels,
    check_units,
    to_numpy,
)

# Beyond this t^2 classes are apart: all such are one, as rounding decides how far. Units of few
# values are apart under many relabellings, and must tie with themselves.
APART = 1e10


def normalised_welch(x: Units, y: Labels) -> Floats:
    """Welch's t of x [item, unit] between two classes y [item], on the scale of a normal z [unit].

    From both classes' own deviations, so that separated classes lose nothing; t^2 counts up to
    1e10. 0 where the means are equal, NaN where a value is. Each class needs two items.

    Raises ValueError for other shapes and labels.

    Examples
    --------
    >>> import numpy as np
    >>> from lens_probes import stats
    >>> x, y = np.array([[1.0, 0.0], [2.0, 1.0], [4.0, 0.0], [5.0, 2.0]]), np.array([0, 0, 1, 1])
    >>> stats.normalised_welch(x, y).round(2)
    array([1.92, 0.37])
    """
    values = to_numpy(check_units(x), "x").astype(np.float64, copy=False)
    check_scale("x", values[np.isfinite(values)])
    return welch_z(values, check_labels(y, len(values)))


def welch_z(x: Floats, y: Bools) -> Floats:
    """`normalised_welch` of arrays that are known to be well formed."""
    sides = [x[~y], x[y]]
    centres = [side.mean(axis=0) for side in sides]
    variances = [
        np.square(side - centre).sum(axis=0) / (len(side) * (len(side) - 1))
        for side, centre in zip(sides, centres, strict=True)
    ]
    v0, v1 = variances
    return normal_scale(centres[1] - centres[0], v0, v1, len(sides[0]), len(sides[1]))


def normal_scale(gap: Floats, v0: Floats, v1: Floats, n0: int | Floats, n1: int | Floats) -> Floats:
    """Welch's t as a normal z, from differences of class means and the means' squared errors.

    v0, v1: variance over number of items of each class; n0, n1: their items.
    """
    both = v0 + v1
    with np.errstate(divide="ignore", invalid="ignore"):
        squared = gap**2 / both
        share = v0 / both
        dof = 1 / (share**2 / (n0 - 1) + (1 - share) ** 2 / (n1 - 1))
        apart = squared >= APART
        squared = np.where(apart, APART, squared)
        dof = np.where(apart | ~np.isfinite(dof), n0 + n1 - 2, dof)
        size = (8 * dof + 1) / (8 * dof + 3) * np.sqrt(dof * np.log1p(squared / dof))
    return np.where(gap == 0, 0.0, np.copysign(size, gap))
