"""Cluster permutation with the maximum statistic: family-wise error without independence.

The maximum over the family of |Student t| of group means is compared with its distribution under
relabelling (Westfall and Young 1993; Nichols and Holmes 2002). Permuting whole groups keeps the
examples of a word type together, so word identity alone does not pass for an effect.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from jaxtyping import Float64, Shaped

from lens_probes.stats.corrections import families
from lens_probes.stats.groups import Groups, centred_scaled, group_examples, group_labels
from lens_probes.stats.inputs import (
    Bools,
    Floats,
    Ints,
    Labels,
    Numbers,
    PerUnit,
    Units,
    check_labels,
    check_units,
    chunks,
    is_tensor,
    refuse_nonfinite,
)
from lens_probes.stats.relabel import all_relabellings, count_relabellings, sample_relabellings

TIE = 1e-11


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
    x: Units | Sequence[Units],
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
    arrays = _arrays(x)
    positive = check_labels(y, int(arrays[0].shape[0]), per_class=1)
    if n_permutations < 1 or not 0 < alpha < 1:
        raise ValueError(
            f"n_permutations is {n_permutations} and alpha {alpha}: "
            "the first must be at least 1, the second between 0 and 1"
        )
    items, labels, stratum = _items(positive, groups, within)
    n_distinct = count_relabellings(labels, stratum)
    if n_distinct < 2:
        raise ValueError("no passage has both labels: there is nothing to permute inside them")
    exact = n_distinct <= n_permutations
    if exact:
        table = all_relabellings(labels, stratum)
    else:
        table = sample_relabellings(labels, stratum, n=n_permutations, seed=seed)
    width = sum(int(part.shape[1]) for part in arrays)
    members = list(families(family, width))
    ids = np.array([0]) if family is None else np.unique(np.asarray(family))
    place = np.empty(width, dtype=np.int64)
    for k, indices in enumerate(members):
        place[indices] = k
    r = np.empty(width)
    tops = np.zeros((len(table), len(members)))
    for first, means in _group_means(arrays, items):
        units = slice(first, first + means.shape[1])
        r[units] = _contrast(labels[None, :].astype(np.int8)) @ means
        _raise_tops(tops, means, table, place[units])
    return _result(r, tops, members, ids, labels, n_distinct, exact, alpha)


def _arrays(x: Any) -> list[Units]:
    several = isinstance(x, list | tuple) and all(
        (is_tensor(part) or isinstance(part, np.ndarray)) and part.ndim == 2 for part in x
    )
    arrays = [check_units(part) for part in x] if several and len(x) else [check_units(x)]
    lengths = {int(part.shape[0]) for part in arrays}
    if len(lengths) > 1:
        raise ValueError(f"the arrays have {sorted(lengths)} examples: all need the same ones")
    return arrays


def _items(positive: Bools, groups: Any, within: Any) -> tuple[Groups, Bools, Ints]:
    """What is relabelled: groups of examples, their labels and the stratum of each."""
    n = len(positive)
    items = group_examples(np.arange(n) if groups is None else groups, n, what="group")
    labels = group_labels(items, positive)
    if len(labels) < 3:
        raise ValueError(f"there are {len(labels)} groups: a t test needs at least 3")
    if within is None:
        return items, labels, np.zeros(len(labels), dtype=np.int64)
    passages = group_examples(within, n, what="within")
    stratum = passages.index[items.order[items.starts]]
    strays = np.flatnonzero(passages.index != stratum[items.index])
    if len(strays):
        raise ValueError(
            f"group {items.name(int(items.index[strays[0]]))} has examples in more than one "
            "passage of within=: groups must lie inside passages"
        )
    return items, labels, stratum


def _group_means(arrays: list[Units], items: Groups) -> Iterator[tuple[int, Floats]]:
    """Runs of units as (first unit of all, group means [group, unit] centred, of length 1)."""
    before = 0
    for array in arrays:
        for first, part in chunks(array, max_units=512):
            if not np.isfinite(part).all():
                refuse_nonfinite(part, first)
            values = centred_scaled(part)
            means = items.sums(values) / items.sizes[:, None]
            means -= means.mean(axis=0)
            size = np.linalg.norm(means, axis=0)
            flat = size <= 1e-14 * np.abs(values).max(axis=0) * np.sqrt(len(means))
            means /= np.where(flat, 1.0, size)
            means[:, flat] = np.nan
            yield before + first, means
        before += int(array.shape[1])


def _contrast(table: npt.NDArray[np.int8]) -> Floats:
    """Centred labels [relabelling, group] of length 1: times unit means, the correlation r."""
    centred = table - table.mean(axis=1, keepdims=True, dtype=np.float64)
    contrast: Floats = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    return contrast


def _raise_tops(tops: Floats, means: Floats, table: npt.NDArray[np.int8], family: Ints) -> None:
    """Raise tops [relabelling, family] to the largest |r| of this run of units."""
    usable = np.flatnonzero(~np.isnan(means[0]))
    if len(usable) == 0:
        return
    columns = usable[np.argsort(family[usable], kind="stable")]
    here, starts = np.unique(family[columns], return_index=True)
    values = np.ascontiguousarray(means[:, columns].T)
    for first in range(0, len(table), 512):
        size = values @ _contrast(table[first : first + 512]).T
        best = np.maximum.reduceat(np.abs(size, out=size), starts, axis=0)
        rows = tops[first : first + 512]
        rows[:, here] = np.maximum(rows[:, here], best.T)


def _result(
    r: Floats,
    tops: Floats,
    members: list[npt.NDArray[np.intp]],
    ids: npt.NDArray[Any],
    labels: Bools,
    n_distinct: int,
    exact: bool,
    alpha: float,
) -> MaxPermutation:
    extra = 0 if exact else 1
    total = len(tops) + extra
    p = np.full(len(r), np.nan)
    threshold = np.full(len(members), np.nan)
    for k, units in enumerate(members):
        ordered = np.sort(tops[:, k])
        tested = units[~np.isnan(r[units])]
        if len(tested) == 0:
            continue
        reached = len(ordered) - np.searchsorted(ordered, np.abs(r[tested]) - TIE, side="left")
        p[tested] = (reached + extra) / total
        allowed = int(np.floor(alpha * total + 1e-9))
        rank = max(len(ordered) - 1 - (allowed - extra), 0)
        threshold[k] = ordered[rank] if allowed >= 1 else 1.0
    return MaxPermutation(
        group_t=_student(r, len(labels)),
        p_family=p,
        log10_p_family=np.log10(p),
        families=ids,
        threshold=_student(threshold, len(labels)),
        n_groups0=int((~labels).sum()),
        n_groups1=int(labels.sum()),
        n_distinct_relabellings=n_distinct,
        n_permutations=len(tops),
        exact=exact,
    )


def _student(r: Floats, n: int) -> Floats:
    """Student t of a correlation with a two-class label over n groups."""
    with np.errstate(divide="ignore"):
        t: Floats = r * np.sqrt((n - 2) / np.maximum(1 - r**2, 0.0))
    return t
