"""Many labels at once: the same numbers as one at a time, and the error over all of them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as scipy_stats

from lens_probes import stats
from lens_probes.stats.many_labels import RowLabel, many_labels, paired_z, z_of_label

RNG = np.random.default_rng(0)


def test_a_label_alone_is_the_permutation_test_of_its_rows() -> None:
    x = RNG.standard_normal((60, 40)).astype(np.float32)
    x[:20, 0] += 2
    rows = RNG.permutation(60)[:50]
    label = (rows < 20).astype(np.int64)
    found = many_labels(
        lambda _, r: x[r], (40,), [RowLabel(rows, label, None, 7)], n_permutations=200
    )
    alone = stats.max_permutation(x[rows], label, n_permutations=200, seed=7)
    np.testing.assert_array_equal(found.value[0], alone.value)
    np.testing.assert_array_equal(found.p_label[0], alone.p_family)
    np.testing.assert_allclose(z_of_label(x[rows], label, None), alone.value, rtol=1e-12)


def test_pairs_give_the_paired_t_on_the_scale_of_a_normal() -> None:
    gap = RNG.standard_normal((12, 5)) + np.array([0, 0, 0, 0, 3])
    low = RNG.standard_normal((12, 5))
    x = np.concatenate([low, low + gap])
    label, pair = np.repeat([0, 1], 12), np.tile(np.arange(12), 2)
    found = many_labels(
        lambda _, r: x[r], (5,), [RowLabel(np.arange(24), label, pair)], n_permutations=500
    )
    np.testing.assert_allclose(found.value[0], paired_z(gap), rtol=1e-9)
    t = scipy_stats.ttest_1samp(gap, 0)
    np.testing.assert_array_equal(np.sign(found.value[0]), np.sign(t.statistic))
    p = 2 * scipy_stats.norm.sf(np.abs(found.value[0]))
    np.testing.assert_allclose(p, t.pvalue, rtol=0.02, atol=2e-4)
    assert found.p_family[0, 4] < 0.05


def test_a_maximum_goes_over_labels_too() -> None:
    x = RNG.standard_normal((80, 30))
    rows = np.arange(80)
    labels = [RowLabel(rows, RNG.permutation(rows % 2), None, k) for k in range(20)]
    both = many_labels(lambda _, r: x[r], (30,), labels, n_permutations=300)
    assert (both.p_family >= both.p_label - 1e-12).mean() > 0.99
    one = many_labels(lambda _, r: x[r], (30,), labels[:1], n_permutations=300)
    assert both.threshold > one.threshold


def test_threads_and_arrays_change_nothing() -> None:
    x = RNG.standard_normal((40, 24))
    rows = np.arange(40)
    labels = [RowLabel(rows, RNG.permutation(rows % 2), None, k) for k in range(4)]
    one = many_labels(lambda _, r: x[r], (24,), labels, n_permutations=100)
    two = many_labels(
        lambda k, r: x[r][:, 12 * k : 12 * k + 12], (12, 12), labels, n_permutations=100,
        n_threads=2,
    )  # fmt: skip
    np.testing.assert_allclose(two.value, one.value, rtol=1e-9)
    np.testing.assert_array_equal(two.p_family, one.p_family)


def word_identity_error(n_runs: int, seed: int, *, n_units: int = 60, n_labels: int = 12) -> float:
    """Share of runs with any hit, where units follow words and no label (values skewed, too)."""
    rng = np.random.default_rng(seed)
    wrong = 0
    for run in range(n_runs):
        n = 240
        tokens = np.exp(rng.normal(2, 1.2, n)).astype(int) + 2
        word = rng.standard_normal((n, n_units)) * rng.choice([0.3, 1, 3], n_units)
        mixed = rng.standard_normal((n_units, n_units)) / 8 + np.eye(n_units)
        noise = rng.standard_normal((n, n_units)) / np.sqrt(tokens)[:, None]
        x = word @ mixed + noise
        labels = []
        for k in range(n_labels):
            ones = rng.permutation(n)[: rng.integers(4, 50)]
            zeros = rng.permutation(np.setdiff1d(np.arange(n), ones))[: 3 * len(ones)]
            rows = np.concatenate([zeros, ones])
            side = np.repeat([0, 1], [len(zeros), len(ones)])
            labels.append(RowLabel(rows, side, None, 1000 * run + k))
        for k in range(4):
            rows = rng.permutation(n)[:60]
            labels.append(
                RowLabel(
                    rows, np.repeat([0, 1], 30), np.tile(np.arange(30), 2), 1000 * run + 50 + k
                )
            )
        found = many_labels(
            lambda _, r, x=x: x[r], (n_units,), labels, n_permutations=199, seed=run
        )
        wrong += bool((found.p_family <= 0.05).any())
    return wrong / n_runs


def test_units_that_follow_words_alone_pass_for_a_label_in_few_runs() -> None:
    assert word_identity_error(60, 0) <= 0.1


@pytest.mark.parametrize("n", [0, -1])
def test_no_relabellings_are_refused(n: int) -> None:
    x = RNG.standard_normal((8, 2))
    label = RowLabel(np.arange(8), np.arange(8) % 2)
    with pytest.raises(ValueError, match="n_permutations"):
        many_labels(lambda _, r: x[r], (2,), [label], n_permutations=n)
