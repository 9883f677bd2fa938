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

from lens_probes.stats._dealt import Dealt, Kind, against, blocks_of, over_units
from lens_probes.stats._options import checked_options
from lens_probes.stats.inputs import (
    Floats,
    InTurn,
    Labels,
    Numbers,
    Units,
    several_arrays,
)


@dataclass(frozen=True)
class SignAgreement:
    """Share of n_units selected units whose sign in the second sample is the first sample's.

    low, high: its 95 % interval, `share_interval` of what leaving out each group changes
    (jackknife). null_shares [relabelling]: the same share with the second sample's labels dealt
    out again over its groups, in all other ways if exact; null_low, null_high: their middle 95 %;
    p: (1 + b) / (1 + n) for the b of n that agree at least as much. NaN without a unit.
    n_groups0 and n_groups1: groups of each class; of values and pairs all are n_groups0.
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
    kind: Kind = "class",
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

    kind: "value" takes a continuous y, one value a group: the sign is that of the slope over group
    means, and values are dealt out again. "pair" takes groups with both labels: the sign is that of
    the mean difference inside groups, which are turned round at random.

    Memory is bounded: units are read some at a time, relabellings likewise. Raises ValueError for
    a group with both labels, fewer than 2 groups of a class (3 of values or pairs), and direction
    or selected not over the units of x.
    """
    arrays = several_arrays(x)
    dealt = Dealt.of(y, arrays.n_examples, groups, kind, n_permutations=n_permutations, seed=seed)
    signs, use = over_units(direction, selected, sum(arrays.widths))
    real, null = np.zeros(1 + len(dealt.contrast)), np.zeros(len(dealt.labels))
    for part, sign in blocks_of(arrays, signs, use, dealt.max_units):
        means = dealt.means(part)
        real += (dealt.effects(means) * sign > 0).sum(axis=1)
        rest = dealt.without_label(means) * sign
        for block, contrast in dealt.contrasts():
            null[block] += (contrast @ rest > 0).sum(axis=1)
    return _agreement(real, null, int(use.sum()), dealt)


def _agreement(real: Floats, null: Floats, n_units: int, dealt: Dealt) -> SignAgreement:
    """The result from the units that agree: really, without each group, under relabellings."""
    if not n_units:
        nothing = np.full(len(null), np.nan)
        return SignAgreement(
            *(math.nan,) * 3, nothing, *(math.nan,) * 3, dealt.exact, 0, dealt.k0, dealt.k1
        )
    share, shares = float(real[0]) / n_units, null / n_units
    low, high = dealt.interval(share, real[1:] / n_units)
    null_low, null_high, p = against(share, shares)
    return SignAgreement(
        share=share,
        low=low,
        high=high,
        null_shares=shares,
        null_low=null_low,
        null_high=null_high,
        p=p,
        exact=dealt.exact,
        n_units=n_units,
        n_groups0=dealt.k0,
        n_groups1=dealt.k1,
    )
