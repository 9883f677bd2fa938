import tracemalloc

import numpy as np
import pytest

from lens_probes import stats
from lens_probes.stats._dealt import Dealt
from lens_probes.stats.inputs import InTurn

Y100 = (np.arange(100) >= 50).astype(int)


def second_sample(k, seed, *, effect=0.0, units=60):
    """Word identity in few directions that all units share; a first direction; a class effect."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(2 * k), 4)
    y = (group >= k).astype(int)
    common = rng.normal(size=(2 * k, 2)) @ rng.normal(size=(2, units))
    direction = rng.choice([-1.0, 1.0], units)
    x = common[group] + 0.3 * rng.normal(size=(len(y), units)) + effect * y[:, None] * direction
    return x, y, group, direction


def test_without_a_category_the_share_is_anything_and_its_null_says_so():
    shares, p, null = [], [], []
    for seed in range(200):
        x, y, group, direction = second_sample(8, seed)
        have = stats.sign_agreement(x, y, group, direction, np.ones(60), n_permutations=199)
        shares.append(have.share)
        p.append(have.p)
        null.append([have.null_low, have.null_high])
    assert np.ptp(shares) > 0.3
    assert np.mean(np.array(p) <= 0.05) <= 0.09
    assert np.mean(null, axis=0) == pytest.approx([0.37, 0.63], abs=0.08)
    for effect in (1.0, 3.0):
        found = [
            stats.sign_agreement(
                *second_sample(12, seed, effect=effect), np.ones(60), n_permutations=199
            )
            for seed in range(20)
        ]
        assert np.mean([one.p <= 0.05 for one in found]) >= 0.9
        assert np.mean([one.share for one in found]) > 0.85


def test_the_interval_over_groups_covers_where_counting_units_does_not():
    every = [
        stats.sign_agreement(*second_sample(12, s, effect=0.7), np.ones(60), n_permutations=9)
        for s in range(400)
    ]
    shares = np.array([one.share for one in every])
    truth = shares.mean()
    assert np.mean([one.low <= truth <= one.high for one in every]) >= 0.92
    half = 1.96 * np.sqrt(shares * (1 - shares) / 60)
    assert np.mean(np.abs(shares - truth) <= half) < 0.85


def test_shares_by_hand_and_all_relabellings():
    x, y, group, direction = second_sample(3, 1, units=7)
    selected = np.array([1, 1, 0, 1, 1, 1, 0])
    direction[4] = 0
    have = stats.sign_agreement([x[:, :3], x[:, 3:]], y, group, direction, selected)
    means = np.array([x[group == g].mean(0) for g in range(6)])
    sign = np.sign(means[3:].mean(0) - means[:3].mean(0))
    use = [0, 1, 3, 5]
    assert have.n_units == 4
    assert have.share == (sign == direction)[use].mean()
    assert have.exact
    assert len(have.null_shares) == 18
    assert have.p == (1 + (have.null_shares >= have.share).sum()) / 19
    assert 0 <= have.low <= have.share <= have.high <= 1


def test_nothing_selected_and_errors():
    x, y, group, direction = second_sample(3, 0, units=4)
    none = stats.sign_agreement(x, y, group, direction, np.zeros(4))
    assert none.n_units == 0
    assert np.isnan([none.share, none.low, none.p, none.null_high]).all()
    with pytest.raises(ValueError, match=r"over the 4 units of x"):
        stats.sign_agreement(x, y, group, direction[:3], np.ones(4))
    with pytest.raises(ValueError, match="selected must be True or False"):
        stats.sign_agreement(x, y, group, direction, np.full(4, 0.5))
    with pytest.raises(ValueError, match="at least 2 of each are needed"):
        stats.sign_agreement(x, y, np.where(y == 0, 0, group), direction, np.ones(4))


def values_or_pairs(kind, seed, *, effect=0.0, units=40):
    """Groups that share what they do over all units, with a value each or with both labels."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(14), 6)
    common = (rng.normal(size=(14, 2)) @ rng.normal(size=(2, units)))[group]
    direction = rng.choice([-1.0, 1.0], units)
    if kind == "value":
        y = rng.normal(size=14)[group]
        x = common + effect * y[:, None] * direction
    else:
        y = np.tile([0, 1], len(group) // 2)
        x = y[:, None] * common + effect * y[:, None] * direction + rng.normal(size=(14, 1))[group]
    return x + 0.3 * rng.normal(size=x.shape), y, group, direction


@pytest.mark.parametrize("kind", ["value", "pair"])
def test_values_and_pairs_hold_their_level_and_find_what_is_there(kind):
    def found(effect, seeds):
        return [
            stats.sign_agreement(
                *values_or_pairs(kind, s, effect=effect), np.ones(40), kind=kind, n_permutations=199
            )
            for s in seeds
        ]

    nothing, something = found(0.0, range(200)), found(1.5, range(20))
    assert np.mean([one.p <= 0.05 for one in nothing]) <= 0.09
    assert np.mean([one.low <= 0.5 <= one.high for one in nothing]) >= 0.9
    assert np.mean([one.p <= 0.05 for one in something]) >= 0.9
    assert all(one.low <= one.share <= one.high + 1e-9 for one in something)


@pytest.mark.parametrize("kind", ["class", "value", "pair"])
def test_effects_and_those_without_each_group_by_hand(kind):
    rng = np.random.default_rng(4)
    group = np.repeat(np.arange(7), [3, 2, 4, 2, 2, 5, 3])
    y = {
        "class": (group > 2).astype(int),
        "value": rng.normal(size=7)[group],
        "pair": np.concatenate([np.arange(n) % 2 for n in [3, 2, 4, 2, 2, 5, 3]]),
    }[kind]
    x = rng.normal(size=(len(y), 5))

    def sign(use):
        rows = np.isin(group, use)
        part, label, one = x[rows], y[rows], group[rows]
        if kind == "pair":
            sides = [[part[(one == g) & (label == k)].mean(0) for g in use] for k in (0, 1)]
            return np.sign(np.mean(sides[1], axis=0) - np.mean(sides[0], axis=0))
        means = np.array([part[one == g].mean(0) for g in use])
        of = np.array([label[one == g][0] for g in use])
        return np.sign((of - of.mean()) @ means)

    direction, everything = np.array([1.0, 1, -1, 1, -1]), list(range(7))
    have = stats.sign_agreement(x, y, group, direction, np.ones(5), kind=kind, n_permutations=50)
    assert have.share == (sign(everything) == direction).mean()
    dealt = Dealt.of(y, len(y), group, kind, n_permutations=50, seed=0)
    left = np.sign(dealt.effects(dealt.means(x))[1:])
    for g in everything:
        np.testing.assert_array_equal(left[g], sign([h for h in everything if h != g]))


def test_memory_does_not_grow_with_units_or_relabellings():
    x = InTurn(lambda _: np.zeros((100, 4000), np.float32) + Y100[:, None], (4000,) * 4, 100)
    peak = {}
    for n in (500, 4000):
        tracemalloc.start()
        stats.sign_agreement(
            x, Y100, np.arange(100) // 2, np.ones(16000), np.ones(16000), n_permutations=n
        )
        peak[n] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak[4000] < 40e6


def test_errors_of_values_and_pairs():
    x, y, group, direction = second_sample(3, 0, units=4)
    with pytest.raises(ValueError, match="kind is 'words': it must be"):
        stats.sign_agreement(x, y, group, direction, np.ones(4), kind="words")
    with pytest.raises(ValueError, match="examples of one label only"):
        stats.sign_agreement(x, y, group, direction, np.ones(4), kind="pair")
    with pytest.raises(ValueError, match="there are 2 groups: at least 3 are needed"):
        stats.sign_agreement(x, y, y, direction, np.ones(4), kind="value")
