"""Cluster permutation with the maximum statistic, for a continuous label.

As max_permutation, with |Pearson r| of the unweighted group means in place of Student t: values
(a word's length, its frequency) are dealt out again to whole groups, so that the tokens of one
word type never count as independent evidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from jaxtyping import Float64, Shaped

from lens_probes.stats._maxima import check_draws, family_maxima, relabelled_groups
from lens_probes.stats.groups import Groups, group_values
from lens_probes.stats.inputs import (
    Floats,
    Ints,
    InTurn,
    Labels,
    Numbers,
    PerUnit,
    Units,
    check_values,
    several_arrays,
    to_numpy,
)
from lens_probes.stats.relabel import (
    MANY,
    all_relabellings,
    code_values,
    count_relabellings,
    sample_relabellings,
)
from lens_probes.stats.resolution import Resolution, resolution_of_count


@dataclass(frozen=True)
class MaxPermutationR:
    """Family-wise p-values by permutation of a continuous label.

    group_r [unit]: Pearson r of the unweighted group means with the value of the group.
    p_family [unit]: its family-wise p, with log10_p_family. families [family]: the ids given (or
    0); threshold [family]: p_family is at most alpha exactly where |group_r| exceeds it (inf where
    no p can be that small). exact: all n_distinct_relabellings were used; otherwise a sample of
    n_permutations, and p = (1 + b) / (1 + n_permutations). n_distinct_relabellings stops at
    10**15, which stands for that many or more. A unit whose group means are constant is NaN.
    """

    group_r: PerUnit
    p_family: PerUnit
    log10_p_family: PerUnit
    families: Shaped[np.ndarray, " family"]
    threshold: Float64[np.ndarray, " family"]
    n_groups: int
    n_distinct_relabellings: int
    n_permutations: int
    exact: bool


def max_permutation_r(
    x: Units | Sequence[Units] | InTurn,
    value: Labels,
    *,
    groups: Any = None,
    within: Any = None,
    n_permutations: int = 1000,
    seed: int = 0,
    family: Numbers | None = None,
    alpha: float = 0.05,
) -> MaxPermutationR:
    """Permutation p-values of x [example, unit] for a value [example], family by family.

    x, groups, within and family as in max_permutation: x may be a sequence of arrays over the
    same examples, groups are ids (word types) inside which the value is constant, within are ids
    (passages) inside which values move. Every distinct relabelling is used when there are at most
    n_permutations. Memory: 1 to 4 bytes x n_permutations x n_groups and a few chunks of units.

    Raises ValueError where the value varies inside a group, is constant or not finite, a group
    spans passages, there are fewer than 3 groups or nothing to permute, and for x that ttest
    refuses.
    """
    arrays = several_arrays(x)
    check_draws(n_permutations, alpha)
    items, stratum, codes, scaled = _labelled(value, arrays.n_examples, groups, within)
    n_distinct = count_relabellings(codes, stratum, most=MANY)
    exact = n_distinct <= n_permutations
    if exact:
        table = all_relabellings(codes, stratum)
    else:
        table = sample_relabellings(codes, stratum, n=n_permutations, seed=seed)
    maxima = family_maxima(
        arrays, items, scaled[codes], lambda rows: scaled[table[rows]], len(table), family
    )
    p, threshold = maxima.p_values(exact=exact, alpha=alpha)
    return MaxPermutationR(
        group_r=maxima.r,
        p_family=p,
        log10_p_family=np.log10(p),
        families=maxima.ids,
        threshold=threshold,
        n_groups=len(codes),
        n_distinct_relabellings=n_distinct,
        n_permutations=len(table),
        exact=exact,
    )


def resolution_r(
    value: Labels,
    *,
    groups: Any = None,
    within: Any = None,
    n_permutations: int = 1000,
    alpha: float = 0.05,
) -> Resolution:
    """Whether max_permutation_r with these arguments can reach alpha, asked before it is run.

    The smallest p is 1 / (number of distinct relabellings), twice that where mirroring the values
    about their mean is itself a relabelling (|r| is then the same), or 1 / (n_permutations + 1)
    when they are sampled. groups_needed: groups of different values that would be enough.

    Raises ValueError as max_permutation_r does.
    """
    check_draws(n_permutations, alpha)
    _, stratum, codes, scaled = _labelled(value, len(to_numpy(value)), groups, within)
    return resolution_of_count(
        count_relabellings(codes, stratum, most=MANY),
        n_groups=len(codes),
        mirrored=_mirrored(scaled[codes], stratum),
        inside=within is not None,
        at_least=MANY,
        n_permutations=n_permutations,
        alpha=alpha,
    )


def _labelled(
    value: Any, n: int, groups: Any, within: Any
) -> tuple[Groups, Ints, npt.NDArray[Any], Floats]:
    """Groups, stratum and code of each, and the contrast value of each code."""
    values = check_values(value, n, what="value")
    items, stratum = relabelled_groups(n, groups, within, test="a correlation")
    codes, scaled = code_values(group_values(items, values))
    if count_relabellings(codes, stratum, most=2) < 2:
        raise ValueError("no passage has two values: there is nothing to permute inside them")
    return items, stratum, codes, scaled


def _mirrored(contrast: Floats, stratum: Ints) -> bool:
    """Whether minus the contrast is one of its relabellings."""
    forth = contrast[np.lexsort((contrast, stratum))]
    back = -contrast[np.lexsort((-contrast, stratum))]
    return bool(np.allclose(forth, back, rtol=0, atol=1e-12))
