"""Used or not: effects against those of random units, with intervals, and verdicts in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

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
    """(1 + nulls as large or larger) / (1 + nulls): never below 1 / (1 + nulls)."""
    if np.isnan(observed):
        return float("nan")
    return float((1 + (nulls >= observed).sum()) / (1 + len(nulls)))


def family_p(
    observed: Float[np.ndarray, "member measure"], nulls: Float[np.ndarray, "member measure draw"]
) -> tuple[Float[np.ndarray, " member"], Float[np.ndarray, " member"], Int[np.ndarray, " member"]]:
    """p of each member's largest measure: alone, and corrected over all members; and which it is.

    Effects are standardised by the mean and sd of observed and null sets together, so that members
    and measures can be compared; the null of the corrected p is the largest of a draw over all of
    them (max-T): its resolution does not suffer from the number of members.
    """
    rows = np.concatenate([observed[..., None], nulls], axis=-1)
    spread = rows.std(axis=-1, keepdims=True)
    z = (rows - rows.mean(axis=-1, keepdims=True)) / np.where(spread > 0, spread, np.inf)
    z = np.where(np.isnan(z), -np.inf, z)
    largest = z.max(axis=1)
    alone = [empirical_p(row[0], row[1:]) for row in largest]
    overall = largest[:, 1:].max(axis=0)
    corrected = [empirical_p(row[0], overall) for row in largest]
    return np.array(alone), np.array(corrected), z[:, :, 0].argmax(axis=1)


def excess(
    observed: Resampled, index: int, nulls: Resampled, alpha: float
) -> tuple[float, float, float]:
    """How far a set's mean lies above the 1 - alpha quantile of null sets, with its interval.

    The same passages are drawn for both, so that what all sets share cancels.
    """
    level = 100 * (1 - alpha)
    point = float(observed.mean[index] - np.percentile(nulls.mean, level))
    draws = observed.draws[:, index] - np.percentile(nulls.draws, level, axis=1)
    return (point, *percentile_interval(draws))


def decide_use(
    *,
    encoded: str,
    p: float,
    resolution: float,
    alpha: float,
    what: str,
    measure: str,
    beyond: Mapping[str, tuple[float, float, float]],
    n_passages: int,
    unlike: str = "",
) -> tuple[Verdict, str]:
    """The verdict on one set or unit, and its reason in one line.

    Used: the corrected p is at most alpha, and so far beyond the 1 - alpha quantile of random ones
    that the interval is. Not used: by no measure does the interval reach beyond that quantile.
    All else is undecided.

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
    """
    share, said = f"{100 * (1 - alpha):g} % of {what}", f"corrected p = {p:.2g}"
    low, high = beyond[measure][1], max(top for _, _, top in beyond.values())
    if encoded or unlike:
        return UNDECIDED, encoded or unlike
    if resolution > alpha:
        return (
            UNDECIDED,
            f"too few different {what}: p cannot be below {resolution:.2g}; ask for more",
        )
    if n_passages < FEWEST_PASSAGES:
        return UNDECIDED, (
            f"the measured windows are of {n_passages} passages, too few for an interval: "
            f"{FEWEST_PASSAGES} or more are needed"
        )
    if p <= alpha and low > 0:
        return USED, f"without it {_IN_WORDS[measure]} changes more than without {share} ({said})"
    if high <= 0:
        return UNUSED, f"its effect is within {share}, and so is its interval ({said})"
    if low > 0:
        return UNDECIDED, f"beyond {share}, but not after correction ({said}): ask for more of them"
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
