"""Paired t test of every unit, and how much its result owes to the pairing.

Pairs that nothing in the data fixes (the k-th of one class with the k-th of the other) could
have been drawn otherwise: the spread of t over random pairings stands beside the one chosen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lens_probes.errors import InputError
from lens_probes.stats._compile import EXACT, compiled
from lens_probes.stats._options import checked_options
from lens_probes.stats.groups import centred_scaled, group_examples
from lens_probes.stats.inputs import (
    Bools,
    Floats,
    Ints,
    Labels,
    PerUnit,
    Units,
    check_labels,
    check_units,
    chunks,
    refuse_nonfinite,
)
from lens_probes.stats.tails import student_tail

# A sum of squares below this share of the squares it is made from is rounding.
ROUNDING = 1e-26


@dataclass(frozen=True)
class Paired:
    """One-sample t test of class-1 minus class-0 differences; arrays are [unit].

    Positive t: class 1 is higher. A constant unit, or one whose differences are all 0, is NaN; a
    unit whose differences are all equal and not 0 has t = +-inf, p = 0, log10 p = -inf.
    paired_t_low, paired_t_high: 2.5 % and 97.5 % quantiles of t over n_pairings random pairings
    (the order statistic on the outer side), paired_t_sd: its standard deviation there (ddof 1;
    NaN where a pairing gives an infinite t). All three are NaN without random pairings.
    """

    paired_t: PerUnit
    paired_dof: PerUnit
    paired_p: PerUnit
    log10_paired_p: PerUnit
    paired_t_low: PerUnit
    paired_t_high: PerUnit
    paired_t_sd: PerUnit
    n_pairs: int
    n_pairings: int


@checked_options
def paired(
    x: Units, y: Labels, pair: Any = None, *, n_pairings: int = 200, seed: int = 0
) -> Paired:
    """Paired t of x [example, unit] for labels y [example] and pair ids [example].

    Each id occurs once in each class; None pairs the k-th example of class 0 with the k-th of
    class 1. Random pairings keep the classes and draw partners anew, the same for every unit;
    n_pairings of 0 leaves them out. Equals scipy.stats.ttest_1samp of the differences (lesson
    L18: a paired t test is a one-sample t test of differences).

    Parameters
    ----------
    x
        [example, unit] activations.
    y
        [example] class, 0 or 1.
    pair
        [example] pair; None pairs the k-th examples of both classes.
    n_pairings
        Random pairings beside the given one; 0: none.
    seed
        Of the draws: the same seed gives the same result.

    Raises
    ------
    ValueError
        Classes of unequal size, an id that is not once in each class, one random pairing (it has no
        spread), and whatever ttest refuses.

    Examples
    --------
    >>> import numpy as np
    >>> from lens_probes import stats
    >>> x, y = np.array([[1.0], [2.0], [4.0], [6.0]]), np.array([0, 0, 1, 1])
    >>> stats.paired(x, y, pair=[0, 1, 0, 1]).paired_t
    array([7.])
    """
    x = check_units(x)
    positive = check_labels(y, int(x.shape[0]))
    if n_pairings < 0 or n_pairings == 1:
        raise InputError(f"n_pairings is {n_pairings}: it must be 0 or at least 2")
    order0, order1 = _pairs(positive, pair)
    n = len(order0)
    rng = np.random.default_rng(seed)
    partners = rng.permuted(np.tile(np.arange(n), (n_pairings, 1)), axis=1)
    t, spread = np.empty(x.shape[1]), np.full((3, x.shape[1]), np.nan)
    for first, part in chunks(x, max_units=128):
        if not np.isfinite(part).all():
            refuse_nonfinite(part, first)
        values = centred_scaled(part)
        varies = (part != part[:1]).any(axis=0)
        units = slice(first, first + part.shape[1])
        lower, upper = values[order0], values[order1]
        t[units] = np.where(varies, _t_of_differences(upper - lower), np.nan)
        if n_pairings:
            spread[:, units] = np.where(varies, _spread(lower, upper, partners), np.nan)
    p, log10_p = student_tail(t, float(n - 1))
    dof = np.where(np.isnan(t), np.nan, float(n - 1))
    low, high, sd = (row.copy() for row in spread)
    return Paired(t, dof, p, log10_p, low, high, sd, n, n_pairings)


def _pairs(positive: Bools, pair: Any) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Examples of class 0 and of class 1, partner beside partner."""
    zeros, ones = np.flatnonzero(~positive), np.flatnonzero(positive)
    if pair is None:
        if len(zeros) != len(ones):
            raise InputError(
                f"class 0 has {len(zeros)} examples and class 1 has {len(ones)}: pairing them in "
                "order needs equal numbers; give pair ids or drop examples"
            )
        return zeros, ones
    pairs = group_examples(pair, len(positive), what="pair")
    n1: Ints = np.bincount(pairs.index[ones], minlength=len(pairs.sizes))
    n0 = pairs.sizes - n1
    wrong = np.flatnonzero((n0 != 1) | (n1 != 1))
    if len(wrong):
        k = int(wrong[0])
        raise InputError(
            f"pair {pairs.name(k)} occurs {int(n0[k])} times in class 0 and {int(n1[k])} times in "
            "class 1: each id must occur once in each class"
        )
    return (
        zeros[np.argsort(pairs.index[zeros], kind="stable")],
        ones[np.argsort(pairs.index[ones], kind="stable")],
    )


def _t_of_differences(d: Floats) -> Floats:
    """One-sample t [unit] of differences d [pair, unit], about their first so that none cancels."""
    n = len(d)
    rest = d - d[:1]
    shift = rest.mean(axis=0)
    rest -= shift
    squares = np.einsum("ij,ij->j", rest, rest)
    return _t(d[0] + shift, squares, n)


def _t(mean: Floats, squares: Floats, n: int) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        t: Floats = mean / np.sqrt(squares / (n - 1) / n)
    return t


@compiled(EXACT)
def _add_squares(lower: Floats, upper: Floats, partners: Ints, out: Floats) -> None:
    """Add to out [pairing, unit] the squares of upper less its partner in lower [pair, unit].

    Units are innermost: their sums are independent, so the loop vectorises without reordering.
    """
    for m in range(partners.shape[0]):
        for k in range(upper.shape[0]):
            one, other = upper[k], lower[partners[m, k]]
            for unit in range(upper.shape[1]):
                d = one[unit] - other[unit]
                out[m, unit] += d * d


def _spread(lower: Floats, upper: Floats, partners: Ints) -> Floats:
    """2.5 % and 97.5 % quantile and sd of t [3, unit] over random partners.

    Every pairing has the same mean difference; only its sum of squares differs, which is that of
    centred upper less centred lower values (var1 + var0 - 2 cov would cancel where pairs agree).
    """
    n = len(lower)
    gap = upper[0] - lower[0]
    lower, upper = lower - lower[:1], upper - upper[:1]
    mean0, mean1 = lower.mean(axis=0), upper.mean(axis=0)
    gap += mean1 - mean0
    lower -= mean0
    upper -= mean1
    whole = np.einsum("ij,ij->j", lower, lower) + np.einsum("ij,ij->j", upper, upper)
    squares = np.zeros((len(partners), lower.shape[1]))
    _add_squares(lower, upper, partners, squares)
    t = _t(gap, np.where(squares <= ROUNDING * whole, 0.0, squares), n)
    t[np.isnan(t)] = 0.0
    low, high = 0.025 * (len(t) - 1), 0.975 * (len(t) - 1)
    t.sort(axis=0)
    with np.errstate(invalid="ignore"):
        sd = t.std(axis=0, ddof=1)
    return np.stack([t[math.floor(low + 1e-9)], t[math.ceil(high - 1e-9)], sd])
