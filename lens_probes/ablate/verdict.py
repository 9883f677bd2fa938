"""Used or not: effects against those of random units, with intervals, and verdicts in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from numpy.typing import NDArray

Verdict = Literal["encoded and used", "encoded, no measured use", "undecided"]
USED: Verdict = "encoded and used"
UNUSED: Verdict = "encoded, no measured use"
UNDECIDED: Verdict = "undecided"
VERDICTS = (USED, UNUSED, UNDECIDED)

N_BOOTSTRAP = 1000
FEWEST_PASSAGES = 6
_LEVEL = 0.95
_CLEAR = 5.0  # random effects this many times as large as what rounding does are measured
_IN_WORDS = {"kl": "the next-token distribution", "loss_after": "the loss after the target"}


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


def empirical_p(observed: float, nulls: Float[np.ndarray, " draw"]) -> float:
    """(1 + nulls as large or larger) / (1 + nulls); NaN where there is nothing to compare."""
    if np.isnan(observed) or not len(nulls):
        return float("nan")
    return float((1 + (nulls >= observed).sum()) / (1 + len(nulls)))


def family_p(
    observed: Float[np.ndarray, "member measure"],
    nulls: Sequence[Float[np.ndarray, "measure draw"]],
) -> tuple[Float[np.ndarray, " member"], Float[np.ndarray, " member"], Int[np.ndarray, " member"]]:
    """p of each member's largest measure: alone, and corrected over all members; and which it is.

    Effects are standardised by the mean and sd of observed and null sets together, so that members
    and measures can be compared; the null of the corrected p is the largest of a draw over all of
    them (max-T): its resolution does not suffer from the number of members. A member with fewer
    draws than another has them again in the rest, and its corrected p is never below its own.
    """
    z = [_standardised(own, random) for own, random in zip(observed, nulls, strict=True)]
    largest = [member.max(axis=0) for member in z]
    alone = np.array([empirical_p(row[0], row[1:]) for row in largest])
    n = max(len(row) for row in largest) - 1
    overall = np.max([np.resize(row[1:], n) for row in largest], axis=0)
    corrected = np.array([empirical_p(row[0], overall) for row in largest])
    which = np.array([member[:, 0].argmax() for member in z])
    return alone, np.maximum(alone, corrected), which


def _standardised(
    observed: Float[np.ndarray, " measure"], nulls: Float[np.ndarray, "measure draw"]
) -> Float[np.ndarray, "measure one_and_draws"]:
    """Observed and null effects together; -inf where a measure is missing."""
    rows = np.column_stack([observed, nulls])
    spread = rows.std(axis=1, keepdims=True)
    z = (rows - rows.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, np.inf)
    return np.where(np.isnan(z), -np.inf, z)


class Beyond(NamedTuple):
    """How far an effect lies above the 1 - alpha quantile of random ones, in nats.

    `low` and `high` are its 95 % interval; `own` is the effect, `median` that of the random ones.
    """

    point: float
    low: float
    high: float
    own: float
    median: float


def excess(observed: Resampled, index: int, nulls: Resampled, alpha: float) -> Beyond:
    """How far a set's mean lies above the 1 - alpha quantile of null sets, with its interval.

    The same passages are drawn for both, so that what all sets share cancels.
    """
    level = 100 * (1 - alpha)
    own = float(observed.mean[index])
    median, quantile = np.percentile(nulls.mean, [50, level])
    draws = observed.draws[:, index] - np.percentile(nulls.draws, level, axis=1)
    low, high = percentile_interval(draws)
    return Beyond(own - float(quantile), low, high, own, float(median))


def below_precision(
    nulls: Float[np.ndarray, " set"], floor: float, measure: str, alpha: float
) -> str:
    """Why rounding may hide what random sets do by a measure; "" where it does not.

    Parameters
    ----------
    nulls
        Their mean effects.
    floor
        What comes out where nothing is taken away: see `Measured.floor`.
    """
    quantile = float(np.percentile(np.abs(nulls), 100 * (1 - alpha)))
    if np.isnan(floor) or quantile > _CLEAR * floor:
        return ""
    return (
        f"below what this precision shows: {_IN_WORDS[measure]} changes by {floor:.2g} nats with "
        f"nothing taken away, and without most random ones by {quantile:.2g} or less"
    )


def decide_use(
    *,
    encoded: str,
    p: float,
    resolution: float,
    alpha: float,
    what: str,
    measure: str,
    beyond: Mapping[str, Beyond],
    n_passages: int,
    unlike: str = "",
    faint: str = "",
    alone: float = 0.0,
    more: bool = True,
) -> tuple[Verdict, str]:
    """The verdict on one set or unit, and its reason in one line.

    Used: the corrected p is at most alpha, and so far beyond the 1 - alpha quantile of random ones
    that the interval is. Not used: by no measure does the interval reach beyond that quantile,
    and what random ones do is far above rounding. All else is undecided.

    Parameters
    ----------
    encoded
        "" where the property is encoded, else why it is not known to be.
    p, resolution
        Corrected p, and the smallest that could have come out.
    what, measure
        "random sets" or "random units"; the measure that stands out most.
    beyond
        By measure, `excess`.
    n_passages
        Passages that the intervals resample: of a few they are too narrow.
    unlike
        "" where the random ones are like it, else in what they are not.
    faint
        "" where effects of random ones are far above rounding, else why not (`below_precision`).
    alone
        Smallest corrected p where no other of the family passes.
    more
        Whether there are more random ones to ask for.
    """
    share, said = f"{100 * (1 - alpha):g} % of {what}", f"corrected p = {p:.2g}"
    low, high = beyond[measure].low, max(each.high for each in beyond.values())
    advice = "ask for more" if more else "there are no more"
    if encoded or unlike:
        return UNDECIDED, encoded or unlike
    if resolution > alpha:
        return (
            UNDECIDED,
            f"too few different {what}: p cannot be below {resolution:.2g}; {advice}",
        )
    if n_passages < FEWEST_PASSAGES:
        return UNDECIDED, (
            f"the measured windows are of {n_passages} passages, too few for an interval: "
            f"{FEWEST_PASSAGES} or more are needed"
        )
    if p <= alpha and low > 0:
        return USED, f"without it {_IN_WORDS[measure]} changes more than without {share} ({said})"
    if high <= 0 and faint:
        return UNDECIDED, faint
    if high <= 0:
        return UNUSED, (
            f"no more than {share} in which as much changes ({said}): without it "
            f"{_IN_WORDS[measure]} changes by {beyond[measure].own:.2g} nats, without the median "
            f"of them by {beyond[measure].median:.2g}"
        )
    if low > 0:
        few = f": one alone cannot pass with so few {what}; {advice}" if alone > alpha else ""
        return UNDECIDED, f"beyond {share}, but not after correction ({said}){few}"
    return UNDECIDED, f"its interval lies across {share} ({said}): measure more windows"


def overall(sets: pd.DataFrame) -> tuple[Verdict, str]:
    """One verdict over all layers and sites, from their own (columns layer, site, verdict, why)."""
    used = sets[sets["verdict"] == USED]
    if len(used):
        return USED, f"{_names(used)}: {used['why'].iloc[0]}"
    if (sets["verdict"] == UNUSED).all():
        return UNUSED, f"at all of {_names(sets)}: {sets['why'].iloc[0]}"
    open_ = sets[sets["verdict"] == UNDECIDED]
    return UNDECIDED, f"{_names(open_)}: {open_['why'].iloc[0]}"


def _names(sets: pd.DataFrame, most: int = 4) -> str:
    names: Sequence[str] = [
        f"L{layer}.{site}" for layer, site in zip(sets["layer"], sets["site"], strict=True)
    ]
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
