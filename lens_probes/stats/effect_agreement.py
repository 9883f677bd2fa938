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
from lens_probes.stats._dealt import N_NOISES, Dealt, against, blocks_of
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

    low, high: its 95 % interval over the second sample's groups, for as many of them: with more the
    same units would correlate more. Effects are shrunk by their noise, both along the first effects
    and beside them, and the groups' noise is drawn again for all units at once (wild bootstrap);
    what these draws vary by about their median is taken in Fisher's z, with a t quantile.
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

    Parameters
    ----------
    x
        [example, unit] activations of the second sample, or several such arrays over the same
        examples (layers, sites), whose units follow each other.
    y
        [example] class, 0 or 1.
    groups
        [example] ids of the second sample's groups, each of one label.
    effect
        [unit] effects in the first sample.
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
    effects = numbers(to_numpy(effect), "effect")
    if effects.shape != (sum(arrays.widths),):
        raise InputError(
            f"effect has shape {effects.shape}: it must be [unit] over the {sum(arrays.widths)} "
            "units of x"
        )
    sums = _Sums(len(dealt.contrast))
    for part, mine in blocks_of(arrays, effects, np.isfinite(effects), dealt.max_units):
        means = dealt.means(part)
        sd = np.sqrt(dealt.without_label(means).var(axis=0) + _within(part, means, dealt))
        use = sd > 0
        sums.add(means[:, use] / sd[use], mine[use])
    nan = math.nan
    if sums.n < 3:
        nothing = np.full(len(dealt.labels), nan)
        return EffectAgreement(nan, nan, nan, nothing, nan, nan, nan, sums.n)
    r = float(sums.correlation(dealt.contrast[None])[0])
    low, high = _interval(r, _drawn(sums, dealt, seed), dealt.quantile)
    # Of a contrast of residuals as of means: what the label explains is linear in the groups.
    rest, dealt_out = dealt.without_label(np.eye(len(dealt.contrast))), np.empty(len(dealt.labels))
    for block, contrast in dealt.contrasts():
        dealt_out[block] = sums.correlation(contrast @ rest)
    return EffectAgreement(r, low, high, dealt_out, *against(r, dealt_out), sums.n)


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
        table, shared = self.covariances()
        return _ratio(contrast @ shared, np.einsum("cg,cg->c", contrast @ table, contrast))

    def covariances(self) -> tuple[Floats, Floats]:
        """Over units: of the groups [group, group], and with first effects in sd of these."""
        mean = self.m / self.n
        own = self.ee / self.n - (self.e / self.n) ** 2
        shared = self.em / self.n - mean * (self.e / self.n)
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.mm / self.n - np.outer(mean, mean), shared / math.sqrt(max(own, 0.0))


def _ratio(shared: Floats, spread: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        r: Floats = shared / np.sqrt(np.maximum(spread, 0.0))
    return r.clip(-1, 1)


def _within(part: npt.NDArray[Any], means: Floats, dealt: Dealt) -> Floats:
    """Variance [unit] of a group's examples about its mean, each group counting once."""
    squares = np.square(centred_scaled(part)) * dealt.weight[:, None]
    spread: Floats = (np.add.reduceat(squares[dealt.order], dealt.starts, axis=0) - means**2).mean(
        axis=0
    )
    return spread.clip(0)


def _drawn(sums: _Sums, dealt: Dealt, seed: int) -> Floats:
    """r [draw] of effects without their noise, with noise drawn again."""
    table, shared = sums.covariances()
    rest = dealt.without_label(np.eye(len(shared)))
    along = float(dealt.contrast @ shared)  # of the effects along the first ones; the rest beside
    beside = float(dealt.contrast @ table @ dealt.contrast) - along**2
    noise = np.square(dealt.noise)
    noise_along = float(noise @ np.square(rest @ shared))
    noise_beside = float(noise @ np.einsum("gh,gh->g", rest @ table, rest)) - noise_along
    keep_along, keep_beside = _kept(along**2, noise_along), _kept(beside, noise_beside)
    out = np.empty(N_NOISES)
    for block, contrast in dealt.noises(seed):
        drawn = contrast @ rest
        new_along = drawn @ shared
        new_beside = drawn @ table @ dealt.contrast - along * new_along  # covariance of the two
        spread = (
            (keep_along * along) ** 2 + keep_beside**2 * beside
            + 2 * (keep_along * along * new_along + keep_beside * new_beside)
            + np.einsum("cg,cg->c", drawn @ table, drawn)
        )  # fmt: skip
        out[block] = _ratio(keep_along * along + new_along, spread)
    return out


def _kept(squared: float, noise: float) -> float:
    """What is left of an effect of which noise explains so much of the square."""
    return math.sqrt(max(0.0, squared - noise) / squared) if squared > 0 else 0.0


def _interval(r: float, drawn: Floats, quantile: float) -> tuple[float, float]:
    z = np.arctanh(drawn.clip(-1 + 1e-12, 1 - 1e-12))
    away = float(np.quantile(np.abs(z - np.median(z)), 0.95))
    half = away * quantile / float(special.ndtri(0.975))
    centre = math.atanh(min(max(r, -1 + 1e-12), 1 - 1e-12))
    return math.tanh(centre - half), math.tanh(centre + half)
