"""The best unit and layer of a sweep: chosen in training, scored on groups that were left out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lens_probes import stats
from lens_probes.checks import heldout
from lens_probes.checks.heldout import best_unit_r, fold_scores
from lens_probes.checks.nested import nested_best, nested_best_r


def identity_sweep(k: int, seed: int, effect: float = 0.0) -> tuple[Any, ...]:
    """Three arrays of units that follow k v k words; units of the last may know the class too."""
    rng = np.random.default_rng(seed)
    word = np.repeat(np.arange(2 * k), 4)
    y = word % 2
    arrays = [
        rng.normal(size=(2 * k, 40))[word] + 0.3 * rng.normal(size=(len(y), 40)) for _ in range(3)
    ]
    arrays[2][:, 7:27] += effect * y[:, None]
    return arrays, y, word, stats.folds_by_word(y, word, seed=seed)


@pytest.mark.parametrize(("k", "n", "old"), [(12, 300, 0.75), (24, 200, 0.68)])
def test_nested_selection_takes_away_what_choosing_on_all_words_gives(
    k: int, n: int, old: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Units that follow word identity only; the probe, which is slow, has a test of its own."""
    monkeypatch.setattr(heldout, "layer_probe", lambda gram, y, train: gram[~train].sum(1))
    nested, named, layers, covered = [], [], [], []
    for seed in range(n):
        arrays, y, word, fold = identity_sweep(k, seed)
        scored = [fold_scores(x, y, fold) for x in arrays]
        best = nested_best(scored, y, fold, word)
        nested.append([best.unit.auc, best.mean_difference.auc])
        covered.append(best.unit.low <= 0.5 <= best.unit.high)
        units = np.concatenate(arrays, axis=1)
        top = int(np.abs(stats.ttest(units, y).t).argmax())
        named.append(stats.heldout_direction(units[:, [top]], y, fold).auc_heldout[0])
        layers.append(max(one.baselines().mean_difference_auc_heldout for one in scored))
    assert np.mean(named) > old
    assert np.mean(layers) > 0.58
    np.testing.assert_allclose(np.mean(nested, axis=0), 0.5, atol=0.02)
    assert np.mean(covered) >= 0.92


def test_nested_selection_finds_the_unit_and_the_layer_that_are_there() -> None:
    aucs, refound = [], []
    for seed in range(6):
        arrays, y, word, fold = identity_sweep(24, seed, effect=3.0)
        scored = [fold_scores(x, y, fold) for x in arrays]
        best = nested_best(scored, y, fold, word)
        assert set(best.chosen_array) == {2}
        assert all(array == 2 and 7 <= unit < 27 for array, unit in best.chosen_unit)
        assert 0.5 < best.unit.low < best.unit.auc <= best.unit.high <= 1
        aucs.append([best.unit.auc, best.mean_difference.auc, best.logistic_probe.auc])
        refound.append([one.refound for one in scored])
        means = scored[2].baselines()
        assert best.logistic_probe.auc == pytest.approx(means.logistic_probe_auc_heldout)
    assert np.min(np.mean(aucs, axis=0)) > 0.95
    null = [identity_sweep(24, seed) for seed in range(6)]
    chance = [
        nested_best([fold_scores(x, y, f) for x in a], y, f, w).logistic_probe.auc
        for a, y, w, f in null
    ]
    assert np.mean(chance) < 0.68
    for unknown in (None, word // 2, np.zeros_like(word)):
        without = nested_best(scored, y, fold, unknown)
        assert np.isnan([without.unit.low, without.logistic_probe.high]).all()
        assert without.unit.auc > 0.95
    constant = [fold_scores(np.ones((len(y), 3)), y, fold)]
    assert np.isnan(nested_best(constant, y, fold, word).unit.auc)
    mixed = nested_best([*constant, *scored], y, fold, word)
    assert mixed.chosen_array == tuple(array + 1 for array in best.chosen_array)


def test_a_layer_is_chosen_without_the_fold_that_it_is_scored_on() -> None:
    """What a fold's examples are does not change what is chosen for it."""
    arrays, y, _, fold = identity_sweep(12, 0)
    x = arrays[0]
    changed = x.copy()
    changed[fold == 2] = np.random.default_rng(1).normal(size=changed[fold == 2].shape)
    before, after = fold_scores(x, y, fold), fold_scores(changed, y, fold)
    for name in ("unit", "contrast", "inner_auc"):
        one, two = getattr(before, name), getattr(after, name)
        assert one[2] == pytest.approx(two[2], abs=1e-12), name
        assert (np.delete(one, 2) != np.delete(two, 2)).any(), name
    assert (before.auc[2] != after.auc[2]).any()


def test_a_unit_that_follows_a_value_is_chosen_without_what_it_is_scored_on() -> None:
    nested, chosen_on_all = [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        word = np.repeat(np.arange(40), 5)
        value = rng.normal(size=40)[word]
        arrays = [
            0.7 * rng.normal(size=(40, 150))[word] + 0.7 * rng.normal(size=(200, 150))
            for _ in range(2)
        ]
        fold = stats.folds_by_value(value, word, n_folds=5, seed=seed)
        nested.append(nested_best_r([best_unit_r(x, value, fold) for x in arrays]))
        x = np.concatenate(arrays, axis=1)
        best = np.abs(stats.correlation(x, value).r).argmax()
        chosen_on_all.append(stats.heldout_r(x, value, fold).r_heldout[best])
    assert abs(np.mean(nested)) < 0.08
    assert np.mean(chosen_on_all) > 0.25
    planted = [x + 2 * value[:, None] * (np.arange(150) == 7) for x in arrays]
    assert nested_best_r([best_unit_r(x, value, fold) for x in planted]) > 0.8
