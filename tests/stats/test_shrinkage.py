import numpy as np
import pandas as pd
import pytest
from scipy import integrate
from scipy import stats as scipy_stats

from lens_probes import stats
from lens_probes.stats import shrinkage
from lens_probes.units.table import SHRUNK, with_shrunk_effects


def planted_effects(seed, *, null=0.8, units=3000, sd=0.4):
    """True effects, most of them 0, measured with known errors of different size."""
    rng = np.random.default_rng(seed)
    truth = np.where(rng.random(units) < null, 0.0, rng.normal(0, sd, units))
    se = rng.uniform(0.15, 0.3, units)
    return truth, truth + se * rng.normal(size=units), se


def inside(low, truth, high):
    return float(((low <= truth) & (truth <= high)).mean())


def test_the_top_units_are_as_large_as_shrunk_and_not_as_measured():
    said = []
    for seed in range(20):
        truth, effect, se = planted_effects(seed)
        have = stats.shrink(effect, se)
        top = np.argsort(-np.abs(effect))[:20]
        sign, true, b = np.sign(effect[top]), truth[top], effect[top]
        said.append(
            [
                np.abs(b).mean(),
                (sign * true).mean(),
                (sign * have.shrunk[top]).mean(),
                inside(b - 1.96 * se[top], true, b + 1.96 * se[top]),
                inside(have.shrunk_low[top], true, have.shrunk_high[top]),
            ]
        )
    measured, true, shrunk, plain, covered = np.mean(said, axis=0)
    assert measured > true + 0.2
    assert shrunk == pytest.approx(true, abs=0.05)
    assert plain < 0.8
    assert covered == pytest.approx(0.95, abs=0.03)


def test_the_prior_is_found_and_false_sign_rates_are_what_they_say():
    truth, effect, se = planted_effects(0, null=0.7, units=40_000)
    have = stats.shrink(effect, se)
    assert have.null_share == pytest.approx(0.7, abs=0.05)
    assert have.weight.sum() == pytest.approx(1)
    assert np.sqrt(have.weight @ have.sd**2) == pytest.approx(truth.std(), rel=0.05)
    assert inside(have.shrunk_low, truth, have.shrunk_high) == pytest.approx(0.955, abs=0.01)
    wrong = np.sign(effect) != np.sign(truth)
    for low, high in ((0, 0.05), (0.05, 0.2), (0.2, 0.5), (0.5, 1)):
        some = (have.lfsr > low) & (have.lfsr <= high)
        assert some.sum() > 500
        assert wrong[some].mean() == pytest.approx(have.lfsr[some].mean(), abs=0.03)


def test_without_effects_nothing_is_left_and_without_noise_everything():
    rng = np.random.default_rng(1)
    nothing = stats.shrink(rng.normal(size=4000), np.ones(4000))
    assert nothing.null_share > 0.9
    assert np.abs(nothing.shrunk).max() < 0.3
    assert nothing.lfsr.min() > 0.5
    effect = rng.normal(size=4000)
    effect += 0.01 * np.sign(effect)
    clear = stats.shrink(effect, np.full(4000, 1e-4))
    np.testing.assert_allclose(clear.shrunk, effect, atol=5e-4)
    np.testing.assert_allclose(clear.shrunk_high - clear.shrunk_low, 3.92e-4, rtol=0.01)


def test_posteriors_equal_numerical_integration():
    _, effect, se = planted_effects(2, units=300)
    have = stats.shrink(effect, se)
    for u in (int(np.argmax(effect)), int(np.argsort(effect)[285]), int(np.argmin(effect))):
        used = np.flatnonzero(have.weight[1:] > 1e-8) + 1

        def density(t, u=u, used=used):
            prior = have.weight[used] @ scipy_stats.norm.pdf(t, 0, have.sd[used])
            return prior * scipy_stats.norm.pdf(effect[u], t, se[u])

        null = have.weight[0] * scipy_stats.norm.pdf(effect[u], 0, se[u])
        below, above = (
            integrate.quad(density, *ends, epsabs=1e-13, limit=200)[0] for ends in ((-4, 0), (0, 4))
        )
        total = null + below + above
        mean = integrate.quad(lambda t: t * density(t), -4, 4, epsabs=1e-13, limit=200)[0] / total
        assert have.shrunk[u] == pytest.approx(mean, abs=1e-6)
        assert have.lfsr[u] == pytest.approx((null + min(below, above)) / total, abs=1e-6)
        for end, p in ((have.shrunk_low[u], 0.025), (have.shrunk_high[u], 0.975)):
            mass = integrate.quad(density, -4, end, epsabs=1e-13, limit=200)[0]
            if end == 0:
                assert mass / total <= p <= (mass + null) / total
            else:
                assert (mass + (end > 0) * null) / total == pytest.approx(p, abs=1e-5)


def test_the_weights_are_of_most_likelihood_and_em_does_not_better_them():
    _, effect, se = planted_effects(3, units=500)
    sd = stats.shrink(effect, se).sd
    density = shrinkage._likelihoods(effect, se, sd)

    def gain(weight):
        return np.log(density @ weight).sum() + 10 * np.log(weight[0])

    def em(weight):
        share = (weight * density / (density @ weight)[:, None]).sum(axis=0)
        share[0] += 10
        return share / share.sum()

    best = shrinkage._fit_weights(density)
    weight = np.full(len(sd), 1 / len(sd))
    for _ in range(2000):
        weight = em(weight)
    assert gain(weight) > gain(np.full(len(sd), 1 / len(sd))) + 10
    assert gain(best) >= gain(weight) - 1e-6
    assert gain(em(best)) == pytest.approx(gain(best), abs=1e-5)


def test_scale_order_and_missing_units():
    _, effect, se = planted_effects(4, units=400)
    want = stats.shrink(effect, se)
    scaled = stats.shrink(-1e3 * effect[::-1], 1e3 * se[::-1])
    np.testing.assert_allclose(scaled.shrunk[::-1], -1e3 * want.shrunk, atol=1e-2)
    np.testing.assert_allclose(scaled.shrunk_low[::-1], -1e3 * want.shrunk_high, atol=1e-1)
    holes = stats.shrink(np.r_[effect, np.nan, np.inf, 1.0], np.r_[se, 1.0, 1.0, np.nan])
    np.testing.assert_array_equal(holes.shrunk[:400], want.shrunk)
    assert np.isnan(holes.shrunk[400:]).all()
    assert np.isnan(holes.lfsr[400:]).all()


def test_errors():
    with pytest.raises(ValueError, match=r"effect has shape \(2,\) and se \(3,\)"):
        stats.shrink([1, 2], [1, 1, 1])
    with pytest.raises(ValueError, match="unit 1 has the standard error 0: it must be positive"):
        stats.shrink([1.0, 2.0], [1.0, 0.0])
    with pytest.raises(ValueError, match="no unit has both"):
        stats.shrink([np.nan, 2.0], [1.0, np.nan])


def test_effects_over_groups_are_shrunk_to_what_is_true_of_the_top_units():
    said = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        group = np.repeat(np.arange(24), 8)
        y = (group >= 12).astype(int)
        truth = np.where(rng.random(3000) < 0.7, 0.0, rng.normal(0, 0.5, 3000))
        x = np.sqrt(0.2) * rng.normal(size=(24, 3000))[group]
        x += np.sqrt(0.8) * rng.normal(size=x.shape) + y[:, None] * truth
        found = stats.group_effects(x, y, group)
        names = ("g_group", "g_group_low", "g_group_high")
        units = with_shrunk_effects(pd.DataFrame({name: getattr(found, name) for name in names}))
        top = np.argsort(-np.abs(found.g_group))[:20]
        sign, (g, low, high) = np.sign(found.g_group[top]), units[list(SHRUNK)].to_numpy()[top].T
        measured = inside(found.g_group_low[top], truth[top], found.g_group_high[top])
        means = [np.mean(sign * values) for values in (found.g_group[top], truth[top], g)]
        said.append([*means, measured, inside(low, truth[top], high)])
    measured, true, shrunk, plain, covered = np.mean(said, axis=0)
    assert measured > true + 0.15
    assert shrunk == pytest.approx(true, abs=0.12)
    assert covered > max(plain, 0.88)


def test_units_without_an_interval_or_any_effect_stay_without():
    nan, inf = np.nan, np.inf
    table = pd.DataFrame({"g_group": [1.0, nan, inf, 2.0], "g_group_low": [0.5, nan, inf, -inf]})
    units = with_shrunk_effects(table.assign(g_group_high=[1.5, nan, inf, inf]))
    assert units[SHRUNK[0]].notna().tolist() == [True, False, False, False]
    nothing = with_shrunk_effects(units[1:3])
    assert nothing[list(SHRUNK)].isna().all(axis=None)
    assert SHRUNK[0] not in with_shrunk_effects(pd.DataFrame({"r": [0.5]}))
