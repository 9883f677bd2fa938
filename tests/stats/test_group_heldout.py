import numpy as np
import pytest

from lens_probes import stats


def scored(k, *, effect=0.0, units=400, seed=0):
    """Scores of one fixed unit after another over k v k groups of 5, in five folds."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(2 * k), 5)
    y = group % 2
    x = rng.normal(size=(2 * k, units))[group] + rng.normal(size=(len(y), units))
    return x + effect * y[:, None], y, group, stats.folds_by_word(y, group, seed=seed)


def test_it_is_the_mean_of_the_folds_and_scores_of_different_folds_are_never_compared():
    x, y, group, fold = scored(12, effect=1.0, units=6)
    have = stats.heldout_auc(x, y, group, fold)
    parts = [stats.auc(x[fold == k], y[fold == k]).auc for k in range(5)]
    np.testing.assert_allclose(have.auc_heldout, np.mean(parts, axis=0), atol=1e-12)
    shifted = stats.heldout_auc(x + 1e3 * fold[:, None], y, group, fold)
    for name, values in vars(have).items():
        np.testing.assert_allclose(getattr(shifted, name), values, atol=1e-9)
    assert abs(stats.auc(x + 1e3 * fold[:, None], y).auc - 0.5).max() < 0.1


def test_every_group_counts_once():
    x, y, group, fold = scored(12, units=3)
    more = np.repeat(np.arange(len(y)), np.where(group == 4, 30, 1))
    want = stats.heldout_auc(x, y, group, fold)
    have = stats.heldout_auc(x[more], y[more], group[more], fold[more])
    for name, values in vars(want).items():
        np.testing.assert_allclose(getattr(have, name), values, atol=1e-12)
    tokens = [stats.auc(x[more][fold[more] == k], y[more][fold[more] == k]).auc for k in range(5)]
    assert np.abs(np.mean(tokens, axis=0) - want.auc_heldout).max() > 0.01


@pytest.mark.parametrize("k", [12, 24])
def test_the_interval_covers_and_counts_groups(k):
    for effect in (0.0, 1.2):
        x, y, group, fold = scored(k, effect=effect)
        have = stats.heldout_auc(x, y, group, fold)
        truth = have.auc_heldout.mean()
        inside = (have.auc_heldout_low <= truth) & (truth <= have.auc_heldout_high)
        assert inside.mean() >= 0.95
        pooled = stats.auc(x, y)
        assert (np.abs(pooled.auc - truth) <= 1.96 * pooled.auc_se).mean() < 0.85
    assert (have.n_groups0, have.n_groups1, have.n_folds) == (k, k, 5)


def test_separated_and_constant_scores():
    _, y, group, fold = scored(12, units=1)
    have = stats.heldout_auc(np.stack([y, 1 - y, 0 * y], axis=1), y, group, fold)
    np.testing.assert_allclose(have.auc_heldout, [1, 0, np.nan])
    assert have.auc_heldout_low[0] == pytest.approx(0.85, abs=0.01)
    assert np.isnan(have.auc_heldout_high[2])


def test_errors():
    x, y, group, fold = scored(6, units=2)
    other = fold.copy()
    other[group == 3] = np.arange(5)
    with pytest.raises(ValueError, match="the group of example 15 is in more than one fold"):
        stats.heldout_auc(x, y, group, other)
    with pytest.raises(ValueError, match="no example of class 0 in it"):
        stats.heldout_auc(x, y, group, np.where(group == 0, 7, fold))
    with pytest.raises(ValueError, match="has examples of both labels"):
        stats.heldout_auc(x, y, group // 2, fold)
