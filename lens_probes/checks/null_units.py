"""Null units that are like those of a sweep: how unlike in spread, and how skewed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from numpy.typing import NDArray
from scipy import special

SHARES_OF_WORDS = (0.02, 0.5)
LEAST_SKEW, MOST_SKEW = 0.05, 20.0


@dataclass(frozen=True)
class Kind:
    """Null units: share of their variance between groups, the spread of group means of class 1 and
    further ones against class 0's, and the skewness of an example."""

    share: float
    ratios: tuple[float, ...]
    skew: float = 0.0


def null_kinds(
    units: pd.DataFrame, counts: Sequence[int], sizes: Int[np.ndarray, " group"]
) -> Iterator[Kind]:
    """The kinds of null units that are like those of the sweep; counts: groups of each class.

    Two classes are as unlike in spread as 5 % and 95 % of units have them; of several, those with
    fewer groups are as wide, or as narrow, against the others, the worst and the best for the test.

    sds of k groups differ by chance: trigamma((k - 1) / 2) / 4 in each log for normal means, and
    excess kurtosis / 4(k - 1) more, 1.5 times the squared skewness as a gamma distribution's; both
    are taken from the variance of the log ratios, with a tenth more for what a variance varies. A
    mean of n examples has 1 / sqrt(n) of their skew; of k normal means it varies by
    6 (k - 2) / ((k + 1) (k + 3)).
    """
    skews = np.zeros(1)
    if "word_skew" in units and units["word_skew"].notna().any():
        skews = units["word_skew"].dropna().to_numpy(float)
    k = sum(counts)
    of_skew = 6 * (k - 2) / ((k + 1) * (k + 3))
    heavy = 0.375 * max(float(np.square(skews).mean()) - of_skew, 0.0)
    ends = [_spread(units, j, counts, heavy) for j in range(1, len(counts))]
    low, middle, high = (tuple(one[i] for one in ends) for i in range(3))
    if len(counts) > 2:
        few = np.array(counts[1:]) < np.median(counts)
        low, high = (
            tuple(np.where(few, one, other).tolist()) for one, other in ((low, high), (high, low))
        )
    for share in SHARES_OF_WORDS:
        for ratios in dict.fromkeys((low, high)):
            yield Kind(share, ratios)
    to_example = 1 / np.mean(1 / np.sqrt(sizes))
    low_skew, _, high_skew = _ends(skews * to_example, of_skew * to_example**2)
    for skew in dict.fromkeys((low_skew, high_skew)):
        if abs(skew) > LEAST_SKEW:
            yield Kind(SHARES_OF_WORDS[0], middle, float(np.clip(skew, -MOST_SKEW, MOST_SKEW)))


def _spread(
    units: pd.DataFrame, j: int, counts: Sequence[int], heavy: float
) -> tuple[float, float, float]:
    """Spread of group means of class j against class 0's: low, middle and high over units."""
    logs = np.zeros(1)
    if "word_sd0" in units:
        sd0, sd1 = units["word_sd0"].to_numpy(float), units[f"word_sd{j}"].to_numpy(float)
        known = (sd0 > 0) & (sd1 > 0)
        logs = np.log(sd1[known] / sd0[known]) if known.any() else logs
    k0, k1 = counts[0], counts[j]
    chance = sum(
        1.1 * (float(special.polygamma(1, dof / 2)) / 4 + heavy / dof)
        for dof in (k0 - 1, k1 - 1)
        if dof
    )
    low, middle, high = (float(np.exp(end)) for end in _ends(logs - _bias(k1) + _bias(k0), chance))
    return low, middle, high


def _bias(k: int) -> float:
    """Mean of the log sd of k normal values of sd 1."""
    half = (k - 1) / 2
    return float(special.digamma(half) - np.log(half)) / 2 if half else 0.0


def _ends(values: NDArray[np.float64], chance: float) -> tuple[float, float, float]:
    """5 %, middle and 95 % of values, less a variance that is chance."""
    half = 1.645 * np.sqrt(max(float(values.var()) - chance, 0.0))
    middle = float(np.median(values))
    return middle - half, middle, middle + half


def skewed_means(
    skew: float, sizes: Float[np.ndarray, "k 1"], n: int, rng: np.random.Generator
) -> Float[np.ndarray, "k unit"]:
    """Means [k, unit] of `sizes` examples of mean 0, variance 1 and this skewness."""
    if not skew:
        normal: NDArray[np.float64] = rng.standard_normal((len(sizes), n)) / np.sqrt(sizes)
        return normal
    shape = 4 / skew**2
    sums = rng.standard_gamma(np.broadcast_to(shape * sizes, (len(sizes), n)))
    means: NDArray[np.float64] = np.sign(skew) * (sums / sizes - shape) / np.sqrt(shape)
    return means
