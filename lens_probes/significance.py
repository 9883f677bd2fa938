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
from lens_probes.decision import Decision, rank_column, tested_words, usable_words
from lens_probes.examples import Examples
from lens_probes.stats.inputs import several_arrays

Array = Float[np.ndarray, "example unit"]

_NOT_FITTED = ("separated", "quasi_separated", "not_converged")


def decide(
    units: pd.DataFrame,
    decision: Decision,
    arrays: Sequence[Array] | stats.InTurn,
    examples: Examples,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Add `p_corrected`, `significant` and the token-level answer; say how families were made.

    Constant units have no p-value and are left out of their family. In the course preset a unit
    without a Wald p (separated, not converged) stays in it and counts as not significant.

    Parameters
    ----------
    arrays
        Activations in the order of the units' rows.
    """
    family = families(units, decision)
    said: dict[str, Any] = asdict(decision)
    units = units.assign(significant_token_level=_token_level(units, decision, family))
    if decision.method == "max_t":
        test = max_test(arrays, examples, decision, family)
        corrected, log10_corrected = test.p_family, test.log10_p_family
        said |= {"n_relabellings": test.n_distinct_relabellings, "exact": test.exact}
        threshold = [float(value) for value in test.threshold]
        if isinstance(test, stats.MaxPermutationR):
            units = units.assign(word_r=test.group_r)
            said |= {"n_words_tested": [test.n_groups], "threshold_r": threshold}
        elif decision.level == "pair":
            assert examples.word is not None
            n_words = len(set(examples.word))
            said |= {"n_words_tested": [n_words], "n_pairs": len(examples) // 2}
            said["threshold_t"] = threshold
        else:
            said["n_words_tested"] = list(tested_words(examples, decision.min_per_word))
            said["threshold_t"] = threshold
    else:
        corrected, log10_corrected = _adjusted(units, decision, family)
    table = units.assign(
        p_corrected=corrected,
        log10_p_corrected=log10_corrected,
        significant=log10_corrected <= np.log10(decision.alpha),
    )
    sizes = pd.Series(~np.isnan(corrected)).groupby(family).sum()
    said |= {
        "n_families": len(sizes),
        "m_smallest": int(sizes.min()),
        "m_largest": int(sizes.max()),
        "left_out": int(np.isnan(corrected).sum()),
    }
    return table, said


def max_test(
    arrays: Sequence[Array] | stats.InTurn,
    examples: Examples,
    decision: Decision,
    family: NDArray[np.int64],
    rows: Bool[np.ndarray, " example"] | None = None,
) -> stats.MaxPermutation | stats.MaxPermutationR:
    """Permutation test with the maximum statistic, of all examples or of some rows.

    Labels move over word types; with pairs inside each pair; a continuous label over word types.
    """
    use = np.ones(len(examples), dtype=bool)
    if decision.level == "word":
        use = usable_words(examples, decision.min_per_word)
    use = use if rows is None else use & rows
    every = several_arrays(arrays)
    chosen = every if use.all() else every.rows(use)
    options: dict[str, Any] = {
        "n_permutations": decision.n_permutations,
        "seed": decision.seed,
        "family": family,
        "alpha": decision.alpha,
    }
    assert examples.word is not None
    if decision.level == "pair":
        # A word's pairs are swapped together: its occurrences are not independent.
        word, label = examples.word[use].astype(str), examples.label[use]
        sides, index = np.unique(np.char.add(word, label.astype(str)), return_inverse=True)
        first = np.array([np.flatnonzero(index == i)[0] for i in range(len(sides))])
        means = stats.InTurn(
            lambda i: _group_means(chosen.read(i), index, len(sides)), chosen.widths, len(sides)
        )
        return stats.max_permutation(means, label[first], within=word[first], **options)
    groups = examples.word[use]
    if examples.value is not None:
        return stats.max_permutation_r(chosen, examples.value[use], groups=groups, **options)
    return stats.max_permutation(chosen, examples.label[use], groups=groups, **options)


def _group_means(x: Any, index: NDArray[np.int64], n_groups: int) -> Array:
    """Mean of each group's examples; [group, unit]."""
    order = np.argsort(index, kind="stable")
    counts = np.bincount(index, minlength=n_groups)
    sums = np.add.reduceat(x[order], np.cumsum(counts) - counts, axis=0, dtype=np.float64)
    means: Array = sums / counts[:, None]
    return means


def _token_level(
    units: pd.DataFrame, decision: Decision, family: NDArray[np.int64]
) -> Bool[np.ndarray, " unit"]:
    """What counting tokens would have found: the score test with Holm over the same families."""
    log10_p = units[rank_column(units)].to_numpy(float)
    adjusted = stats.adjust_log10(log10_p, method="holm", family=family)
    passed: Bool[np.ndarray, " unit"] = adjusted <= np.log10(decision.alpha)
    return passed


def _adjusted(
    units: pd.DataFrame, decision: Decision, family: NDArray[np.int64]
) -> tuple[Float[np.ndarray, " unit"], Float[np.ndarray, " unit"]]:
    assert decision.method != "max_t"
    p = units[decision.p_column].to_numpy(float)
    log10_p = units[f"log10_{decision.p_column}"].to_numpy(float)
    if decision.preset == "course":
        unfitted = units["status"].isin(_NOT_FITTED).to_numpy() & np.isnan(p)
        p, log10_p = np.where(unfitted, 1.0, p), np.where(unfitted, 0.0, log10_p)
    return (
        stats.adjust(p, method=decision.method, family=family),
        stats.adjust_log10(log10_p, method=decision.method, family=family),
    )


def families(units: pd.DataFrame, decision: Decision) -> NDArray[np.int64]:
    """Family of each unit's row."""
    site = units["site"]
    if decision.scope == "model":
        return np.zeros(len(units), dtype=np.int64)
    if decision.scope == "site":
        return np.asarray(units.groupby(site, sort=False).ngroup(), dtype=np.int64)
    if decision.preset == "course":
        site = site.where(~site.isin(["q", "k", "v"]), "qkv")
    return np.asarray(units.groupby([units["layer"], site], sort=False).ngroup(), dtype=np.int64)
