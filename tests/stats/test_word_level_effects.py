import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats as scipy_stats

from lens_probes import stats


def data(seed=0, units=6):
    rng = np.random.default_rng(seed)
    word = np.repeat(np.arange(12), rng.integers(5, 9, 12))
    return rng.normal(size=(12, units))[word] + rng.normal(size=(len(word), units)), word


def test_the_slope_over_group_means_equals_statsmodels_hc3():
    x, word = data()
    value = np.random.default_rng(1).normal(size=12)
    have = stats.word_level_r(x + 1e4, value[word], word)
    means = np.array([x[word == w].mean(0) for w in range(12)])
    for k in range(x.shape[1]):
        fit = sm.OLS(means[:, k], sm.add_constant(value)).fit(cov_type="HC3", use_t=True)
        np.testing.assert_allclose(have.word_t[k], fit.tvalues[1], rtol=1e-7)
        np.testing.assert_allclose(have.word_p[k], fit.pvalues[1], rtol=1e-6)
        r = scipy_stats.pearsonr(means[:, k], value).statistic
        np.testing.assert_allclose(have.word_r[k], r, rtol=1e-7)
    assert (have.n_words, have.word_dof[0]) == (12, 10)


def test_pairs_equal_the_one_sample_t_of_the_groups_mean_differences():
    x, word = data(2)
    y = np.arange(len(word)) % 2
    have = stats.word_level_paired(x, y, word)
    gaps = [
        x[(word == w) & (y == 1)].mean(0) - x[(word == w) & (y == 0)].mean(0) for w in range(12)
    ]
    want = scipy_stats.ttest_1samp(np.array(gaps), 0)
    np.testing.assert_allclose(have.word_t, want.statistic)
    np.testing.assert_allclose(have.word_p, want.pvalue)
    assert have.word_dof[0] == 11


def test_rare_groups_constant_units_and_errors():
    x, word = data(3)
    value = np.arange(12.0)[word]
    x[:, 1] = 0.1
    rare = np.flatnonzero(word == 4)[:2]
    keep = np.r_[np.flatnonzero(word != 4), rare]
    have = stats.word_level_r(x[keep], value[keep], word[keep])
    assert (have.n_words, have.n_words_dropped) == (11, 1)
    assert np.isnan([have.word_p[1], have.word_t[1], have.word_r[1]]).all()
    varying = np.random.default_rng(0).random(len(word))
    with pytest.raises(ValueError, match="word 0 has examples of different values"):
        stats.word_level_r(x, varying, word)
    with pytest.raises(ValueError, match="0 groups have 99 examples or more: 3 are needed"):
        stats.word_level_r(x, value, word, min_per_word=99)
    with pytest.raises(ValueError, match="there are 12 groups, 12 of them with one class only"):
        stats.word_level_paired(x, word % 2, word)
