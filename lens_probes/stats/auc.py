"""Area under the ROC curve of every unit, with DeLong's standard error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lens_probes.stats._compile import EXACT, compiled
from lens_probes.stats.inputs import (
    Floats,
    Labels,
    PerUnit,
    Units,
    check_labels,
    check_units,
    chunks,
    refuse_nonfinite,
)


@dataclass(frozen=True)
class Auc:
    """auc [unit]: P(class 1 > class 0) + P(equal) / 2; auc_se [unit]: its standard error.

    Both are NaN for a constant unit. auc_se is 0 for a separated one.
    """

    auc: PerUnit
    auc_se: PerUnit


@compiled(EXACT)
def _delong(low: npt.NDArray[np.float64], high: npt.NDArray[np.float64], out: Floats) -> None:
    """AUC and its se of each unit from the sorted values of class 0 and class 1 [unit, example].

    One merge walks runs of equal values. A value of class 1 scores the class-0 values below it
    plus half of those equal; a value of class 0 the class-1 values above it plus half.
    """
    n0, n1 = low.shape[1], high.shape[1]
    for k in range(low.shape[0]):
        i, j = 0, 0
        total, squares1, squares0 = 0.0, 0.0, 0.0
        a, b = low[k], high[k]
        while i < n0 or j < n1:
            value = a[i] if j >= n1 or (i < n0 and a[i] <= b[j]) else b[j]
            first_i, first_j = i, j
            while i < n0 and a[i] == value:
                i += 1
            while j < n1 and b[j] == value:
                j += 1
            below = first_i + 0.5 * (i - first_i)
            above = n1 - j + 0.5 * (j - first_j)
            total += below * (j - first_j)
            squares1 += below * below * (j - first_j)
            squares0 += above * above * (i - first_i)
        auc = total / n0 / n1
        variance1 = max(squares1 / n0 / n0 - n1 * auc * auc, 0.0) / (n1 - 1)
        variance0 = max(squares0 / n1 / n1 - n0 * auc * auc, 0.0) / (n0 - 1)
        out[k, 0] = auc
        out[k, 1] = np.sqrt(variance1 / n1 + variance0 / n0)


def auc(x: Units, y: Labels) -> Auc:
    """AUC of x [example, unit] for labels y [example]; above 0.5: class 1 is higher.

    Equals Mann-Whitney U / (n0 n1). The standard error is DeLong, DeLong and Clarke-Pearson's
    (1988), by the sorting of Sun and Xu (2014).

    Raises ValueError for NaN or infinite x, labels that are not 0 or 1, and a class with fewer
    than 2 examples.
    """
    x = check_units(x)
    positive = check_labels(y, int(x.shape[0]))
    table = np.empty((x.shape[1], 2))
    for first, part in chunks(x, max_units=256):
        if not np.isfinite(part).all():
            refuse_nonfinite(part, first)
        rows = table[first : first + part.shape[1]]
        _delong(_sorted_units(part[~positive]), _sorted_units(part[positive]), rows)
        rows[(part == part[:1]).all(axis=0)] = np.nan
    return Auc(auc=table[:, 0].copy(), auc_se=table[:, 1].copy())


def class_auc(zero: npt.NDArray[Any], one: npt.NDArray[Any]) -> Floats:
    """AUC [unit] from the values of class 0 and class 1 [example, unit], 1 or more of each."""
    table = np.empty((zero.shape[1], 2))
    _delong(_sorted_units(zero), _sorted_units(one), table)
    return table[:, 0].copy()


def _sorted_units(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Values [example, unit] as sorted rows [unit, example]."""
    return np.sort(np.ascontiguousarray(values.T), axis=1)
