import numpy as np
import pytest
from scipy import stats as scipy_stats

from lens_probes import stats


def paired_data(*, units=12, n=25, offset=0.0, seed=0, effect=0.0, shared=0.9):
    """Pairs with a common part; labels and pairs in random order of examples."""
    rng = np.random.default_rng(seed)
    common = np.sqrt(shared) * rng.normal(size=(n, units))
    one = common + np.sqrt(1 - shared) * rng.normal(size=(n, units)) + effect
    zero = common + np.sqrt(1 - shared) * rng.normal(size=(n, units))
    x = np.concatenate([zero, one]) + offset
    y, pair = np.repeat([0, 1], n), np.tile(np.arange(n), 2)
    order = rng.permutation(2 * n)
    return x[order], y[order], pair[order]


def differences(x, y, pair):
    x = np.asarray(x, np.float64)
    order = np.argsort(pair, kind="stable")
    x, y = x[order], y[order]
    return x[y == 1] - x[y == 0]


@pytest.mark.parametrize("offset", [0.0, 1e3, -1e6])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equals_scipy_on_the_differences(offset, dtype):
    x, y, pair = paired_data(offset=offset, effect=0.1)
    x = (x * np.logspace(-6, 6, 12)).astype(dtype)
    want = scipy_stats.ttest_1samp(differences(x, y, pair), 0)
    have = stats.paired(x, y, pair)
    np.testing.assert_allclose(have.paired_t, want.statistic, rtol=1e-10)
    np.testing.assert_allclose(have.paired_p, want.pvalue, rtol=1e-9)
    np.testing.assert_allclose(10**have.log10_paired_p, want.pvalue, rtol=1e-9)
    assert (have.paired_dof == 24).all()
    assert have.n_pairs == 25


def test_without_ids_the_order_pairs():
    x, y, _ = paired_data(seed=3)
    want = scipy_stats.ttest_1samp(x[y == 1] - x[y == 0], 0)
    np.testing.assert_allclose(stats.paired(x, y).paired_t, want.statistic, rtol=1e-12)


def test_the_spread_is_that_of_scipy_over_random_pairings():
    x, y, pair = paired_data(units=5, n=8, offset=300.0, effect=0.5, seed=4)
    have = stats.paired(x, y, pair, n_pairings=4000)
    one, zero = x[y == 1], x[y == 0]
    rng = np.random.default_rng(99)
    drawn = np.stack([one - zero[rng.permutation(8)] for _ in range(4000)])
    t = scipy_stats.ttest_1samp(drawn, 0, axis=1).statistic
    low, high = np.quantile(t, [0.025, 0.975], axis=0)
    np.testing.assert_allclose(have.paired_t_sd, t.std(axis=0, ddof=1), rtol=0.1)
    np.testing.assert_allclose(have.paired_t_low, low, atol=0.1)
    np.testing.assert_allclose(have.paired_t_high, high, atol=0.1 * np.abs(high).max())
    assert (have.paired_t_low < have.paired_t_high).all()


def test_two_pairs_have_two_pairings_and_the_spread_reaches_both():
    x = np.array([[1.0, 2.0], [4.0, 2.5], [3.0, 1.0], [5.0, 7.0]])
    y = np.array([0, 0, 1, 1])
    have = stats.paired(x, y, n_pairings=60)
    both = np.array(
        [scipy_stats.ttest_1samp(x[[2, 3]] - x[list(o)], 0).statistic for o in ((0, 1), (1, 0))]
    )
    np.testing.assert_allclose(have.paired_t_low, both.min(axis=0), rtol=1e-12)
    np.testing.assert_allclose(have.paired_t_high, both.max(axis=0), rtol=1e-12)


def test_a_real_pairing_shows_beside_random_ones_and_no_pairing_does_not():
    x, y, pair = paired_data(units=60, effect=0.3, n=40, shared=0.95, seed=1)
    real = stats.paired(x, y, pair)
    assert (real.paired_t > real.paired_t_high).mean() > 0.9
    assert (real.paired_p < 1e-3).mean() > 0.9
    assert (stats.ttest(x, y).t_p < 1e-3).mean() < 0.3
    x, y, pair = paired_data(units=400, shared=0.0, n=40, seed=2)
    free = stats.paired(x, y, pair)
    outside = (free.paired_t < free.paired_t_low) | (free.paired_t > free.paired_t_high)
    assert outside.mean() == pytest.approx(0.05, abs=0.04)


def test_calibrated_without_an_effect_and_log_p_never_underflows():
    x, y, pair = paired_data(units=4000, seed=6)
    p = stats.paired(x, y, pair, n_pairings=0).paired_p
    assert (p < 0.05).mean() == pytest.approx(0.05, abs=0.012)
    x, y, pair = paired_data(units=2, n=400, effect=[30.0, 300.0], shared=0.999)
    have = stats.paired(x, y, pair, n_pairings=0)
    assert have.log10_paired_p[1] < have.log10_paired_p[0] - 100 < -500
    assert np.isnan(have.paired_t_low).all()


def test_constant_units_and_constant_differences():
    y, pair = np.repeat([0, 1], 6), np.tile(np.arange(6), 2)
    base = np.tile(np.arange(6.0), 2)
    x = np.stack([np.full(12, 0.3), base + 2 * y, base - y, base, 0.1 + 0.7 * y, base**2 * y], 1)
    with np.errstate(all="raise"):
        have = stats.paired(x, y, pair)
    np.testing.assert_array_equal(have.paired_t[:5], [np.nan, np.inf, -np.inf, np.nan, np.inf])
    np.testing.assert_array_equal(have.paired_p[:5], [np.nan, 0, 0, np.nan, 0])
    np.testing.assert_array_equal(have.log10_paired_p[1:3], [-np.inf, -np.inf])
    np.testing.assert_array_equal(np.isnan(have.paired_dof[:5]), [True, False, False, True, False])
    assert have.paired_t_low[4] == have.paired_t_high[4] == np.inf
    assert np.isnan([have.paired_t_low[0], have.paired_t_sd[0], have.paired_t_sd[4]]).all()
    assert 0 < have.paired_t_low[1] < np.inf
    assert have.paired_t_low[3] == have.paired_t_high[3] == 0


def test_order_chunks_labels_and_seed():
    x, y, pair = paired_data(units=30, effect=0.3)
    want = stats.paired(x, y, pair, seed=5)
    order = np.random.default_rng(8).permutation(len(y))
    moved = stats.paired(x[order], y[order], pair[order], seed=5)
    wide = stats.paired(np.tile(x, (1, 20)), y, pair, seed=5)
    named = stats.paired(x, y, [f"s{k:03}" for k in pair], seed=5)
    for field in ("paired_t", "paired_p", "paired_t_low", "paired_t_high", "paired_t_sd"):
        for have in (moved, named):
            np.testing.assert_allclose(getattr(have, field), getattr(want, field), rtol=1e-10)
        np.testing.assert_array_equal(getattr(wide, field)[-30:], getattr(want, field))
    np.testing.assert_allclose(stats.paired(x, 1 - y, pair).paired_t, -want.paired_t, rtol=1e-12)
    assert (stats.paired(x, y, pair, seed=6).paired_t_sd != want.paired_t_sd).all()


def test_errors():
    x, y, pair = paired_data(units=2, n=4)
    with pytest.raises(ValueError, match="class 0 has 4 examples and class 1 has 3"):
        stats.paired(x[np.cumsum(y) != 1], y[np.cumsum(y) != 1])
    wrong = np.where(pair == 2, 1, pair)
    with pytest.raises(ValueError, match="pair 1 occurs 2 times in class 0 and 2 times in class 1"):
        stats.paired(x, y, wrong)
    with pytest.raises(ValueError, match="pair 'a' occurs 1 times in class 0 and 0 times"):
        stats.paired(x[:5], [0, 1, 0, 1, 0], ["c", "c", "b", "b", "a"])
    with pytest.raises(ValueError, match="pair has shape"):
        stats.paired(x, y, pair[:3])
    with pytest.raises(ValueError, match="n_pairings is 1"):
        stats.paired(x, y, pair, n_pairings=1)
    x[2, 1] = np.inf
    with pytest.raises(ValueError, match="unit 1, example 2"):
        stats.paired(x, y, pair)
