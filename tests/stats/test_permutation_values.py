import itertools
import math

import numpy as np
import pytest
import statsmodels.api as sm

from lens_probes import stats
from lens_probes.stats.relabel import (
    MANY,
    all_relabellings,
    code_values,
    count_relabellings,
    sample_relabellings,
)


def studentised(means, value):
    """HC3 t of the slope of each column of means [group, unit] on the value."""
    design = sm.add_constant(np.asarray(value, float))
    return np.array([sm.OLS(m, design).fit(cov_type="HC3").tvalues[1] for m in means.T])


def word_data(values, each, *, units, seed, share=0.8, effect=0.0):
    """Units 0 and 1 rise and fall with the value of the word; the rest follow word identity."""
    rng = np.random.default_rng(seed)
    values = np.asarray(values, float)
    word = np.repeat(np.arange(len(values)), each)
    x = rng.normal(size=(len(values), units))[word] * np.sqrt(share)
    x += rng.normal(size=(len(word), units)) * np.sqrt(1 - share)
    x[:, :2] += effect * np.outer(values[word], [1, -1])
    return x, values[word], word


@pytest.mark.parametrize("values", [[1, 2, 4, 8, 9, 5], [3, 3, 7, 7, 1, 2], [1, 2, 3, 4, 5, 6]])
def test_exact_enumeration_equals_brute_force(values):
    x, value, word = word_data(values, [3, 1, 4, 2, 2, 5], units=6, seed=1, effect=0.2)
    family = np.array([7, 7, 7, 2, 2, 2])
    have = stats.max_permutation(x, value, groups=word, family=family)
    means = np.array([x[word == w].mean(0) for w in range(6)])
    observed = studentised(means, values)
    np.testing.assert_allclose(have.value, observed, rtol=1e-10)
    orders = set(itertools.permutations(values))
    r = np.array([studentised(means, o) for o in orders])
    for f in (7, 2):
        tops = np.abs(r[:, family == f]).max(axis=1)
        want = [(tops >= abs(o) - 1e-9).mean() for o in observed[family == f]]
        np.testing.assert_allclose(have.p_family[family == f], want, rtol=1e-12)
    np.testing.assert_allclose(have.log10_p_family, np.log10(have.p_family))
    assert have.exact
    assert have.n_permutations == have.n_distinct_relabellings == len(orders)
    assert have.families.tolist() == [2, 7]
    assert (have.n_groups0, have.n_groups1) == (6, 0)


def test_two_values_other_than_0_and_1_are_values():
    x, y, word = word_data(np.repeat([0, 1], [5, 6]), 3, units=10, seed=2, effect=2.0)
    classes = stats.max_permutation(x, y, groups=word)
    values = stats.max_permutation(x, 7 - 2 * y, groups=word)
    asked = stats.max_permutation(x, y, groups=word, statistic="slope")
    assert (classes.statistic, values.statistic) == ("normalised Welch t", "studentised slope")
    np.testing.assert_allclose(values.value, -asked.value)
    np.testing.assert_array_equal(np.sign(classes.value), np.sign(asked.value))


def test_planted_units_are_found_and_word_identity_is_not():
    passed, token = 0, 0
    for seed in range(100):
        x, value, word = word_data(np.arange(14) % 9, 5, units=40, seed=seed)
        have = stats.max_permutation(x, value, groups=word, n_permutations=300, seed=seed)
        passed += bool((have.p_family <= 0.05).any())
        token += bool((stats.correlation(x, value).r_p < 0.05 / 40).any())
    assert 0 < passed / 100 < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 100)
    assert token / 100 > 0.5
    x, value, word = word_data(np.arange(30) % 9, 5, units=200, seed=1, effect=0.8)
    have = stats.max_permutation(x, value, groups=word, n_permutations=999)
    assert (have.p_family[:2] <= 0.002).all()
    assert have.value[0] > 4 > -4 > have.value[1]
    assert (have.p_family[2:] <= 0.05).sum() == 0


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.3])
@pytest.mark.parametrize("n_permutations", [99, 800])
def test_the_threshold_is_where_p_reaches_alpha(alpha, n_permutations):
    x, value, word = word_data([1, 2, 4, 7, 3, 6], 2, units=400, seed=5, effect=1.0)
    family = np.arange(400) % 3
    have = stats.max_permutation(
        x, value, groups=word, n_permutations=n_permutations, alpha=alpha, family=family
    )
    above = np.abs(have.value) > have.threshold[family] + 1e-9
    np.testing.assert_array_equal(above, have.p_family <= alpha)
    tiny = stats.max_permutation(x, value, groups=word, alpha=1e-5)
    assert np.isinf(tiny.threshold).all()


def test_seed_order_chunks_arrays_and_constant_units():
    x, value, word = word_data(np.arange(12) ** 1.5, 3, units=40, seed=6, effect=0.1)
    x[:, 10] = 0.3
    want = stats.max_permutation(x, value, groups=word, n_permutations=700, seed=4)
    assert np.isnan([want.p_family[10], want.value[10]]).all()
    assert np.isfinite(np.delete(want.p_family, 10)).all()
    other = stats.max_permutation(x, value, groups=word, n_permutations=700, seed=5)
    assert (other.p_family != want.p_family)[np.isfinite(want.p_family)].any()
    order = np.random.default_rng(0).permutation(len(value))
    moved = stats.max_permutation(
        x[order] * 1e-3 + 5, value[order], groups=word[order], n_permutations=700, seed=4
    )
    affine = stats.max_permutation(
        x.astype(np.float32) + np.float32(1e3), 1e8 - 3 * value, groups=word, seed=4
    )
    np.testing.assert_allclose(moved.p_family, want.p_family)
    np.testing.assert_allclose(affine.value[:10], -want.value[:10], atol=5e-3)
    wide = stats.max_permutation(
        np.tile(x, (1, 60)), value, groups=word, n_permutations=700, seed=4
    )
    np.testing.assert_array_equal(wide.p_family[-40:], want.p_family)
    split = stats.max_permutation(
        [x[:, :7], x[:, 7:]], value, groups=word, n_permutations=700, seed=4
    )
    np.testing.assert_array_equal(split.p_family, want.p_family)
    np.testing.assert_allclose(split.threshold, want.threshold, rtol=1e-12)


def test_relabellings_of_several_values():
    labels, stratum = np.array([4, 4, 2, 9, 2, 2, 9]), np.array([1, 0, 0, 0, 1, 1, 1])
    assert count_relabellings(labels, stratum) == math.factorial(3) * 12
    table = all_relabellings(labels, stratum)
    assert len(np.unique(table, axis=0)) == len(table) == 72
    assert (table == labels).all(axis=1).sum() == 1
    sampled = sample_relabellings(labels, stratum, n=3000, seed=1)
    rows, counts = np.unique(sampled, axis=0, return_counts=True)
    assert len(rows) == 72
    assert counts.min() > 15
    for s in (0, 1):
        kept = np.sort(sampled[:, stratum == s], axis=1)
        np.testing.assert_array_equal(kept, np.tile(np.sort(labels[stratum == s]), (3000, 1)))


def test_counts_too_large_to_write_stop_at_many():
    many, one = np.arange(1500), np.zeros(1500, dtype=int)
    assert count_relabellings(many, one, most=MANY) == MANY
    assert count_relabellings(many[:17], one[:17], most=MANY) == math.factorial(17)
    assert count_relabellings(many[:18], one[:18], most=MANY) == MANY
    codes, scaled = code_values(np.array([3.0, 1e8, 3.0, 7.0]))
    assert codes.tolist() == [0, 2, 0, 1]
    assert scaled[codes].sum() == pytest.approx(0, abs=1e-12)
    assert np.linalg.norm(scaled[codes]) == pytest.approx(1)


@pytest.mark.parametrize(
    ("value", "p_min"), [([1, 2, 4, 8], 1 / 24), ([1, 2, 3, 4], 2 / 24), ([1, 1, 2, 2, 2], 1 / 10)]
)
def test_the_gate_is_the_smallest_p_that_the_test_can_give(value, p_min):
    gate = stats.resolution_r(value)
    assert gate.p_min == pytest.approx(p_min)
    assert gate.ok == (p_min <= 0.05)
    assert gate.exact
    x = 1e6 * np.array(value)[:, None] + np.random.default_rng(0).random((len(value), 1))
    assert stats.max_permutation(x, value).p_family[0] == pytest.approx(p_min)


def test_the_gate_says_what_would_be_enough():
    short = stats.resolution_r([5, 1, 2])
    assert not short.ok
    assert short.message == (
        "6 relabellings of 3 groups, all are used: the smallest p is 0.167, but max_t needs 0.05; "
        "5 groups of different values would be enough with n_permutations of 19 or more"
    )
    assert stats.resolution_r(np.arange(short.groups_needed)).ok
    sampled = stats.resolution_r(np.arange(9), n_permutations=10)
    assert not sampled.ok
    assert sampled.message.endswith("use n_permutations of 19 or more")
    assert stats.resolution_r(np.arange(9), n_permutations=19).ok
    inside = stats.resolution_r([1, 2, 3, 3], within=[0, 0, 1, 1])
    assert "2 relabellings inside passages" in inside.message
    assert "use passages with more groups of different values" in inside.message
    large = stats.resolution_r(np.repeat(np.arange(1500.0), 2), groups=np.repeat(range(1500), 2))
    assert large.ok
    assert "1e+15 or more relabellings of 1500 groups, 1000 are sampled" in large.message


def test_errors_name_the_group():
    x, value, word = word_data([1, 2, 4], 2, units=2, seed=0)
    with pytest.raises(ValueError, match="group 2 has examples of different values"):
        stats.max_permutation(x, np.r_[value[:5], 9], groups=word)
    with pytest.raises(ValueError, match="group 0 has examples in more than one passage"):
        stats.max_permutation(x, value, groups=word, within=np.arange(6))
    with pytest.raises(ValueError, match="no passage has two values"):
        stats.max_permutation(x, value, within=value)
    with pytest.raises(ValueError, match="there are 2 groups: a permutation test needs at least 3"):
        stats.max_permutation(x, value, groups=word > 0)
    with pytest.raises(ValueError, match="y is constant"):
        stats.max_permutation(x, np.full(6, 3.0), groups=word)
    with pytest.raises(ValueError, match="y is nan at example 1"):
        stats.max_permutation(x, np.where(np.arange(6) == 1, np.nan, value))
    with pytest.raises(ValueError, match="y has dtype <U1: it must be numbers"):
        stats.max_permutation(x, list("abcdef"))
    with pytest.raises(ValueError, match="n_permutations is 0"):
        stats.max_permutation(x, value, n_permutations=0)
    x[4, 1] = np.nan
    with pytest.raises(ValueError, match="unit 1, example 4"):
        stats.max_permutation(x, value, groups=word)
