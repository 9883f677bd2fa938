"""The level of the deciding test in the design at hand, simulated from its own groups."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from lens_probes import stats
from lens_probes.decision import Decision, tested_rows
from lens_probes.examples import Examples

N_FAMILIES, N_UNITS, N_DRAWS = 500, 20, 400
SHARES_OF_WORDS = (0.1, 0.5)


def level_at_this_design(
    units: pd.DataFrame, examples: Examples, decision: Decision
) -> tuple[float, float] | None:
    """Lowest and highest family-wise error over four kinds of null units; None at token level.

    Units without any effect are drawn for the groups of these examples, with their sizes: normal
    group effects that are 10 % or 50 % of the variance between examples, and a spread of class 1's
    against class 0's that 5 % of the sweep's units fall below, or exceed. Each of N_FAMILIES
    families of N_UNITS units is tested as the sweep is. The Monte Carlo error of each number is
    about 0.01.
    """
    if decision.level != "word" or examples.group is None:
        return None
    use = tested_rows(examples, decision.min_per_group)
    _, first, group = np.unique(examples.group[use], return_index=True, return_inverse=True)
    sizes = np.bincount(group)
    label = examples.label[use][first]
    value = None if examples.value is None else examples.value[use][first]
    errors = [
        _error(sizes, label, value, decision, share, ratio, seed=decision.seed + i)
        for i, (share, ratio) in enumerate(
            (share, ratio) for share in SHARES_OF_WORDS for ratio in _ratios(units)
        )
    ]
    return min(errors), max(errors)


def _ratios(units: pd.DataFrame) -> tuple[float, ...]:
    """Low and high ratio of the classes' sds of group means, among the units of the sweep."""
    if "word_sd0" not in units:
        return (1.0,)
    sd0, sd1 = units["word_sd0"].to_numpy(float), units["word_sd1"].to_numpy(float)
    known = (sd0 > 0) & (sd1 > 0)
    if not known.any():
        return (1.0,)
    low, high = np.quantile(sd1[known] / sd0[known], [0.05, 0.95])
    return float(low), float(high)


def _error(
    sizes: Int[np.ndarray, " group"],
    label: Int[np.ndarray, " group"],
    value: Float[np.ndarray, " group"] | None,
    decision: Decision,
    share: float,
    ratio: float,
    *,
    seed: int,
) -> float:
    """Family-wise error over families of null units, whose group means are drawn."""
    rng = np.random.default_rng(seed)
    sd = np.sqrt(share + (1 - share) / sizes)
    if value is None:
        sd = np.where(label == 1, ratio, 1.0) * sd
    means = rng.normal(size=(len(sizes), N_FAMILIES * N_UNITS)) * sd[:, None]
    family = np.repeat(np.arange(N_FAMILIES), N_UNITS)
    groups, asked = np.arange(len(sizes)), label if value is None else value
    if decision.method == "max_t":
        p = stats.max_permutation(
            means,
            asked,
            groups=groups,
            n_permutations=min(decision.n_permutations, N_DRAWS),
            seed=seed,
            family=family,
            statistic=None if value is None else "slope",
        ).p_family
    else:
        # With nothing to find, layers first and then units errs as bh does.
        method = "bh" if decision.method == "hierarchical" else decision.method
        p = stats.adjust(_parametric_p(means, asked, value is None), method=method, family=family)
    lowest = np.nan_to_num(p, nan=1.0).reshape(N_FAMILIES, N_UNITS).min(axis=1)
    return float((lowest <= decision.alpha).mean())


def _parametric_p(means: Any, asked: Any, classes: bool) -> Float[np.ndarray, " unit"]:
    groups = np.arange(len(asked))
    if classes:
        return stats.word_level(means, asked, groups, min_per_word=1).word_p
    return stats.word_level_r(means, asked, groups, min_per_word=1).word_p
