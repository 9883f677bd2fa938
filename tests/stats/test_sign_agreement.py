import tracemalloc

import numpy as np
import pytest
import statsmodels.api as sm

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
def test_signs_and_the_variance_of_effects_by_hand(kind):
    rng = np.random.default_rng(4)
    sizes = [3, 2, 4, 2, 2, 5, 3]
    group = np.repeat(np.arange(7), sizes)
    y = {
        "class": (group > 2).astype(int),
        "value": rng.normal(size=7)[group],
        "pair": np.concatenate([np.arange(n) % 2 for n in sizes]),
    }[kind]
    x = rng.normal(size=(len(y), 5))
    means = np.array([x[group == g].mean(axis=0) for g in range(7)])
    if kind == "class":
        parts = means[:3], means[3:]
        effect = parts[1].mean(axis=0) - parts[0].mean(axis=0)
        error = np.sqrt(sum(part.var(axis=0, ddof=1) / len(part) for part in parts))
    elif kind == "pair":
        sides = [[x[(group == g) & (y == k)].mean(axis=0) for g in range(7)] for k in (0, 1)]
        gaps = np.subtract(sides[1], sides[0])
        effect, error = gaps.mean(axis=0), gaps.std(axis=0, ddof=1) / np.sqrt(7)
    else:
        value = sm.add_constant([y[group == g][0] for g in range(7)])
        fits = [sm.OLS(unit, value).fit(cov_type="HC1") for unit in means.T]
        effect, error = np.array([(fit.params[1], fit.bse[1]) for fit in fits]).T
    direction = np.array([1.0, 1, -1, 1, -1])
    have = stats.sign_agreement(x, y, group, direction, np.ones(5), kind=kind, n_permutations=50)
    assert have.share == (np.sign(effect) == direction).mean()
    dealt = Dealt.of(y, len(y), group, kind, n_permutations=50, seed=0)
    said = dealt.means(x)
    of_noise = np.sqrt(np.square(dealt.noise) @ np.square(dealt.without_label(said)))
    np.testing.assert_allclose(dealt.contrast @ said / of_noise, effect / error)
    assert dealt.dof == (6 if kind == "pair" else 5)


def test_units_without_any_error_are_sure_and_move_no_other():
    x, y, group, direction = second_sample(6, 2)
    certain = np.stack([y, np.full(len(y), 3.0)], axis=1)
    have = stats.sign_agreement(
        [x, certain], y, group, np.r_[direction, 1, 1], np.ones(62), n_permutations=9
    )
    alone = stats.sign_agreement(x, y, group, direction, np.ones(60), n_permutations=9)
    assert have.share == (60 * alone.share + 1) / 62
    assert 0 <= have.low < have.share < have.high <= 1
    sure = stats.sign_agreement(certain[:, [0] * 20], y, group, np.ones(20), np.ones(20))
    assert (sure.share, sure.high) == (1.0, 1.0)
    assert 0.8 < sure.low < 0.95


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
