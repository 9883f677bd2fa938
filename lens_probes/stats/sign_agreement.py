"""Sign agreement with a second sample, beside what labels dealt at random over its groups give.

A share of 84 % of units that keep their sign sounds like replication. Units move together, so a
few groups can turn them all: without any category the share lies anywhere between 20 and 85 %.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from lens_probes.errors import InputError
from lens_probes.stats._options import checked_options
from lens_probes.stats.group_effects import share_interval, split_groups
from lens_probes.stats.groups import centred_scaled
from lens_probes.stats.inputs import (
    Bools,
    Floats,
    InTurn,
    Labels,
    Numbers,
    Units,
    check_labels,
    chunks,
    numbers,
    refuse_nonfinite,
    several_arrays,
)
from lens_probes.stats.relabel import all_relabellings, count_relabellings, sample_relabellings


@dataclass(frozen=True)
class SignAgreement:
    """Share of n_units selected units whose sign in the second sample is the first sample's.

    low, high: its 95 % interval, `share_interval` of what leaving out each group changes
    (jackknife). null_shares [relabelling]: the same share with the second sample's labels dealt
    out again over its groups, in all other ways if exact; null_low, null_high: their middle 95 %;
    p: (1 + b) / (1 + n) for the b of n that agree at least as much. NaN without a unit.
    """

    share: float
    low: float
    high: float
    null_shares: Float64[np.ndarray, " relabelling"]
    null_low: float
    null_high: float
    p: float
    exact: bool
    n_units: int
    n_groups0: int
    n_groups1: int


@checked_options
def sign_agreement(
    x: Units | Sequence[Units] | InTurn,
    y: Labels,
    groups: Any,
    direction: Numbers,
    selected: Numbers,
    *,
    n_permutations: int = 1000,
    seed: int = 0,
) -> SignAgreement:
    """Do selected units differ in the first sample's direction in a second one, x [example, unit]?

    y and groups [example] are the second sample's, each group of one label; direction [unit] is
    the sign of the first sample's difference and selected [unit] what was found there; x may be a
    sequence of arrays, whose units follow each other. A unit's sign is that of the difference of
    the means of its group means. All units share the relabellings, so what they have in common
    counts as it should. Class means are taken out before labels are dealt out again: otherwise a
    strong effect that all units share would make its own null agree.

    Raises ValueError for a group with both labels, fewer than 2 groups of a class, and direction
    or selected not over the units of x.
    """
    if n_permutations < 1:
        raise InputError(f"n_permutations is {n_permutations}: it must be at least 1")
    arrays = several_arrays(x)
    positive = check_labels(y, arrays.n_examples)
    split = split_groups(groups, positive)
    k0, k1 = split.k0, split.k1
    signs, use = _over_units(direction, selected, sum(arrays.widths))
    labels = np.arange(k0 + k1) >= k0
    stratum = np.zeros(k0 + k1, dtype=np.int64)
    exact = count_relabellings(labels, stratum, most=n_permutations + 1) <= n_permutations
    if exact:
        dealt = all_relabellings(labels, stratum)
    else:
        dealt = sample_relabellings(labels, stratum, n=n_permutations, seed=seed)
    one = np.where(labels, 1.0 / k1, -1.0 / k0)
    same = (dealt == labels).all(axis=1) | (dealt != labels).all(axis=1)
    if same.all():
        raise InputError(
            f"n_permutations is {n_permutations}: none of them deals the labels out differently; "
            "give more"
        )
    null = np.where(dealt[~same], 1.0 / k1, -1.0 / k0)
    real = np.concatenate([one[None], _without_each(k0, k1)])
    belongs = np.zeros((k0 + k1, len(positive)))
    belongs[split.group, np.arange(len(positive))] = split.weight
    agree, first_unit = np.zeros(len(real) + len(null)), 0
    for array in arrays:
        for first, part in chunks(array, max_units=1024):
            if not np.isfinite(part).all():
                refuse_nonfinite(part, first)
            units = slice(first_unit + first, first_unit + first + part.shape[1])
            chosen = use[units]
            means = belongs @ centred_scaled(part[:, chosen])
            rest = means.copy()
            for side in (labels, ~labels):
                rest[side] -= means[side].mean(axis=0)
            gaps = np.concatenate([real @ means, null @ rest])
            agree += (np.sign(gaps) * signs[units][chosen] > 0).sum(axis=1)
        first_unit += int(array.shape[1])
    n_units = int(use.sum())
    shares = agree / n_units if n_units else np.full(len(agree), np.nan)
    return _agreement(shares, k0, k1, exact=exact, n_units=n_units)


def _without_each(k0: int, k1: int) -> Floats:
    """Weights of the group means in a difference that leaves out one group [group, group]."""
    rows = np.repeat(np.r_[np.full(k0, -1.0 / k0), np.full(k1, 1.0 / k1)][None], k0 + k1, axis=0)
    rows[:k0, :k0], rows[k0:, k0:] = -1.0 / (k0 - 1), 1.0 / (k1 - 1)
    np.fill_diagonal(rows, 0.0)
    return rows


def _agreement(shares: Floats, k0: int, k1: int, *, exact: bool, n_units: int) -> SignAgreement:
    """The result from the shares of the real labels, each group left out, and relabellings."""
    share, left, null = float(shares[0]), shares[1 : 1 + k0 + k1], shares[1 + k0 + k1 :]
    v0, v1 = (
        (k - 1) ** 2 / k * part.var(keepdims=True, ddof=1)
        for k, part in ((k0, left[:k0]), (k1, left[k0:]))
    )
    _, least, most = share_interval(shares[:1], v0, v1, k0, k1)
    p = (1 + float((null >= share).sum())) / (1 + len(null))
    low, high = (float(end) for end in np.quantile(null, [0.025, 0.975]))
    return SignAgreement(
        share=share,
        low=float(least[0]),
        high=float(most[0]),
        null_shares=null.copy(),
        null_low=low,
        null_high=high,
        p=p if n_units else math.nan,
        exact=exact,
        n_units=n_units,
        n_groups0=k0,
        n_groups1=k1,
    )


def _over_units(direction: Numbers, selected: Numbers, width: int) -> tuple[Floats, Bools]:
    """Signs, and which units count: selected ones whose direction is known."""
    signs, use = numbers(direction, "direction"), numbers(selected, "selected")
    if signs.shape != (width,) or use.shape != (width,):
        raise InputError(
            f"direction has shape {signs.shape} and selected {use.shape}: both must be [unit] over "
            f"the {width} units of x"
        )
    if not np.isin(use, (0, 1)).all():
        raise InputError("selected must be True or False (or 1 or 0) for each unit")
    known: Bools = (use == 1) & np.isfinite(signs) & (signs != 0)
    return np.sign(signs), known
