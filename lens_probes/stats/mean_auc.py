"""Mean AUC of selected units in a second sample, in the first's direction, with its null."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from jaxtyping import Float64

from lens_probes.stats import _group_rows as rows
from lens_probes.stats._compile import EXACT, compiled
from lens_probes.stats._dealt import Dealt, against, blocks_of, over_units
from lens_probes.stats._options import checked_options
from lens_probes.stats.group_effects import SplitGroups, share_interval, split_groups
from lens_probes.stats.groups import centred_scaled
from lens_probes.stats.inputs import (
    Floats,
    Ints,
    InTurn,
    Labels,
    Numbers,
    Units,
    check_labels,
    several_arrays,
)


@dataclass(frozen=True)
class MeanAuc:
    """Mean over n_units selected units of the AUC over groups, in the first sample's direction.

    low, high: its 95 % interval over groups (DeLong's components of the mean, `share_interval`);
    the more the units go their own ways, the less it allows for what is not known of one alone.
    null_low, null_high: the middle 95 % of the same mean with labels dealt out again over groups;
    p: (1 + b) / (1 + n) for the b of n that are at least as high. NaN without a unit.
    """

    auc: float
    low: float
    high: float
    null: Float64[np.ndarray, " relabelling"]
    null_low: float
    null_high: float
    p: float
    n_units: int


@checked_options
def mean_auc(
    x: Units | Sequence[Units] | InTurn,
    y: Labels,
    groups: Any,
    direction: Numbers,
    selected: Numbers,
    *,
    n_permutations: int = 1000,
    seed: int = 0,
) -> MeanAuc:
    """AUC of a second sample x [example, unit], each group of one label counting once.

    Arguments as for `sign_agreement`. The AUC of any labels over groups is a sum of the groups'
    mean ranks, so the mean over units needs the mean ranks only: no relabelling is ever computed
    unit by unit. As there, class means are taken out before labels are dealt out again.

    Parameters
    ----------
    x
        [example, unit] activations of the second sample, or several such arrays over the same
        examples (layers, sites), whose units follow each other.
    y
        [example] class, 0 or 1.
    groups
        [example] ids of the second sample's groups, each of one label.
    direction
        [unit] sign of the first sample's difference.
    selected
        [unit] whether it was found there.
    n_permutations
        Relabellings that are drawn; all of them where there are no more.
    seed
        Of the draws: the same seed gives the same result.

    Raises
    ------
    ValueError
        As `sign_agreement` does.
    """
    arrays = several_arrays(x)
    dealt = Dealt.of(
        y, arrays.n_examples, groups, "class", n_permutations=n_permutations, seed=seed
    )
    signs, use = over_units(direction, selected, sum(arrays.widths))
    split = split_groups(groups, check_labels(y, arrays.n_examples))
    placed, ranks = np.zeros(split.k0 + split.k1), np.zeros(split.k0 + split.k1)
    alone = 0.0  # variance of a unit's AUC, summed over units
    for part, sign in blocks_of(arrays, signs, use, dealt.max_units):
        values, up = np.ascontiguousarray(part.T), sign > 0
        out = np.empty((len(values), len(placed)))
        rows.group_placements(
            values.astype(np.float64), rows.sorting_order(values), split.group, split.weight,
            split.k0, out,
        )  # fmt: skip
        placed += out[up].sum(axis=0) + (1 - out[~up]).sum(axis=0)
        alone += sum(float(v.sum()) for v in _variances(out, split.k0))
        rest = _without_label(part, dealt, split)
        _group_ranks(rest, rows.sorting_order(rest), split.group, split.weight, out)
        ranks += out[up].sum(axis=0) + (len(ranks) - out[~up]).sum(axis=0)
    return _found(placed, ranks, alone, int(use.sum()), dealt, split)


@compiled(EXACT)
def _group_ranks(values: Floats, order: Ints, group: Ints, weight: Floats, out: Floats) -> None:
    """Groups below each group in each unit: out [unit, group]; equal values count half.

    A group lies half below itself, so that the ranks of k groups sum to k squared over 2.
    """
    out[:] = 0.0
    for u in range(values.shape[0]):
        below = 0.0
        first = 0
        while first < order.shape[1]:
            value = values[u, order[u, first]]
            last, tied = first, 0.0
            while last < order.shape[1] and values[u, order[u, last]] == value:
                tied += 0.5 * weight[order[u, last]]
                last += 1
            for k in range(first, last):
                i = order[u, k]
                out[u, group[i]] += weight[i] * (below + tied)
            below += 2.0 * tied
            first = last


def _without_label(part: npt.NDArray[Any], dealt: Dealt, split: SplitGroups) -> Any:
    """Values [unit, example] less the mean of the group means of their class, in float32."""
    values = centred_scaled(part)
    means = np.add.reduceat((values * dealt.weight[:, None])[dealt.order], dealt.starts, axis=0)
    high = dealt.contrast > 0
    centres = np.stack([means[~high].mean(axis=0), means[high].mean(axis=0)])
    values -= centres[(split.group >= split.k0).astype(np.int64)]
    return np.ascontiguousarray(values.T, dtype=np.float32)


def _variances(placed: Floats, k0: int) -> tuple[Floats, Floats]:
    """The parts of an AUC's variance from each class, from placements [..., group]."""
    sides = (placed[..., :k0], placed[..., k0:])
    v0, v1 = (side.var(axis=-1, ddof=1, keepdims=True) / side.shape[-1] for side in sides)
    return v0, v1


def _found(
    placed: Floats, ranks: Floats, alone: float, n_units: int, dealt: Dealt, split: SplitGroups
) -> MeanAuc:
    """The result from placements and ranks [group], of class 0 first, summed over units."""
    nan, k0, k1 = math.nan, split.k0, split.k1
    if not n_units:
        nothing = np.full(len(dealt.labels), nan)
        return MeanAuc(nan, nan, nan, nothing, nan, nan, nan, 0)
    placed, ranks = placed / n_units, ranks / n_units
    auc = float(placed[k0:].mean())
    v0, v1 = _variances(placed, k0)
    together = float(v0[0] + v1[0])
    apart = max(1.0, alone / n_units / together) if together > 0 else 1.0
    _, low, top = share_interval(np.array([auc]), v0, v1, k0, k1, apart=apart)
    in_order, null = np.argsort(dealt.contrast > 0, kind="stable"), np.empty(len(dealt.labels))
    for block, contrast in dealt.contrasts():
        null[block] = ((contrast[:, in_order] > 0) @ ranks - 0.5 * k1**2) / (k0 * k1)
    return MeanAuc(auc, float(low[0]), float(top[0]), null, *against(auc, null), n_units)
