"""Held-out scores: as scikit-learn has them, chance for what is chance."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from lens_probes import stats
from lens_probes.checks.heldout import baselines, cross_fitted_accuracy, fold_scores


def test_baselines_equal_scikit_learn_and_chance_is_chance() -> None:
    rng = np.random.default_rng(2)
    y = np.arange(120) % 2
    fold = (np.arange(120) // 2) % 4
    x = rng.normal(size=(120, 300)).astype(np.float32) + 1000
    x[:, :40] += (0.35 * y)[:, None]
    got = baselines(x, y, fold)
    aucs = []
    for k in range(4):
        train, test = fold != k, fold == k
        model = make_pipeline(
            StandardScaler(),
            FunctionTransformer(lambda z: z / np.sqrt(300)),
            LogisticRegression(C=1.0, tol=1e-10, max_iter=5000),
        )
        model.fit(x[train].astype(float), y[train])
        score = model.decision_function(x[test].astype(float))
        aucs.append(stats.auc(score[:, None], y[test]).auc[0])
    assert got.logistic_probe_auc_heldout == pytest.approx(np.mean(aucs), abs=1e-9)
    assert got.mean_difference_auc_heldout > got.best_unit_auc_heldout > 0.4
    null = [baselines(rng.normal(size=(120, 60)), y, fold).best_unit_auc_heldout for _ in range(40)]
    assert np.mean(null) == pytest.approx(0.5, abs=0.04)


def test_cross_fitting_takes_the_flattery_away() -> None:
    """Units without any effect: chosen in sample they look better than chance, cross-fitted not."""
    rng = np.random.default_rng(3)
    y = np.arange(100) % 2
    fold = rng.permutation(np.arange(100) % 5)
    arrays = [rng.normal(size=(100, 4000)), rng.normal(size=(100, 10))]

    def choose(train: np.ndarray) -> list[np.ndarray]:
        return [stats.ttest(x[train], y[train]).t_p < 0.01 for x in arrays]

    everything = np.ones(100, dtype=bool)
    in_sample = stats.logistic(arrays[0][:, choose(everything)[0]], y).accuracy.mean()
    (first, positive), (_, none) = cross_fitted_accuracy(arrays, y, fold, choose)
    assert in_sample > 0.58
    assert first == pytest.approx(0.5, abs=0.03)
    assert positive == pytest.approx(0.5, abs=0.03)
    assert np.isnan(none) or 0 <= none <= 1


@pytest.mark.model
@pytest.mark.parametrize("outlier", [1.0, 300.0])
def test_a_layers_probe_is_the_l2_logistic_regression_of_scikit_learn(outlier: float) -> None:
    rng = np.random.default_rng(5)
    y = np.repeat([0, 1], [50, 70])
    x = rng.normal(size=(120, 300)) + 0.3 * y[:, None]
    x[::17] *= outlier
    fold = rng.permutation(np.arange(120) % 4)
    have = fold_scores(x, y, fold).score[:, 2]
    for k in range(4):
        train = fold != k
        z = (x - x[train].mean(0)) / x[train].std(0) / np.sqrt(x.shape[1])
        fit = LogisticRegression(C=1.0, tol=1e-10, max_iter=10_000).fit(z[train], y[train])
        want = fit.decision_function(z[~train])
        np.testing.assert_allclose(have[~train], want, atol=2e-5, rtol=1e-4)
