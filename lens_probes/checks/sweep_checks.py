"""Everything a rigorous sweep reports beside its tests, layer by layer and once for all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from numpy.typing import NDArray

from lens_probes import stats
from lens_probes.activations.collect import Activations
from lens_probes.checks.class_probe import NestedClasses, class_scores, nested_classes
from lens_probes.checks.controls import control_task, relabelling_null, word_splits
from lens_probes.checks.heldout import best_unit_r, cross_fitted_accuracy, fold_scores
from lens_probes.checks.nested import NestedBest, nested_best, nested_best_r
from lens_probes.checks.similarity import pair_similarity
from lens_probes.examples.classes import Classes
from lens_probes.examples.confounds import (
    categorical_differences,
    confound_differences,
    confound_table,
)
from lens_probes.examples.examples import Examples
from lens_probes.examples.folds import Folds
from lens_probes.examples.label import Pairs, TwoClasses
from lens_probes.examples.replication_groups import mixed_examples
from lens_probes.examples.values import Values
from lens_probes.stats.inputs import several_arrays
from lens_probes.units.adjustment import Adjustment
from lens_probes.units.decision import Decision, groups_tested
from lens_probes.units.significance import corrected_log10, max_test
from lens_probes.units.statistics import group_statistics
from lens_probes.units.table import in_turn

Array = Float[np.ndarray, "example unit"]
# Which units of each array the decision finds, on all examples or on some `rows`.
Choose = Callable[..., list[Bool[np.ndarray, " unit"]]]


def layer_checks(
    activations: Activations,
    examples: Examples,
    decision: Decision,
    choose: Choose,
    folds: Folds,
    *,
    seed: int,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """One row per layer and site: cross-fitted accuracy, baselines, control task; the nested best.

    With a continuous label: held-out r of the unit chosen on the training folds, in each layer and
    in all of them (`nested_best_r`). `choose` is
    `significant_units` of this decision.
    """
    arrays = in_turn(activations)
    table = pd.DataFrame(list(activations), columns=["layer", "site"])
    label = examples.contrast
    if decision.level == "pair" and isinstance(label, Pairs):
        rows = [asdict(pair_similarity(x, label.y, label.pair)) for x in arrays]
        table = table.join(pd.DataFrame(rows))
    if isinstance(label, Values):
        if folds.main is None:
            return table, {}
        scored_r = [best_unit_r(x, label.value, folds.main) for x in arrays]
        table["best_unit_r_heldout"] = [held_out.mean() for _, held_out in scored_r]
        return table, {"nested_best_r": nested_best_r(scored_r)}
    if isinstance(label, Classes):
        return _class_checks(activations, table, label, folds)
    best: dict[str, Any] | None = None
    if folds.main is not None:
        accuracy = cross_fitted_accuracy(
            arrays, examples.label, folds.main, lambda train: choose(arrays, rows=train)
        )
        table["mean_accuracy_significant_heldout"] = [every for every, _ in accuracy]
        table["mean_accuracy_significant_positive_heldout"] = [part for _, part in accuracy]
        scored = [fold_scores(x, examples.label, folds.main) for x in arrays]
        table = table.join(pd.DataFrame([asdict(scores.baselines()) for scores in scored]))
        found = nested_best(scored, examples.label, folds.main, examples.group)
        best = _named(found, activations)
    use = _rows_of_one_class(examples)
    if folds.passage is not None and use is not None:
        assert examples.group is not None
        y, group, fold = (part[use] for part in (examples.label, examples.group, folds.passage))
        rows = [asdict(control_task(x[use], y, group, fold, seed=seed)) for x in arrays]
        table = table.join(pd.DataFrame(rows))
    return table, {"nested_best": best}


def _class_checks(
    activations: Activations, table: pd.DataFrame, label: Classes, folds: Folds
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Held-out balanced accuracy of single units and of the layer probe; the nested best."""
    if folds.main is None:
        return table, {}
    scored = [class_scores(x, label.y, folds.main) for x in in_turn(activations)]
    for k, name in enumerate(("best_unit", "probe")):
        table[f"{name}_balanced_accuracy_heldout"] = [one.accuracy[:, k].mean() for one in scored]
    best = nested_classes(scored, label.y, folds.main)
    return table, {"nested_classes": None if best is None else _named(best, activations)}


def _named(best: NestedBest | NestedClasses, activations: Activations) -> dict[str, Any]:
    """What was chosen, by name, and what it is worth; plain values."""
    places = list(activations)
    said = asdict(best)
    said["chosen_unit"] = [
        activations.unit_names(places[array])[unit] for array, unit in best.chosen_unit
    ]
    said["chosen_array"] = [list(places[array]) for array in best.chosen_array]
    return said


def sweep_checks(
    activations: Activations, examples: Examples, decision: Decision, tokenizer: Any, *, seed: int
) -> dict[str, Any]:
    """Both nulls, and what else differs between the classes; plain values."""
    arrays = in_turn(activations)
    said: dict[str, Any] = {"nulls": {}, "confounds": {}}
    alpha = decision.alpha
    label, alone = examples.contrast, np.arange(len(examples))
    said["nulls"]["tokens"] = relabelling_null(arrays, label, alone, alpha=alpha, seed=seed)
    use = _rows_of_one_class(examples)
    if use is not None:
        assert examples.group is not None
        chosen, part = arrays.rows(use), examples.select(np.flatnonzero(use))
        said["nulls"]["words"] = relabelling_null(
            chosen, label.select(use), examples.group[use], alpha=alpha, seed=seed
        )
        if isinstance(label, TwoClasses):
            said["splits"] = word_splits(chosen, part, alpha=alpha, seed=seed)
    if tokenizer is not None:
        table = confound_table(examples, tokenizer)
        if isinstance(label, Values):  # what is the label itself is no confound of it
            same = stats.correlation(table.to_numpy(float), label.value).r ** 2 > 1 - 1e-9
            table = table.loc[:, ~same]
        if min(examples.n_per_class) >= 2:
            own = tuple(examples.covariates or ())
            said["confounds"] = confound_differences(table, examples.label, own=own)
            said["confounds"] |= categorical_differences(examples)
    return said


def untrained_counts(arrays: stats.InTurn, choose: Choose) -> pd.DataFrame:
    """Tested and significant units of each layer and site with random weights, and their share."""
    tested = [int((x != x[:1]).any(axis=0).sum()) for x in arrays]
    found = [int(mask.sum()) for mask in choose(arrays)]
    return pd.DataFrame(
        {
            "untrained_n_tested": tested,
            "untrained_n_significant": found,
            "untrained_share_significant": np.array(found) / np.maximum(tested, 1),
        }
    )


def significant_units(
    arrays: list[Array] | stats.InTurn,
    examples: Examples,
    decision: Decision,
    family: NDArray[np.int64],
    adjustment: Adjustment,
    *,
    rows: Bool[np.ndarray, " example"] | None = None,
) -> list[Bool[np.ndarray, " unit"]]:
    """Which units of each array the decision finds, on all examples or on some rows."""
    if decision.level != "token":
        p = _p_of_groups(arrays, examples, decision, family, adjustment, rows)
    else:
        use = np.ones(len(examples), dtype=bool) if rows is None else rows
        label = examples.contrast.select(use)
        score = np.concatenate([label.token_log10_p(x[use]) for x in arrays])
        p = 10 ** corrected_log10(score, decision, family)
    passed = np.nan_to_num(p, nan=1.0) <= decision.alpha
    return np.split(passed, np.cumsum(several_arrays(arrays).widths)[:-1])


def _p_of_groups(
    arrays: list[Array] | stats.InTurn,
    examples: Examples,
    decision: Decision,
    family: NDArray[np.int64],
    adjustment: Adjustment,
    rows: Bool[np.ndarray, " example"] | None,
) -> Float[np.ndarray, " unit"]:
    """Corrected p over replication groups, of some rows; 1 where they leave too few to test."""
    if rows is not None:
        label, group, _ = groups_tested(examples, decision.min_per_group, rows)
        if min(label.counts(group)) < label.least_groups:
            return np.ones(len(family))
    if decision.method == "max_t":
        return max_test(arrays, examples, decision, family, rows).p_family
    if decision.method == "max_adjusted":
        try:
            return adjustment.test(arrays, examples, decision, family, rows).p_family
        except ValueError:  # some rows only: the confounds leave nothing of the label
            return np.ones(len(family))
    if decision.p_column == "pooled_p":
        alone = max_test(arrays, examples, decision, family, rows, bound=True).log10_pooled_p
        return 10 ** corrected_log10(alone, decision, family)
    index = np.arange(len(examples)) if rows is None else np.flatnonzero(rows)
    part = examples.select(index)
    columns = [group_statistics(x[index], part, decision.min_per_group) for x in arrays]
    log10_p = np.concatenate([found["log10_word_p"] for found in columns])
    return 10 ** corrected_log10(log10_p, decision, family)


def _rows_of_one_class(examples: Examples) -> Bool[np.ndarray, " example"] | None:
    """Examples of groups with one class (or one value), two groups or more in each; or None."""
    if examples.group is None:
        return None
    use = ~mixed_examples(examples)
    label, group = examples.contrast.select(use), examples.group[use]
    return use if label.constant_in(group) and min(label.counts(group)) >= 2 else None
