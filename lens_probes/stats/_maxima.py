"""The largest |r| of group means over families of units, relabelling by relabelling.

What the permutation tests of a two-class and of a continuous label share. For two classes
Student t is a monotone function of this r, so one statistic serves both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lens_probes.stats.corrections import families
from lens_probes.stats.groups import Groups, centred_scaled, group_examples
from lens_probes.stats.inputs import Floats, Ints, InTurn, Numbers, chunks, refuse_nonfinite

TIE = 1e-11

# Rows of a table of relabellings as contrasts [relabelling, group]: centred, of length 1.
Contrasts = Callable[[slice], Floats]


@dataclass(frozen=True)
class Maxima:
    """r [unit] under the real labels, and tops [relabelling, family]: the largest |r| of each.

    ids [family] are the family ids, members their units. A unit with constant means is NaN.
    """

    r: Floats
    tops: Floats
    ids: npt.NDArray[Any]
    members: list[npt.NDArray[np.intp]]

    def p_values(self, *, exact: bool, alpha: float) -> tuple[Floats, Floats]:
        """Family-wise p [unit] and the threshold of |r| [family] that it sets at alpha.

        Without `exact` the real labels count as one relabelling more: p = (1 + b) / (1 + B).
        The threshold is infinite where no p can be as small as alpha, NaN where none is tested.
        """
        extra = 0 if exact else 1
        total = len(self.tops) + extra
        p = np.full(len(self.r), np.nan)
        threshold = np.full(len(self.members), np.nan)
        for k, units in enumerate(self.members):
            ordered = np.sort(self.tops[:, k])
            tested = units[~np.isnan(self.r[units])]
            if len(tested) == 0:
                continue
            lowest = np.abs(self.r[tested]) - TIE
            reached = len(ordered) - np.searchsorted(ordered, lowest, side="left")
            p[tested] = (reached + extra) / total
            allowed = int(np.floor(alpha * total + 1e-9))
            rank = max(len(ordered) - 1 - (allowed - extra), 0)
            threshold[k] = ordered[rank] if allowed >= 1 else np.inf
        return p, threshold


def check_draws(n_permutations: int, alpha: float) -> None:
    """A ValueError for a number of permutations or an alpha that cannot be."""
    if n_permutations < 1 or not 0 < alpha < 1:
        raise ValueError(
            f"n_permutations is {n_permutations} and alpha {alpha}: "
            "the first must be at least 1, the second between 0 and 1"
        )


def relabelled_groups(n: int, groups: Any, within: Any, *, test: str) -> tuple[Groups, Ints]:
    """What is relabelled: groups of the n examples, and the stratum (passage) of each group."""
    items = group_examples(np.arange(n) if groups is None else groups, n, what="group")
    if len(items.sizes) < 3:
        raise ValueError(f"there are {len(items.sizes)} groups: {test} needs at least 3")
    if within is None:
        return items, np.zeros(len(items.sizes), dtype=np.int64)
    passages = group_examples(within, n, what="within")
    stratum = passages.index[items.order[items.starts]]
    strays = np.flatnonzero(passages.index != stratum[items.index])
    if len(strays):
        raise ValueError(
            f"group {items.name(int(items.index[strays[0]]))} has examples in more than one "
            "passage of within=: groups must lie inside passages"
        )
    return items, stratum


def family_maxima(
    arrays: InTurn,
    items: Groups,
    observed: Floats,
    contrasts: Contrasts,
    n_relabellings: int,
    family: Numbers | None,
) -> Maxima:
    """Maxima of units that follow one another in arrays [example, unit], in bounded memory.

    observed [group] is the contrast of the real labels; contrasts gives the relabelled ones.
    """
    width = sum(arrays.widths)
    members = list(families(family, width))
    ids = np.array([0]) if family is None else np.unique(np.asarray(family))
    place = np.empty(width, dtype=np.int64)
    for k, indices in enumerate(members):
        place[indices] = k
    r = np.empty(width)
    tops = np.zeros((n_relabellings, len(members)))
    for first, means in _group_means(arrays, items):
        units = slice(first, first + means.shape[1])
        r[units] = observed @ means
        _raise_tops(tops, means, contrasts, place[units])
    return Maxima(r, tops, ids, members)


def _group_means(arrays: InTurn, items: Groups) -> Iterator[tuple[int, Floats]]:
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


def _raise_tops(tops: Floats, means: Floats, contrasts: Contrasts, family: Ints) -> None:
    """Raise tops [relabelling, family] to the largest |r| of this run of units."""
    usable = np.flatnonzero(~np.isnan(means[0]))
    if len(usable) == 0:
        return
    columns = usable[np.argsort(family[usable], kind="stable")]
    here, starts = np.unique(family[columns], return_index=True)
    values = np.ascontiguousarray(means[:, columns].T)
    for first in range(0, len(tops), 512):
        part = slice(first, min(first + 512, len(tops)))
        size = values @ contrasts(part).T
        best = np.maximum.reduceat(np.abs(size, out=size), starts, axis=0)
        rows = tops[part]
        rows[:, here] = np.maximum(rows[:, here], best.T)
