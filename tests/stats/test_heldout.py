import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from lens_probes import stats


def folded(*, units=30, effect=1.0, seed=0, n=120):
    rng = np.random.default_rng(seed)
    word = np.repeat(np.arange(n // 6), 6)
    y = (word % 2).astype(int)
    x = rng.normal(size=(n, units)) + effect * y[:, None]
    return x, y, word


def test_scores_equal_a_direct_computation():
    x, y, word = folded(units=8, effect=0.4)
    x[:, 3] = np.round(x[:, 3])
    x[:, 4] *= -1e-6
    fold = stats.folds_by_word(y, word, n_folds=4, seed=1)
    result = stats.heldout_direction(x, y, fold)
    for k in range(8):
        accuracies, aucs = [], []
        for f in range(4):
            train, test = fold != f, fold == f
            mean0, mean1 = (x[train & (y == c), k].mean() for c in (0, 1))
            sign = np.sign(mean1 - mean0)
            guess = sign * (x[test, k] - (mean0 + mean1) / 2) > 0
            accuracies.append((guess == y[test]).mean())
            aucs.append(roc_auc_score(y[test], sign * x[test, k]))
        assert result.accuracy_heldout[k] == pytest.approx(np.mean(accuracies), abs=1e-12)
        assert result.auc_heldout[k] == pytest.approx(np.mean(aucs), abs=1e-12)
    assert result.n_folds == 4


def test_units_without_an_effect_score_a_half_and_planted_ones_do_not():
    x, y, word = folded(units=2000, effect=0.0, n=240)
    fold = stats.folds_by_word(y, word)
    none = stats.heldout_direction(x, y, fold)
    assert none.auc_heldout.mean() == pytest.approx(0.5, abs=0.005)
    assert none.accuracy_heldout.mean() == pytest.approx(0.5, abs=0.005)
    assert stats.logistic(x, y).accuracy.mean() > 0.51
    found = stats.heldout_direction(x - 1.5 * y[:, None], y, fold)
    assert found.auc_heldout.mean() == pytest.approx(0.855, abs=0.02)
    assert found.accuracy_heldout.mean() == pytest.approx(0.773, abs=0.02)


def test_a_direction_that_does_not_carry_over_scores_below_a_half():
    y = np.tile([0, 1], 40)
    fold = np.repeat([0, 1], 40)
    x = np.where(fold == 0, y, -y)[:, None] + np.random.default_rng(0).random((80, 1)) / 2
    result = stats.heldout_direction(x, y, fold)
    assert result.auc_heldout[0] == 0
    assert result.accuracy_heldout[0] < 0.51


def test_units_without_a_direction_and_constant_units():
    y = np.array([0, 1, 0, 0, 0, 1, 0, 0])
    fold = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    x = np.stack([np.ones(8), np.r_[0, 0, 0, 0, 1, 1, 1, 1]], axis=1)
    result = stats.heldout_direction(x, y, fold)
    np.testing.assert_array_equal(result.auc_heldout, [np.nan, 0.5])
    np.testing.assert_array_equal(result.accuracy_heldout, [np.nan, 0.5])


def test_symmetries():
    x, y, word = folded(effect=0.5)
    fold = stats.folds_by_word(y, word)
    want = stats.heldout_direction(x, y, fold)
    for have in (
        stats.heldout_direction(x, 1 - y, fold),
        stats.heldout_direction(-1e3 * x + 9, y, fold),
        stats.heldout_direction(x[::-1], y[::-1], -fold[::-1]),
    ):
        np.testing.assert_allclose(have.auc_heldout, want.auc_heldout, atol=1e-12)
        np.testing.assert_allclose(have.accuracy_heldout, want.accuracy_heldout, atol=1e-12)
    wide = stats.heldout_direction(np.tile(x, (1, 20)), y, fold)
    np.testing.assert_array_equal(wide.auc_heldout[-30:], want.auc_heldout)


@pytest.mark.parametrize("seed", range(5))
def test_word_folds_hold_out_whole_words_of_both_classes(seed):
    rng = np.random.default_rng(seed)
    names = np.array([f"w{k}" for k in range(13)])
    word = np.r_[names, names[rng.integers(0, 13, 200)]]
    y = np.isin(word, names[:5]).astype(int)
    fold = stats.folds_by_word(y, word, n_folds=5, seed=seed)
    assert fold.tolist() == stats.folds_by_word(y, word, n_folds=5, seed=seed).tolist()
    assert set(fold) == set(range(5))
    for name in names:
        assert len(set(fold[word == name])) == 1
    for f in range(5):
        assert set(y[fold == f]) == {0, 1}
    sizes = np.bincount(fold)
    assert sizes.max() < 2 * sizes.min()


def test_passage_folds_never_split_a_passage_and_have_both_classes():
    rng = np.random.default_rng(3)
    source = rng.integers(0, 30, 400)
    y = (rng.random(400) < 0.2).astype(int)
    fold = stats.folds_by_passage(y, source, n_folds=6)
    for s in range(30):
        assert len(set(fold[source == s])) == 1
    for f in range(6):
        assert set(y[fold == f]) == {0, 1}
        assert 0.5 < (fold == f).sum() / (400 / 6) < 1.5
    assert fold.tolist() != stats.folds_by_passage(y, source, n_folds=6, seed=1).tolist()


def test_errors():
    x, y, word = folded(units=2, n=24)
    with pytest.raises(ValueError, match="class 0 has 2 word types for 5 folds"):
        stats.folds_by_word(y, word)
    with pytest.raises(ValueError, match="n_folds is 1"):
        stats.folds_by_word(y, word, n_folds=1)
    with pytest.raises(ValueError, match="class 1 occurs in 1 passages, too few for 2 folds"):
        stats.folds_by_passage(y, np.where(y == 1, 9, np.arange(24)), n_folds=2)
    with pytest.raises(ValueError, match="fold 0: no example of class 1 in it"):
        stats.heldout_direction(x, y, np.where((word == 0), 0, 1))
    with pytest.raises(ValueError, match="fold 1: no example of class 0 outside it"):
        stats.heldout_direction(x, y, np.where((word == 1), 3, 1))
    with pytest.raises(ValueError, match="there is one fold"):
        stats.heldout_direction(x, y, np.zeros(24, dtype=int))
    with pytest.raises(ValueError, match="it must be one integer for each"):
        stats.heldout_direction(x, y, np.zeros(24))
