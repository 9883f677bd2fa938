"""Which units do more than others that write as much, and how many a screen has missed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from scipy import stats

from lens_probes.errors import InputError
from lens_probes.stats.inputs import Numbers, numbers
from lens_probes.stats.tails import student_tail

FEWEST_PEERS = 20
_MAD = 1.4826  # of a normal distribution: standard deviation over median absolute deviation
_EFFICIENCY = 0.37  # of the median absolute deviation, as that of a normal's standard deviation
_ROUNDS, _BISECTIONS = 20, 40


@dataclass(frozen=True)
class Peers:
    """Units of one kind against each other; arrays [unit].

    Attributes
    ----------
    z
        Distance from the typical unit of the same size on the log scale, over `spread`; NaN for a
        unit without an effect or a size.
    log10_p
        One-sided: how rare so large an effect is among units that write as much.
    spread
        Standard deviation of the log effect of a unit like it: between units, and by its own error.
    centre, scale
        Median of log effect - slope * log size over the units that do not stand out, and its
        standard deviation between units, errors taken off; NaN where fewer than `FEWEST_PEERS` are
        left.
    dof
        [unit] of the t distribution that p is read from: Satterthwaite's, of both parts of the
        spread.
    """

    z: Float[np.ndarray, " unit"]
    log10_p: Float[np.ndarray, " unit"]
    spread: Float[np.ndarray, " unit"]
    centre: float
    scale: float
    dof: Float[np.ndarray, " unit"]


def against_peers(
    effect: Numbers,
    size: Numbers,
    error: Numbers | None = None,
    *,
    error_dof: float = np.inf,
    slope: float = 2.0,
    alpha: float = 0.05,
) -> Peers:
    """Effect of each unit against that of units of equal size, by an empirical null.

    What an ablation does grows with the size of what it takes away, whatever the direction:
    a divergence with its square (slope 2), a loss in proportion (1). What is left,
    log effect - slope * log size, is compared with its own bulk: centre by the median, spread by
    the median absolute deviation (Efron 2004, "Large-scale simultaneous hypothesis testing": the
    null is the bulk's own, not a theoretical one). Units that act in few windows have larger errors
    than others, and the bulk of all would be narrower than theirs: the spread of each is that
    between units and its own error. Units that stand out at `alpha`, Bonferroni corrected, are left
    out of the bulk, and this is repeated until the bulk stays, so that used units do not hide one
    another. p is from a t distribution, for the spread is estimated.

    Parameters
    ----------
    effect, size
        [unit]; units with an effect or size that is not above 0 have no p and are no peers.
    error
        [unit] standard error of each effect; None: 0.
    error_dof
        Degrees of freedom that the errors were estimated with.
    slope
        Power of the size that the effect grows with.
    alpha
        Level at which units leave the bulk.
    """
    given, large = numbers(effect, "effect"), numbers(size, "size")
    if given.ndim != 1 or given.shape != large.shape:
        raise InputError(f"effect {given.shape} and size {large.shape} must be [unit], of equal n")
    there: Bool[np.ndarray, " unit"] = (given > 0) & (large > 0)
    own = np.zeros(len(given)) if error is None else numbers(error, "error")
    ratio, noise = np.full((2, len(given)), np.nan)
    ratio[there] = np.log(given[there]) - slope * np.log(large[there])
    noise[there] = own[there] / given[there]
    z, log10_p, spread, dof = np.full((4, len(given)), np.nan)
    centre = scale = float("nan")
    bulk, seen = there, set[bytes]()
    for turn in range(_ROUNDS):
        if bulk.sum() < FEWEST_PEERS:
            break
        centre = float(np.median(ratio[bulk]))
        # Used units are above the rest: the first time the spread is that of what is below, then
        # the larger of that of all and of what is above, for a bulk may lean to either side.
        halves = [ratio <= centre] if turn == 0 else [there, ratio >= centre]
        near = [bulk & half for half in halves]
        scale = max(_scale(ratio[half] - centre, noise[half]) for half in near)
        spread[there] = np.sqrt(scale**2 + noise[there] ** 2)
        if not np.all(spread[there] > 0):
            break
        z[there] = (ratio[there] - centre) / spread[there]
        parts = scale**4 / (_EFFICIENCY * bulk.sum()) + noise[there] ** 4 / error_dof
        dof[there] = spread[there] ** 4 / parts
        log10_p[there] = _upper_tail(z[there], dof[there])
        inside = there & ~(log10_p < np.log10(alpha / there.sum()))
        if turn > 0 and inside.tobytes() in seen:
            break
        seen.add(inside.tobytes())
        bulk = inside
    return Peers(z, log10_p, spread, centre, scale, dof)


def typical_effect(peers: Peers, size: Numbers, z: Any = 0.0, *, slope: float = 2.0) -> Any:
    """[unit] effect at a distance z from the typical unit of the same size."""
    with np.errstate(divide="ignore", over="ignore"):
        log = peers.centre + peers.spread * z + slope * np.log(numbers(size, "size"))
        return np.exp(log)


def _scale(apart: Float[np.ndarray, " unit"], noise: Float[np.ndarray, " unit"]) -> float:
    """The spread between units with which half of them are within 1 / 1.4826 of their own.

    Without noise that is 1.4826 times the median absolute deviation.
    """
    high = _MAD * float(np.median(np.abs(apart)))
    low = 0.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        spread = np.sqrt(middle**2 + noise**2)
        with np.errstate(divide="ignore", invalid="ignore"):
            within = np.median(np.nan_to_num(np.abs(apart) / spread, nan=0.0))
        low, high = (middle, high) if within * _MAD > 1 else (low, middle)
    return high


def missed_at_most(
    missed: Numbers, looked_at: Numbers, there: Numbers, *, alpha: float = 0.05
) -> float:
    """Upper confidence bound on how many of all units a screen has missed, by strata.

    The number seen is a sum of rare events, whose mean has the exact bound of a Poisson (for such
    sums it is never too low: Hoeffding 1956). Each event stands for at most as many units as there
    are for one looked at, in the stratum where these are most. AtP* (Kramar et al. 2024) gives such
    a bound, of one stratum.

    Parameters
    ----------
    missed, looked_at, there
        [stratum] units found missed, looked at, and in all.
    """
    k, n, m = (numbers(one, name) for one, name in
               ((missed, "missed"), (looked_at, "looked_at"), (there, "there")))  # fmt: skip
    if not (k.shape == n.shape == m.shape and np.all(k <= n) and np.all(n <= m)):
        raise InputError(
            "missed, looked_at and there must be [stratum], each no more than the next"
        )
    open_ = m > n
    if not open_.any():
        return float(k.sum())
    if np.any(n[open_] == 0):
        return float(m.sum())
    mean = float(stats.chi2.ppf(1 - alpha, 2 * (k.sum() + 1))) / 2
    return min(float(m.sum()), float(np.floor(mean * (m / n)[open_].max())))


def _upper_tail(
    z: Float[np.ndarray, " unit"], dof: Float[np.ndarray, " unit"]
) -> Float[np.ndarray, " unit"]:
    """log10 of the upper tail of Student's t."""
    two_sided, log10_p = student_tail(z, dof)
    with np.errstate(invalid="ignore"):
        upper = np.where(z > 0, log10_p - np.log10(2), np.log10(1 - two_sided / 2))
    return np.asarray(upper)
