"""Probes on k units: fits, choice inside training, planted sets, nulls, TransformerLens 4."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from lens_probes import stats
from lens_probes.errors import InputError
from lens_probes.stats._ridge_logit import ridge_logit
from lens_probes.stats._stability import expected_false

N_GROUPS, EACH = 32, 8
GROUP = np.arange(N_GROUPS * EACH) % N_GROUPS
LABEL = (GROUP < N_GROUPS // 2).astype(int)


def word_identity(rng: np.random.Generator, n_units: int, icc: float = 0.5) -> np.ndarray:
    """Units that follow the groups and nothing else."""
    of_group = rng.standard_normal((N_GROUPS, n_units))[GROUP]
    noise = rng.standard_normal((len(GROUP), n_units))
    x: np.ndarray = np.sqrt(icc) * of_group + np.sqrt(1 - icc) * noise
    return x


@pytest.mark.parametrize("l2", [0.01, 1.0])
def test_the_fit_is_that_of_scikit_learn(l2: float) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((90, 7))
    y = rng.random(90) < 0.3 + 0.4 * (x[:, 0] > 0)
    known = LogisticRegression(
        C=1 / (l2 * 90), class_weight="balanced", tol=1e-12, max_iter=10_000
    ).fit(x, y)
    fitted = ridge_logit(x, y, l2=l2, start=ridge_logit(x[:, :3], y, l2=l2))
    np.testing.assert_allclose(fitted[:-1], known.coef_[0], atol=1e-6)
    np.testing.assert_allclose(fitted[-1], known.intercept_[0], atol=1e-6)


def test_classes_that_are_apart_have_a_finite_fit() -> None:
    x = np.linspace(-1, 1, 20)[:, None]
    assert np.isfinite(ridge_logit(x, x[:, 0] > 0, l2=1e-3)).all()


@pytest.mark.parametrize("size", [1, 4, 16])
def test_a_planted_set_is_the_stable_set(size: int) -> None:
    rng = np.random.default_rng(size)
    x = word_identity(rng, 300, icc=0.2)
    planted = rng.permutation(300)[:size]
    x[:, planted] += 2.0 * LABEL[:, None]
    found = stats.sparse_probe(x, LABEL, groups=GROUP, k=(1, 4, 16, 64))
    assert set(planted) <= set(np.flatnonzero(found.stable))
    assert found.stable.sum() <= size + 1
    assert found.auc[found.k.index(size)] > 0.9
    assert (found.stability[planted] >= 0.9).all()


@pytest.mark.parametrize("selector", ["omp", "forward", "l1"])
def test_joint_selectors_leave_out_what_says_nothing_more(selector: Any) -> None:
    rng = np.random.default_rng(3)
    x = word_identity(rng, 60, icc=0.05)
    x[:, :2] += np.outer(LABEL, [1.6, 0.9])  # two units that carry the label
    copies = x[:, [0]] + 0.8 * rng.standard_normal((len(x), 20))
    x[:, 20:40] = copies  # and twenty that only follow the first of them
    joint = stats.sparse_probe(x, LABEL, groups=GROUP, k=(2,), selector=selector)
    alone = stats.sparse_probe(x, LABEL, groups=GROUP, k=(2,), selector="t")
    both = [{0, 1} == set(row[:2]) for row in joint.chosen]
    assert np.mean(both) >= 0.75
    assert np.mean([{0, 1} == set(row[:2]) for row in alone.chosen]) < 0.75


def test_a_leak_of_the_choice_would_be_seen() -> None:
    """Chosen on all groups, units of no category look tuned; chosen in training they do not."""
    inside, leaked = [], []
    for seed in range(6):
        x = word_identity(np.random.default_rng(seed), 600)
        inside.append(stats.sparse_probe(x, LABEL, groups=GROUP, k=(4,)).auc[0])
        means = np.stack([x[g == GROUP].mean(axis=0) for g in range(N_GROUPS)])
        best = np.abs(stats.normalised_welch(means, np.arange(N_GROUPS) < N_GROUPS // 2))
        first = x[:, np.argsort(-best)[:4]]
        leaked.append(stats.sparse_probe(first, LABEL, groups=GROUP, k=(4,)).auc[0])
    assert abs(np.mean(inside) - 0.5) < 0.1
    assert np.mean(leaked) > 0.7


def test_the_set_of_nulls_is_no_larger_than_said() -> None:
    """Units that follow word identity only: members of the set, on average over sweeps."""
    counts, said = [], 0.0
    for seed in range(40):
        x = word_identity(np.random.default_rng(100 + seed), 200)
        found = stats.sparse_probe(x, LABEL, groups=GROUP, k=(1,), n_folds=2, seed=seed)
        counts.append(int(found.stable.sum()))
        said = found.expected_false
    assert 0.1 < said < 1.0
    assert np.mean(counts) <= said


def test_the_bound_is_that_of_the_paper() -> None:
    """Table 1 of Shah and Samworth 2013 by its formula: q = 50 of p = 1000, 50 pairs."""
    assert expected_false(50, 1000, 0.9) == pytest.approx(50**2 / 1000 * 4 * 0.11 / 1.02)
    assert expected_false(50, 1000, 0.7) == pytest.approx(50**2 / 1000 / (2 * (0.4 - 0.01)))
    assert expected_false(8, 12, 0.9) == pytest.approx(8 * (8 / 12) / 0.8)
    assert expected_false(1000, 1000, 0.5) == 1000


def test_several_arrays_are_one() -> None:
    x = word_identity(np.random.default_rng(5), 40)
    x[:, 33] += LABEL
    whole = stats.sparse_probe(x, LABEL, groups=GROUP, k=(1, 4))
    parts = stats.sparse_probe([x[:, :10], x[:, 10:]], LABEL, groups=GROUP, k=(1, 4))
    np.testing.assert_array_equal(whole.chosen, parts.chosen)
    np.testing.assert_array_equal(whole.stability, parts.stability)
    np.testing.assert_allclose(whole.auc, parts.auc)
    assert whole.auc_all == pytest.approx(parts.auc_all)


def test_controls_are_at_chance_and_k_beyond_the_units_is_nan() -> None:
    x = word_identity(np.random.default_rng(6), 24)
    x[:, 0] += 3 * LABEL
    found = stats.sparse_probe(x, LABEL, groups=GROUP, k=(1, 8, 32))
    assert found.auc[0] > 0.95
    assert abs(found.shuffled_auc[0] - 0.5) < 3 * found.shuffled_auc_sd[0] / np.sqrt(10) + 0.02
    assert 0.01 < found.shuffled_auc_sd[0] < 0.3
    assert found.random_auc[0] < 0.9
    assert np.isnan([found.auc[2], found.auc_low[2], found.random_auc[2], found.accuracy[2]]).all()
    assert found.smallest_k == 1
    assert found.chosen.shape == (4, 24)


def test_groups_change_nothing_by_their_names() -> None:
    x = word_identity(np.random.default_rng(7), 20)
    names = np.array([f"w{g:02d}" for g in range(N_GROUPS)])[GROUP]
    one, two = (stats.sparse_probe(x, LABEL, groups=g, k=(2,)) for g in (GROUP, names))
    np.testing.assert_array_equal(one.auc, two.auc)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"k": ()}, "k must be numbers of units"),
        ({"k": (4, 2)}, "from small to large"),
        ({"k": (0, 2)}, "k must be"),
        ({"k": 100}, "x has 20 units"),
        ({"selector": "best"}, "selector"),
        ({"groups": np.zeros(len(GROUP), int)}, "both labels"),
        ({"groups": np.where(GROUP < 16, GROUP % 3, GROUP)}, "needs 4 or more"),
        ({"l2": 0}, "l2"),
        ({"threshold": 0.4}, "threshold"),
        ({"n_folds": 40}, "folds"),
    ],
)
def test_wrong_requests_are_one_line(options: dict[str, object], said: str) -> None:
    x = word_identity(np.random.default_rng(8), 20)
    with pytest.raises(InputError, match=said) as error:
        stats.sparse_probe(x, LABEL, **{"groups": GROUP, **options})  # type: ignore[arg-type]
    assert "\n" not in str(error.value)


def test_a_joint_selector_takes_one_array() -> None:
    x = word_identity(np.random.default_rng(8), 20)
    with pytest.raises(InputError, match="takes one array"):
        stats.sparse_probe([x, x], LABEL, groups=GROUP, selector="omp")


@pytest.mark.parametrize("seed", [0, 1])
def test_fits_and_choice_equal_those_of_transformer_lens(seed: int) -> None:
    tools = pytest.importorskip("transformer_lens.tools.analysis.sparse_probing")
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(seed)
    x = word_identity(rng, 50)
    x[:, 7] += LABEL
    theirs = tools.sweep_sparse_probe(
        torch.tensor(x), torch.tensor(LABEL), ks=[1, 4, 16], groups=torch.tensor(GROUP),
        preprocess="standardize", std_floor=0.0, seed=seed, decrement_tolerance=1e-16,
    )  # fmt: skip
    fold = np.zeros(len(x), dtype=int)
    fold[theirs.results[0].test_indices.numpy()] = 1
    ours = stats.sparse_probe(
        x, LABEL, groups=GROUP, k=(1, 4, 16), selector="mean_difference", fold=fold
    )
    train, start = fold == 0, None
    for result in theirs.results:
        units = result.selected_features.numpy()
        np.testing.assert_array_equal(ours.chosen[1, : result.k], units)
        z = (x[:, units] - x[train][:, units].mean(axis=0)) / x[train][:, units].std(axis=0)
        start = ridge_logit(z[train], LABEL[train] == 1, l2=0.01, start=start)
        np.testing.assert_allclose(start[:-1], result.coefficients.numpy(), atol=1e-6)
        np.testing.assert_allclose(start[-1], float(result.intercept), atol=1e-6)
        score = z[~train] @ start[:-1] + start[-1]
        auc = stats.auc(score[:, None], LABEL[~train]).auc[0]
        assert auc == pytest.approx(result.metrics.roc_auc, abs=1e-6)
