import numpy as np

from lens_probes import stats


def found_at(p, family, alpha):
    """Benjamini and Bogomolov (2014) as the paper writes it, for one alpha."""
    ids = np.unique(family)
    simes = np.array([min(stats.adjust(p[family == k], method="bh")) for k in ids])
    chosen = ids[stats.adjust(simes, method="bh") <= alpha]
    found = np.zeros(len(p), dtype=bool)
    for k in chosen:
        level = alpha * len(chosen) / len(ids)
        found[family == k] = stats.adjust(p[family == k], method="bh") <= level
    return found


def test_the_adjusted_p_is_the_smallest_alpha_that_finds_a_unit():
    rng = np.random.default_rng(0)
    family = np.repeat(np.arange(12), 30)
    p = rng.random(360)
    p[family < 4] **= 6
    have = 10 ** stats.adjust_hierarchical_log10(np.log10(p), family=family)
    for alpha in (0.001, 0.01, 0.05, 0.2, 0.7):
        np.testing.assert_array_equal(have <= alpha * (1 + 1e-9), found_at(p, family, alpha))
    assert 0 < (have <= 0.05).sum() < 120


def test_nan_counts_nowhere_and_nothing_found_is_1():
    family = np.repeat([0, 1, 2], 3)
    p = np.array([0.001, 0.002, np.nan, 0.9, 0.8, 0.7, np.nan, np.nan, np.nan])
    have = stats.adjust_hierarchical_log10(np.log10(p), family=family)
    np.testing.assert_array_equal(np.isnan(have), np.isnan(p))
    alone = stats.adjust_hierarchical_log10(np.log10(p[:6]), family=family[:6])
    np.testing.assert_allclose(have[:6], alone)
    assert stats.adjust_hierarchical_log10([0.0, 0.0], family=[0, 1]).tolist() == [0.0, 0.0]


def test_it_finds_more_layers_of_tuned_units_than_the_largest_statistic():
    rng = np.random.default_rng(1)
    y, family = np.repeat([0, 1], 24), np.repeat(np.arange(10), 50)
    tuned = family < 3
    means = rng.normal(size=(48, 500)) + 1.2 * np.outer(y, tuned)
    log10_p = stats.word_level(means, y, np.arange(48), min_per_word=1).log10_word_p
    found = stats.adjust_hierarchical_log10(log10_p, family=family) <= np.log10(0.05)
    single = stats.max_permutation(means, y).p_family <= 0.05
    assert found[tuned].mean() > 0.85 > 0.7 > single[tuned].mean()
    assert found[~tuned].mean() < 0.02
