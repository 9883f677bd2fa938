"""How many units are tuned, at least: a bound that may be quoted for any set of units at once.

A share of significant units is mostly power; a lower bound on the number of truly tuned ones is a
statement about the model.
"""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from scipy import special

from lens_probes.errors import InputError, shown
from lens_probes.stats.inputs import Bools, Numbers, numbers

# Simes levels are calibrated for p-values up to this one.
LARGEST_P = 0.1


def tuned_at_least(
    value: Numbers,
    simes_level: float,
    *,
    among: Any = None,
) -> int:
    """Lower bound on the tuned units `among` some, with all bounds right together (1 - alpha).

    Blanchard, Neuvial and Roquain (2020), with the Simes template: outside an event of probability
    alpha, of the units with p < level k / m fewer than k are not tuned, for every k; so a set holds
    at most min over k of (its units with p >= level k / m) + k - 1 that are not. The level comes
    from the permutations of the same test and knows how the units depend on one another.

    Parameters
    ----------
    value
        [unit] `MaxPermutation.value` of all m units of the test; NaN for those not tested.
    simes_level
        `MaxPermutation.simes_level`, of max_permutation(..., bound=True).
    among
        [unit] The units to count; None: all. The bounds of all sets hold at the same time, so the
        set may be chosen after looking.
    """
    given = numbers(value, "value")
    if isinstance(simes_level, bool) or not isinstance(simes_level, Real) or simes_level > 1:
        raise InputError(f"simes_level must be a number up to 1, or NaN; got {shown(simes_level)}")
    if given.ndim != 1:
        raise InputError(f"value has shape {given.shape}: it must be [unit]")
    p = 2 * special.ndtr(-np.abs(given))
    m = int((~np.isnan(p)).sum())
    chosen = ~np.isnan(p)
    if among is not None:
        chosen &= _chosen(among, given.shape)
    n = int(chosen.sum())
    if not n or not simes_level > 0:
        return 0
    k = np.arange(1, n + 1)
    level = simes_level * k / m
    k, level = k[level <= LARGEST_P], level[level <= LARGEST_P]
    below = np.searchsorted(np.sort(p[chosen]), level, side="left")
    return int(max(0, (below - k + 1).max(initial=0)))


def _chosen(among: Any, shape: tuple[int, ...]) -> Bools:
    chosen = numbers(among, "among")
    if chosen.shape != shape or not np.isin(chosen, (0, 1)).all():
        raise InputError(f"among must be [unit] = {shape} of True and False, or None")
    found: Bools = chosen == 1
    return found


def simes_ratio(value: Numbers, simes_level: float) -> float:
    """How far `simes_level` is from telling a unit: below 1, `tuned_at_least` of all is 1 or more.

    The smallest m p_(k) / k over units of p up to 0.1, over the level; inf where there is none.
    """
    p = np.sort(2 * special.ndtr(-np.abs(numbers(value, "value"))))
    p = p[~np.isnan(p)]
    ratio = len(p) * p / np.arange(1, len(p) + 1)
    smallest = float(ratio[p <= LARGEST_P].min(initial=np.inf))
    return smallest / simes_level if simes_level > 0 else np.inf
