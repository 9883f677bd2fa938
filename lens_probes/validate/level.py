"""The level of the deciding test in the design at hand, simulated from its own groups."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from scipy import special

from lens_probes import stats
from lens_probes.adjustment import Adjustment
from lens_probes.decision import Decision, tested_rows
from lens_probes.examples.examples import Examples
from lens_probes.examples.replication_groups import groups_per_class

N_FAMILIES, MOST_UNITS, MOST_VALUES = 200, 500, 5_000_000
SHARES_OF_WORDS = (0.02, 0.5)


def level_at_this_design(
    units: pd.DataFrame,
    examples: Examples,
    decision: Decision,
    adjustment: Adjustment,
    threshold: float,
) -> tuple[float, float] | None:
    """Lowest and highest family-wise error over kinds of null units; None at token level.

    Units without any effect are drawn for the groups of these examples, with their sizes: normal
    group effects that are 2 % or 50 % of the variance between examples, and a spread of class 1's
    against class 0's as low, or as high, as the sweep's units have it (5 % beyond, without what is
    chance in few groups). Families are of as
    many independent units as the test's threshold says there are, MOST_UNITS at most: where spreads
    differ the error grows with their number. The Monte Carlo error of each number is 0.015.
    """
    if decision.level != "word" or examples.group is None:
        return None
    use = tested_rows(examples, decision.min_per_group)
    _, first, group = np.unique(examples.group[use], return_index=True, return_inverse=True)
    most = MOST_VALUES // (N_FAMILIES * len(first))
    n_units = max(20, min(_independent_units(decision, threshold), most))
    rng = np.random.default_rng(decision.seed)
    word = rng.normal(size=(len(first), N_FAMILIES * n_units))
    drawn = _Drawn(use, first, group, word, rng.normal(size=word.shape), n_units)
    errors = [
        _error(examples, drawn, decision, adjustment, share, ratio)
        for share in SHARES_OF_WORDS
        for ratio in _ratios(units, *groups_per_class(examples, use))
    ]
    return min(errors), max(errors)


@dataclass(frozen=True)
class _Drawn:
    """The tested examples, their groups, and what null units are made of.

    use [example]; first [group], the first tested example of each, and group [tested example];
    word and noise [group, unit], standard normal, of N_FAMILIES families of n_units units.
    """

    use: Bool[np.ndarray, " example"]
    first: Int[np.ndarray, " group"]
    group: Int[np.ndarray, " tested"]
    word: Float[np.ndarray, "group unit"]
    noise: Float[np.ndarray, "group unit"]
    n_units: int


def _independent_units(decision: Decision, threshold: float) -> int:
    """How many independent units would set this threshold of |z|; 20 where it is not known.

    alpha = 1 - (1 - p)^m, with the two-sided normal p of the threshold.
    """
    if decision.method == "max_adjusted" or not np.isfinite(threshold):
        return 20
    p = 2 * special.ndtr(-threshold)
    m = np.log1p(-decision.alpha) / np.log1p(-p) if p > 0 else MOST_UNITS
    return int(np.clip(m, 20, MOST_UNITS))


def _ratios(units: pd.DataFrame, k0: int, k1: int) -> tuple[float, ...]:
    """Low and high ratio of the classes' sds of group means, among the units of the sweep.

    sds of few groups differ by chance: what normal means would give, 1 / 2(k - 1) in each log, is
    taken from the variance of the log ratios before its ends (5 and 95 % of a normal) are formed.
    """
    if "word_sd0" not in units:
        return (1.0,)
    sd0, sd1 = units["word_sd0"].to_numpy(float), units["word_sd1"].to_numpy(float)
    known = (sd0 > 0) & (sd1 > 0)
    if not known.any():
        return (1.0,)
    logs = np.log(sd1[known] / sd0[known])
    chance = 0.5 / max(k0 - 1, 1) + 0.5 / max(k1 - 1, 1)
    half = 1.645 * np.sqrt(max(float(logs.var()) - chance, 0.0))
    middle = float(np.median(logs))
    return tuple(dict.fromkeys(float(np.exp(middle + side)) for side in (-half, half)))


def _error(
    examples: Examples,
    drawn: _Drawn,
    decision: Decision,
    adjustment: Adjustment,
    share: float,
    ratio: float,
) -> float:
    """Family-wise error over families of null units: words have `share` of their variance."""
    use, group, alpha = drawn.use, drawn.group, decision.alpha
    label = examples.label[use][drawn.first]
    values = None if examples.value is None else examples.value[use][drawn.first]
    scale = np.where(label == 1, ratio, 1.0)[:, None] if values is None else 1.0
    family = np.repeat(np.arange(N_FAMILIES), drawn.n_units)
    n_draws = min(decision.n_permutations, _draws(alpha))
    word = np.sqrt(share) * scale * drawn.word
    if decision.method == "max_adjusted":
        noise = np.random.default_rng(decision.seed).normal(size=(len(group), len(family)))
        x = np.zeros((len(examples), len(family)))
        x[use] = word[group] + np.sqrt(1 - share) * noise
        shorter = replace(decision, n_permutations=n_draws)
        p = adjustment.test([x], examples, shorter, family).p_family
        return _share_of_families(p, alpha)
    means = word + scale * np.sqrt((1 - share) / np.bincount(group))[:, None] * drawn.noise
    asked: Any = label if values is None else values
    if decision.method == "max_t":
        statistic: Any = None if values is None else "slope"
        p = stats.max_permutation(
            means, asked, n_permutations=n_draws, seed=decision.seed, family=family, alpha=alpha,
            statistic=statistic,
        ).p_family  # fmt: skip
        return _share_of_families(p, alpha)
    test: Any = stats.word_level if values is None else stats.word_level_r
    raw = test(means, asked, np.arange(len(label)), min_per_word=1).log10_word_p
    # With nothing to find, layers first and then units errs as bh does.
    method: Any = "bh" if decision.method == "hierarchical" else decision.method
    log10_p = stats.adjust_log10(raw, method=method, family=family)
    return _share_of_families(10**log10_p, alpha)


def _draws(alpha: float) -> int:
    """About 100 relabellings, so many that p can be alpha: a test of few draws has its level."""
    return int(np.ceil(max(1, round(100 * alpha)) / alpha - 1e-9)) - 1


def _share_of_families(p: Float[np.ndarray, " unit"], alpha: float) -> float:
    """Share of families in which a unit passes."""
    lowest = np.nan_to_num(p, nan=1.0).reshape(N_FAMILIES, -1).min(axis=1)
    return float((lowest <= alpha).mean())
