"""Mean AUC in a second sample: by hand, with an interval and a null that hold what they promise."""

import numpy as np
import pytest

from lens_probes import stats


def second_sample(k, seed, *, effect=0.0, units=40):
    """Word identity in few directions that all units share; a first direction; a class effect."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(2 * k), 4)
    y = (group >= k).astype(int)
    common = rng.normal(size=(2 * k, 2)) @ rng.normal(size=(2, units))
    direction = rng.choice([-1.0, 1.0], units)
    x = common[group] + 0.5 * rng.normal(size=(len(y), units)) + effect * y[:, None] * direction
    return x, y, group, direction


def test_it_is_the_mean_of_the_units_auc_over_groups():
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(9), [3, 1, 4, 2, 2, 5, 1, 3, 2])
    y = (group >= 4).astype(int)
    x = rng.integers(0, 5, (len(y), 30)) + 0.5 * y[:, None]
    x[:, :10] = rng.normal(size=(len(y), 10))
    direction, selected = rng.choice([-1, 0, 1], 30), rng.integers(0, 2, 30)
    use = (selected == 1) & (direction != 0)
    each = stats.group_effects(x, y, group).auc_group
    want = np.where(direction > 0, each, 1 - each)[use].mean()
    have = stats.mean_auc([x[:, :12], x[:, 12:]], y, group, direction, selected)
    assert have.auc == pytest.approx(want)
    assert have.n_units == use.sum()
    one = stats.mean_auc(x, y, group, np.ones(30), np.arange(30) == 3)
    alone = stats.group_effects(x[:, 3:4], y, group)
    assert (one.low, one.high) == pytest.approx((alone.auc_group_low[0], alone.auc_group_high[0]))


def test_the_null_is_that_of_group_effects_under_other_labels():
    x, y, group, direction = second_sample(3, 1, units=6)
    have = stats.mean_auc(x, y, group, direction, np.ones(6))
    moved = x.copy()
    for label in (0, 1):
        means = [x[group == g].mean(0) for g in np.unique(group[y == label])]
        moved[y == label] -= np.mean(means, axis=0)
    want = []
    for high in np.ndindex(*(2,) * 6):
        if sum(high) == 3 and high not in ((0, 0, 0, 1, 1, 1), (1, 1, 1, 0, 0, 0)):
            each = stats.group_effects(moved, np.array(high)[group], group).auc_group
            want.append(np.where(direction > 0, each, 1 - each).mean())
    assert np.sort(have.null) == pytest.approx(np.sort(want))
    assert have.p == (1 + (have.null >= have.auc).sum()) / 19


def test_level_and_power():
    def found(effect, seeds):
        return [
            stats.mean_auc(*second_sample(12, s, effect=effect), np.ones(40), n_permutations=199)
            for s in seeds
        ]

    nothing, something = found(0.0, range(200)), found(1.5, range(20))
    assert np.mean([one.p <= 0.05 for one in nothing]) <= 0.09
    assert np.mean([one.p <= 0.05 for one in something]) >= 0.9


def test_nothing_selected():
    x, y, group, direction = second_sample(3, 0, units=4)
    none = stats.mean_auc(x, y, group, direction, np.zeros(4))
    assert none.n_units == 0
    assert np.isnan([none.auc, none.low, none.p, none.null_high]).all()
