import numpy as np
import pytest

from lens_probes import stats


def sweep(n_tuned, *, seed, effect=3.0, k=16, units=300, shared=0.0):
    rng = np.random.default_rng(seed)
    y = np.repeat([0, 1], k)
    means = rng.normal(size=(2 * k, units)) + shared * rng.normal(size=(2 * k, 1))
    means[:, :n_tuned] += effect * y[:, None]
    return stats.max_permutation(means, y, n_permutations=300, bound=True, seed=seed)


@pytest.mark.parametrize("shared", [0.0, 2.0])
@pytest.mark.parametrize("n_tuned", [0, 60])
def test_the_bound_is_too_high_in_at_most_5_percent_of_sweeps(n_tuned, shared):
    layers = np.arange(300) // 100
    wrong, runs = 0, 100
    for seed in range(runs):
        test = sweep(n_tuned, seed=seed, shared=shared, effect=2.0)
        true = [min(max(n_tuned - 100 * k, 0), 100) for k in range(3)]
        found = [
            stats.tuned_at_least(test.value, test.simes_level, among=layers == k) for k in range(3)
        ]
        whole = stats.tuned_at_least(test.value, test.simes_level)
        wrong += whole > n_tuned or any(f > t for f, t in zip(found, true, strict=True))
    assert wrong / runs <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / runs)


def test_most_of_what_is_there_is_counted():
    test = sweep(90, seed=0, effect=1.8)
    found = stats.tuned_at_least(test.value, test.simes_level)
    assert 65 <= found <= 90
    assert found > (test.p_family <= 0.05).sum() + 5
    assert stats.tuned_at_least(test.value, test.simes_level, among=np.arange(300) >= 90) == 0


def test_it_is_the_best_of_the_bounds_of_all_k():
    test = sweep(60, seed=1, effect=1.5)
    p = 2 * stats.normal_tail(np.abs(test.value))[0] / 2
    m = len(p)
    bounds = [
        len(p) - ((p >= test.simes_level * k / m).sum() + k - 1)
        for k in range(1, m + 1)
        if test.simes_level * k / m <= 0.1
    ]
    assert stats.tuned_at_least(test.value, test.simes_level) == max(0, *bounds)


def test_constant_units_and_no_permutations_for_it():
    test = sweep(60, seed=2)
    value = np.concatenate([test.value, [np.nan, np.nan]])
    same = stats.tuned_at_least(test.value, test.simes_level)
    assert stats.tuned_at_least(value, test.simes_level) == same
    assert stats.tuned_at_least(np.full(4, np.nan), test.simes_level) == 0
    assert np.isnan(stats.max_permutation(np.eye(6), [0, 0, 0, 1, 1, 1]).simes_level)
    assert stats.tuned_at_least(test.value, float("nan")) == 0
