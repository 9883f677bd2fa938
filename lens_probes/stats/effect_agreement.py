"""Correlation over units of a first sample's effects with a second's, with interval and null."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from jaxtyping import Float64
from scipy import special

from lens_probes.errors import InputError
from lens_probes.stats._dealt import Dealt, against, blocks_of
from lens_probes.stats._options import checked_options
from lens_probes.stats.groups import centred_scaled
from lens_probes.stats.inputs import (
    Floats,
    InTurn,
    Labels,
    Numbers,
    Units,
    numbers,
    several_arrays,
    to_numpy,
)


@dataclass(frozen=True)
class EffectAgreement:
    """r of n_units effects in a first sample with those over groups in a second.

    low, high: its 95 % interval over the second sample's groups (jackknife of Fisher's z, t of its
    degrees of freedom), for as many groups: with more the same units would correlate more.
    null_low, null_high: middle 95 % of r with labels dealt out again; p: one-sided, against these.
    """

    r: float
    low: float
    high: float
    null: Float64[np.ndarray, " relabelling"]
    null_low: float
    null_high: float
    p: float
    n_units: int


@checked_options
def effect_agreement(
    x: Units | Sequence[Units] | InTurn,
    y: Labels,
    groups: Any,
    effect: Numbers,
    *,
    n_permutations: int = 1000,
    seed: int = 0,
) -> EffectAgreement:
    """Do units' effects [unit] in a first sample come back in a second one, x [example, unit]?

    A unit's second effect is the difference of the means of its group means over its sd within the
    classes. It is linear in the groups, so r of any labels needs sums over units only, one [group,
    group] table of them. As in `sign_agreement`, class means are taken out before labels are dealt
    out again. Units with a NaN or infinite effect, and constant ones, are left out.
    """
    arrays = several_arrays(x)
    dealt = Dealt.of(
        y, arrays.n_examples, groups, "class", n_permutations=n_permutations, seed=seed
    )
    effects = numbers(to_numpy(effect), "effect")
    if effects.shape != (sum(arrays.widths),):
        raise InputError(
            f"effect has shape {effects.shape}: it must be [unit] over the {sum(arrays.widths)} "
            "units of x"
        )
    real, null = _Sums(len(dealt.contrast)), _Sums(len(dealt.contrast))
    for part, mine in blocks_of(arrays, effects, np.isfinite(effects), dealt.max_units):
        means = dealt.means(part)
        rest = dealt.without_label(means)
        sd = np.sqrt(rest.var(axis=0) + _within(part, means, dealt))
        use = sd > 0
        real.add(means[:, use] / sd[use], mine[use])
        null.add(rest[:, use] / sd[use], mine[use])
    nan = math.nan
    if real.n < 3:
        nothing = np.full(len(dealt.labels), nan)
        return EffectAgreement(nan, nan, nan, nothing, nan, nan, nan, real.n)
    r = float(real.correlation(dealt.contrast[None])[0])
    low, high = _interval(r, real.correlation(_without_each(dealt)), dealt)
    dealt_out = np.empty(len(dealt.labels))
    for block, contrast in dealt.contrasts():
        dealt_out[block] = null.correlation(contrast)
    return EffectAgreement(r, low, high, dealt_out, *against(r, dealt_out), real.n)


class _Sums:
    """Sums over units from which the correlation of any contrast follows."""

    def __init__(self, k: int) -> None:
        self.n, self.e, self.ee = 0, 0.0, 0.0
        self.m, self.em, self.mm = np.zeros(k), np.zeros(k), np.zeros((k, k))

    def add(self, means: Floats, effect: Floats) -> None:
        """Units [group, unit] in units of their sd, with their first effects [unit]."""
        self.n += len(effect)
        self.e += float(effect.sum())
        self.ee += float(effect @ effect)
        self.m += means.sum(axis=1)
        self.em += means @ effect
        self.mm += means @ means.T

    def correlation(self, contrast: Floats) -> Floats:
        """r over units of the first effects with those of contrasts [contrast, group]."""
        mean = contrast @ self.m / self.n
        spread = np.einsum("cg,cg->c", contrast @ self.mm, contrast) / self.n - mean**2
        shared = contrast @ self.em / self.n - mean * self.e / self.n
        own = self.ee / self.n - (self.e / self.n) ** 2
        with np.errstate(invalid="ignore", divide="ignore"):
            r: Floats = shared / np.sqrt(np.maximum(spread * own, 0.0))
        return r.clip(-1, 1)


def _within(part: npt.NDArray[Any], means: Floats, dealt: Dealt) -> Floats:
    """Variance [unit] of a group's examples about its mean, each group counting once."""
    squares = np.square(centred_scaled(part)) * dealt.weight[:, None]
    spread: Floats = (np.add.reduceat(squares[dealt.order], dealt.starts, axis=0) - means**2).mean(
        axis=0
    )
    return spread.clip(0)


def _without_each(dealt: Dealt) -> Floats:
    """Contrasts that leave out one group each [group, group]."""
    high, k = dealt.contrast > 0, len(dealt.contrast)
    rows = np.repeat(dealt.contrast[None], k, axis=0)
    for g in range(k):
        side = high == high[g]
        rows[g, side] *= side.sum() / (side.sum() - 1)
        rows[g, g] = 0.0
    return rows


def _interval(r: float, left: Floats, dealt: Dealt) -> tuple[float, float]:
    z = np.arctanh(left.clip(-1 + 1e-12, 1 - 1e-12))
    high = dealt.contrast > 0
    sides = [(int(side.sum()), z[side]) for side in (~high, high)]
    parts = [((k - 1) ** 2 / k * float(part.var(ddof=1)), k - 1) for k, part in sides]
    total = sum(v for v, _ in parts)
    if not total > 0:
        return r, r
    dof = total**2 / sum(v**2 / f for v, f in parts)
    half = float(special.stdtrit(dof, 0.975)) * math.sqrt(total)
    centre = math.atanh(min(max(r, -1 + 1e-12), 1 - 1e-12))
    return math.tanh(centre - half), math.tanh(centre + half)
