import warnings

import numpy as np
import pytest
from scipy import stats as scipy_stats

from lens_probes import stats


def test_counts_by_hand():
    t1 = [5, -4, 3, 0.5, -6, np.nan, 1, 0]
    s1 = [1, 1, 1, 0, 1, 0, 0, 0]
    t2 = [6, -3, -4, 0.1, -1, 9, 4, 1]
    s2 = [True, True, True, False, False, True, True, False]
    have = stats.concordance(t1, s1, t2, s2)
    assert (have.n_units, have.n_left_out) == (7, 1)
    assert (have.n_significant1, have.n_significant2) == (4, 4)
    assert (have.n_either, have.n_both, have.n_concordant) == (5, 3, 2)
    assert have.concordance == 2 / 5
    assert (have.n_same_sign, have.sign_agreement) == (3, 3 / 4)
    assert have.significant_again == 3 / 4
    kept = np.isfinite(t1)
    a, b = np.array(t1)[kept], np.array(t2)[kept]
    assert have.pearson_r == pytest.approx(scipy_stats.pearsonr(a, b).statistic)
    assert have.spearman_r == pytest.approx(scipy_stats.spearmanr(a, b).statistic)


def test_ties_offsets_and_infinite_effects():
    rng = np.random.default_rng(0)
    a = np.round(rng.normal(size=200), 1) + 1e6
    b = np.round(a - 1e6 + rng.normal(size=200), 1)
    have = stats.concordance(a, a > 1e6, b, b > 0)
    assert have.pearson_r == pytest.approx(scipy_stats.pearsonr(a, b).statistic)
    assert have.spearman_r == pytest.approx(scipy_stats.spearmanr(a, b).statistic)
    a[3], b[5] = np.inf, -np.inf
    have = stats.concordance(a, a > 1e6, b, b > 0)
    finite = np.isfinite(a) & np.isfinite(b)
    assert (have.n_units, have.n_finite) == (200, 198)
    assert have.pearson_r == pytest.approx(scipy_stats.pearsonr(a[finite], b[finite]).statistic)
    assert have.spearman_r == pytest.approx(scipy_stats.spearmanr(a, b).statistic)


def test_replication_is_found_and_its_absence_too():
    rng = np.random.default_rng(1)
    effect = np.where(np.arange(3000) < 600, rng.normal(0, 8, 3000), 0)
    t1, t2, other = (effect + rng.normal(size=3000) for _ in range(3))
    unrelated = rng.permutation(other)
    again = stats.concordance(t1, np.abs(t1) > 4, t2, np.abs(t2) > 4)
    assert again.concordance > 0.7
    assert again.sign_agreement > 0.97
    assert again.pearson_r > 0.8
    none = stats.concordance(t1, np.abs(t1) > 4, unrelated, np.abs(unrelated) > 4)
    assert none.concordance < 0.15
    assert none.sign_agreement == pytest.approx(0.5, abs=0.1)
    assert none.spearman_r == pytest.approx(0, abs=0.06)
    swapped = stats.concordance(t2, np.abs(t2) > 4, t1, np.abs(t1) > 4)
    assert (swapped.concordance, swapped.n_either) == (again.concordance, again.n_either)
    order = rng.permutation(3000)
    moved = stats.concordance(*(v[order] for v in (t1, np.abs(t1) > 4, t2, np.abs(t2) > 4)))
    assert moved.spearman_r == pytest.approx(again.spearman_r)
    assert moved.n_concordant == again.n_concordant


@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_empty_sets_give_nan_and_a_count_of_zero_without_a_warning(n):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        have = stats.concordance(np.ones(n), np.zeros(n), np.arange(n), np.zeros(n))
        lost = stats.concordance(np.full(n, np.nan), np.zeros(n), np.arange(n), np.zeros(n))
    assert (have.n_units, have.n_either, have.n_significant1) == (n, 0, 0)
    assert (lost.n_units, lost.n_left_out) == (0, n)
    for result in (have, lost):
        assert np.isnan([result.concordance, result.sign_agreement, result.significant_again]).all()
        assert np.isnan([result.pearson_r, result.spearman_r]).all()


def test_errors():
    t, s = [1.0, 2.0], [True, False]
    with pytest.raises(ValueError, match=r"have lengths \[2, 2, 3, 2\]"):
        stats.concordance(t, s, [1, 2, 3], s)
    with pytest.raises(ValueError, match=r"significant2 has the value 0\.5: it must be True or"):
        stats.concordance(t, s, t, [0.5, 1])
    with pytest.raises(ValueError, match="significant1 has the value nan"):
        stats.concordance(t, [np.nan, 1], t, s)
    with pytest.raises(ValueError, match=r"effect1 has shape \(1, 2\)"):
        stats.concordance([t], s, t, s)
