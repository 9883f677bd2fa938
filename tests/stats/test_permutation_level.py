"""Family-wise error of the permutation tests in designs where an unstudentised one fails."""

from itertools import combinations, product

import numpy as np
import pytest

from lens_probes import stats

FAMILIES, UNITS, DRAWS = 300, 20, 300


def error(means, y, *, statistic=None, within=None):
    """Share of families of null units in which a unit passes at 0.05; means [group, unit]."""
    family = np.repeat(np.arange(FAMILIES), UNITS)
    test = stats.max_permutation(
        means, y, family=family, n_permutations=DRAWS, statistic=statistic, within=within, seed=1
    )
    return (test.p_family.reshape(FAMILIES, UNITS).min(axis=1) <= 0.05).mean()


def normal(n, seed=0):
    return np.random.default_rng(seed).normal(size=(n, FAMILIES * UNITS))


@pytest.mark.parametrize(
    ("k0", "k1", "sd1", "student_fails"),
    [(40, 5, 3, 0.9), (30, 10, 2, 0.4), (24, 24, 1, None), (5, 5, 1, None)],
)
def test_classes_of_unequal_number_and_spread(k0, k1, sd1, student_fails):
    y = np.repeat([0, 1], [k0, k1])
    means = normal(k0 + k1) * np.where(y == 1, sd1, 1)[:, None]
    assert 0.01 < error(means, y) <= 0.13
    if student_fails is not None:
        assert error(means, y, statistic="student") > student_fails


def test_groups_of_5_v_200_examples():
    y = np.repeat([0, 1], [40, 8])
    share, each = 0.1, np.where(y == 1, 5, 200)
    means = normal(48, seed=1) * np.sqrt(share + (1 - share) / each)[:, None]
    assert error(means, y) <= 0.13
    assert error(means, y, statistic="student") > 0.3


def test_values_whose_groups_are_seen_unequally_often():
    """Short words are frequent: their means are exact and those of long words are noisy."""
    length = np.repeat(np.arange(1, 13), [10, 40, 60, 50, 20, 12, 8, 6, 4, 3, 2, 2]).astype(float)
    each = np.maximum(1, 600 / length**3)
    means = normal(217, seed=2) * np.sqrt(0.02 + 0.98 / each)[:, None]
    assert error(means, length) <= 0.09
    assert error(means, length, statistic="student") > 0.3


def test_pairs_are_found_by_their_differences():
    rng = np.random.default_rng(3)
    pair, y = np.tile(np.arange(14), 2), np.repeat([0, 1], 14)
    word = 3 * rng.normal(size=(14, 200))
    x = word[pair] + rng.normal(size=(28, 200))
    x[:, :30] += 3.0 * y[:, None]
    have = stats.max_permutation(x, y, within=pair)
    assert (have.p_family[:30] <= 0.05).mean() > 0.8
    assert (have.p_family[30:] <= 0.05).sum() == 0
    loose = stats.max_permutation(x, y)
    assert (loose.p_family[:30] <= 0.05).mean() < 0.2
    paired = stats.paired(x, y, pair).paired_t
    order = np.argsort(np.abs(have.value))
    assert (np.diff(np.abs(paired[order])) > -1e-9).all()


def test_pairs_keep_their_level():
    pair, y = np.tile(np.arange(10), 2), np.repeat([0, 1], 10)
    x = normal(20, seed=4) + 3 * normal(10, seed=5)[pair]
    assert 0.01 < error(x, y, within=pair) <= 0.08


def test_units_of_few_values_tie_with_every_relabelling_that_separates_them():
    """All 70 splits of 8 groups as binary units: under each relabelling one of them is apart."""
    y = np.repeat([0, 1], 4)
    splits = np.array([np.isin(np.arange(8), chosen) for chosen in combinations(range(8), 4)])
    x = splits.T.astype(float)
    noise = np.random.default_rng(6).normal(size=(3, 70))
    each = np.repeat(x, 3, axis=0) + 1e-3 * np.tile(noise - noise.mean(axis=0), (8, 1))
    for units, groups in ((x, None), (each, np.repeat(np.arange(8), 3))):
        labels = y if groups is None else y[groups]
        test = stats.max_permutation(units, labels, groups=groups)
        assert test.exact
        np.testing.assert_array_equal(test.p_family, 1.0)


def test_pairs_of_few_values_tie_as_well():
    signs = np.array(list(product([-1.0, 1.0], repeat=6))).T
    x = np.concatenate([0 * signs, signs])
    test = stats.max_permutation(x, np.repeat([0, 1], 6), within=np.tile(np.arange(6), 2))
    np.testing.assert_array_equal(test.p_family, 1.0)


@pytest.mark.parametrize(("k0", "k1", "sd1"), [(30, 10, 2.0), (12, 12, 1.0)])
def test_the_number_of_units_that_differ_keeps_its_level_where_counting_tokens_does_not(
    k0, k1, sd1
):
    y = np.repeat([0, 1], [k0, k1])
    word = np.repeat(np.arange(k0 + k1), 5)
    of_groups, of_tokens = [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        means = rng.normal(size=(k0 + k1, 100)) * np.where(y == 1, sd1, 1)[:, None]
        test = stats.max_permutation(means, y, n_permutations=200, bound=True, seed=seed)
        of_groups.append(test.p_beyond)
        x = means[word] + 0.5 * rng.normal(size=(len(word), 100))
        of_tokens.append(stats.split_test(x, y[word], word, alpha_unit=0.05 / 100, n=100).p)
    assert np.mean(np.array(of_groups) <= 0.05) <= 0.15
    if sd1 > 1:
        assert np.mean(np.array(of_tokens) <= 0.05) > 0.5


def test_where_many_units_differ_a_little_their_number_says_so():
    rng = np.random.default_rng(9)
    y = np.repeat([0, 1], 12)
    means = rng.normal(size=(24, 400)) + 0.9 * np.outer(y, np.arange(400) < 120)
    test = stats.max_permutation(means, y, bound=True)
    assert test.p_beyond <= 0.005
    assert test.p_family.min() > 0.005
