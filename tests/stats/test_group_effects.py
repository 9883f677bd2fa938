import numpy as np
import pytest
from scipy import special

from lens_probes import stats

CELLS = [
    (k, balanced, icc) for k in (12, 24) for balanced in (True, False) for icc in (0.1, 0.3, 0.6)
]


def grouped(k, icc, auc, *, balanced=True, units=1000, seed=0):
    """Units of one true effect over k v k groups that carry icc of the variance."""
    rng = np.random.default_rng(seed)
    sizes = np.full(2 * k, 8)
    if not balanced:
        sizes = rng.geometric(1 / 8, 2 * k) * rng.choice([1, 1, 1, 4], 2 * k)
    group = np.repeat(np.arange(2 * k), sizes)
    y = (group >= k).astype(int)
    d = np.sqrt(2) * special.ndtri(auc)
    noise = np.sqrt(1 - icc) * rng.normal(size=(len(y), units))
    x = np.sqrt(icc) * rng.normal(size=(2 * k, units))[group] + noise + d * y[:, None]
    return x, y, group, d


def covers(low, truth, high):
    return float(((low <= truth) & (truth <= high)).mean())


@pytest.mark.parametrize(("k", "balanced", "icc"), CELLS)
def test_intervals_over_groups_cover_where_those_over_examples_do_not(k, balanced, icc):
    for auc in (0.5, 0.8, 0.97):
        x, y, group, d = grouped(k, icc, auc, balanced=balanced, seed=k)
        have = stats.group_effects(x, y, group)
        assert covers(have.g_group_low, d, have.g_group_high) >= 0.92
        assert covers(have.auc_group_low, auc, have.auc_group_high) >= 0.92
        accuracy = special.ndtr(d / 2)
        assert covers(have.accuracy_group_low, accuracy, have.accuracy_group_high) >= 0.92
        width = np.median(have.g_group_high - have.g_group_low) / (2 * 1.96 * have.g_group.std())
        assert 0.9 < width < 1.25
    x, y, group, _ = grouped(k, icc, 0.5, balanced=balanced, seed=k)
    t, a = stats.ttest(x, y), stats.auc(x, y)
    assert covers(t.g_low, 0, t.g_high) < 0.9
    assert covers(a.auc - 1.96 * a.auc_se, 0.5, a.auc + 1.96 * a.auc_se) < 0.9


def test_scores_equal_a_direct_computation():
    x, y, group, _ = grouped(5, 0.4, 0.7, balanced=False, units=4, seed=3)
    x[:, 1] = np.round(x[:, 1])
    x[:, 2] = 1e6 - 1e-4 * x[:, 2]
    have = stats.group_effects(x, y, group)
    for u in range(4):
        parts = [[x[group == g, u] for g in np.unique(group[y == label])] for label in (0, 1)]
        wins = [[(np.sign(b[:, None] - a).mean() + 1) / 2 for a in parts[0]] for b in parts[1]]
        assert have.auc_group[u] == pytest.approx(np.mean(wins), abs=1e-12)
        means = [np.array([part.mean() for part in side]) for side in parts]
        gap = means[1].mean() - means[0].mean()
        middle = (means[1].mean() + means[0].mean()) / 2
        right = [
            np.mean([(np.sign((part - middle) * gap * sign).mean() + 1) / 2 for part in side])
            for side, sign in zip(parts, (-1, 1), strict=True)
        ]
        assert have.accuracy_group[u] == pytest.approx(np.mean(right), abs=1e-12)
        inside = np.concatenate([part - part.mean() for side in parts for part in side])
        within = inside @ inside / (len(y) - 10)
        alone = np.mean([1 / len(part) for side in parts for part in side])
        between = (means[0].var(ddof=1) + means[1].var(ddof=1)) / 2
        sd = np.sqrt(between + (1 - alone) * within)
        assert have.g_group[u] == pytest.approx(gap / sd, rel=0.12)
        assert abs(have.g_group[u]) < abs(gap / sd)


def test_with_one_example_a_group_it_is_the_interval_of_the_examples(planted):
    x, y = planted
    have, t, a = (stats.group_effects(x, y, np.arange(len(y))), stats.ttest(x, y), stats.auc(x, y))
    np.testing.assert_allclose(have.g_group, t.hedges_g, rtol=1e-9)
    np.testing.assert_allclose(have.g_group_low, t.g_low, atol=0.06)
    np.testing.assert_allclose(have.g_group_high, t.g_high, atol=0.06)
    np.testing.assert_allclose(have.auc_group, a.auc, atol=1e-12)
    middle = a.auc < 0.8
    half = (have.auc_group_high - have.auc_group_low) / 2
    np.testing.assert_allclose(half[middle], 1.98 * a.auc_se[middle], rtol=0.05)


def test_a_separated_unit_says_what_its_groups_can_say():
    lows = []
    for k in (3, 12, 24):
        group = np.repeat(np.arange(2 * k), 49)
        y = (group >= k).astype(int)
        noise = np.random.default_rng(0).random(len(y))
        x = np.stack([noise + 2 * y, noise - 2 * y, 1.0 * y, np.ones(len(y))], axis=1)
        assert stats.auc(x, y).auc_se[0] == 0
        have = stats.group_effects(x, y, group)
        assert have.auc_group[:2] == pytest.approx([1, 0])
        assert have.auc_group_high[0] == pytest.approx(1 - have.auc_group_low[1]) == 1
        assert have.auc_group_low[0] == pytest.approx(1 - have.auc_group_high[1])
        assert have.accuracy_group_low[0] == pytest.approx(have.auc_group_low[0])
        assert np.isposinf([have.g_group[2], have.g_group_low[2], have.g_group_high[2]]).all()
        assert (have.n_groups0, have.n_groups1) == (k, k)
        for name, values in vars(have).items():
            if not name.startswith("n_"):
                assert np.isnan(values[3]), name
        lows.append(have.auc_group_low[0])
    assert lows == pytest.approx([0.44, 0.85, 0.92], abs=0.01)
    group = np.arange(40) // 10
    alike = np.array([0.0, 1.0, 2.0, 4.0])[group] + 1e-3 * noise[:40]
    two = stats.group_effects(alike[:, None], group // 2, group)
    assert np.isneginf(two.g_group_low[0])
    assert np.isposinf(two.g_group_high[0])


def test_more_examples_of_the_same_groups_add_little_and_more_groups_much():
    x, y, group, _ = grouped(12, 0.6, 0.8, units=200)
    again = np.r_[np.arange(len(y)), np.arange(len(y))]
    few, same = (
        stats.group_effects(x, y, group),
        stats.group_effects(x[again], y[again], group[again]),
    )
    many = stats.group_effects(*grouped(48, 0.6, 0.8, units=200)[:3])
    width = [np.median(e.auc_group_high - e.auc_group_low) for e in (few, same, many)]
    assert width[1] == pytest.approx(width[0], rel=1e-9)
    assert width[2] < 0.6 * width[0]
    tokens = [np.median(stats.auc(*data).auc_se) for data in ((x, y), (x[again], y[again]))]
    assert tokens[1] < 0.75 * tokens[0]


def test_symmetries():
    x, y, group, _ = grouped(6, 0.3, 0.7, balanced=False, units=300)
    x = x.astype(np.float32)
    want = stats.group_effects(x, y, group)
    swapped, names = stats.group_effects(x, 1 - y, group), np.array([f"w{g}" for g in -group])
    np.testing.assert_allclose(swapped.g_group_low, -want.g_group_high, atol=1e-12)
    np.testing.assert_allclose(swapped.auc_group_low, 1 - want.auc_group_high, atol=1e-12)
    np.testing.assert_allclose(swapped.accuracy_group, want.accuracy_group, atol=1e-12)
    for have in (
        stats.group_effects(x.astype(float) * 2.0**-40, y, names),
        stats.group_effects(x[::-1], y[::-1], group[::-1]),
    ):
        for name, values in vars(want).items():
            np.testing.assert_allclose(getattr(have, name), values, atol=1e-9, err_msg=name)
    np.testing.assert_array_equal(
        stats.group_effects(x[:, 257:258], y, group).auc_group_low, want.auc_group_low[257:258]
    )


def test_errors():
    x, y, group, _ = grouped(3, 0.3, 0.7, units=2)
    with pytest.raises(ValueError, match="1 groups of class 0 and 3 of class 1: at least 2"):
        stats.group_effects(x, y, np.where(y == 0, 0, group))
    with pytest.raises(ValueError, match="group 2 has examples of both labels"):
        stats.group_effects(x, y, np.where(group == 3, 2, group))
    x[3, 1] = np.inf
    with pytest.raises(ValueError, match="unit 1, example 3: the activation is inf"):
        stats.group_effects(x, y, group)
