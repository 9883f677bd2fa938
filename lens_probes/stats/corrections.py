"""Adjusting p-values over a declared family of units, with NaN left out and counted nowhere."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
from statsmodels.stats.multitest import multipletests

from lens_probes.arrays import array_of
from lens_probes.errors import InputError, shown
from lens_probes.stats.inputs import Floats, Numbers, numbers
from lens_probes.stats.tails import LN10

Correction = Literal["bonferroni", "holm", "bh", "by"]
_STATSMODELS = {"bonferroni": "bonferroni", "bh": "fdr_bh", "by": "fdr_by"}


def adjust(
    p: Numbers, *, method: Correction = "bonferroni", family: Numbers | None = None
) -> Floats:
    """Adjusted p [unit], family by family, as `statsmodels.stats.multitest.multipletests`.

    method: "bonferroni" and "holm" (Holm 1979) bound the chance of any false positive in a
    family, "bh" (Benjamini and Hochberg 1995) the false discovery rate of independent or
    positively dependent tests, "by" (Benjamini and Yekutieli 2001) of any.
    family: None (all units are one family) or group ids [unit], each group its own family.
    NaN stays NaN and does not count towards the size of its family.
    Raises ValueError for an unknown method, p outside [0, 1], or ids of another length.

    Examples
    --------
    >>> from lens_probes import stats
    >>> stats.adjust([0.01, 0.03, 0.04], method="bh")
    array([0.03, 0.04, 0.04])
    """
    values = numbers(p, "p")
    if np.any((values < 0) | (values > 1)):
        bad = float(values[(values < 0) | (values > 1)][0])
        raise InputError(f"p has the value {bad:g}: it must lie between 0 and 1 (or be NaN)")
    return _by_family(
        values,
        family,
        method,
        lambda tested: _holm(tested) if method == "holm" else _statsmodels(tested, method),
    )


def _statsmodels(tested: Floats, method: Correction) -> Floats:
    return np.asarray(multipletests(tested, method=_STATSMODELS[method])[1])


def _holm(tested: Floats) -> Floats:
    """Holm's rule; statsmodels' own collects garbage on every call, 0.1 s for each family."""
    order = np.argsort(tested, kind="stable")
    adjusted = np.empty(len(tested))
    adjusted[order] = np.maximum.accumulate(tested[order] * np.arange(len(tested), 0, -1))
    return np.minimum(adjusted, 1.0)


def adjust_log10(
    log10_p: Numbers,
    *,
    method: Correction = "bonferroni",
    family: Numbers | None = None,
) -> Floats:
    """`adjust` from log10 p to log10 of adjusted p, where p itself would underflow."""
    values = numbers(log10_p, "log10_p")
    if np.any(values > 0):
        bad = float(values[values > 0][0])
        raise InputError(f"log10_p has the value {bad:g}: it must be 0 or less (or NaN)")
    return _by_family(values, family, method, lambda tested: _adjust_log10(tested, method))


def _adjust_log10(tested: Floats, method: Correction) -> Floats:
    """The step-up and step-down rules of one family, on the log scale."""
    m = len(tested)
    if method == "bonferroni":
        return np.minimum(tested + math.log10(m), 0.0)
    order = np.argsort(tested, kind="stable")
    rank = np.arange(1, m + 1)
    if method == "holm":
        adjusted = np.maximum.accumulate(tested[order] + np.log10(m + 1.0 - rank))
    else:
        factor = np.log10(m / rank)
        if method == "by":
            factor += math.log(float(np.sum(1 / rank))) / LN10
        adjusted = np.minimum.accumulate((tested[order] + factor)[::-1])[::-1]
    result = np.empty(m)
    result[order] = np.minimum(adjusted, 0.0)
    return result


def _by_family(
    values: Floats,
    family: Numbers | None,
    method: Correction,
    rule: Callable[[Floats], Floats],
) -> Floats:
    if not isinstance(method, str) or method not in get_args(Correction):
        allowed = ", ".join(get_args(Correction))
        raise InputError(f"method is {shown(method)}: it must be one of {allowed}")
    if values.ndim != 1:
        raise InputError(f"p has shape {values.shape}: it must be one value for each unit")
    adjusted = np.full(values.shape, np.nan)
    for members in families(family, len(values)):
        tested = members[~np.isnan(values[members])]
        if len(tested):
            adjusted[tested] = rule(values[tested])
    return adjusted


def family_ids(family: Any) -> npt.NDArray[Any]:
    """Ids [unit] of families, of any type that can be put in order."""
    ids = array_of("family", family)
    if ids.dtype.kind in "cVO":
        raise InputError(f"family has dtype {ids.dtype}: give numbers or names")
    if ids.dtype.kind == "f" and np.isnan(ids).any():
        raise InputError("family is NaN for some units: give one group id for each")
    return ids


def families(family: Numbers | None, n_units: int) -> Iterator[npt.NDArray[np.intp]]:
    """Unit indices of each family, in order of first appearance of sorted ids."""
    if family is None:
        yield np.arange(n_units)
        return
    ids = family_ids(family)
    if ids.shape != (n_units,):
        raise InputError(
            f"family has shape {ids.shape} but there are {n_units} units: "
            "give one group id for each unit, or None"
        )
    _, group = np.unique(ids, return_inverse=True)
    order = np.argsort(group, kind="stable")
    yield from np.split(order, np.flatnonzero(np.diff(group[order])) + 1)
