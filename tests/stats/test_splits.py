import itertools

import numpy as np
import pytest
from scipy import stats as scipy_stats

from lens_probes import stats


def words(k0=4, k1=4, *, each=5, units=300, share=0.8, effect=0.0, seed=0):
    rng = np.random.default_rng(seed)
    word = np.repeat(np.arange(k0 + k1), each)
    y = (word >= k0).astype(int)
    x = rng.normal(size=(k0 + k1, units))[word] * np.sqrt(share)
    x += rng.normal(size=(len(word), units)) * np.sqrt(1 - share)
    x += effect * y[:, None] * rng.choice([-1, 1], units)
    return x, y, word


def share(x, y, alpha):
    """Share of units whose n r^2 passes the chi-square test."""
    r = np.array([np.corrcoef(x[:, k], y)[0, 1] for k in range(x.shape[1])])
    return (scipy_stats.chi2.sf(len(y) * r**2, 1) < alpha).mean()


@pytest.mark.parametrize(("k0", "k1"), [(3, 3), (2, 4)])
def test_exact_enumeration_equals_brute_force(k0, k1):
    x, y, word = words(k0, k1, units=40, effect=0.7, each=3)
    have = stats.split_test(x, y, word, alpha_unit=0.05)
    want = []
    for chosen in itertools.combinations(range(k0 + k1), k1):
        want.append(share(x, np.isin(word, chosen).astype(int), 0.05))
    assert have.exact
    assert have.n == len(want) == len(have.null_shares)
    assert have.share == pytest.approx(share(x, y, 0.05))
    np.testing.assert_allclose(np.sort(have.null_shares), np.sort(want))
    assert have.p == pytest.approx((np.array(want) >= have.share - 1e-12).mean())
    assert (have.n_words0, have.n_words1, have.n_units) == (k0, k1, 40)


def test_several_arrays_share_the_relabellings():
    x, y, word = words(6, 7, units=90, effect=0.3)
    x[:, 5] = 1.0
    parts = [x[:, :20], x[:, 20:60], x[:, 60:]]
    have = stats.split_test(parts, y, word, alpha_unit=0.01, n=150, seed=2)
    whole = stats.split_test(x, y, word, alpha_unit=0.01, n=150, seed=2)
    assert not have.exact
    assert (have.share, have.p, have.n) == (whole.share, whole.p, 150)
    np.testing.assert_array_equal(have.null_shares, whole.null_shares)
    assert have.n_units_by_array.tolist() == [19, 40, 30]
    assert have.n_units == 89
    together = have.n_units_by_array @ have.null_shares_by_array / 89
    np.testing.assert_allclose(together, have.null_shares)
    for k, part in enumerate(parts):
        one = stats.split_test(part, y, word, alpha_unit=0.01, n=150, seed=2)
        assert have.share_by_array[k] == one.share == one.share_by_array[0]
        assert have.p_by_array[k] == one.p
        np.testing.assert_array_equal(have.null_shares_by_array[k], one.null_shares)


def test_the_null_is_the_other_splits_of_what_the_real_one_leaves():
    x, y, word = words(6, 7, units=90, effect=0.3)
    x[:, 5] = 1.0
    null = stats.relabel_words_null(x, y, word, alpha_unit=0.01, n=150, seed=2)
    means = np.stack([x[y == 0].mean(axis=0), x[y == 1].mean(axis=0)])
    left = stats.split_test(x - means[y], y, word, alpha_unit=0.01, n=150, seed=2)
    assert left.share == 0
    np.testing.assert_allclose(null.share, left.null_shares)
    tuned = np.where(np.arange(90) == 5, x, x + 9 * y[:, None])
    same = stats.relabel_words_null(tuned, y, word, alpha_unit=0.01, n=150, seed=2)
    np.testing.assert_allclose(same.share, null.share)


def test_word_identity_is_told_from_a_category():
    x, y, word = words(units=1000)
    identity = stats.split_test(x, y, word, alpha_unit=0.05 / 1280)
    assert identity.share > 0.01
    assert identity.p > 0.1
    assert identity.n == 70
    x, y, word = words(units=1000, effect=1.5)
    category = stats.split_test(x, y, word, alpha_unit=0.05 / 1280)
    assert category.p == pytest.approx(2 / 70)
    assert category.share > 2 * np.median(category.null_shares)


def test_p_is_calibrated_without_a_category():
    p = []
    for seed in range(200):
        x, y, word = words(5, 6, units=40, seed=seed, share=0.5)
        p.append(stats.split_test(x, y, word, alpha_unit=0.01, n=199, seed=seed).p)
    p = np.array(p)
    for level in (0.05, 0.2, 0.5):
        assert (p <= level).mean() < level + 3 * np.sqrt(level * (1 - level) / 200)
    assert (p <= 0.5).mean() > 0.3
    assert p.min() >= 1 / 200


def test_order_seed_scale_and_units_that_do_not_vary():
    x, y, word = words(6, 7, units=30)
    want = stats.split_test(x, y, word, alpha_unit=0.05, n=80, seed=1)
    order = np.random.default_rng(1).permutation(len(y))
    far = 1e8 - 1e5 * x[order]
    moved = stats.split_test(far, y[order], word[order], alpha_unit=0.05, n=80, seed=1)
    np.testing.assert_allclose(moved.null_shares, want.null_shares)
    assert moved.p == want.p
    other = stats.split_test(x, y, word, alpha_unit=0.05, n=80, seed=2)
    assert (other.null_shares != want.null_shares).any()
    dead = stats.split_test([x, np.ones((len(y), 2))], y, word, alpha_unit=0.05, n=80, seed=1)
    np.testing.assert_array_equal(dead.null_shares, want.null_shares)
    assert np.isnan([dead.share_by_array[1], dead.p_by_array[1]]).all()
    nothing = stats.split_test(np.ones((len(y), 2)), y, word, alpha_unit=0.05)
    assert np.isnan([nothing.share, nothing.p]).all()


def test_errors():
    x, y, word = words(2, 2, units=3)
    with pytest.raises(ValueError, match="word 0 has examples of both labels"):
        stats.split_test(x, np.r_[1, y[1:]], word, alpha_unit=0.05)
    with pytest.raises(ValueError, match="1 words of class 0 and 1 of class 1"):
        stats.split_test(x, y, y, alpha_unit=0.05)
    with pytest.raises(ValueError, match="alpha_unit is 0"):
        stats.split_test(x, y, word, alpha_unit=0)
    with pytest.raises(ValueError, match=r"the arrays have \[19, 20\] examples"):
        stats.split_test([x, x[1:]], y, word, alpha_unit=0.05)
    x[3, 1] = np.nan
    with pytest.raises(ValueError, match="unit 1, example 3"):
        stats.split_test(x, y, word, alpha_unit=0.05)
