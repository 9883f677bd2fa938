import itertools
import math

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats as scipy_stats

from lens_probes import stats
from lens_probes.stats.relabel import all_relabellings, count_relabellings, sample_relabellings


def welch_z(x, y):
    """Normalised |Welch t| of each column of x [item, unit], from SciPy's t and dof."""
    test = scipy_stats.ttest_ind(x[y == 1], x[y == 0], equal_var=False)
    v = test.df
    return (8 * v + 1) / (8 * v + 3) * np.sqrt(v * np.log1p(test.statistic**2 / v))


def student(x, y):
    return np.abs(scipy_stats.ttest_ind(x[y == 1], x[y == 0]).statistic)


def slope_t(x, value, stratum):
    """|HC3 t| of the slope of columns of x on values, with a constant for each stratum."""
    constants = (stratum[:, None] == np.unique(stratum)).astype(float)
    design = np.column_stack([np.asarray(value, float), constants])
    return np.array([abs(sm.OLS(column, design).fit(cov_type="HC3").tvalues[0]) for column in x.T])


def word_data(k0, k1, each, *, units, seed, share=0.8, effect=0.0):
    rng = np.random.default_rng(seed)
    word = np.repeat(np.arange(k0 + k1), each)
    y = (word >= k0).astype(int)
    x = rng.normal(size=(k0 + k1, units))[word] * np.sqrt(share)
    x += rng.normal(size=(len(word), units)) * np.sqrt(1 - share)
    x[:, :2] += effect * y[:, None]
    return x, y, word


@pytest.mark.parametrize(("k0", "k1"), [(4, 4), (3, 5), (6, 2), (1, 6)])
@pytest.mark.parametrize("asked", [None, "student"])
def test_exact_enumeration_equals_brute_force(k0, k1, asked):
    x, y, word = word_data(k0, k1, 3, units=6, seed=k0, effect=1.5)
    family = np.array([7, 7, 7, 2, 2, 2])
    plain = asked == "student" or k0 == 1
    measure = student if plain else welch_z
    result = stats.max_permutation(x, y, groups=word, family=family, statistic=asked)
    assert result.statistic == ("Student t" if plain else "normalised Welch t")
    means = np.array([x[word == w].mean(0) for w in np.unique(word)])
    labels = (np.arange(k0 + k1) >= k0).astype(int)
    tops = {7: [], 2: []}
    for chosen in itertools.combinations(range(k0 + k1), k1):
        relabelled = np.isin(np.arange(k0 + k1), chosen).astype(int)
        t = measure(means, relabelled)
        for f in (7, 2):
            tops[f].append(t[family == f].max())
    observed = measure(means, labels)
    want = [np.mean(np.array(tops[f]) >= t - 1e-9) for t, f in zip(observed, family, strict=True)]
    np.testing.assert_allclose(np.abs(result.value), observed, rtol=1e-10)
    np.testing.assert_allclose(result.p_family, want, rtol=1e-12)
    np.testing.assert_allclose(result.log10_p_family, np.log10(want), rtol=1e-10)
    assert result.exact
    assert result.n_permutations == result.n_distinct_relabellings == math.comb(k0 + k1, k0)
    assert result.families.tolist() == [2, 7]
    assert (result.n_groups0, result.n_groups1) == (k0, k1)
    smallest = (2 if k0 == k1 else 1) / math.comb(k0 + k1, k0)
    assert result.p_family.min() >= smallest - 1e-12


def test_the_sample_approaches_the_enumeration():
    x, y, word = word_data(5, 6, 2, units=8, seed=1, effect=1.0)
    exact = stats.max_permutation(x, y, groups=word, n_permutations=462)
    sampled = stats.max_permutation(x, y, groups=word, n_permutations=461)
    assert exact.exact
    assert not sampled.exact
    assert sampled.n_permutations == 461
    np.testing.assert_allclose(sampled.p_family, exact.p_family, atol=0.07)
    assert (sampled.p_family >= 1 / 462).all()


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.3])
@pytest.mark.parametrize("n_permutations", [99, 200, 5000])
def test_the_threshold_is_where_p_reaches_alpha(alpha, n_permutations):
    x, y, word = word_data(5, 6, 2, units=600, seed=5, effect=4.0)
    for family in (np.arange(600) % 3, np.arange(600)):
        result = stats.max_permutation(
            x, y, groups=word, n_permutations=n_permutations, alpha=alpha, family=family
        )
        np.testing.assert_array_equal(
            np.abs(result.value) > result.threshold[family] + 1e-9, result.p_family <= alpha
        )


def test_a_sampled_p_counts_the_observed_labelling():
    y = np.repeat([0, 1], 15)
    x = 100.0 * y[:, None] + np.random.default_rng(0).random((30, 1))
    assert stats.max_permutation(x, y, n_permutations=99).p_family[0] == 1 / 100


def test_an_alpha_out_of_reach_has_an_infinite_threshold():
    x, y, word = word_data(3, 3, 2, units=4, seed=0, effect=50.0)
    result = stats.max_permutation(x, y, groups=word, alpha=0.04)
    assert np.isinf(result.threshold[0])
    assert result.p_family.min() == pytest.approx(2 / 20)


def test_family_wise_error_holds_where_the_token_test_fails():
    passed, token = 0, 0
    runs = 120
    for seed in range(runs):
        x, y, word = word_data(6, 7, 5, units=40, seed=seed)
        result = stats.max_permutation(x, y, groups=word, n_permutations=400, seed=seed)
        passed += bool((result.p_family <= 0.05).any())
        token += bool((stats.ttest(x, y).t_p < 0.05 / 40).any())
    assert passed / runs < 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)
    assert passed > 0
    assert token / runs > 0.5


def test_planted_units_are_found():
    x, y, word = word_data(8, 8, 5, units=200, seed=3, effect=5.0)
    result = stats.max_permutation(x, y, groups=word, n_permutations=2000)
    assert (result.p_family[:2] < 0.01).all()
    assert (result.p_family[2:] <= 0.05).sum() == 0


def test_within_passages_equals_brute_force():
    rng = np.random.default_rng(2)
    passage = np.repeat(["p", "q", "r"], [3, 3, 2])
    y = np.array([0, 0, 1, 0, 1, 1, 1, 1])
    x = rng.normal(size=(8, 4)) + y[:, None]
    result = stats.max_permutation(x, y, within=passage)
    tops = []
    for a in range(3):
        for b in range(3):
            relabelled = np.array([*(np.arange(3) == a), *(np.arange(3) != b), 1, 1]).astype(int)
            tops.append(slope_t(x, relabelled, passage).max())
    observed = slope_t(x, y, passage)
    want = [(np.array(tops) >= t - 1e-9).mean() for t in observed]
    assert result.n_distinct_relabellings == 9
    np.testing.assert_allclose(result.p_family, want)


def test_within_is_immune_to_what_differs_between_passages():
    rng = np.random.default_rng(4)
    passage = np.repeat(np.arange(30), 6)
    y = (rng.random(180) < np.repeat(rng.choice([0.2, 0.8], 30), 6)).astype(int)
    rate = np.array([y[passage == k].mean() for k in range(30)])
    x = 6 * rate[passage][:, None] + rng.normal(size=(180, 30))
    assert stats.max_permutation(x, y, n_permutations=300).p_family.max() < 0.05
    assert stats.max_permutation(x, y, within=passage, n_permutations=300).p_family.min() > 0.01


def test_several_arrays_are_one_family():
    x, y, word = word_data(6, 6, 3, units=50, seed=9, effect=2.0)
    whole = stats.max_permutation(x, y, groups=word, n_permutations=500)
    split = stats.max_permutation([x[:, :7], x[:, 7:]], y, groups=word, n_permutations=500)
    np.testing.assert_array_equal(split.p_family, whole.p_family)
    np.testing.assert_allclose(split.threshold, whole.threshold, rtol=1e-12)


def test_seed_order_chunks_and_constant_units(monkeypatch):
    x, y, word = word_data(7, 7, 3, units=40, seed=6, effect=2.0)
    x[:, 10] = 0.3
    want = stats.max_permutation(x, y, groups=word, n_permutations=300, seed=4)
    assert np.isnan(want.p_family[10])
    assert np.isnan(want.value[10])
    other = stats.max_permutation(x, y, groups=word, n_permutations=300, seed=5)
    assert (other.p_family != want.p_family)[np.isfinite(want.p_family)].any()
    order = np.random.default_rng(0).permutation(len(y))
    moved = stats.max_permutation(
        x[order] * 1e-3 + 5, y[order], groups=word[order], n_permutations=300, seed=4
    )
    np.testing.assert_allclose(moved.p_family, want.p_family)
    wide = stats.max_permutation(np.tile(x, (1, 60)), y, groups=word, n_permutations=300, seed=4)
    np.testing.assert_array_equal(wide.p_family[-40:], want.p_family)
    alone = stats.max_permutation(
        x[:, 10:12], y, groups=word, n_permutations=300, family=["dead", "live"]
    )
    np.testing.assert_array_equal(np.isnan(alone.threshold), [True, False])


def test_relabellings_keep_counts_and_are_all_different():
    labels = np.array([1, 0, 0, 1, 0, 1, 1, 1], dtype=bool)
    stratum = np.array([0, 0, 0, 0, 1, 1, 2, 2])
    assert count_relabellings(labels, stratum) == math.comb(4, 2) * 2 * 1
    table = all_relabellings(labels, stratum)
    assert len(np.unique(table, axis=0)) == len(table) == 12
    assert (table == labels).all(axis=1).any()
    sampled = sample_relabellings(labels, stratum, n=1300, seed=1)
    for s in range(3):
        assert (sampled[:, stratum == s].sum(1) == labels[stratum == s].sum()).all()
    _, counts = np.unique(sampled, axis=0, return_counts=True)
    assert len(counts) == 12
    assert counts.min() > 60


def test_errors_name_the_group():
    x, y, word = word_data(3, 3, 2, units=2, seed=0)
    with pytest.raises(ValueError, match="group 2 has examples of both labels"):
        stats.max_permutation(x, np.r_[y[:5], 1 - y[5:6], y[6:]], groups=word)
    with pytest.raises(ValueError, match="group 0 has examples in more than one passage"):
        stats.max_permutation(x, y, groups=word, within=np.arange(12))
    names = np.array([f"w{k}" for k in word], dtype=object)
    with pytest.raises(ValueError, match="group 'w0' has examples in more than one passage"):
        stats.max_permutation(x, y, groups=names, within=np.arange(12))
    with pytest.raises(ValueError, match="no passage has both labels"):
        stats.max_permutation(x, y, within=y)
    with pytest.raises(ValueError, match="there are 2 groups: a permutation test needs at least 3"):
        stats.max_permutation(x, y, groups=y)
    with pytest.raises(ValueError, match="n_permutations is 0"):
        stats.max_permutation(x, y, n_permutations=0)
    with pytest.raises(ValueError, match=r"the arrays have \[11, 12\] examples"):
        stats.max_permutation([x, x[1:]], y)
    with pytest.raises(ValueError, match="family has shape"):
        stats.max_permutation(x, y, groups=word, family=[1])
