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

from lens_probes.stats._dealt import N_NOISES, Dealt, Kind, against, blocks_of, over_units
from lens_probes.stats._options import checked_options
from lens_probes.stats.group_effects import wilson_interval
from lens_probes.stats.inputs import (
    Floats,
    InTurn,
    Labels,
    Numbers,
    Units,
    several_arrays,
)

_ROUNDING = 1e-12  # an error that is so small beside its effect is none
_SURE = 4.0  # standard errors: beyond them a sign is as sure as it gets


@dataclass(frozen=True)
class SignAgreement:
    """Share of n_units selected units whose sign in the second sample is the first sample's.

    low, high: its 95 % interval over the second sample's groups, for as many of them. Effects are
    shrunk until noise on top spreads them as they are, the groups' noise is drawn again for all
    units at once (wild bootstrap), and the interval is Wilson's for as many independent units as
    vary like these shares. null_shares [relabelling]: the same share with the second sample's
    labels dealt out again over its groups, in all other ways if exact; null_low, null_high: their
    middle 95 %; p: (1 + b) / (1 + n) for the b of n that agree at least as much. NaN without a
    unit. n_groups0 and n_groups1: groups of each class; of values and pairs all are n_groups0.
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

    Memory is bounded: units are read some at a time, twice, relabellings likewise. Raises
    ValueError for a group with both labels, fewer than 2 groups of a class (3 of values or pairs),
    and direction or selected not over the units of x.

    Parameters
    ----------
    x
        [example, unit] activations of the second sample, or several such arrays over the same
        examples (layers, sites), whose units follow each other.
    y
        [example] class, 0 or 1; with kind="value" a continuous label.
    groups
        [example] ids of the second sample's groups.
    direction
        [unit] sign of the first sample's difference.
    selected
        [unit] whether it was found there.
    kind
        `"class"`, `"value"` or `"pair"`: see above.
    n_permutations
        Relabellings that are drawn; all of them where there are no more.
    seed
        Of the draws: the same seed gives the same result.
    """
    arrays = several_arrays(x)
    dealt = Dealt.of(y, arrays.n_examples, groups, kind, n_permutations=n_permutations, seed=seed)
    signs, use = over_units(direction, selected, sum(arrays.widths))
    agree, null, sums = 0, np.zeros(len(dealt.labels)), _Sums(len(dealt.contrast))
    for part, sign in blocks_of(arrays, signs, use, dealt.max_units):
        effect, rest = _standardised(part, sign, dealt)
        agree += int((effect > 0).sum())
        sums.add(effect, rest)
        for block, contrast in dealt.contrasts():
            null[block] += (contrast @ rest > 0).sum(axis=1)
    drawn = np.zeros(N_NOISES)
    for part, sign in blocks_of(arrays, signs, use, dealt.max_units):
        effect, rest = _standardised(part, sign, dealt)
        effect = sums.without_noise(effect, dealt.noise)
        for block, contrast in dealt.noises(seed):
            drawn[block] += (contrast @ rest + effect > 0).sum(axis=1)
    return _agreement(agree, null, drawn, int(use.sum()), dealt)


class _Sums:
    """Sums over units from which follows how far their effects are spread beyond noise."""

    def __init__(self, k: int) -> None:
        self.n, self.effect, self.squared, self.rest = 0, 0.0, 0.0, np.zeros(k)

    def add(self, effect: Floats, rest: Floats) -> None:
        """Effects [unit] and residuals [group, unit], in standard errors of the effect."""
        self.n += len(effect)
        self.effect += float(effect.sum())
        self.squared += float(effect @ effect)
        self.rest += rest.sum(axis=1)

    def without_noise(self, effect: Floats, noise: Floats) -> Floats:
        """Effects drawn to their mean until noise on top of them spreads them as they are."""
        mean = self.effect / self.n
        spread = self.squared / self.n - mean**2
        # Units vary by 1 each, less what their mean varies: that moves them together.
        own = 1 - float(np.square(noise * self.rest / self.n).sum())
        kept = math.sqrt(max(0.0, spread - own) / spread) if spread > 0 else 0.0
        shrunk: Floats = mean + kept * (effect - mean)
        return shrunk


def _standardised(part: Any, sign: Floats, dealt: Dealt) -> tuple[Floats, Floats]:
    """Effects [unit] in the first direction and residuals [group, unit] over their error.

    Beyond `_SURE` standard errors, and without any, an effect is as sure as one of so many.
    """
    means = dealt.means(part) * sign
    rest = dealt.without_label(means)
    effect = dealt.contrast @ means
    error = np.sqrt(np.square(dealt.noise) @ np.square(rest))
    known = error > _ROUNDING * np.abs(effect)
    scale = np.divide(1.0, error, out=np.zeros_like(error), where=known)
    sure = np.where(effect > 0, _SURE, -_SURE)
    return np.where(known, (effect * scale).clip(-_SURE, _SURE), sure), rest * scale


def _agreement(
    agree: int, null: Floats, drawn: Floats, n_units: int, dealt: Dealt
) -> SignAgreement:
    """The result from the units that agree: really, under relabellings, with noise drawn again."""
    if not n_units:
        nothing = np.full(len(null), np.nan)
        return SignAgreement(
            *(math.nan,) * 3, nothing, *(math.nan,) * 3, dealt.exact, 0, dealt.k0, dealt.k1
        )
    share, shares, drawn = agree / n_units, null / n_units, drawn / n_units
    # Half a unit that agrees and half one that does not, so that no share of the draws is 0 or 1.
    mean = (float(drawn.sum()) * n_units + 0.5) / (len(drawn) * n_units + 1)
    # Independent units are worth one each, twice that at most: a few units may be in doubt alone.
    worth = max(float(drawn.var()) / (mean * (1 - mean)), 0.5 / n_units)
    low, high = wilson_interval(*map(np.asarray, (share, worth, dealt.quantile)))
    null_low, null_high, p = against(share, shares)
    return SignAgreement(
        share=share,
        low=float(low),
        high=float(high),
        null_shares=shares,
        null_low=null_low,
        null_high=null_high,
        p=p,
        exact=dealt.exact,
        n_units=n_units,
        n_groups0=dealt.k0,
        n_groups1=dealt.k1,
    )
