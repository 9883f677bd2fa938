import dataclasses

import numpy as np
import pytest

from lens_probes import stats


def test_moments_equal_numpy(planted):
    x, y = planted
    result = stats.moments(x, y)
    for k in (0, 1):
        np.testing.assert_allclose(getattr(result, f"mean{k}"), x[y == k].mean(0), atol=1e-13)
        np.testing.assert_allclose(getattr(result, f"sd{k}"), x[y == k].std(0, ddof=1), rtol=1e-12)
        assert getattr(result, f"n{k}") == (y == k).sum()
    np.testing.assert_array_equal(result.direction, np.sign(x[y == 1].mean(0) - x[y == 0].mean(0)))


@pytest.mark.parametrize("n", [117, 118, 119])
def test_any_number_of_examples(planted, n):
    x, y = planted
    result = stats.moments(x[:n], y[:n])
    for k in (0, 1):
        np.testing.assert_allclose(getattr(result, f"mean{k}"), x[:n][y[:n] == k].mean(0))


def test_distinct_values_are_counted():
    y = np.array([0, 1] * 5)
    x = np.zeros((10, 3))
    x[:, 1] = np.arange(10) % 3
    x[:, 2] = np.arange(10)
    x[0, 0] = -0.0
    np.testing.assert_array_equal(stats.moments(x, y).n_distinct, [1, 3, 10])


def test_equal_means_have_no_direction():
    assert stats.moments([[1.0], [2.0], [1.0], [2.0]], [0, 0, 1, 1]).direction[0] == 0


@pytest.mark.parametrize("offset", [0.0, 1e4, -1e4, 1e6])
def test_an_offset_costs_float32_input_nothing_but_its_own_rounding(offset):
    rng = np.random.default_rng(3)
    y = np.arange(400) % 2
    x = (rng.normal(size=(400, 8)) + offset).astype(np.float32)
    exact = x.astype(np.longdouble)
    result = stats.moments(x, y)
    np.testing.assert_allclose(result.sd1, exact[y == 1].std(0, ddof=1).astype(float), rtol=1e-13)
    gap = (exact[y == 1].mean(0) - exact[y == 0].mean(0)).astype(float)
    pooled = np.sqrt((result.sd0**2 + result.sd1**2) / 2)
    want = gap / (pooled * np.sqrt(1 / 100))
    np.testing.assert_allclose(stats.ttest(x, y).t, want, rtol=1e-9)


@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1e30, 1e300])
def test_extreme_scales_neither_overflow_nor_vanish(planted, scale):
    x, y = planted
    have, want = stats.moments(x * scale, y), stats.moments(x, y)
    np.testing.assert_allclose(have.sd0, want.sd0 * scale, rtol=1e-12)
    np.testing.assert_allclose(
        stats.ttest(x * scale, y).t, stats.ttest(x, y).t, rtol=1e-9, atol=1e-12
    )


def test_results_are_frozen(planted):
    with pytest.raises(dataclasses.FrozenInstanceError):
        stats.moments(*planted).n0 = 3
