import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from lens_probes import stats
from lens_probes.stats._noncentral import noncentrality_limits


def test_student_and_welch_equal_scipy(planted):
    x, y = planted
    result = stats.ttest(x, y)
    for name, equal in (("t", True), ("welch", False)):
        want = scipy_stats.ttest_ind(x[y == 1], x[y == 0], equal_var=equal)
        t = result.t if equal else result.welch_t
        dof = result.t_dof if equal else result.welch_dof
        np.testing.assert_allclose(t, want.statistic, rtol=1e-11)
        np.testing.assert_allclose(dof, want.df, rtol=1e-11)
        np.testing.assert_allclose(getattr(result, f"{name}_p"), want.pvalue, rtol=1e-10)
        np.testing.assert_allclose(
            getattr(result, f"log10_{name}_p"), np.log10(want.pvalue), rtol=1e-10
        )


@pytest.mark.parametrize("dof", [2, 5, 18, 118, 598, 3000])
def test_the_interval_inverts_scipys_noncentral_t(dof):
    t = np.array([-9.0, -2.0, 0.0, 0.4, 1.96, 5.0, 25.0])
    low, high = noncentrality_limits(t, dof)
    np.testing.assert_allclose(scipy_stats.nct.cdf(t, dof, low), 0.975, atol=1e-9)
    np.testing.assert_allclose(scipy_stats.nct.cdf(t, dof, high), 0.025, atol=1e-9)


def test_the_two_quadratures_of_the_interval_meet():
    dof = 40.0
    t = np.array([1.0e3, 1.2e3, 1.4e3, 1.6e3, 1.8e3, 2.0e3, 1e5, 1e8])
    low, high = noncentrality_limits(t, dof)
    quantile = np.sqrt(scipy_stats.chi2.ppf([0.025, 0.975], dof) / dof)
    np.testing.assert_allclose(low / t, quantile[0], rtol=1e-4)
    np.testing.assert_allclose(high / t, quantile[1], rtol=1e-4)
    smooth = np.polyfit(1 / t[:6] ** 2, (high / t)[:6], 1)
    np.testing.assert_allclose(np.polyval(smooth, 1 / t[:6] ** 2), (high / t)[:6], rtol=1e-9)


def test_hedges_g_is_unbiased_and_its_interval_covers():
    rng = np.random.default_rng(11)
    delta = 0.8
    y = np.repeat([0, 1], [6, 5])
    x = rng.normal(size=(11, 20_000)) + delta * y[:, None]
    result = stats.ttest(x, y)
    assert result.hedges_g.mean() == pytest.approx(delta, abs=0.02)
    covered = (result.g_low < delta) & (delta < result.g_high)
    assert covered.mean() == pytest.approx(0.95, abs=0.006)
    np.testing.assert_array_equal((result.g_low > 0) | (result.g_high < 0), result.t_p < 0.05)


def test_null_p_values_are_uniform():
    x = np.random.default_rng(5).normal(size=(40, 4000))
    result = stats.ttest(x, np.arange(40) % 2)
    for p in (result.t_p, result.welch_p):
        assert scipy_stats.kstest(p, "uniform").pvalue > 0.001


def test_planted_effects_are_found(planted):
    result = stats.ttest(*planted)
    assert (result.t_p[-15:] < 1e-4).all()
    assert (result.t[-15:] > 0).all()
    assert (result.t_p[:20] < 0.05).mean() < 0.2


def test_no_variance_within_the_classes():
    y = np.array([0, 0, 0, 1, 1, 1])
    x = np.column_stack([np.full(6, 0.1), 0.1 + 0.2 * y, 0.3 - 0.2 * y, y * [1, 1, 1, 1, 2, 3]])
    result = stats.ttest(x, y)
    np.testing.assert_array_equal(result.t[:3], [np.nan, np.inf, -np.inf])
    np.testing.assert_array_equal(result.t_p[:3], [np.nan, 0, 0])
    np.testing.assert_array_equal(result.log10_welch_p[:3], [np.nan, -np.inf, -np.inf])
    np.testing.assert_array_equal(result.g_low[:3], [np.nan, np.inf, -np.inf])
    np.testing.assert_array_equal(result.hedges_g[:3], [np.nan, np.inf, -np.inf])
    assert np.isnan(result.welch_dof[:3]).all()
    assert result.welch_dof[3] == 2


@given(
    seed=st.integers(0, 10_000),
    scale=st.sampled_from([1e-6, 1e-3, 1.0, 1e6]),
    shift=st.floats(-100, 100),
)
def test_relabelling_rescaling_and_order(seed, scale, shift):
    rng = np.random.default_rng(seed)
    y = np.r_[0, 0, 1, 1, rng.integers(0, 2, rng.integers(3, 40))]
    x = rng.normal(size=(len(y), 5))
    result = stats.ttest(x, y)
    swapped = stats.ttest(x, 1 - y)
    np.testing.assert_allclose(swapped.t, -result.t, rtol=1e-9)
    np.testing.assert_allclose(swapped.g_low, -result.g_high, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(swapped.log10_welch_p, result.log10_welch_p, rtol=1e-9, atol=1e-12)
    moved = stats.ttest((x + shift) * scale, y)
    np.testing.assert_allclose(moved.t, result.t, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(moved.hedges_g, result.hedges_g, rtol=1e-9, atol=1e-11)
    order = rng.permutation(len(y))
    np.testing.assert_allclose(stats.ttest(x[order], y[order]).t, result.t, rtol=1e-11, atol=1e-13)
    single = np.concatenate([stats.ttest(x[:, [k]], y).t for k in range(5)])
    np.testing.assert_array_equal(single, result.t)
