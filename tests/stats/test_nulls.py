import numpy as np
import pytest

from lens_probes import stats
from lens_probes.stats.groups import group_examples
from lens_probes.stats.nulls import chunk_hits


def word_data(*, units, share, seed=0, words=8, each=5):
    rng = np.random.default_rng(seed)
    word = np.repeat(np.arange(2 * words), each)
    x = rng.normal(size=(2 * words, units))[word] * np.sqrt(share)
    x += rng.normal(size=(len(word), units)) * np.sqrt(1 - share)
    return x, (word >= words).astype(int), word


def test_hits_are_those_of_the_score_test_of_the_logit():
    rng = np.random.default_rng(1)
    word = np.repeat(np.arange(9), [2, 5, 3, 9, 4, 4, 6, 2, 5])
    x = rng.normal(size=(40, 30)) + 50
    labels = np.array([rng.permutation([0, 0, 0, 0, 1, 1, 1, 1, 1]) for _ in range(12)])
    words = group_examples(word, 40, what="word")
    hits, varies = chunk_hits(x, 0, words, labels.astype(np.int8), 0.2)
    assert varies.all()
    for row, label in zip(hits, labels, strict=True):
        np.testing.assert_array_equal(row, stats.logistic(x, label[word]).score_p < 0.2)
    assert 0.05 < hits.mean() < 0.5


def test_the_two_nulls_differ_exactly_where_words_matter():
    x, y, word = word_data(units=400, share=0.8)
    tokens = stats.relabel_tokens_null(x, y, alpha_unit=0.01)
    words = stats.relabel_words_null(x, y, word, alpha_unit=0.01)
    assert tokens.measured == pytest.approx(0.01, abs=0.004)
    assert words.measured > 0.15
    x, y, word = word_data(units=400, share=0.0)
    clean = stats.relabel_words_null(x, y, word, alpha_unit=0.01)
    assert clean.measured == pytest.approx(0.01, abs=0.005)


def test_shares_count_units_that_vary():
    x, y, word = word_data(units=6, share=0.5)
    x[:, 2] = 7.7
    result = stats.relabel_words_null(x, y, word, alpha_unit=0.3, n=50)
    assert result.n_units == 5
    assert result.share.shape == (50,)
    np.testing.assert_array_equal(np.isnan(result.passed), np.arange(6) == 2)
    assert np.nanmean(result.passed) == pytest.approx(result.measured)
    assert result.any_passed == (result.share > 0).mean()
    np.testing.assert_allclose(result.share * 5, np.round(result.share * 5), atol=1e-12)


def test_seed_chunks_and_containers():
    x, y, word = word_data(units=30, share=0.5)
    want = stats.relabel_words_null(x, y, word, alpha_unit=0.05, n=40, seed=2)
    wide = stats.relabel_words_null(np.tile(x, (1, 80)), y, word, alpha_unit=0.05, n=40, seed=2)
    np.testing.assert_allclose(wide.share, want.share)
    strict = stats.relabel_words_null(x, y, word, alpha_unit=0.001, n=40, seed=2)
    np.testing.assert_array_equal(want.any_beyond(0.001), strict.share > 0)
    other = stats.relabel_words_null(x, y, word, alpha_unit=0.05, n=40, seed=3)
    assert (other.share != want.share).any()
    moved = stats.relabel_words_null(-1e6 * x + 1e8, y, word, alpha_unit=0.05, n=40, seed=2)
    np.testing.assert_allclose(moved.share, want.share)


def test_errors():
    x, y, word = word_data(units=3, share=0.5, words=2)
    with pytest.raises(ValueError, match="word 0 has examples of both labels"):
        stats.relabel_words_null(x, np.r_[1, y[1:]], word, alpha_unit=0.05)
    with pytest.raises(ValueError, match="alpha_unit is 2"):
        stats.relabel_tokens_null(x, y, alpha_unit=2)
    with pytest.raises(ValueError, match="1 words of class 0 and 1 of class 1: at least 2"):
        stats.relabel_words_null(x, y, y, alpha_unit=0.05)
    x[3, 1] = np.nan
    with pytest.raises(ValueError, match="unit 1, example 3"):
        stats.relabel_tokens_null(x, y, alpha_unit=0.05)


def values_data(*, units, share, seed=0, words=16, each=5):
    x, _, word = word_data(units=units, share=share, seed=seed, words=words // 2, each=each)
    return x, np.sqrt(1.0 + word % 7), word


def test_hits_of_a_continuous_label_are_those_of_n_r_squared():
    rng = np.random.default_rng(1)
    word = np.repeat(np.arange(9), [2, 5, 3, 9, 4, 4, 6, 2, 5])
    x = rng.normal(size=(40, 30)) + 50
    values = np.array([rng.permutation(np.arange(9) ** 2) for _ in range(12)]) / 7.0
    hits, _ = chunk_hits(x, 0, group_examples(word, 40, what="word"), values, 0.2)
    for row, value in zip(hits, values, strict=True):
        r = stats.correlation(x, value[word]).r
        np.testing.assert_array_equal(row, stats.chi2_tail(40 * r**2)[0] < 0.2)
    assert 0.05 < hits.mean() < 0.5


def test_the_two_nulls_of_a_continuous_label_differ_where_words_matter():
    x, value, word = values_data(units=400, share=0.8)
    tokens = stats.relabel_tokens_null_r(x, value, alpha_unit=0.01)
    words = stats.relabel_words_null_r(x, value, word, alpha_unit=0.01)
    assert tokens.measured == pytest.approx(0.01, abs=0.004)
    assert words.measured > 0.15
    x, value, word = values_data(units=400, share=0.0)
    clean = stats.relabel_words_null_r(x, value, word, alpha_unit=0.01)
    assert clean.measured == pytest.approx(0.01, abs=0.005)


def test_a_continuous_label_of_two_values_gives_the_two_class_null():
    x, y, word = word_data(units=20, share=0.6)
    want = stats.relabel_words_null(x, y, word, alpha_unit=0.05, n=60, seed=4)
    have = stats.relabel_words_null_r(x, 3 + 2 * y, word, alpha_unit=0.05, n=60, seed=4)
    np.testing.assert_allclose(have.share, want.share)
    np.testing.assert_allclose(have.passed, want.passed)


def test_continuous_nulls_chunks_seed_offsets_and_constant_units():
    x, value, word = values_data(units=30, share=0.5)
    x[:, 4] = 2.2
    want = stats.relabel_words_null_r(x, value, word, alpha_unit=0.05, n=40, seed=2)
    assert want.n_units == 29
    np.testing.assert_array_equal(np.isnan(want.passed), np.arange(30) == 4)
    wide = stats.relabel_words_null_r(
        np.tile(x, (1, 80)), 1e6 - value, word, alpha_unit=0.05, n=40, seed=2
    )
    assert wide.n_units == 80 * 29
    moved = stats.relabel_words_null_r(
        -1e6 * x + 1e8, 1e6 + value, word, alpha_unit=0.05, n=40, seed=2
    )
    np.testing.assert_allclose(moved.share, want.share)
    other = stats.relabel_words_null_r(x, value, word, alpha_unit=0.05, n=40, seed=3)
    assert (other.share != want.share).any()


def test_errors_of_continuous_nulls():
    x, value, word = values_data(units=3, share=0.5, words=4)
    with pytest.raises(ValueError, match="word 0 has examples of different values"):
        stats.relabel_words_null_r(x, np.r_[9, value[1:]], word, alpha_unit=0.05)
    with pytest.raises(ValueError, match="alpha_unit is 2"):
        stats.relabel_tokens_null_r(x, value, alpha_unit=2)
    with pytest.raises(ValueError, match="there are 2 words: at least 3"):
        stats.relabel_words_null_r(x, word > 1, word > 1, alpha_unit=0.05)
    with pytest.raises(ValueError, match="value is constant"):
        stats.relabel_tokens_null_r(x, 0 * value, alpha_unit=0.05)
    with pytest.raises(ValueError, match="value has shape"):
        stats.relabel_tokens_null_r(x, value[1:], alpha_unit=0.05)
