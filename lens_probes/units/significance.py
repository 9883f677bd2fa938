"""Applying a decision: corrected p-values, significant units, and the same on some rows only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from numpy.typing import NDArray

from lens_probes import stats
from lens_probes.errors import InputError
from lens_probes.examples.examples import Examples
from lens_probes.stats.inputs import several_arrays
from lens_probes.units.adjustment import Adjustment
from lens_probes.units.decision import OF_GROUPS, Decision, groups_tested, token_column

Array = Float[np.ndarray, "example unit"]

_NOT_FITTED = ("separated", "quasi_separated", "not_converged")


def decide(
    units: pd.DataFrame,
    decision: Decision,
    arrays: Sequence[Array] | stats.InTurn,
    examples: Examples,
    adjustment: Adjustment | None = None,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Add `p_corrected`, `significant`, `q_word` and the token-level answer; say how it was done.

    With two classes over groups each unit has `pooled_p` (its p alone, whatever the method) too.
    Constant units have no p-value and are left out of their family. In the course preset a unit
    without a Wald p (separated, not converged) stays in it and counts as not significant.
    `q_word` is Benjamini and Hochberg's over all units, of `pooled_p` (pairs: of `word_p`). `rank`
    orders units by what decides over groups, 1 the strongest.

    Parameters
    ----------
    arrays
        Activations in the order of the units' rows.
    adjustment
        Adds `adjusted_t` and `adjusted_p`, the test given the confounds; left out where it is None
        or gives none.
    """
    family = families(units, decision)
    said: dict[str, Any] = asdict(decision)
    units = units.assign(significant_token_level=_token_level(units, decision, family))
    if decision.level != "token":
        label, group, _ = groups_tested(examples, decision.min_per_group)
        said["n_words_tested"] = list(label.counts(group))
    if decision.level == "pair":
        said["n_pairs"] = len(examples) // 2
    test: stats.MaxPermutation | None = None
    alone = decision.level == "word" and examples.contrast.exact_p
    if alone or (decision.method == "max_t" and decision.level != "token"):
        test = max_test(arrays, examples, decision, family, bound=True)
        units = units.assign(permuted_value=test.value)
        if decision.method != "max_adjusted":
            said |= {
                "statistic": test.statistic,
                "n_relabellings": test.n_distinct_relabellings,
                "exact": test.exact,
            }
        if decision.method == "max_t":
            said |= {
                "threshold": [float(value) for value in test.threshold],
                "threshold_low": [float(value) for value in test.threshold_low],
                "threshold_high": [float(value) for value in test.threshold_high],
                "simes_level": test.simes_level,
                "p_beyond": test.p_beyond,
            }
    if alone and test is not None:
        units = units.assign(
            pooled_p=test.pooled_p,
            log10_pooled_p=test.log10_pooled_p,
            q_word=stats.adjust(test.pooled_p, method="bh"),
        )
    elif decision.level == "pair":
        units = units.assign(q_word=stats.adjust(units["word_p"].to_numpy(float), method="bh"))
    given = adjustment is not None and (adjustment.names or decision.method == "max_adjusted")
    if adjustment is not None and given and decision.level == "word":
        units, said["adjusted"] = _given_confounds(
            units, adjustment, arrays, examples, decision, family
        )
    if decision.method == "max_adjusted":
        corrected, log10_corrected = (
            units[name].to_numpy(float) for name in ("adjusted_p", "log10_adjusted_p")
        )
    elif decision.method == "max_t":
        assert test is not None
        corrected, log10_corrected = test.p_family, test.log10_p_family
    else:
        corrected, log10_corrected = _adjusted(units, decision, family)
    table = units.assign(
        p_corrected=corrected,
        log10_p_corrected=log10_corrected,
        significant=log10_corrected <= np.log10(decision.alpha),
    )
    sizes = pd.Series(~np.isnan(corrected)).groupby(family).sum()
    said |= {
        "families": sizes.index.tolist(),
        "n_families": len(sizes),
        "m_smallest": int(sizes.min()),
        "m_largest": int(sizes.max()),
        "left_out": int(np.isnan(corrected).sum()),
    }
    return table.assign(**_ranks(table, decision)), said


def _ranks(units: pd.DataFrame, decision: Decision) -> dict[str, Any]:
    """`rank` [unit] by the size of the statistic that decides, then by the score test."""
    column = "adjusted_t" if decision.method == "max_adjusted" else "permuted_value"
    if column not in units:
        return {}
    value, score = units[column].to_numpy(float), units[token_column(units)].to_numpy(float)
    order = np.lexsort((np.nan_to_num(score, nan=1.0), -np.nan_to_num(np.abs(value), nan=-1.0)))
    rank = np.empty(len(units))
    rank[order] = np.arange(1, len(units) + 1)
    return {"rank": np.where(np.isnan(value), np.nan, rank)}


def _given_confounds(
    units: pd.DataFrame,
    adjustment: Adjustment,
    arrays: Any,
    examples: Examples,
    decision: Decision,
    family: NDArray[np.int64],
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Units with the adjusted test, or NaN and the reason where the confounds leave nothing."""
    try:
        test = adjustment.test(arrays, examples, decision, family)
    except ValueError as error:
        if decision.method == "max_adjusted":
            raise InputError(f"the adjusted test cannot be made: {error}") from error
        nothing = dict.fromkeys(("adjusted_t", "adjusted_p", "log10_adjusted_p"), np.nan)
        return units.assign(**nothing), {"not_made": str(error), "given": list(adjustment.names)}
    found = units.assign(
        adjusted_t=test.adjusted_t, adjusted_p=test.p_family, log10_adjusted_p=test.log10_p_family
    )
    return found, adjustment.described(test)


def max_test(
    arrays: Sequence[Array] | stats.InTurn,
    examples: Examples,
    decision: Decision,
    family: NDArray[np.int64],
    rows: Bool[np.ndarray, " example"] | None = None,
    *,
    bound: bool = False,
) -> stats.MaxPermutation:
    """Permutation test with the maximum statistic, of all examples or of some rows.

    `bound`: with the level that `stats.tuned_at_least` needs.
    """
    label, group, use = groups_tested(examples, decision.min_per_group, rows)
    every = several_arrays(arrays)
    return label.permute(
        every if use.all() else every.rows(use),
        group,
        n_permutations=decision.n_permutations,
        seed=decision.seed,
        family=family,
        alpha=decision.alpha,
        bound=bound,
    )


def _token_level(
    units: pd.DataFrame, decision: Decision, family: NDArray[np.int64]
) -> Bool[np.ndarray, " unit"]:
    """What counting tokens would have found: the score test with Holm over the same families."""
    log10_p = units[token_column(units)].to_numpy(float)
    adjusted = stats.adjust_log10(log10_p, method="holm", family=family)
    passed: Bool[np.ndarray, " unit"] = adjusted <= np.log10(decision.alpha)
    return passed


def _adjusted(
    units: pd.DataFrame, decision: Decision, family: NDArray[np.int64]
) -> tuple[Float[np.ndarray, " unit"], Float[np.ndarray, " unit"]]:
    log10_p = units[f"log10_{decision.p_column}"].to_numpy(float)
    if decision.preset == "course":
        unfitted = units["status"].isin(_NOT_FITTED).to_numpy() & np.isnan(log10_p)
        log10_p = np.where(unfitted, 0.0, log10_p)
    adjusted = corrected_log10(log10_p, decision, family)
    return 10**adjusted, adjusted


def corrected_log10(
    log10_p: Float[np.ndarray, " unit"], decision: Decision, family: NDArray[np.int64]
) -> Float[np.ndarray, " unit"]:
    """log10 p of units, corrected by the method of a decision other than max_t."""
    assert decision.method not in OF_GROUPS
    if decision.method == "hierarchical":
        return stats.adjust_hierarchical_log10(log10_p, family=family)
    method: Any = decision.method
    return stats.adjust_log10(log10_p, method=method, family=family)


def families(units: pd.DataFrame, decision: Decision) -> NDArray[np.int64]:
    """Family of each unit's row; one layer and site where layers are chosen before units."""
    site = units["site"]
    if decision.method == "hierarchical":
        return np.asarray(units.groupby(["layer", site], sort=False).ngroup(), dtype=np.int64)
    if decision.scope == "model":
        return np.zeros(len(units), dtype=np.int64)
    if decision.scope == "site":
        return np.asarray(units.groupby(site, sort=False).ngroup(), dtype=np.int64)
    if decision.preset == "course":
        site = site.where(~site.isin(["q", "k", "v"]), "qkv")
    return np.asarray(units.groupby([units["layer"], site], sort=False).ngroup(), dtype=np.int64)
