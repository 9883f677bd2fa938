import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from lens_probes import stats


def direct(x, y):
    """AUC and DeLong's se from the full comparison matrix of one unit."""
    wins = (x[y == 1][:, None] > x[y == 0]) + 0.5 * (x[y == 1][:, None] == x[y == 0])
    v1, v0 = wins.mean(1), wins.mean(0)
    return wins.mean(), np.sqrt(v1.var(ddof=1) / len(v1) + v0.var(ddof=1) / len(v0))


@given(seed=st.integers(0, 10_000), values=st.sampled_from([2, 3, 9, 10**6]))
def test_auc_and_se_equal_the_direct_computation(seed, values):
    rng = np.random.default_rng(seed)
    y = np.r_[0, 0, 1, 1, rng.integers(0, 2, rng.integers(1, 60))]
    x = rng.integers(0, values, size=(len(y), 6)) + 0.3 * y[:, None] * (values > 9) * values
    result = stats.auc(x, y)
    for k in range(6):
        if len(set(x[:, k])) > 1:
            np.testing.assert_allclose(
                [result.auc[k], result.auc_se[k]], direct(x[:, k], y), atol=1e-12
            )
        else:
            assert np.isnan([result.auc[k], result.auc_se[k]]).all()
    swapped = stats.auc(x, 1 - y)
    np.testing.assert_allclose(swapped.auc, 1 - result.auc, atol=1e-14)
    np.testing.assert_allclose(swapped.auc_se, result.auc_se, atol=1e-13)
    np.testing.assert_allclose(stats.auc(-2.5 * x + 4, y).auc, 1 - result.auc, atol=1e-14)
    order = rng.permutation(len(y))
    np.testing.assert_array_equal(stats.auc(x[order], y[order]).auc, result.auc)


def test_auc_equals_scipys_mann_whitney(planted):
    x, y = planted
    u = scipy_stats.mannwhitneyu(x[y == 1], x[y == 0]).statistic
    np.testing.assert_allclose(stats.auc(x, y).auc, u / (y == 1).sum() / (y == 0).sum(), atol=1e-14)


def test_separated_constant_and_reversed_units():
    y = np.array([0, 0, 0, 1, 1])
    x = np.column_stack([y, -y, np.ones(5), [0, 1, 2, 2, 1]])
    result = stats.auc(x, y)
    np.testing.assert_allclose(result.auc, [1, 0, np.nan, 4 / 6])
    np.testing.assert_allclose(result.auc_se[:3], [0, 0, np.nan], atol=1e-9)


def test_the_interval_covers_and_the_null_is_half():
    rng = np.random.default_rng(2)
    y = np.repeat([0, 1], [60, 40])
    result = stats.auc(rng.normal(size=(100, 4000)), y)
    assert abs(result.auc.mean() - 0.5) < 0.005
    inside = np.abs(result.auc - 0.5) < 1.96 * result.auc_se
    assert abs(inside.mean() - 0.945) < 0.015


def test_many_units_equal_one_at_a_time(planted):
    x, y = planted
    x = np.tile(x, (1, 10))
    result = stats.auc(x, y)
    np.testing.assert_array_equal(result.auc_se[:60], result.auc_se[540:])
    np.testing.assert_array_equal(stats.auc(x[:, 299:300], y).auc, result.auc[299:300])
