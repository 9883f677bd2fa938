"""Several classes: F and its twins against SciPy and statsmodels; Welch F permuted."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats as scipy_stats
from statsmodels.stats.oneway import anova_oneway

from lens_probes import stats
from lens_probes.stats.tails import z_of_chi2


def four_classes(n: int = 90, units: int = 25, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 4, n)
    spread = np.array([1.0, 2.0, 0.5, 3.0])[y][:, None]
    x = 40 + spread * rng.normal(size=(n, units)) + rng.normal(size=(4, units))[y]
    return x.astype(np.float32), y


def test_f_equals_scipy_and_statsmodels() -> None:
    x, y = four_classes()
    found = stats.f_test(x, y)
    parts = [x[y == c].astype(np.float64) for c in range(4)]
    scipy = scipy_stats.f_oneway(*parts)
    assert np.allclose(found.F, scipy.statistic, rtol=1e-10)
    assert np.allclose(found.F_p, scipy.pvalue, rtol=1e-10)
    assert np.allclose(found.log10_F_p, np.log10(scipy.pvalue), rtol=1e-10)
    for unit in range(x.shape[1]):
        columns = [part[:, unit] for part in parts]
        equal = anova_oneway(columns, use_var="equal")
        unequal = anova_oneway(columns, use_var="unequal", welch_correction=True)
        assert found.F[unit] == pytest.approx(equal.statistic, rel=1e-10)
        assert found.welch_F[unit] == pytest.approx(unequal.statistic, rel=1e-10)
        assert found.welch_F_p[unit] == pytest.approx(unequal.pvalue, rel=1e-10)
        assert found.welch_F_dof[unit] == pytest.approx(unequal.df_denom, rel=1e-10)
    for c, part in enumerate(parts):
        assert np.allclose(found.means[c], part.mean(axis=0), rtol=1e-12)
        assert np.allclose(found.sds[c], part.std(axis=0, ddof=1), rtol=1e-10)


def test_with_two_classes_f_is_t_squared_and_the_score_tests_are_one() -> None:
    x, y = four_classes()
    f, t, r = stats.f_test(x, y % 2), stats.ttest(x, y % 2), stats.correlation(x, y % 2).r
    assert np.allclose(f.F, t.t**2, rtol=1e-10)
    assert np.allclose(f.F_p, t.t_p, rtol=1e-10)
    assert np.allclose(f.welch_F, t.welch_t**2, rtol=1e-10)
    assert np.allclose(f.welch_F_p, t.welch_p, rtol=1e-10)
    assert np.allclose(f.eta_squared, r**2, rtol=1e-10)
    assert np.allclose(f.score_p, stats.chi2_tail(len(y) * r**2)[0], rtol=1e-10)


def test_constant_and_separated_units_are_told() -> None:
    y = np.repeat([0, 1, 2], 4)
    x = np.stack([np.ones(12), y * 1.0, np.tile([0.0, 1.0], 6)], axis=1)
    found = stats.f_test(x, y)
    assert np.isnan(found.F[0])
    assert found.F[1] == found.welch_F[1] == np.inf
    assert found.F_p[1] == 0
    assert found.log10_F_p[1] == -np.inf
    assert found.F[2] == 0
    assert found.F_p[2] == 1
    with pytest.raises(ValueError, match="class 1 has 0 examples"):
        stats.f_test(x, np.where(y == 1, 2, y))


def test_tails_of_f_and_chi_square_do_not_underflow() -> None:
    x = np.array([0.0, 0.1, 1.0, 7.0, 60.0])
    for m in (2, 3, 11):
        assert np.allclose(stats.chi2_tail(x, m)[0], scipy_stats.chi2.sf(x, m), rtol=1e-11)
        assert np.allclose(stats.f_tail(x, m, 31.7)[0], scipy_stats.f.sf(x, m, 31.7), rtol=1e-11)
    assert stats.chi2_tail(1e5, 4)[1] < stats.chi2_tail(5e4, 4)[1] < -10_000
    assert stats.f_tail(1e6, 4, 500)[1] < stats.f_tail(1e5, 4, 500)[1] < -300
    assert np.allclose(z_of_chi2(np.array([0.3, 4.0, 90.0]), 1), np.sqrt([0.3, 4.0, 90.0]))


def test_auc_and_g_of_each_class() -> None:
    x, y = four_classes()
    found, g = stats.auc_against_rest(x, y), stats.pairwise_g(x, y)
    for c in range(4):
        assert np.array_equal(found.auc[c], stats.auc(x, y == c).auc)
    rows = np.isin(y, (1, 3))
    assert np.array_equal(g[1, 3], stats.ttest(x[rows], y[rows] == 3).hedges_g)
    assert np.array_equal(g, -g.transpose(1, 0, 2))


def normalised(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    found, m = stats.f_test(x, y), int(y.max())
    v = found.welch_F_dof
    return (v + m / 2 - 1) * np.log1p(m * found.welch_F / v)


def test_the_permutation_of_welch_f_is_that_of_every_relabelling() -> None:
    y = np.repeat([0, 1, 2], 2)
    x = np.random.default_rng(1).normal(size=(6, 30))
    found = stats.max_permutation(x, y, statistic="welch_f", n_permutations=1000)
    every = [
        normalised(x, np.array(deal)).max() for deal in set(itertools.permutations(y.tolist()))
    ]
    real = normalised(x, y)
    expected = (np.array(every)[:, None] >= real * (1 - 1e-9)).mean(axis=0)
    assert found.exact
    assert np.allclose(found.p_family, expected, atol=1e-12)
    assert np.allclose(found.value, z_of_chi2(real, 2))
    # Three classes of two groups can be renamed in six ways.
    assert found.least_p == pytest.approx(6 / 90)
    gate = stats.resolution_f(y, n_permutations=1000)
    assert not gate.ok
    assert gate.p_min == found.least_p
    assert "3 groups a class would be enough" in gate.message
    with pytest.raises(ValueError, match="class 2 has 1 group"):
        stats.max_permutation(x, np.array([0, 0, 0, 1, 1, 2]), statistic="welch_f")


def test_two_classes_by_welch_f_are_those_by_welch_t() -> None:
    x = np.random.default_rng(2).normal(size=(16, 200))
    y = (np.arange(16) < 6).astype(int)
    one = stats.max_permutation(x, y, n_permutations=299)
    other = stats.max_permutation(x, y, n_permutations=299, statistic="welch_f")
    assert np.allclose(np.abs(one.value), other.value, atol=0.02)
    assert np.abs(one.p_family - other.p_family).max() <= 0.01


def family_error(sizes: list[int], sds: list[float], n_sweeps: int = 200, units: int = 40) -> float:
    """Share of sweeps in which a unit passes, of units that differ between groups only."""
    y, sd = np.repeat(np.arange(len(sizes)), sizes), np.repeat(sds, sizes)[:, None]
    x = sd * np.random.default_rng(3).normal(size=(len(y), n_sweeps * units))
    family = np.repeat(np.arange(n_sweeps), units)
    test = stats.max_permutation(x, y, statistic="welch_f", n_permutations=99, family=family)
    return float((test.p_family.reshape(n_sweeps, units).min(axis=1) <= 0.05).mean())


def test_groups_alone_pass_in_alpha_of_sweeps_whatever_the_sizes() -> None:
    assert family_error([8, 8, 8], [1, 1, 1]) < 0.09
    assert family_error([20, 8, 5], [1, 1, 1]) < 0.09
    assert family_error([20, 8, 5], [2, 1.4, 1]) < 0.09


def test_shuffled_classes_show_the_error_of_a_test_that_counts_tokens() -> None:
    word = np.repeat(np.arange(15), 6)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(15, 200))[word] + rng.normal(size=(90, 200)), word % 3
    tokens = stats.relabel_words_null_f(x, y, np.arange(90), alpha_unit=0.05)
    words = stats.relabel_words_null_f(x, y, word, alpha_unit=0.05)
    assert tokens.measured == pytest.approx(0.05, abs=0.01)
    assert words.measured > 0.3
    assert words.any_beyond(0.05 / 200).mean() > 0.9


def test_folds_hold_out_groups_of_each_class() -> None:
    word = np.repeat(np.arange(15), 6)
    fold = stats.folds_by_word(word % 3, word, n_folds=5)
    assert all(len(set(fold[word == w])) == 1 for w in range(15))
    assert all(set((word % 3)[fold == k]) == {0, 1, 2} for k in range(5))
    assert set(stats.folds_by_passage(word % 3, word % 5, n_folds=5)) == set(range(5))
