"""What a permutation test can resolve at all, asked before it is run."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from lens_probes.errors import InputError
from lens_probes.stats._options import checked_options
from lens_probes.stats.relabel import MANY

COUNTED = 10**100  # so many relabellings are as good as infinitely many
_SURELY_MANY = 500

ResolutionMethod = Literal["max_t", "bonferroni", "holm", "bh", "by"]


@dataclass(frozen=True)
class Resolution:
    """ok: the method can reach alpha. message: one line that says how, or what would be enough.

    p_min: smallest p-value one unit can get. n_relabellings: distinct ones; exact: all are used.
    n_together: units that must pass together before any passes (1 but for bh and by).
    groups_needed: groups that would be enough with all relabellings used: in each class, or in
    all for a continuous label.
    """

    ok: bool
    message: str
    p_min: float
    n_relabellings: int
    exact: bool
    n_together: int
    groups_needed: int


@checked_options
def resolution(
    method: ResolutionMethod,
    *,
    n_groups0: int,
    n_groups1: int,
    n_units: int = 1,
    alpha: float = 0.05,
    n_permutations: int = 1000,
    n_relabellings: int | None = None,
) -> Resolution:
    """Whether permutation p-values of n_units units can reach alpha under `method`.

    n_groups0, n_groups1: groups (word types) in each class. n_relabellings: their number where
    labels move inside passages only. All are used when there are at most n_permutations; p is
    then at least 1 / n_relabellings, or 2 / n_relabellings for classes of equal size, where
    swapping the classes changes nothing; a sample resolves 1 / (n_permutations + 1).
    "max_t" is one test for the whole family; the corrections adjust n_units p-values.

    Parameters
    ----------
    method
        A correction over units, or `"max_t"`.
    n_groups0
        Groups of class 0.
    n_groups1
        Groups of class 1.
    n_units
        Units whose p are corrected together.
    alpha
        Level that has to be reached.
    n_permutations
        Relabellings that are drawn; all of them where there are no more.
    n_relabellings
        Their number where labels move inside passages only; None: all of the groups.
    """
    if method not in get_args(ResolutionMethod):
        allowed = ", ".join(get_args(ResolutionMethod))
        raise InputError(f"method is {method!r}: it must be one of {allowed}")
    if min(n_groups0, n_groups1, n_units, n_permutations) < 1 or not 0 < alpha < 1:
        raise InputError(
            f"n_groups0 {n_groups0}, n_groups1 {n_groups1}, n_units {n_units} and n_permutations "
            f"{n_permutations} must be at least 1 and alpha {alpha} between 0 and 1"
        )
    given = n_relabellings is not None
    if n_relabellings is not None and n_relabellings < 1:
        raise InputError("n_relabellings must be 1 or more, or None")
    count = _deals(n_groups0, n_groups1) if n_relabellings is None else n_relabellings
    exact = count <= n_permutations
    p_min = (2 if n_groups0 == n_groups1 else 1) / count if exact else 1 / (n_permutations + 1)
    p_min = min(p_min, 1.0)
    factor = _factor(method, n_units)
    together = 1
    if method in ("bh", "by"):
        together = max(1, math.ceil(p_min * factor / alpha - 1e-9))
        ok = together <= n_units
    else:
        ok = p_min * factor <= alpha * (1 + 1e-12)
    needed = _groups_needed(alpha / factor)
    number = f"{count}" if count < COUNTED else f"{float(COUNTED):.0e} or more"
    share = f"{number} relabellings of {n_groups0} and {n_groups1} groups"
    if given:
        share = f"{number} relabellings inside passages"
    how = "all are used" if exact else f"{n_permutations} are sampled"
    start = f"{share}, {how}: the smallest p is {p_min:.3g}"
    if ok and method == "max_t":
        message = f"{start}; family-wise over any number of units"
    elif ok and together > 1:
        message = (
            f"{start}; {method} over {n_units} units needs {together} of them to pass together"
        )
    elif ok:
        message = f"{start}; {method} over {n_units} units can reach {alpha:g}"
    else:
        message = f"{start}, but {_wanted(method, n_units, alpha, factor)}; " + _remedy(
            method, alpha / factor, needed, given=given, exact=exact
        )
    return Resolution(ok, message, p_min, count, exact, together, needed)


def resolution_of_count(
    count: int,
    *,
    n_groups: int,
    n_same: int,
    inside: bool,
    n_classes: int = 0,
    n_permutations: int,
    alpha: float,
) -> Resolution:
    """The same of values or several classes over n_groups groups, of `count` relabellings.

    n_same: those of them that give the real statistic by definition. inside: values move inside
    passages only. n_classes: 0 for values. A count of MANY stands for that many or more.
    """
    exact = count <= n_permutations
    p_min = min(n_same / count, 1.0) if exact else 1 / (n_permutations + 1)
    ok = p_min <= alpha * (1 + 1e-12)
    draws = math.ceil(1 / alpha - 1 - 1e-9)
    needed = _groups_of_each(n_classes, alpha) if n_classes else _values_needed(alpha)
    number = f"{MANY:.0e} or more" if count >= MANY else f"{count}"
    where = "inside passages" if inside else f"of {n_groups} groups"
    how = "all are used" if exact else f"{n_permutations} are sampled"
    message = f"{number} relabellings {where}, {how}: the smallest p is {p_min:.3g}"
    if ok:
        message += "; family-wise over any number of units"
    else:
        message += f", but max_t needs {alpha:g}; "
        if not exact:
            message += f"use n_permutations of {draws} or more"
        elif inside:
            message += "use passages with more groups of different values"
        else:
            of = "groups a class" if n_classes else "groups of different values"
            message += f"{needed} {of} would be enough with n_permutations of {draws} or more"
    return Resolution(ok, message, p_min, count, exact, 1, needed)


def _values_needed(p: float) -> int:
    """Smallest number of different values with 2 / k! <= p."""
    return next(k for k in range(3, 200) if 2 / math.factorial(k) <= p)


def _groups_of_each(n_classes: int, p: float) -> int:
    """Groups of each class, 2 or more, so many that renaming all classes is no more than p."""
    size = 2
    while math.factorial(n_classes) * math.factorial(size) ** n_classes > p * math.factorial(
        n_classes * size
    ):
        size += 1
    return size


def _deals(n_groups0: int, n_groups1: int) -> int:
    """Ways to choose the groups of class 1, exact where there are fewer than COUNTED."""
    fewer = min(n_groups0, n_groups1)
    return COUNTED if fewer > _SURELY_MANY else math.comb(n_groups0 + n_groups1, fewer)


def _factor(method: ResolutionMethod, n_units: int) -> float:
    if method == "max_t":
        return 1.0
    if method == "by":
        return n_units * math.fsum(1 / k for k in range(1, n_units + 1))
    return float(n_units)


def _groups_needed(p: float) -> int:
    """Smallest k with 2 / C(2k, k) <= p."""
    k = 2
    while 2 / math.comb(2 * k, k) > p:
        k += 1
    return k


def _wanted(method: str, n_units: int, alpha: float, factor: float) -> str:
    if method == "max_t":
        return f"max_t needs {alpha:g}"
    if method in ("bh", "by"):
        return f"{method} needs {alpha * n_units / factor:.3g} even if all {n_units} units pass"
    return f"{method} over {n_units} units needs {alpha / factor:.3g}"


def _remedy(method: str, p: float, needed: int, *, given: bool, exact: bool) -> str:
    draws = math.ceil(1 / p - 1 - 1e-9)
    if not exact:
        return f"use n_permutations of {draws} or more, or max_t"
    if given:
        return "use passages with more examples of both labels"
    enough = f"{needed} groups a class would be enough with n_permutations of {draws} or more"
    return enough if method == "max_t" else f"{enough}, or use max_t"
