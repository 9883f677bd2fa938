"""The p of one unit, from all units' relabelled statistics."""

import itertools

import numpy as np
import pytest

from lens_probes import stats
from lens_probes.stats._raised import FIRST, STEP


def test_it_is_the_share_of_all_units_relabelled_statistics_that_reach_its_own() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(9, 40)), np.array([0, 0, 0, 0, 0, 1, 1, 1, 1])
    x[:, 0] += 6 * y
    x[:, 7] = 1.0
    test = stats.max_permutation(x, y, bound=True)
    assert test.exact
    others = [
        np.isin(np.arange(9), ones)
        for ones in itertools.combinations(range(9), 4)
        if set(ones) != {5, 6, 7, 8}
    ]
    live = np.delete(np.arange(40), 7)
    relabelled = np.abs([stats.normalised_welch(x[:, live], side) for side in others])
    assert np.isnan(test.pooled_p[7])
    for unit in live:
        z = abs(test.value[unit])
        if z < FIRST:
            continue
        least, most = (
            (1 + (relabelled >= edge).sum()) / (1 + relabelled.size) for edge in (z, z - STEP)
        )
        assert least - 1e-12 <= test.pooled_p[unit] <= most + 1e-12
    assert test.pooled_p[0] == test.pooled_p[live].min()
    order = np.argsort(np.abs(test.value[live]))
    assert (np.diff(test.pooled_p[live][order]) <= 1e-12).all()


def test_it_is_not_counted_unless_asked_for_nor_where_there_is_no_welch() -> None:
    x = np.random.default_rng(0).normal(size=(12, 5))
    y = np.repeat([0, 1], 6)
    assert np.isnan(stats.max_permutation(x, y).pooled_p).all()
    assert np.isnan(stats.max_permutation(x, np.arange(12.0), bound=True).pooled_p).all()


@pytest.mark.parametrize(("k0", "k1", "skewed"), [(40, 5, False), (24, 24, False), (40, 8, True)])
def test_the_false_discovery_rate_holds_where_welchs_own_tail_does_not(
    k0: int, k1: int, skewed: bool
) -> None:
    """Without a tuned unit any discovery is false. At 40 v 5 groups Welch's own p has 0.5."""
    rng, found, runs = np.random.default_rng(1), 0, 60
    y = np.arange(k0 + k1) >= k0
    for seed in range(runs):
        x = rng.normal(size=(k0 + k1, 200))
        x = np.exp(x) if skewed else x
        test = stats.max_permutation(x, y, n_permutations=199, seed=seed, bound=True)
        found += bool((stats.adjust(test.pooled_p, method="bh") <= 0.05).any())
    assert found / runs <= 0.05 + 2.5 * np.sqrt(0.05 * 0.95 / runs)


def test_many_tuned_units_are_found() -> None:
    rng = np.random.default_rng(2)
    y = np.repeat([0, 1], 24)
    x = rng.normal(size=(48, 400))
    x[:, :120] += 1.2 * y[:, None]
    test = stats.max_permutation(x, y, n_permutations=300, bound=True)
    passed = stats.adjust(test.pooled_p, method="bh") <= 0.05
    assert passed[:120].mean() > 0.85
    assert passed[120:].sum() <= 0.1 * passed.sum()
    assert (test.p_family[:120] <= 0.05).mean() < passed[:120].mean()


def test_each_family_has_its_own() -> None:
    """One family of skewed units must not borrow the tails of normal ones."""
    rng = np.random.default_rng(3)
    y, family = np.arange(20) >= 14, np.repeat([7, 9], 30)
    x = np.hstack([np.exp(2 * rng.normal(size=(20, 30))), rng.normal(size=(20, 30))])
    both = stats.max_permutation(x, y, family=family, n_permutations=200, bound=True)
    for one in (7, 9):
        alone = stats.max_permutation(x[:, family == one], y, n_permutations=200, bound=True)
        np.testing.assert_allclose(both.pooled_p[family == one], alone.pooled_p)
