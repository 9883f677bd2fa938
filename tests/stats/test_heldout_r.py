import numpy as np
import pytest
from scipy import stats as scipy_stats

from lens_probes import stats


def data(*, units=30, effect=0.0, words=40, each=4, seed=0):
    rng = np.random.default_rng(seed)
    word = np.repeat(np.arange(words), each)
    value = rng.integers(1, 12, words)[word].astype(float)
    x = rng.normal(size=(len(word), units)) + effect * scipy_stats.zscore(value)[:, None]
    return x, value, word


def test_equals_a_direct_computation():
    x, value, word = data(units=6, effect=0.1)
    x[:, 2] = -1e-5 * x[:, 2] + 3
    x[:, 3] = np.round(x[:, 3]) + 1e4
    fold = stats.folds_by_value(value, word, n_folds=4, seed=1)
    have = stats.heldout_r(x, value, fold)
    for k in range(6):
        scores = []
        for f in range(4):
            train = scipy_stats.pearsonr(x[fold != f, k], value[fold != f]).statistic
            test = scipy_stats.pearsonr(x[fold == f, k], value[fold == f]).statistic
            scores.append(np.sign(train) * test)
        assert have.r_heldout[k] == pytest.approx(np.mean(scores), abs=1e-9)
    assert have.n_folds == 4


def test_noise_scores_zero_and_planted_units_their_correlation():
    x, value, word = data(units=3000)
    fold = stats.folds_by_value(value, word)
    assert stats.heldout_r(x, value, fold).r_heldout.mean() == pytest.approx(0, abs=0.01)
    assert np.abs(stats.correlation(x, value).r).mean() > 0.05
    x, value, word = data(units=300, effect=-1.0)
    found = stats.heldout_r(x, value, fold).r_heldout
    assert found.mean() == pytest.approx(np.sqrt(0.5), abs=0.03)


def test_word_identity_does_not_carry_over_to_other_words():
    rng = np.random.default_rng(3)
    word = np.repeat(np.arange(20), 10)
    value = np.arange(20.0)[word]
    x = rng.normal(size=(20, 2000))[word] + 0.3 * rng.normal(size=(200, 2000))
    held = stats.heldout_r(x, value, stats.folds_by_value(value, word)).r_heldout
    assert held.mean() == pytest.approx(0, abs=0.03)
    assert np.abs(stats.correlation(x, value).r).mean() > 0.15


def test_units_without_a_direction_or_without_variation_in_a_fold():
    value = np.tile([1.0, 2.0, 3.0], 4)
    fold = np.repeat([0, 1], 6)
    still = np.where(fold == 0, value, 5.0)
    x = np.stack([np.full(12, 0.1), still, np.where(fold == 0, value, -value)], axis=1)
    with np.errstate(all="raise"):
        have = stats.heldout_r(x, value, fold).r_heldout
    np.testing.assert_allclose(have, [np.nan, 0, -1], atol=1e-12)


def test_symmetries_and_chunks():
    x, value, word = data(effect=0.3)
    fold = stats.folds_by_value(value, word)
    want = stats.heldout_r(x, value, fold).r_heldout
    for have in (
        stats.heldout_r(x, 1e6 - 3 * value, fold),
        stats.heldout_r(-1e3 * x + 9, value, fold),
        stats.heldout_r(x[::-1], value[::-1], -fold[::-1]),
    ):
        np.testing.assert_allclose(have.r_heldout, want, atol=1e-9)
    wide = stats.heldout_r(np.tile(x, (1, 20)), value, fold)
    np.testing.assert_array_equal(wide.r_heldout[-30:], want)


@pytest.mark.parametrize("seed", range(4))
def test_folds_keep_words_and_span_the_values(seed):
    rng = np.random.default_rng(seed)
    word = np.r_[np.arange(43), rng.integers(0, 43, 400)]
    value = np.log1p(np.arange(43.0))[word]
    fold = stats.folds_by_value(value, word, n_folds=5, seed=seed)
    assert fold.tolist() == stats.folds_by_value(value, word, n_folds=5, seed=seed).tolist()
    assert fold.tolist() != stats.folds_by_value(value, word, n_folds=5, seed=seed + 9).tolist()
    for w in range(43):
        assert len(set(fold[word == w])) == 1
    for f in range(5):
        spread = value[fold == f]
        assert spread.max() > np.quantile(value, 0.8)
        assert spread.min() < np.quantile(value, 0.3)
    sizes = np.bincount(fold, minlength=5)
    assert sizes.max() < 1.3 * sizes.min()


def test_values_may_vary_inside_a_passage():
    rng = np.random.default_rng(0)
    source, value = np.repeat(list("abcdefghij"), 12), rng.normal(size=120)
    fold = stats.folds_by_value(value, source, n_folds=3)
    for s in set(source):
        assert len(set(fold[source == s])) == 1
    assert stats.heldout_r(value[:, None] * 2, value, fold).r_heldout[0] == pytest.approx(1)


def test_errors():
    x, value, word = data(units=2, words=8)
    with pytest.raises(ValueError, match=r"there are 8 groups for 5 folds.*n_folds of 4 or fewer"):
        stats.folds_by_value(value, word)
    with pytest.raises(ValueError, match="the value is constant in one of 4 folds"):
        stats.folds_by_value((word == 0) * 1.0, word, n_folds=4)
    with pytest.raises(ValueError, match="n_folds is 1"):
        stats.folds_by_value(value, word, n_folds=1)
    with pytest.raises(ValueError, match="value is constant"):
        stats.folds_by_value(0 * value, word, n_folds=2)
    with pytest.raises(ValueError, match="fold 0: the 4 examples in it have 1 different values"):
        stats.heldout_r(x, value, (word > 0).astype(int))
    with pytest.raises(ValueError, match="fold 0: the 4 examples outside it have 1 different"):
        stats.heldout_r(x, np.where(word == 0, 7.0, np.arange(32)), (word == 0).astype(int))
    with pytest.raises(ValueError, match="there is one fold"):
        stats.heldout_r(x, value, np.zeros(32, dtype=int))
    with pytest.raises(ValueError, match="it must be one integer for each"):
        stats.heldout_r(x, value, word[1:])
