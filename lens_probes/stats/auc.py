"""Area under the ROC curve of every unit, with DeLong's standard error."""

from __future__ import annotations

import math
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
def _places(a: Floats, b: Floats, in_a: Floats, in_b: Floats) -> None:
    """For each of b how many of a lie below, for each of a how many of b; equal ones count half.

    a and b are sorted and end in an infinity. Two merges run side by side, one taking equal values
    from a first and one from b first, each step without a branch to mispredict.
    """
    i, j, k, m = 0, 0, 0, 0
    for _ in range(a.size + b.size - 2):
        strict = 1 if a[i] < b[j] else 0
        in_b[j] = i
        in_a[i] = j
        i += strict
        j += 1 - strict
        loose = 1 if a[k] <= b[m] else 0
        in_b[b.size + m] = k
        in_a[a.size + k] = m
        k += loose
        m += 1 - loose
    for place in range(a.size - 1):
        in_a[place] = 0.5 * (in_a[place] + in_a[a.size + place])
    for place in range(b.size - 1):
        in_b[place] = 0.5 * (in_b[place] + in_b[b.size + place])


@compiled(EXACT)
def _delong(low: npt.NDArray[Any], high: npt.NDArray[Any], out: Floats) -> None:
    """AUC and its se of each unit from the sorted values of class 0 and class 1 [unit, example].

    A value of class 1 scores the class-0 values below it, a value of class 0 the class-1 values
    above it: the structural components, whose variances are those of the AUC.
    """
    n0, n1 = low.shape[1], high.shape[1]
    a, b = np.full(n0 + 1, np.inf), np.full(n1 + 1, np.inf)
    in_a, in_b = np.empty(2 * n0 + 2), np.empty(2 * n1 + 2)
    for k in range(low.shape[0]):
        a[:n0] = low[k]
        b[:n1] = high[k]
        _places(a, b, in_a, in_b)
        auc = in_b[:n1].sum() / n0 / n1
        squares1, squares0 = 0.0, 0.0
        for j in range(n1):
            squares1 += (in_b[j] / n0 - auc) ** 2
        for i in range(n0):
            squares0 += (1.0 - in_a[i] / n1 - auc) ** 2
        out[k, 0] = auc
        out[k, 1] = math.sqrt(squares1 / (n1 - 1) / n1 + squares0 / (n0 - 1) / n0)


def auc(x: Units, y: Labels) -> Auc:
    """AUC of x [example, unit] for labels y [example]; above 0.5: class 1 is higher.

    Equals Mann-Whitney U / (n0 n1). The standard error is DeLong, DeLong and Clarke-Pearson's
    (1988), by the sorting of Sun and Xu (2014).

    Raises ValueError for NaN or infinite x, labels that are not 0 or 1, and a class with fewer
    than 2 examples.

    Examples
    --------
    >>> import numpy as np
    >>> from lens_probes import stats
    >>> x, y = np.array([[1.0, 0.0], [2.0, 1.0], [4.0, 0.0], [5.0, 2.0]]), np.array([0, 0, 1, 1])
    >>> stats.auc(x, y).auc
    array([1.   , 0.625])
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
