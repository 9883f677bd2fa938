"""Nulls and the control task: what the same procedure finds where there is nothing to find."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from lens_probes import stats
from lens_probes.checks.heldout import FoldSums
from lens_probes.examples.examples import Examples
from lens_probes.examples.label import Label
from lens_probes.stats.inputs import several_arrays

Array = Float[np.ndarray, "example unit"]
Labels = Int[np.ndarray, " example"]

N_RELABELLINGS = 200
N_CONTROLS = 20


def relabelling_null(
    arrays: list[Array] | stats.InTurn,
    label: Label,
    group: Labels,
    *,
    alpha: float,
    n: int = N_RELABELLINGS,
    seed: int = 0,
) -> dict[str, float]:
    """Error of the token-level test with labels shuffled over groups [example].

    `unit`: share of units that pass at alpha; `family`: share of relabellings in which a unit
    passes at alpha / number of units. Both should be alpha; with each token a group of its own they
    are even where the test is wrong, over groups of words they show the real error. What the real
    label explains is taken out first.
    """
    units = [label.null(x, group, alpha_unit=alpha, n=n, seed=seed) for x in arrays]
    total = sum(part.n_units for part in units)
    if not total:
        return {"nominal": alpha, "unit": float("nan"), "family": float("nan"), "n": n}
    passed = sum(part.n_units * np.nan_to_num(part.share) for part in units)
    any_passed = np.any([part.any_beyond(alpha / total) for part in units], axis=0)
    return {
        "nominal": alpha,
        "unit": float(np.mean(passed) / total),
        "family": float(any_passed.mean()),
        "n": n,
    }


def word_splits(
    arrays: list[Array] | stats.InTurn,
    examples: Examples,
    *,
    alpha: float,
    n: int = N_RELABELLINGS,
    seed: int = 0,
) -> dict[str, Any]:
    """Share of units that pass the token-level test, under the real split of the groups and others.

    Each unit is tested at alpha over the number of units (Bonferroni). p: share of splits in
    which as many units pass as under the real one. Wrong splits of few words pass almost as often
    as the right one: then it is word identity that is found, not the category.
    """
    assert examples.group is not None
    n_units = sum(several_arrays(arrays).widths)
    test = stats.split_test(
        arrays, examples.label, examples.group, alpha_unit=alpha / n_units, n=n, seed=seed
    )
    low, median, high = np.quantile(test.null_shares, [0.05, 0.5, 0.95])
    return {
        "share": test.share,
        "other_splits_low": float(low),
        "other_splits_median": float(median),
        "other_splits_high": float(high),
        "other_splits_max": float(test.null_shares.max()),
        "p": test.p,
        "p_min": _smallest(test),
        "n": test.n,
        "exact": test.exact,
        "n_words": [test.n_words0, test.n_words1],
        "alpha_unit": test.alpha_unit,
    }


def _smallest(test: stats.SplitTest) -> float:
    """The smallest p that this many splits can give."""
    if not test.exact:
        return 1 / (test.n + 1)
    return (2 if test.n_words0 == test.n_words1 else 1) / test.n


@dataclass(frozen=True)
class ControlTask:
    """Held-out AUC (passage split) of the unit chosen on the training folds.

    task: with the real labels; control_*: with random labels per group of words, over draws;
    selectivity: task - mean control. High control means that knowing the word is enough.
    """

    task_auc: float
    control_auc: float
    control_auc_low: float
    control_auc_high: float
    selectivity: float


def control_task(
    x: Array,
    y: Labels,
    group: Labels,
    fold: Labels,
    *,
    n: int = N_CONTROLS,
    seed: int = 0,
) -> ControlTask:
    """Hewitt and Liang's (2019) control task for single units.

    Groups of words get random labels, as many of each class as there are; groups are shared
    between training and test folds, which are split by passage. (With a split by group the control
    is 0.5 by construction.)
    """
    labels = np.stack([y, *_random_group_labels(y, group, n, seed)])
    sums = FoldSums.of(x, y, fold)
    aucs = np.full((len(labels), len(sums.count)), np.nan)
    for j in range(len(sums.count)):
        test = sums.fold == j
        # Centred labels need no centred units; what is held out has label 0.
        inside = np.where(test, 0.0, labels - labels[:, ~test].mean(1, keepdims=True))
        association = (inside @ sums.centred) / sums.without(j)[1]
        best = np.abs(association).argmax(1)
        for i, unit in enumerate(best):
            held_out = labels[i, test]
            if min(held_out.sum(), (1 - held_out).sum()) >= 2:
                auc = stats.auc(x[test][:, [unit]], held_out).auc[0]
                aucs[i, j] = auc if association[i, unit] > 0 else 1 - auc
    means = np.array([np.nanmean(row) if np.isfinite(row).any() else np.nan for row in aucs])
    task, controls = means[0], means[1:]
    return ControlTask(
        float(task),
        float(controls.mean()),
        float(controls.min()),
        float(controls.max()),
        float(task - controls.mean()),
    )


def _random_group_labels(y: Labels, group: Labels, n: int, seed: int) -> NDArray[np.int64]:
    """n relabellings [draw, example] of groups, class sizes (in groups) kept."""
    _, first, index = np.unique(group, return_index=True, return_inverse=True)
    rng = np.random.default_rng(seed)
    draws: Any = np.stack([rng.permutation(y[first])[index] for _ in range(n)])
    return np.asarray(draws, dtype=np.int64)
