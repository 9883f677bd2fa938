import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from lens_probes import stats


@pytest.fixture
def linear():
    rng = np.random.default_rng(9)
    covariates = rng.normal(size=(80, 3))
    y = rng.normal(size=80) + covariates[:, 0]
    x = rng.normal(size=(80, 12)) + np.outer(y, np.linspace(0, 2, 12)) + covariates[:, [1]]
    return x, y, covariates


def test_pearson_equals_scipy(linear):
    x, y, _ = linear
    result = stats.correlation(x, y)
    want = [scipy_stats.pearsonr(x[:, k], y) for k in range(12)]
    np.testing.assert_allclose(result.r, [w.statistic for w in want], rtol=1e-12)
    np.testing.assert_allclose(result.r_p, [w.pvalue for w in want], rtol=1e-9)
    np.testing.assert_allclose(result.log10_r_p, np.log10([w.pvalue for w in want]), rtol=1e-10)
    assert np.isnan(result.partial_r).all()


def test_partial_correlation_is_that_of_least_squares_residuals(linear):
    import statsmodels.api as sm

    x, y, covariates = linear
    result = stats.correlation(x, y, covariates=covariates)
    for k in range(12):
        design = np.column_stack([np.ones(80), covariates, y])
        fit = sm.OLS(x[:, k], design).fit()
        np.testing.assert_allclose(result.partial_r_p[k], fit.pvalues[-1], rtol=1e-8)
        t = fit.tvalues[-1]
        np.testing.assert_allclose(
            result.partial_r[k], t / np.sqrt(t**2 + fit.df_resid), rtol=1e-10
        )


def test_a_confound_disappears_and_an_effect_stays():
    rng = np.random.default_rng(4)
    frequency, y = rng.normal(size=(2, 500))
    y = y + frequency
    x = np.column_stack([frequency + 0.3 * rng.normal(size=500), y + rng.normal(size=500)])
    result = stats.correlation(x, y, covariates=frequency[:, None])
    assert (result.r_p < 1e-10).all()
    assert result.partial_r_p[0] > 0.01
    assert result.partial_r_p[1] < 1e-10


def test_null_p_values_are_uniform():
    rng = np.random.default_rng(12)
    result = stats.correlation(
        rng.normal(size=(30, 3000)), rng.normal(size=30), covariates=rng.normal(size=(30, 4))
    )
    for p in (result.r_p, result.partial_r_p):
        assert scipy_stats.kstest(p, "uniform").pvalue > 0.001


def test_constant_and_determined_units_are_nan(linear):
    x, y, covariates = linear
    x = np.column_stack([x[:, 0], np.full(80, 0.1), covariates[:, 0] * 3 - 7])
    result = stats.correlation(x, y, covariates=covariates)
    np.testing.assert_array_equal(np.isnan(result.r), [False, True, False])
    np.testing.assert_array_equal(np.isnan(result.partial_r), [False, True, True])
    np.testing.assert_array_equal(np.isnan(result.log10_partial_r_p), [False, True, True])


def test_a_strong_correlation_keeps_its_rank():
    rng = np.random.default_rng(1)
    y = rng.normal(size=600)
    x = y[:, None] + rng.normal(size=(600, 3)) * [1e-2, 1e-3, 1e-4]
    log10_p = stats.correlation(x, y).log10_r_p
    assert (np.diff(log10_p) < -500).all()
    assert log10_p[0] < -1000


@given(seed=st.integers(0, 10_000), scale=st.sampled_from([-1e6, -1.0, 1e-6]))
def test_rescaling_order_and_batching(seed, scale):
    rng = np.random.default_rng(seed)
    n = rng.integers(6, 40)
    x, y, c = rng.normal(size=(n, 4)), rng.normal(size=n), rng.normal(size=(n, 2))
    want = stats.correlation(x, y, covariates=c)
    have = stats.correlation(x * scale + 3 * scale, y, covariates=c)
    np.testing.assert_allclose(have.partial_r, np.sign(scale) * want.partial_r, atol=1e-10)
    np.testing.assert_allclose(have.r, np.sign(scale) * want.r, atol=1e-10)
    order = rng.permutation(n)
    again = stats.correlation(x[order], y[order], covariates=c[order])
    np.testing.assert_allclose(again.partial_r, want.partial_r, atol=1e-12)
    single = [stats.correlation(x[:, [k]], y, covariates=c).partial_r[0] for k in range(4)]
    np.testing.assert_allclose(single, want.partial_r, atol=1e-14)


def test_errors_name_the_cause(linear):
    x, y, covariates = linear
    with pytest.raises(ValueError, match="y is constant"):
        stats.correlation(x, np.full(80, 0.1))
    with pytest.raises(ValueError, match="y is nan at example 3"):
        stats.correlation(x, np.where(np.arange(80) == 3, np.nan, y))
    with pytest.raises(ValueError, match="covariate 3 is constant"):
        stats.correlation(x, y, covariates=np.column_stack([covariates, np.full(80, 0.1)]))
    with pytest.raises(ValueError, match="covariate 3 is a combination"):
        stats.correlation(x, y, covariates=np.column_stack([covariates, covariates.sum(1)]))
    with pytest.raises(ValueError, match="covariates determine y"):
        stats.correlation(x, covariates @ [1.0, 2.0, 3.0] + 5, covariates=covariates)
    with pytest.raises(ValueError, match="x has 4 examples: with 3 covariates at least 6"):
        stats.correlation(x[:4], y[:4], covariates=covariates[:4])
    with pytest.raises(ValueError, match=r"covariates have shape \(80,\)"):
        stats.correlation(x, y, covariates=covariates[:, 0])
    with pytest.raises(ValueError, match="covariate 1 has a NaN"):
        stats.correlation(x, y, covariates=np.where(np.arange(3) == 1, np.nan, covariates))
