"""The level of the deciding test in the design at hand, simulated from its own groups."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from lens_probes import stats
from lens_probes.adjustment import Adjustment
from lens_probes.decision import Decision, tested_rows
from lens_probes.examples import Examples

N_FAMILIES, N_UNITS, N_DRAWS = 500, 20, 400
SHARES_OF_WORDS = (0.1, 0.5)


def level_at_this_design(
    units: pd.DataFrame, examples: Examples, decision: Decision, adjustment: Adjustment
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
    errors = [
        _error(examples, use, decision, adjustment, share, ratio, seed=decision.seed + i)
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
    examples: Examples,
    use: Bool[np.ndarray, " example"],
    decision: Decision,
    adjustment: Adjustment,
    share: float,
    ratio: float,
    *,
    seed: int,
) -> float:
    """Family-wise error over families of null units drawn for these groups."""
    assert examples.group is not None
    rng = np.random.default_rng(seed)
    _, first, group = np.unique(examples.group[use], return_index=True, return_inverse=True)
    label, n = examples.label[use][first], N_FAMILIES * N_UNITS
    values = None if examples.value is None else examples.value[use][first]
    scale = np.where(label == 1, ratio, 1.0)[:, None] if values is None else 1.0
    word = np.sqrt(share) * rng.normal(size=(len(label), n))
    noise, family = np.sqrt(1 - share), np.repeat(np.arange(N_FAMILIES), N_UNITS)
    draws: dict[str, Any] = {"family": family, "seed": seed, "alpha": decision.alpha}
    n_draws = min(decision.n_permutations, N_DRAWS)
    if decision.method == "max_adjusted":
        x = np.zeros((len(examples), n))
        x[use] = (word * scale)[group] + noise * rng.normal(size=(len(group), n))
        shorter = replace(decision, n_permutations=n_draws)
        p = adjustment.test([x], examples, shorter, family).p_family
        return _share_of_families(p, decision.alpha)
    each = np.bincount(group)[:, None]
    means = scale * (word + noise / np.sqrt(each) * rng.normal(size=word.shape))
    asked: Any = label if values is None else values
    if decision.method == "max_t":
        draws["statistic"] = None if values is None else "slope"
        p = stats.max_permutation(means, asked, n_permutations=n_draws, **draws).p_family
        return _share_of_families(p, decision.alpha)
    test: Any = stats.word_level if values is None else stats.word_level_r
    raw = test(means, asked, np.arange(len(label)), min_per_word=1).log10_word_p
    # With nothing to find, layers first and then units errs as bh does.
    method: Any = "bh" if decision.method == "hierarchical" else decision.method
    log10_p = stats.adjust_log10(raw, method=method, family=family)
    return _share_of_families(10**log10_p, decision.alpha)


def _share_of_families(p: Float[np.ndarray, " unit"], alpha: float) -> float:
    """Share of families in which a unit passes."""
    lowest = np.nan_to_num(p, nan=1.0).reshape(N_FAMILIES, N_UNITS).min(axis=1)
    return float((lowest <= alpha).mean())
