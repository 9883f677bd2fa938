import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy import stats as scipy_stats

from lens_probes import stats


def sentences(n_words, n_each, *, units, word_share, effect=0.0, seed=0):
    """x, y, word: two classes of n_words words, the given share of variance between words."""
    rng = np.random.default_rng(seed)
    word = np.repeat(np.arange(2 * n_words), n_each)
    y = (word >= n_words).astype(int)
    between = rng.normal(size=(2 * n_words, units)) * np.sqrt(word_share)
    x = between[word] + rng.normal(size=(len(word), units)) * np.sqrt(1 - word_share)
    return x + effect * y[:, None], y, np.array([f"w{k}" for k in word])


def test_word_t_is_scipys_welch_test_on_word_means():
    rng = np.random.default_rng(0)
    word = np.repeat(list("abcdefghi"), [5, 6, 7, 20, 5, 5, 9, 4, 3])
    y = np.isin(word, list("aceg")).astype(int)
    x = rng.normal(size=(len(word), 7)) + y[:, None] + 1e4
    shuffled = rng.permutation(len(word))
    result = stats.word_level(x[shuffled], y[shuffled], word[shuffled])
    means = pd.DataFrame(x).groupby(word).mean().loc[list("abcdefg")]
    one = np.isin(means.index, list("aceg"))
    want = scipy_stats.ttest_ind(means[one], means[~one], equal_var=False)
    np.testing.assert_allclose(result.word_t, want.statistic, rtol=1e-8)
    np.testing.assert_allclose(result.word_dof, want.df, rtol=1e-8)
    np.testing.assert_allclose(result.word_p, want.pvalue, rtol=1e-8)
    np.testing.assert_allclose(result.log10_word_p, np.log10(want.pvalue), rtol=1e-8)
    assert (result.n_words0, result.n_words1) == (3, 4)
    assert (result.n_words_dropped, result.n_examples_dropped, result.note) == (2, 7, "")
    again = stats.word_level(x, y, word, min_per_word=3)
    assert (again.n_words0, again.n_words_dropped) == (5, 0)


def test_icc_and_effective_n_are_those_of_a_nested_analysis_of_variance():
    x, y, word = sentences(4, 6, units=5, word_share=0.5, effect=2.0, seed=3)
    keep = np.r_[0:20, 24:48]
    x, y, word = x[keep], y[keep], word[keep]
    result = stats.word_level(x, y, word, min_per_word=1)
    sizes = np.unique(word, return_counts=True)[1]
    for k in range(5):
        table = pd.DataFrame({"x": x[:, k], "y": y, "word": word})
        full = smf.ols("x ~ C(word)", table).fit()
        small = smf.ols("x ~ C(y)", table).fit()
        within = full.mse_resid
        between = (small.ssr - full.ssr) / (small.df_resid - full.df_resid)
        typical = sum(
            (y == c).sum()
            - (np.unique(word[y == c], return_counts=True)[1] ** 2).sum() / (y == c).sum()
            for c in (0, 1)
        ) / (len(sizes) - 2)
        want = max(0, (between - within) / (between + (typical - 1) * within))
        assert result.icc[k] == pytest.approx(want, rel=1e-8, abs=1e-12)
        design = 1 + ((sizes**2).sum() / sizes.sum() - 1) * want
        assert result.effective_n[k] == pytest.approx(len(y) / design, rel=1e-8)


def test_icc_finds_the_planted_share_and_is_floored():
    x, y, word = sentences(60, 8, units=40, word_share=0.3)
    result = stats.word_level(x, y, word)
    assert result.icc.mean() == pytest.approx(0.3, abs=0.03)
    none = stats.word_level(*sentences(60, 8, units=40, word_share=0.0))
    assert none.icc.min() == 0
    assert none.effective_n.max() == 960


def test_words_without_an_effect_pass_the_token_test_but_not_the_word_test():
    x, y, word = sentences(8, 5, units=3000, word_share=0.8)
    result = stats.word_level(x, y, word)
    assert (stats.ttest(x, y).t_p < 0.001).mean() > 0.1
    assert scipy_stats.kstest(result.word_p, "uniform").pvalue > 0.001
    found = stats.word_level(*sentences(8, 5, units=50, word_share=0.8, effect=3.0))
    assert (found.word_p < 0.01).mean() > 0.9
    assert (found.word_t > 0).all()


def test_a_unit_that_sees_only_the_word_has_an_icc_of_one():
    word = np.repeat(np.arange(8), 6)
    x = np.stack([(word * 0.1) ** 2, np.full(48, 0.3)], axis=1)
    result = stats.word_level(x, (word > 3).astype(int), word)
    np.testing.assert_allclose(result.icc, [1, np.nan])
    np.testing.assert_allclose(result.effective_n, [8, np.nan])
    np.testing.assert_array_equal(np.isnan(result.word_p), [False, True])


def test_too_few_words_give_nan_and_say_why():
    word = np.repeat(list("abcd"), [5, 5, 5, 4])
    y = np.repeat([0, 0, 1, 1], [5, 5, 5, 4])
    x = np.random.default_rng(0).normal(size=(19, 2))
    result = stats.word_level(x, y, word)
    assert np.isnan(result.word_p).all()
    assert np.isnan(result.icc).all()
    assert result.note == (
        "2 words of class 0 and 1 of class 1 have 5 or more examples: at least 2 of each are needed"
    )
    assert stats.word_level(x, y, None).note == "no word types were given"


def test_errors_name_the_word():
    x = np.zeros((4, 1))
    with pytest.raises(ValueError, match="word 'not' has examples of both labels"):
        stats.word_level(x, [0, 1, 0, 1], ["not", "not", "will", "can"])
    with pytest.raises(ValueError, match="word is None at example 2: every id must be"):
        stats.word_level(x, [0, 1, 0, 1], np.array(["a", "b", None, "d"], dtype=object))
    with pytest.raises(ValueError, match=r"word has shape \(3,\) but x has 4 examples"):
        stats.word_level(x, [0, 1, 0, 1], ["a", "b", "c"])
    with pytest.raises(ValueError, match="min_per_word is 0"):
        stats.word_level(x, [0, 1, 0, 1], list("abcd"), min_per_word=0)


def test_relabelling_rescaling_order_and_batching():
    x, y, word = sentences(6, 7, units=9, word_share=0.4, effect=0.7, seed=2)
    want = stats.word_level(x, y, word)
    swapped = stats.word_level(x, 1 - y, word)
    np.testing.assert_allclose(swapped.word_t, -want.word_t, rtol=1e-10)
    order = np.random.default_rng(1).permutation(len(y))
    moved = stats.word_level((x[order] * 1e-200) + 3e-200, y[order], word[order])
    np.testing.assert_allclose(moved.word_t, want.word_t, rtol=1e-8)
    np.testing.assert_allclose(moved.icc, want.icc, rtol=1e-8, atol=1e-12)
    wide = stats.word_level(np.tile(x, (1, 100)).astype(np.float32), y, word)
    np.testing.assert_array_equal(wide.word_t[:9], wide.word_t[-9:])
    single = stats.word_level(x[:, [4]], y, word)
    np.testing.assert_allclose(single.log10_word_p, want.log10_word_p[[4]], rtol=1e-12)
