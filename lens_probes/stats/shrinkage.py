"""Shrunk effects: what is left of the units that stand out because they were selected.

The largest of many measured effects are large partly by luck. Adaptive shrinkage (Stephens 2017)
estimates from all units together how effects are spread, and takes each back by what its own
standard error deserves: posteriors need no correction for having looked at the largest.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64
from scipy import special
from scipy.linalg import solve_triangular
from scipy.optimize import nnls

from lens_probes.errors import InputError
from lens_probes.stats.inputs import Floats, Numbers, PerUnit, numbers

_NULL_PENALTY = 10.0
_CHUNK = 4096


@dataclass(frozen=True)
class Shrunk:
    """Posterior of each unit's true effect; every array but the prior's is [unit].

    shrunk, shrunk_sd: posterior mean and sd; shrunk_low, shrunk_high: 95 % interval; lfsr: local
    false sign rate, the probability that the true effect is 0 or has the other sign. NaN where
    effect or se was. The prior: null_share of the effects are 0, the others are mixed with
    weight [component] from normals of mean 0 and sd [component]; the first component is the null.
    """

    shrunk: PerUnit
    shrunk_sd: PerUnit
    shrunk_low: PerUnit
    shrunk_high: PerUnit
    lfsr: PerUnit
    weight: Float64[np.ndarray, " component"]
    sd: Float64[np.ndarray, " component"]

    @property
    def null_share(self) -> float:
        """Estimated share of effects that are 0; the penalty makes it err on the high side."""
        return float(self.weight[0])


def shrink(effect: Numbers, se: Numbers) -> Shrunk:
    """Adaptive shrinkage of effects [unit] with standard errors [unit], over all given units.

    Give every unit of a family, not those that were selected: the prior is learned from them all.
    For g over groups, se is the width of its interval over 2 x 1.96.

    The prior is unimodal at 0: a point mass and normals whose sds are a grid from a tenth of the
    smallest se to twice the largest effect, sqrt(2) apart. Its weights maximise the likelihood,
    with ash's penalty of 10 pseudo-observations on the null, so that doubt goes to 0. Standard
    errors count as known and units as independent given the prior: correlated units make the
    prior noisier, not the posteriors' centres wrong. Where true effects are far below every se the
    interval is 0 to 0: nothing can be told from 0, not a proof of it.

    Raises ValueError for arrays that are not [unit] of one length, an se that is not positive, and
    no unit with both an effect and an se.

    Examples
    --------
    >>> import numpy as np
    >>> from lens_probes import stats
    >>> noise = np.random.default_rng(0).normal(scale=0.5, size=200)
    >>> stats.shrink([*noise, 3.0], np.full(201, 0.5)).shrunk[[0, -1]].round(2)
    array([0.  , 2.84])
    """
    effects, errors, known = _checked(effect, se)
    b, s = effects[known], errors[known]
    sd = _grid(b, s)
    weight = _fit_weights(_likelihoods(b, s, sd))
    used = weight > 1e-9
    used[0] = used[1 + int(weight[1:].argmax())] = True
    out = np.full((5, len(effects)), np.nan)
    out[:, known] = np.concatenate(
        [_posterior(b[part], s[part], weight[used], sd[used]) for part in _parts(len(b))], axis=1
    )
    mean, spread, low, high, lfsr = out.copy()
    return Shrunk(mean, spread, low, high, lfsr, weight, sd)


def _checked(effect: Numbers, se: Numbers) -> tuple[Floats, Floats, Any]:
    effects, errors = numbers(effect, "effect"), numbers(se, "se")
    if effects.ndim != 1 or effects.shape != errors.shape:
        raise InputError(
            f"effect has shape {effects.shape} and se {errors.shape}: both must be [unit]"
        )
    known = np.isfinite(effects) & np.isfinite(errors)
    if (errors[known] <= 0).any():
        unit = int(np.flatnonzero(known & (errors <= 0))[0])
        raise InputError(
            f"unit {unit} has the standard error {errors[unit]:g}: it must be positive; take one "
            "that separated units have too, as that of group_effects"
        )
    if not known.any():
        raise InputError("no unit has both an effect and a standard error")
    return effects, errors, known


def _grid(b: Floats, s: Floats) -> Floats:
    """0 and sds sqrt(2) apart, as ashr chooses them."""
    low = float(s.min()) / 10
    high = 2 * math.sqrt(max(float((b**2 - s**2).max()), (8 * low) ** 2))
    steps = math.ceil(math.log2(high / low) * 2)
    return np.concatenate([[0.0], high * 2.0 ** (-0.5 * np.arange(steps, -1, -1))])


def _likelihoods(b: Floats, s: Floats, sd: Floats) -> Floats:
    """Density of each effect under each component [unit, component], the largest being 1."""
    variance = s[:, None] ** 2 + sd**2
    log = -0.5 * (np.log(variance) + b[:, None] ** 2 / variance)
    density: Floats = np.exp(log - log.max(axis=1, keepdims=True))
    return density


def _fit_weights(density: Floats) -> Floats:
    """Weights of most penalised likelihood for densities [unit, component].

    EM needs thousands of passes. The problem is convex: Newton steps, each the solution of a
    non-negative least squares (as in mixsqp, Kim, Carbonetto, Stephens and Anitescu 2020), take
    about ten. With a price n + penalty on the sum of the weights it comes out as 1 by itself.
    """
    n, k = density.shape
    price = n + _NULL_PENALTY

    def loss(weight: Floats) -> float:
        fit = np.log(density @ weight).sum() + _NULL_PENALTY * math.log(weight[0])
        return float(price * weight.sum() - fit)

    weight: Floats = np.full(k, 1 / k)
    for _ in range(200):
        mixed = density @ weight
        ratio = density / mixed[:, None]
        curve, slope = ratio.T @ ratio, price - ratio.sum(axis=0)
        curve[0, 0] += _NULL_PENALTY / weight[0] ** 2
        slope[0] -= _NULL_PENALTY / weight[0]
        size = np.sqrt(np.diag(curve) + 1e-9 * n)
        curve /= np.outer(size, size)
        curve[np.diag_indices(k)] += 1e-9  # neighbours on the grid are nearly the same
        factor = np.linalg.cholesky(curve)
        target = factor.T @ (size * weight) - solve_triangular(factor, slope / size, lower=True)
        step = nnls(factor.T, target)[0] / size - weight
        # No likelihood falls below a tenth: from near 0 a logarithm takes long to come back.
        fall = -min(float((density @ step / mixed).min()), step[0] / weight[0])
        length = 1.0 if fall <= 0.9 else 0.9 / fall
        gain, value = -float(slope @ step), loss(weight)
        while loss(weight + length * step) > value - 1e-4 * length * gain and length > 1e-10:
            length /= 2
        if gain <= 1e-7 or length <= 1e-10:  # the likelihood is flat, or as flat as rounding shows
            normed: Floats = weight / weight.sum()
            return normed
        weight = weight + length * step
    raise AssertionError("Newton steps with a line search end on a convex problem")


def _parts(n: int) -> Iterator[slice]:
    return (slice(first, first + _CHUNK) for first in range(0, n, _CHUNK))


def _posterior(b: Floats, s: Floats, weight: Floats, sd: Floats) -> Floats:
    """Posterior mean, sd, limits and false sign rate [5, unit]."""
    share = weight * _likelihoods(b, s, sd)
    share /= share.sum(axis=1, keepdims=True)
    part = sd**2 / (sd**2 + s[:, None] ** 2)
    means, sds = part * b[:, None], np.sqrt(part) * s[:, None]
    mean = (share * means).sum(axis=1)
    spread = np.sqrt((share * (sds**2 + (means - mean[:, None]) ** 2)).sum(axis=1))
    null, share, means, sds = share[:, 0], share[:, 1:], means[:, 1:], sds[:, 1:]
    below = (share * special.ndtr(-means / sds)).sum(axis=1)
    lfsr = null + np.minimum(below, 1 - null - below)
    ends = [_quantile(p, null, below, share, means, sds) for p in (0.025, 0.975)]
    return np.stack([mean, spread, *ends, np.clip(lfsr, 0.0, 1.0)])


def _quantile(
    p: float, null: Floats, below: Floats, share: Floats, means: Floats, sds: Floats
) -> Floats:
    """Quantile [unit] of the mixture by bisection; 0 where the null's mass spans it."""
    at_null = (below <= p) & (p <= below + null)
    low, high = (means - 7 * sds).min(axis=1), (means + 7 * sds).max(axis=1)
    for _ in range(30):  # to 1e-8 of an sd
        middle = 0.5 * (low + high)
        mass = (share * special.ndtr((middle[:, None] - means) / sds)).sum(axis=1)
        mass += np.where(middle > 0, null, 0.0)
        up = mass < p
        low, high = np.where(up, middle, low), np.where(up, high, middle)
    return np.where(at_null, 0.0, 0.5 * (low + high))
