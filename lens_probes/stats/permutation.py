"""Cluster permutation with the maximum statistic: family-wise error without independence.

The maximum over the family of a studentised effect of group means is compared with its
distribution under relabelling (Westfall and Young 1993; Nichols and Holmes 2002). Permuting whole
groups keeps together what is one piece of evidence (the examples of a word type, word types read
at one token), so identity alone does not pass for an effect. Studentising keeps the level where
classes differ in size and spread: |Student t| of 40 groups of variance 1 against 5 of variance 9
passes in every sweep of nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from jaxtyping import Float64, Shaped

from lens_probes.errors import InputError
from lens_probes.stats._maxima import check_draws, family_maxima
from lens_probes.stats._options import checked_options
from lens_probes.stats._permutation_design import Design, PermutedStatistic, mirrored
from lens_probes.stats._permuted import NormalisedWelch
from lens_probes.stats._permuted_classes import NormalisedWelchF
from lens_probes.stats.inputs import (
    Floats,
    InTurn,
    Labels,
    Numbers,
    PerUnit,
    Units,
    one_each,
    several_arrays,
)
from lens_probes.stats.relabel import (
    MANY,
    all_relabellings,
    count_relabellings,
    sample_relabellings,
)
from lens_probes.stats.resolution import Resolution, resolution_of_count


@dataclass(frozen=True)
class MaxPermutation:
    """Family-wise p-values by permutation.

    value [unit]: the statistic named by `statistic`, positive where class 1 (or the higher value)
    is higher: normalised Welch t of group means, their studentised slope, or Student t; of several
    classes the |z| that stands for Welch's F. p_family
    [unit]: its family-wise p, with log10_p_family. families [family]: the ids given (or 0);
    threshold [family]: p_family is at most alpha exactly where |value| exceeds it (inf where no p
    can be that small); threshold_low and threshold_high: where other draws of as many relabellings
    could have put it (95 %). exact: all n_distinct_relabellings were used; otherwise a sample of
    n_permutations, and p = (1 + b) / (1 + n_permutations). A unit whose group means are constant
    is NaN. simes_level: for `tuned_at_least`; p_beyond: p of as many units with |value| of 2 or
    more, all units together; pooled_p [unit], with log10_pooled_p: p of one unit, the share of its
    family's relabelled |z| that reach its own (for `adjust`: few groups of a class have no exact
    tail; it takes the units of a family to have like tails). NaN unless bound= was asked for and
    the statistic is the normalised Welch t or F. n_groups1 is 0 with a continuous label or several
    classes. least_p: the smallest p that can come out.
    """

    value: PerUnit
    p_family: PerUnit
    log10_p_family: PerUnit
    families: Shaped[np.ndarray, " family"]
    threshold: Float64[np.ndarray, " family"]
    threshold_low: Float64[np.ndarray, " family"]
    threshold_high: Float64[np.ndarray, " family"]
    statistic: str
    n_groups0: int
    n_groups1: int
    n_distinct_relabellings: int
    n_permutations: int
    exact: bool
    simes_level: float
    p_beyond: float
    pooled_p: PerUnit
    log10_pooled_p: PerUnit
    least_p: float


@checked_options
def max_permutation(
    x: Units | Sequence[Units] | InTurn,
    y: Labels,
    *,
    groups: Any = None,
    within: Any = None,
    n_permutations: int = 1000,
    seed: int = 0,
    family: Numbers | None = None,
    alpha: float = 0.05,
    statistic: PermutedStatistic | None = None,
    bound: bool = False,
) -> MaxPermutation:
    """Permutation p-values of x [example, unit] for labels y [example], family by family.

    Parameters
    ----------
    x
        One array or a sequence of them over the same examples (layers, sites): their units follow
        one another and share the relabellings, so a family may span arrays that are never joined.
    y
        [example] two classes (0 and 1), a continuous value, or with statistic="welch_f" several
        classes 0, 1, 2 ...
    groups
        [example] ids (words, replication groups) inside which the label is constant; whole groups
        are relabelled, and count equally. None: every example is its own group.
    within
        [example] ids (passages, pairs); labels move only inside each.
    n_permutations, seed
        Every relabelling is used when there are at most n_permutations, else a seeded sample.
    family
        None or ids [unit] over all units.
    statistic
        None takes `"welch"` for two classes, the normalised Welch t, and `"slope"` for values and
        within=: the studentised slope (with many groups the studentised r), which for pairs is a
        monotone function of the paired t.
        `"student"`, or a class of one group, takes the plain |Student t| (or r), which holds its
        level only for classes of equal spread or size.
    bound
        Calibrate `simes_level` for `tuned_at_least`, count for `pooled_p` and `p_beyond` (costs
        about as much time again).
    alpha
        Level of `threshold`.

    Memory: n_permutations x n_groups bytes and a few chunks of units.

    Raises
    ------
    ValueError
        A label that varies inside a group, a group in several passages, fewer than 3 groups,
        nothing to permute, a constant value, and whatever ttest refuses.

    Examples
    --------
    >>> import numpy as np
    >>> from lens_probes import stats
    >>> y = np.repeat([0, 1], 20)
    >>> x = np.random.default_rng(0).normal(size=(40, 3)) + 2 * y[:, None] * [1, 0, 0]
    >>> word = np.arange(40) // 2
    >>> stats.max_permutation(x, y, groups=word, n_permutations=199).p_family < 0.05
    array([ True, False, False])
    """
    arrays = several_arrays(x)
    check_draws(n_permutations, alpha)
    if statistic not in (None, *get_args(PermutedStatistic)):
        raise InputError(
            f"statistic is {statistic!r}: it must be welch, slope, student or welch_f, or None"
        )
    design = Design.of(y, arrays.n_examples, groups, within, statistic)
    n_distinct = count_relabellings(design.codes, design.stratum, most=MANY)
    exact = n_distinct <= n_permutations
    if exact:
        table = all_relabellings(design.codes, design.stratum)
    else:
        table = sample_relabellings(design.codes, design.stratum, n=n_permutations, seed=seed)
    permuted = design.statistic(table, statistic)
    bound = bound and isinstance(permuted, NormalisedWelch | NormalisedWelchF)
    maxima = family_maxima(arrays, design.items, design.stratum, permuted, family, count=bound)
    p, threshold = maxima.p_values(exact=exact, alpha=alpha)
    low, high = maxima.thresholds_nearby(exact=exact, alpha=alpha)
    pooled = maxima.pooled_p() if bound else np.full(len(p), np.nan)
    scale = design.student if permuted.name == "Student t" else _identity
    return MaxPermutation(
        value=scale(maxima.value),
        p_family=p,
        log10_p_family=np.log10(p),
        families=maxima.ids,
        threshold=scale(threshold),
        threshold_low=scale(low),
        threshold_high=scale(high),
        statistic=permuted.name,
        n_groups0=design.n_groups[0],
        n_groups1=design.n_groups[1],
        n_distinct_relabellings=n_distinct,
        n_permutations=len(table),
        exact=exact,
        simes_level=maxima.simes_level(exact=exact, alpha=alpha) if bound else float("nan"),
        p_beyond=maxima.p_beyond(exact=exact) if bound else float("nan"),
        pooled_p=pooled,
        log10_pooled_p=np.log10(pooled),
        least_p=int(maxima.same.sum()) / n_distinct if exact else 1 / (1 + len(table)),
    )


@checked_options
def resolution_r(
    value: Labels,
    *,
    groups: Any = None,
    within: Any = None,
    n_permutations: int = 1000,
    alpha: float = 0.05,
) -> Resolution:
    """Whether max_permutation of these values can reach alpha, asked before it is run.

    The smallest p is 1 / (number of distinct relabellings), twice that where mirroring the values
    about their mean is itself a relabelling (|r| is then the same), or 1 / (n_permutations + 1)
    when they are sampled. groups_needed: groups of different values that would be enough.

    Parameters
    ----------
    value
        [example] a continuous label, one a group.
    groups
        [example] groups of one value each; None: each example.
    within
        [example] passages; values move only inside each.
    n_permutations
        Relabellings that are drawn; all of them where there are no more.
    alpha
        Level that has to be reached.

    Raises
    ------
    ValueError
        As max_permutation does.
    """
    check_draws(n_permutations, alpha)
    given = one_each(value, "value")
    design = Design.of(given, len(given), groups, within, "slope")
    return resolution_of_count(
        count_relabellings(design.codes, design.stratum, most=MANY),
        n_groups=len(design.codes),
        n_same=1 + mirrored(design.contrast[design.codes], design.stratum),
        inside=within is not None,
        n_permutations=n_permutations,
        alpha=alpha,
    )


@checked_options
def resolution_f(
    y: Labels, *, groups: Any = None, n_permutations: int = 1000, alpha: float = 0.05
) -> Resolution:
    """Whether max_permutation of these classes (0, 1, 2 ...) can reach alpha, asked before.

    The smallest p is 1 / (number of distinct relabellings), times the ways to rename classes of
    equally many groups, or 1 / (n_permutations + 1) when relabellings are sampled.

    Parameters
    ----------
    y
        [example] class 0, 1, 2 ...
    groups
        [example] groups of one class each; None: each example.
    n_permutations
        Relabellings that are drawn; all of them where there are no more.
    alpha
        Level that has to be reached.

    Raises
    ------
    ValueError
        As max_permutation does.
    """
    check_draws(n_permutations, alpha)
    given = one_each(y, "y")
    design = Design.of(given, len(given), groups, None, "welch_f")
    equal = np.unique(np.bincount(design.codes), return_counts=True)[1]
    return resolution_of_count(
        count_relabellings(design.codes, design.stratum, most=MANY),
        n_groups=len(design.codes),
        n_same=math.prod(math.factorial(int(n)) for n in equal),
        inside=False,
        n_classes=int(design.codes.max()) + 1,
        n_permutations=n_permutations,
        alpha=alpha,
    )


def _identity(value: Floats) -> Floats:
    return value
