"""Everything a rigorous sweep reports beside its tests, layer by layer and once for all."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from numpy.typing import NDArray

from lens_probes import stats
from lens_probes.activations import Activations
from lens_probes.decision import Decision, tested_words, words_with_both_labels
from lens_probes.examples import Examples
from lens_probes.significance import max_test
from lens_probes.sites import unit_name
from lens_probes.stats.inputs import several_arrays
from lens_probes.unit_table import in_turn
from lens_probes.validate.confounds import confound_differences, confound_table
from lens_probes.validate.controls import control_task, relabelling_null, word_splits
from lens_probes.validate.folds import Folds
from lens_probes.validate.heldout import best_unit_r, cross_fitted_accuracy, fold_scores
from lens_probes.validate.nested import NestedBest, nested_best
from lens_probes.validate.similarity import pair_similarity

Array = Float[np.ndarray, "example unit"]


def layer_checks(
    activations: Activations,
    examples: Examples,
    decision: Decision,
    family: NDArray[np.int64],
    folds: Folds,
    *,
    seed: int,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """One row per layer and site: cross-fitted accuracy, baselines, control task; the nested best.

    With a continuous label: held-out r of the unit chosen on the training folds.
    """
    arrays = in_turn(activations)
    table = pd.DataFrame(list(activations), columns=["layer", "site"])
    if decision.level == "pair":
        assert examples.pair is not None
        rows = [asdict(pair_similarity(x, examples.label, examples.pair)) for x in arrays]
        table = table.join(pd.DataFrame(rows))
    if examples.value is not None:
        if folds.main is not None:
            table["best_unit_r_heldout"] = [
                best_unit_r(x, examples.value, folds.main) for x in arrays
            ]
        return table, {}
    best: dict[str, Any] = {}
    if folds.main is not None:

        def choose(train: Bool[np.ndarray, " example"]) -> list[Bool[np.ndarray, " unit"]]:
            return significant_units(arrays, examples, decision, family, train)

        accuracy = cross_fitted_accuracy(arrays, examples.label, folds.main, choose)
        table["mean_accuracy_significant_heldout"] = [every for every, _ in accuracy]
        table["mean_accuracy_significant_positive_heldout"] = [part for _, part in accuracy]
        scored = [fold_scores(x, examples.label, folds.main) for x in arrays]
        table = table.join(pd.DataFrame([asdict(scores.baselines()) for scores in scored]))
        found = nested_best(scored, examples.label, folds.main, examples.group)
        best = _named(found, activations)
    if folds.passage is not None and _words_make_classes(examples):
        assert examples.word is not None
        rows = [
            asdict(control_task(x, examples.label, examples.word, folds.passage, seed=seed))
            for x in arrays
        ]
        table = table.join(pd.DataFrame(rows))
    return table, best


def _named(best: NestedBest, activations: Activations) -> dict[str, Any]:
    """What was chosen, by name, and what it is worth; plain values."""
    places = list(activations)
    units = [(*places[array], unit) for array, unit in best.chosen_unit]
    said = asdict(best)
    said["chosen_unit"] = [
        unit_name(layer, site, unit, activations.shapes[site]) for layer, site, unit in units
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
    label = examples.label if examples.value is None else examples.value
    said["nulls"]["tokens"] = relabelling_null(arrays, label, alpha=alpha, seed=seed)
    if _words_make_classes(examples):
        said["nulls"]["words"] = relabelling_null(
            arrays, label, alpha=alpha, word=examples.word, seed=seed
        )
    if _words_make_classes(examples) and examples.value is None:
        said["splits"] = word_splits(arrays, examples, alpha=alpha, seed=seed)
    if tokenizer is not None:
        table = confound_table(examples, tokenizer)
        if min(examples.n_per_class) >= 2:
            said["confounds"] = confound_differences(table, examples.label)
    return said


def untrained_shares(
    untrained: Activations,
    activations: Activations,
    examples: Examples,
    decision: Decision,
    family: NDArray[np.int64],
) -> list[float]:
    """Share of tested units that are significant, in each layer and site, with random weights."""
    arrays = in_turn(untrained, activations)
    tested = [(x != x[:1]).any(axis=0).sum() for x in arrays]
    masks = significant_units(arrays, examples, decision, family)
    return [float(mask.sum() / max(n, 1)) for mask, n in zip(masks, tested, strict=True)]


def significant_units(
    arrays: list[Array] | stats.InTurn,
    examples: Examples,
    decision: Decision,
    family: NDArray[np.int64],
    rows: Bool[np.ndarray, " example"] | None = None,
) -> list[Bool[np.ndarray, " unit"]]:
    """Which units of each array the decision finds, on all examples or on some rows."""
    least = decision.min_per_word
    if decision.method == "max_t":
        few = decision.level == "word" and examples.value is None
        if few and rows is not None and min(tested_words(examples.select(rows), least)) < 2:
            p = np.ones(len(family))  # too few words are left in a training fold to permute
        else:
            p = max_test(arrays, examples, decision, family, rows).p_family
    else:
        use = np.ones(len(examples), dtype=bool) if rows is None else rows
        label = examples.label if examples.value is None else examples.value
        score = np.concatenate([_score_p(x[use], label[use], decision) for x in arrays])
        p = stats.adjust(score, method=decision.method, family=family)
    passed = np.nan_to_num(p, nan=1.0) <= decision.alpha
    return np.split(passed, np.cumsum(several_arrays(arrays).widths)[:-1])


def _score_p(x: Any, y: NDArray[Any], decision: Decision) -> Float[np.ndarray, " unit"]:
    """p of the logit's score test, n r^2, or of r itself; NaN for constant units."""
    fit = stats.correlation(x, y)
    if decision.p_column == "r_p":
        return fit.r_p
    p: Float[np.ndarray, " unit"] = stats.chi2_tail(len(y) * fit.r**2)[0]
    return p


def _words_make_classes(examples: Examples) -> bool:
    """Whether word types are known and each belongs to one class, two or more in both."""
    if examples.word is None or words_with_both_labels(examples):
        return False
    if examples.value is not None:
        pairs = set(zip(examples.word, examples.value.tolist(), strict=True))
        return len(pairs) == len(set(examples.word))
    return all(len(set(examples.word[examples.label == label])) >= 2 for label in (0, 1))
