from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats import multitest

from lens_probes import stats

METHODS = {"bonferroni": "bonferroni", "holm": "holm", "bh": "fdr_bh", "by": "fdr_by"}
P_VALUES = st.lists(
    st.one_of(st.floats(0, 1), st.sampled_from([0.01, 0.04, 0.5])), min_size=1, max_size=40
)


@pytest.mark.parametrize("method", METHODS)
@given(p=P_VALUES, holes=st.integers(0, 2**31))
def test_nan_is_left_out_and_the_rest_is_statsmodels(method, p, holes):
    p = np.array(p)
    missing = np.random.default_rng(holes).random(len(p)) < 0.3
    have = stats.adjust(np.where(missing, np.nan, p), method=method)
    np.testing.assert_array_equal(np.isnan(have), missing)
    if not missing.all():
        with mock.patch("gc.collect"):
            want = multitest.multipletests(p[~missing], method=METHODS[method])[1]
        np.testing.assert_allclose(have[~missing], want, rtol=1e-12)


@pytest.mark.parametrize("method", METHODS)
@given(p=P_VALUES)
def test_the_log_scale_agrees_wherever_p_exists(method, p):
    p = np.maximum(np.array(p), 1e-250)
    have = stats.adjust_log10(np.log10(p), method=method)
    np.testing.assert_allclose(10**have, stats.adjust(p, method=method), rtol=1e-11)


def test_the_log_scale_does_not_underflow():
    log10_p = np.array([-420.0, -330.0, -5.0, np.nan, -np.inf])
    np.testing.assert_allclose(
        stats.adjust_log10(log10_p),
        [-420 + np.log10(4), -330 + np.log10(4), -5 + np.log10(4), np.nan, -np.inf],
    )
    bh = stats.adjust_log10(log10_p, method="bh")
    np.testing.assert_allclose(bh[:2], [-420 + np.log10(2), -330 + np.log10(4 / 3)])


@pytest.mark.parametrize("method", METHODS)
def test_each_family_is_adjusted_alone(method):
    rng = np.random.default_rng(0)
    p, layer = rng.random(50) ** 3, np.array(["L0", "L10", "L2"])[rng.integers(0, 3, 50)]
    have = stats.adjust(p, method=method, family=layer)
    for name in np.unique(layer):
        np.testing.assert_array_equal(
            have[layer == name], stats.adjust(p[layer == name], method=method)
        )
    assert (stats.adjust(p, method=method) >= have - 1e-15).all() or method in ("bh", "by")


def test_all_nan_and_empty_families():
    assert np.isnan(stats.adjust([np.nan, np.nan], method="bh")).all()
    np.testing.assert_array_equal(
        stats.adjust([np.nan, 0.01, 0.5], family=[0, 1, 1]), [np.nan, 0.02, 1.0]
    )
    assert stats.adjust([], method="bh").shape == (0,)
    assert stats.adjust([], method="bh", family=[]).shape == (0,)


def test_errors_say_what_is_allowed():
    with pytest.raises(ValueError, match="method is 'fdr': it must be one of bonferroni, holm"):
        stats.adjust([0.1], method="fdr")
    with pytest.raises(ValueError, match=r"p has the value 1\.5: it must lie between 0 and 1"):
        stats.adjust([0.1, 1.5])
    with pytest.raises(ValueError, match=r"log10_p has the value 0\.2: it must be 0 or less"):
        stats.adjust_log10([0.2])
    with pytest.raises(ValueError, match=r"family has shape \(1,\) but there are 2 units"):
        stats.adjust([0.1, 0.2], family=[0])
    with pytest.raises(ValueError, match="one value for each unit"):
        stats.adjust([[0.1, 0.2]])


def test_bonferroni_and_bh_control_what_they_claim():
    rng = np.random.default_rng(1)
    trials, m = 400, 50
    p = rng.random((trials, m))
    p[:, :10] **= 8
    errors, rates = [], []
    for row in p:
        errors.append((stats.adjust(row, method="holm")[10:] < 0.1).any())
        found = stats.adjust(row, method="bh") < 0.1
        rates.append(found[10:].sum() / max(found.sum(), 1))
    assert np.mean(errors) < 0.1 + 3 * np.sqrt(0.09 / trials)
    assert 0.04 < np.mean(rates) < 0.11
