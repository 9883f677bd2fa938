"""How many units are tuned, at least: a bound that may be quoted for any set of units at once.

A share of significant units is mostly power; a lower bound on the number of truly tuned ones is a
statement about the model.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from scipy import special

# Simes levels are calibrated for p-values up to this one.
LARGEST_P = 0.1


def tuned_at_least(
    value: Float[np.ndarray, " unit"],
    simes_level: float,
    *,
    among: Bool[np.ndarray, " unit"] | None = None,
) -> int:
    """Lower bound on the tuned units `among` some, with all bounds right together (1 - alpha).

    Blanchard, Neuvial and Roquain (2020), with the Simes template: outside an event of probability
    alpha, of the units with p < level k / m fewer than k are not tuned, for every k; so a set holds
    at most min over k of (its units with p >= level k / m) + k - 1 that are not. The level comes
    from the permutations of the same test and knows how the units depend on one another.

    Parameters
    ----------
    value
        `MaxPermutation.value` of all m units of the test; NaN for those that were not tested.
    simes_level
        `MaxPermutation.simes_level`, of max_permutation(..., bound=True).
    among
        The units to count; None: all. The bounds of all sets hold at the same time, so the set may
        be chosen after looking.
    """
    p = 2 * special.ndtr(-np.abs(value))
    m = int((~np.isnan(p)).sum())
    chosen = ~np.isnan(p) if among is None else among & ~np.isnan(p)
    n = int(chosen.sum())
    if not n or not simes_level > 0:
        return 0
    k = np.arange(1, n + 1)
    level = simes_level * k / m
    k, level = k[level <= LARGEST_P], level[level <= LARGEST_P]
    below = np.searchsorted(np.sort(p[chosen]), level, side="left")
    return int(max(0, (below - k + 1).max(initial=0)))
