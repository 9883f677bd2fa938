"""Effects that come back: r by hand, an interval over groups, a null that knows shared words."""

from itertools import combinations

import numpy as np
import pytest

from lens_probes import stats


def second_sample(k, seed, *, effect, units=60, shared=1.0):
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(2 * k), 4)
    y = (group >= k).astype(int)
    common = shared * rng.normal(size=(2 * k, 2)) @ rng.normal(size=(2, units))
    x = common[group] + rng.normal(size=(2 * k, units))[group] + y[:, None] * effect
    return x + 0.5 * rng.normal(size=x.shape), y, group


def test_r_and_its_null_by_hand():
    first = np.random.default_rng(0).normal(size=9)
    first[2] = np.nan
    x, y, group = second_sample(3, 1, effect=np.zeros(9), units=9)
    x[:, 5] = 2.0
    have = stats.effect_agreement([x[:, :4], x[:, 4:]], y, group, first)
    means = np.array([x[group == g].mean(0) for g in range(6)])
    rest = means - np.repeat([means[:3].mean(0), means[3:].mean(0)], 3, axis=0)
    within = np.mean([x[group == g].var(0) for g in range(6)], axis=0)
    use = [0, 1, 3, 4, 6, 7, 8]
    sd = np.sqrt(rest.var(0) + within)

    def r(values, high):
        gap = values[high].mean(0) - values[[g for g in range(6) if g not in high]].mean(0)
        return np.corrcoef((gap / np.where(sd > 0, sd, 1))[use], first[use])[0, 1]

    assert have.n_units == 7
    assert have.r == pytest.approx(r(means, [3, 4, 5]))
    assert len(have.null) == 18
    dealt = [c for c in combinations(range(6), 3) if c not in ((0, 1, 2), (3, 4, 5))]
    assert np.sort(have.null) == pytest.approx(np.sort([r(rest, list(c)) for c in dealt]))
    assert have.p == (1 + (have.null >= have.r).sum()) / 19


def test_level_and_power():
    first = np.random.default_rng(3).normal(size=60)

    def found(size, seeds):
        given = {"n_permutations": 199}
        return [
            stats.effect_agreement(*second_sample(12, s, effect=size * first), first, **given)
            for s in seeds
        ]

    nothing, something = found(0.0, range(200)), found(0.7, range(20))
    assert np.mean([one.p <= 0.05 for one in nothing]) <= 0.09
    assert np.ptp([one.r for one in nothing]) > 0.4  # units move together
    assert np.mean([one.p <= 0.05 for one in something]) >= 0.9


def test_too_few_units_and_errors():
    x, y, group = second_sample(3, 1, effect=np.zeros(4), units=4)
    few = stats.effect_agreement(x, y, group, [1.0, 2.0, np.nan, np.inf])
    assert few.n_units == 2
    assert np.isnan([few.r, few.low, few.p]).all()
    with pytest.raises(ValueError, match="over the 4 units of x"):
        stats.effect_agreement(x, y, group, [1.0, 2.0])
