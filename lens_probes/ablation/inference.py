"""Effects against those of random ones: p-values, intervals, and how large a typical one is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray
from scipy.stats import norm, t

N_BOOTSTRAP = 1000
_LEVEL = 0.95
_POWER = 0.8
_CLEAR = 5.0  # random effects this many times as large as what rounding does are measured


@dataclass(frozen=True)
class Resampled:
    """Mean effects of sets, and the same over resampled passages.

    Attributes
    ----------
    mean
        Over examples: [set]; NaN where no example has one.
    draws
        The same with passages drawn with replacement: [draw, set].
    """

    mean: Float[np.ndarray, " set"]
    draws: Float[np.ndarray, "draw set"]

    def interval(self, index: int) -> tuple[float, float]:
        """95 % percentile interval of one set's mean."""
        return percentile_interval(self.draws[:, index])


def resample(
    effects: Float[np.ndarray, "set example"],
    passage: NDArray[np.object_],
    *,
    n: int = N_BOOTSTRAP,
    seed: int = 0,
) -> Resampled:
    """Bootstrap over passages: windows of one passage are not independent and stay together."""
    _, which = np.unique(passage.astype(str), return_inverse=True)
    member = np.eye(which.max() + 1)[which]
    there = ~np.isnan(effects)
    sums, counts = np.where(there, effects, 0.0) @ member, there.astype(float) @ member
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(member.shape[1], np.full(member.shape[1], 1 / member.shape[1]), n)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = sums.sum(axis=1) / counts.sum(axis=1)
        draws = (weights @ sums.T) / (weights @ counts.T)
    return Resampled(mean, draws)


def percentile_interval(values: Float[np.ndarray, " draw"]) -> tuple[float, float]:
    """95 % percentile interval, NaN where there is nothing to take it of."""
    values = values[~np.isnan(values)]
    if not len(values):
        return float("nan"), float("nan")
    tail = 50 * (1 - _LEVEL)
    low, high = np.percentile(values, [tail, 100 - tail])
    return float(low), float(high)


def quantile(values: Float[np.ndarray, " draw"], share: float) -> float:
    """Over what is there; NaN where nothing is."""
    values = values[~np.isnan(values)]
    return float(np.quantile(values, share)) if len(values) else float("nan")


def empirical_p(observed: float, nulls: Float[np.ndarray, " draw"]) -> float:
    """(1 + nulls as large or larger) / (1 + nulls); NaN where there is nothing to compare."""
    if np.isnan(observed) or not len(nulls):
        return float("nan")
    return float((1 + (nulls >= observed).sum()) / (1 + len(nulls)))


class FamilyTest(NamedTuple):
    """Tests of some members, each by its largest standardised measure.

    Attributes
    ----------
    alone, corrected
        [member] p of the largest measure, alone and over all members (max-T).
    which
        [member] the measure that stands out most.
    limit
        [member, measure] the effect that would just pass, in its own unit.
    """

    alone: Float[np.ndarray, " member"]
    corrected: Float[np.ndarray, " member"]
    which: Int[np.ndarray, " member"]
    limit: Float[np.ndarray, "member measure"]


def family_test(
    observed: Float[np.ndarray, "member measure"],
    nulls: Sequence[Float[np.ndarray, "measure draw"]],
    alpha: float,
) -> FamilyTest:
    """Test each member's largest measure, alone and corrected over all members.

    Effects are standardised by the mean and sd of observed and null sets together, so that members
    and measures can be compared; the null of the corrected p is the largest of a draw over all of
    them (max-T): its resolution does not suffer from the number of members. A member with fewer
    draws than another has them again in the rest, and its corrected p is never below its own. One
    without draws has NaN and takes no part.
    """
    z = [_standardised(own, random) for own, random in zip(observed, nulls, strict=True)]
    largest = [member.max(axis=0) for member in z]
    alone = np.array([empirical_p(row[0], row[1:]) for row in largest])
    n = max(len(row) for row in largest) - 1
    some = [np.resize(row[1:], n) for row in largest if len(row) > 1]
    overall = np.max(some, axis=0) if some else np.empty(0)
    corrected = np.array([empirical_p(row[0], overall) for row in largest])
    which = np.array([member[:, 0].argmax() for member in z])
    limit = np.full(observed.shape, np.nan)
    for i, random in enumerate(nulls):
        if random.shape[1]:
            passes = [float(np.quantile(v, 1 - alpha)) for v in (largest[i][1:], overall)]
            rows = np.column_stack([observed[i], random])
            limit[i] = rows.mean(axis=1) + max(passes) * rows.std(axis=1)
    return FamilyTest(alone, np.maximum(alone, corrected), which, limit)


def _standardised(
    observed: Float[np.ndarray, " measure"], nulls: Float[np.ndarray, "measure draw"]
) -> Float[np.ndarray, "measure one_and_draws"]:
    """Observed and null effects together; -inf where a measure is missing."""
    rows = np.column_stack([observed, nulls])
    spread = rows.std(axis=1, keepdims=True)
    z = (rows - rows.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, np.inf)
    return np.where(np.isnan(z), -np.inf, z)


def excess_low(observed: Resampled, index: int, nulls: Resampled, alpha: float) -> float:
    """Lower 95 % limit of how far an effect lies above the 1 - alpha quantile of null ones, nats.

    The same passages are drawn for both, so that what all sets share cancels.
    """
    quantile = np.percentile(nulls.draws, 100 * (1 - alpha), axis=1)
    return percentile_interval(observed.draws[:, index] - quantile)[0]


class Ratio(NamedTuple):
    """A divergence as a multiple of what the median random one is.

    `low` and `high` are its 1 - alpha interval; `seen` is what would have been called used in four
    of five cases.
    """

    point: float
    low: float
    high: float
    seen: float


NO_RATIO = Ratio(*[float("nan")] * 4)


def typical_ratio(
    observed: Resampled, index: int, typical: Resampled, limit: float, n_passages: int, alpha: float
) -> Ratio:
    """An effect in multiples of the median of `typical` ones, in the same passages.

    On the log scale, where divergences are closer to normal, with Student's t over passages: the
    percentile interval of a few skewed means is too narrow. Two one-sided tests at alpha need the
    1 - 2 alpha interval; this one is wider, since with 14 passages of skewed effects the truth lies
    above that one in 8 % of cases. NaN where typical ones do nothing.

    Parameters
    ----------
    limit
        The effect that would just pass the test against the null, in nats.
    n_passages
        Passages that were resampled, 2 or more.
    """
    own, base = float(observed.mean[index]), float(np.median(typical.mean))
    median = np.median(typical.draws, axis=1)
    if not base > 0 or n_passages < 2:
        return NO_RATIO
    few, inflated = n_passages - 1, float(np.sqrt(n_passages / (n_passages - 1)))
    with np.errstate(divide="ignore", invalid="ignore"):
        error = float(np.log(observed.draws[:, index] / median).std()) * inflated
        errors = np.log(typical.draws / median[:, None]).std(axis=0) * inflated
    around = float(t.ppf(1 - alpha / 2, few)) * error if own > 0 else 0.0
    noise = float(np.nanmedian(np.where(np.isfinite(errors), errors, np.nan)))
    margin = float(norm.ppf(0.5 + _LEVEL / 2) + norm.ppf(_POWER)) * noise
    ratio = own / base
    return Ratio(
        ratio, ratio * float(np.exp(-around)), ratio * float(np.exp(around)),
        limit / base * float(np.exp(margin)),
    )  # fmt: skip


def below_precision(typical: float, floor: float) -> str:
    """Why rounding may hide what random ones do; "" where it does not.

    Parameters
    ----------
    typical
        The smallest effect of interest: divergence in nats.
    floor
        What comes out where nothing is taken away: see `Measured.floor`.
    """
    if np.isnan(floor) or typical > _CLEAR * floor:
        return ""
    return (
        f"below what this precision shows: with nothing taken away the next-token distribution "
        f"changes by {floor:.2g} nats, and {typical:.2g} would be of interest"
    )
