import numpy as np
import pytest
from firthmodels import FirthLogisticRegression
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from lens_probes import stats


def reference(x, y):
    """Slope and penalised likelihood ratio p of firthmodels, on the standardised unit."""
    options = {"gtol": 1e-6, "xtol": 1e-6, "max_iter": 500, "backend": "numpy"}
    model = FirthLogisticRegression(**options)
    model.fit(((x - x.mean()) / x.std())[:, None], y).lrt(0)
    return model.coef_[0] / x.std(), model.lrt_pvalues_[0]


@pytest.mark.parametrize(("n", "share"), [(10, 0.4), (40, 0.15), (80, 0.5)])
def test_equals_firthmodels_also_when_separated(n, share):
    rng = np.random.default_rng(n)
    y = (np.arange(n) < share * n).astype(int)
    x = rng.normal(size=(n, 9)) + y[:, None] * np.linspace(0, 6, 9)
    x[:, 3] = np.round(x[:, 3])
    x[:, 4] = np.abs(x[:, 4]) * np.where(y == 1, 1, -1)
    x[[0, -1], 4] = 0
    x[:, 5] = y
    x = (x + 30) * 1e3
    result = stats.firth(x, y)
    assert {"separated", "quasi_separated"} <= set(stats.logistic(x, y).status)
    assert (result.firth_status == "ok").all()
    want = np.array([reference(x[:, k], y) for k in range(9)])
    np.testing.assert_allclose(result.firth_beta, want[:, 0], rtol=1e-6)
    np.testing.assert_allclose(result.firth_p, want[:, 1], rtol=1e-8)


def test_separated_units_are_ranked():
    y = np.repeat([0, 1], 20)
    x = np.random.default_rng(0).random((40, 3)) + y[:, None] * [1.01, 2.0, 20.0]
    result = stats.firth(x, y)
    assert (np.diff(result.log10_firth_p) < 0).all()
    assert np.isfinite(result.firth_beta).all()


def test_the_penalty_fades_with_more_examples():
    rng = np.random.default_rng(1)
    y = rng.integers(0, 2, 4000)
    x = rng.normal(size=(4000, 3)) + 0.3 * y[:, None]
    np.testing.assert_allclose(stats.firth(x, y).firth_beta, stats.logistic(x, y).beta, rtol=5e-3)


def test_null_p_values_are_uniform_in_a_small_sample():
    x = np.random.default_rng(4).normal(size=(40, 3000))
    result = stats.firth(x, np.arange(40) % 2)
    assert scipy_stats.kstest(result.firth_p, "uniform").pvalue > 0.001


def test_constant_units_are_named():
    y = np.array([0, 0, 1, 1])
    result = stats.firth(np.array([[1.0, 1], [1, 2], [1, 0], [1, 4]]), y)
    assert result.firth_status.tolist() == ["constant", "ok"]
    np.testing.assert_array_equal(np.isnan(result.firth_p), [True, False])


@given(seed=st.integers(0, 10_000), scale=st.sampled_from([1e-6, 1.0, 1e5]))
def test_relabelling_rescaling_and_order(seed, scale):
    rng = np.random.default_rng(seed)
    y = np.r_[0, 0, 1, 1, rng.integers(0, 2, rng.integers(4, 40))]
    x = rng.normal(size=(len(y), 5)) + y[:, None] * np.linspace(0, 6, 5)
    want = stats.firth(x, y)
    options = {"rtol": 1e-7, "atol": 1e-9}
    swapped = stats.firth(x, 1 - y)
    np.testing.assert_allclose(swapped.firth_beta, -want.firth_beta, **options)
    np.testing.assert_allclose(swapped.log10_firth_p, want.log10_firth_p, **options)
    order = rng.permutation(len(y))
    moved = stats.firth(((x + 50) * scale)[order], y[order])
    np.testing.assert_allclose(moved.firth_beta * scale, want.firth_beta, **options)
    np.testing.assert_allclose(moved.log10_firth_p, want.log10_firth_p, **options)
    single = stats.firth(x[:, [3]], y)
    assert single.firth_beta[0] == want.firth_beta[3]
