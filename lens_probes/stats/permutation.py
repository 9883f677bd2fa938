"""Cluster permutation with the maximum statistic: family-wise error without independence.

The maximum over the family of |Student t| of group means is compared with its distribution under
relabelling (Westfall and Young 1993; Nichols and Holmes 2002). Permuting whole groups keeps the
examples of a word type together, so word identity alone does not pass for an effect.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from jaxtyping import Float64, Shaped

from lens_probes.stats._maxima import check_draws, family_maxima, relabelled_groups
from lens_probes.stats.groups import group_labels
from lens_probes.stats.inputs import (
    Floats,
    InTurn,
    Labels,
    Numbers,
    PerUnit,
    Units,
    check_labels,
    several_arrays,
)
from lens_probes.stats.relabel import all_relabellings, count_relabellings, sample_relabellings


@dataclass(frozen=True)
class MaxPermutation:
    """Family-wise p-values by permutation.

    group_t [unit]: Student t of the unweighted group means. p_family [unit]: its family-wise p,
    with log10_p_family. families [family]: the ids given (or 0); threshold [family]: p_family is
    at most alpha exactly where |group_t| exceeds it (inf where no p can be that small).
    exact: all n_distinct_relabellings were used; otherwise a sample of n_permutations, and
    p = (1 + b) / (1 + n_permutations). A unit whose group means are constant is NaN.
    """

    group_t: PerUnit
    p_family: PerUnit
    log10_p_family: PerUnit
    families: Shaped[np.ndarray, " family"]
    threshold: Float64[np.ndarray, " family"]
    n_groups0: int
    n_groups1: int
    n_distinct_relabellings: int
    n_permutations: int
    exact: bool


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
) -> MaxPermutation:
    """Permutation p-values of x [example, unit] for labels y [example], family by family.

    x may be a sequence of arrays over the same examples (layers, sites): their units follow one
    another and share the relabellings, so a family may span arrays that are never joined.
    groups [example]: ids (word types) inside which the label is constant; whole groups are
    relabelled. None: every example is its own group. within [example]: ids (passages); labels
    move only inside each. Every relabelling is used when there are at most n_permutations.
    family: None or group ids [unit] over all units. Memory: n_permutations x n_groups bytes and
    a few chunks of units.

    Raises ValueError where a label varies inside a group, a group spans passages, there are
    fewer than 3 groups or nothing to permute, and for whatever ttest refuses.
    """
    arrays = several_arrays(x)
    positive = check_labels(y, arrays.n_examples, per_class=1)
    check_draws(n_permutations, alpha)
    items, stratum = relabelled_groups(len(positive), groups, within, test="a t test")
    labels = group_labels(items, positive)
    n_distinct = count_relabellings(labels, stratum)
    if n_distinct < 2:
        raise ValueError("no passage has both labels: there is nothing to permute inside them")
    exact = n_distinct <= n_permutations
    if exact:
        table = all_relabellings(labels, stratum)
    else:
        table = sample_relabellings(labels, stratum, n=n_permutations, seed=seed)
    observed = _contrast(labels[None, :].astype(np.int8))[0]
    maxima = family_maxima(
        arrays, items, observed, lambda rows: _contrast(table[rows]), len(table), family
    )
    p, threshold = maxima.p_values(exact=exact, alpha=alpha)
    return MaxPermutation(
        group_t=_student(maxima.r, len(labels)),
        p_family=p,
        log10_p_family=np.log10(p),
        families=maxima.ids,
        threshold=_student(threshold, len(labels)),
        n_groups0=int((~labels).sum()),
        n_groups1=int(labels.sum()),
        n_distinct_relabellings=n_distinct,
        n_permutations=len(table),
        exact=exact,
    )


def _contrast(table: npt.NDArray[np.int8]) -> Floats:
    """Centred labels [relabelling, group] of length 1: times unit means, the correlation r."""
    centred = table - table.mean(axis=1, keepdims=True, dtype=np.float64)
    contrast: Floats = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    return contrast


def _student(r: Floats, n: int) -> Floats:
    """Student t of a correlation with a two-class label over n groups."""
    with np.errstate(divide="ignore"):
        t: Floats = r * np.sqrt((n - 2) / np.maximum(1 - r**2, 0.0))
    return t
