import mpmath as mp
import numpy as np
import pytest
import statsmodels.api as sm
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from lens_probes import stats
from lens_probes.stats.logistic import score_statistic
from lens_probes.stats.sums import class_sums

NUMBERS = [name for name in stats.Logistic.__dataclass_fields__ if name != "status"]


def problems(n, share, *, seed, units=12):
    """Units of effects 0 to near separation, scales 1e-6 to 1e6, offsets up to 100 sd."""
    rng = np.random.default_rng(seed)
    y = np.zeros(n, dtype=int)
    y[: min(max(round(share * n), 3), n - 3)] = 1
    rng.shuffle(y)
    noise = rng.normal(size=(n, units))
    noise[:, 1::4] = rng.standard_t(2.5, size=noise[:, 1::4].shape)
    noise[:, 2::4] = np.round(noise[:, 2::4] * 2)
    noise[:, 3::4] = np.maximum(noise[:, 3::4], 0)
    x = noise + y[:, None] * np.linspace(0, 3, units) * rng.choice([-1, 1], units)
    x = (x + rng.uniform(-100, 100, units)) * 10.0 ** rng.uniform(-6, 6, units)
    return x, y


def relative(have, want):
    return abs(have - want) / max(abs(want), 1e-3)


def disagreement(x, y):
    """Largest relative difference from statsmodels over units with an estimate; their number.

    The null likelihood is the closed form: statsmodels' own `llnull` comes from an optimiser
    that stops 1e-9 short of it.
    """
    result = stats.logistic(x, y)
    share = y.mean()
    null = len(y) * (share * np.log(share) + (1 - share) * np.log(1 - share))
    worst, count = 0.0, 0
    for k in np.flatnonzero(result.status == "ok"):
        centred = x[:, k] - x[:, k].mean()
        sd = centred.std()
        fit = sm.Logit(y, sm.add_constant(centred / sd)).fit(disp=0, maxiter=300, tol=1e-14)
        z = np.array([fit.params[1] / fit.bse[1], np.sqrt(2 * (fit.llf - null))])
        log10_p = (np.log(2) + scipy_stats.norm.logsf(abs(z))) / np.log(10)
        pairs = [
            (result.beta[k] * sd, fit.params[1]),
            (result.beta_se[k] * sd, fit.bse[1]),
            (result.log10_wald_p[k], log10_p[0]),
            (result.log10_lrt_p[k], log10_p[1]),
            (result.accuracy[k], np.mean((fit.predict() > 0.5) == y)),
        ]
        assert result.intercept[k] == pytest.approx(
            fit.params[0] - fit.params[1] * x[:, k].mean() / sd, rel=1e-7, abs=1e-9
        )
        worst = max(worst, *(relative(*pair) for pair in pairs))
        count += 1
    return worst, count


@pytest.mark.filterwarnings("ignore:Maximum Likelihood")
def test_equals_statsmodels_on_five_hundred_problems():
    worst, count = 0.0, 0
    for seed, n in enumerate([20, 30, 60, 150, 600, 2000]):
        for share in (0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95):
            difference, fitted = disagreement(*problems(n, share, seed=seed))
            worst, count = max(worst, difference), count + fitted
    assert count >= 500
    assert worst <= 1e-8


def exact_fit(x, y):
    """beta, its se and the likelihood ratio statistic by Newton in 60 digits."""
    with mp.workdps(60):
        x = [mp.mpf(float(v)) for v in x]
        a, b = mp.mpf(0), mp.mpf(0)

        def likelihood(a, b):
            return -sum(
                mp.log(1 + mp.exp(-(a + b * v) if k else a + b * v))
                for v, k in zip(x, y, strict=True)
            )

        for _ in range(300):
            p = [1 / (1 + mp.exp(-(a + b * v))) for v in x]
            w = [q * (1 - q) for q in p]
            h, hx = sum(w), sum(u * v for u, v in zip(w, x, strict=True))
            hxx = sum(u * v * v for u, v in zip(w, x, strict=True))
            g = sum(k - q for k, q in zip(y, p, strict=True))
            gx = sum((k - q) * v for k, q, v in zip(y, p, x, strict=True))
            det = h * hxx - hx * hx
            step = (hxx * g - hx * gx) / det, (h * gx - hx * g) / det
            size = mp.mpf(1)
            start = likelihood(a, b)
            while likelihood(a + size * step[0], b + size * step[1]) < start - mp.mpf(10) ** -50:
                size /= 2
            a, b = a + size * step[0], b + size * step[1]
            if abs(step[1]) < mp.mpf(10) ** -30 * abs(b):
                break
        share = mp.mpf(sum(y)) / len(y)
        null = sum(mp.log(share if k else 1 - share) for k in y)
        return float(b), float(mp.sqrt(h / det)), float(2 * (likelihood(a, b) - null))


@pytest.mark.parametrize("overlap", [1e-1, 1e-3, 1e-6])
def test_near_separation_converges_to_the_exact_estimate(overlap):
    rng = np.random.default_rng(3)
    y = np.repeat([0, 1], [9, 7])
    x = np.where(y == 1, rng.exponential(1.0, 16) - overlap, -rng.exponential(1.0, 16) + overlap)
    x[0], x[9] = overlap, -overlap
    result = stats.logistic(x[:, None], y)
    assert result.status[0] == "ok"
    beta, se, statistic = exact_fit(x, y.tolist())
    assert result.beta[0] == pytest.approx(beta, rel=1e-8)
    assert result.beta_se[0] == pytest.approx(se, rel=1e-8)
    assert result.log10_lrt_p[0] == pytest.approx(stats.chi2_tail(statistic)[1], rel=1e-9)


def test_a_negligible_effect_keeps_its_likelihood_ratio():
    y = np.arange(40) % 2
    x = np.random.default_rng(0).normal(size=40)
    x -= (x @ (y - 0.5)) / 10 * (y - 0.5) * (1 - 1e-7)
    result = stats.logistic(x[:, None], y)
    _, _, statistic = exact_fit(x, y.tolist())
    assert statistic < 1e-10
    assert result.log10_lrt_p[0] == pytest.approx(stats.chi2_tail(statistic)[1], rel=1e-6)


def test_steps_that_overshoot_are_halved():
    y = np.repeat([1, 0], [28, 4])
    x = np.array([25.0] * 24 + [29.07, 22.16, 28.53, -0.28] + [0.53, -4.4, 0.57, -0.05])
    result = stats.logistic(x[:, None], y)
    beta, se, _ = exact_fit(x, y.tolist())
    assert result.status[0] == "ok"
    assert result.beta[0] == pytest.approx(beta, rel=1e-8)
    assert result.beta_se[0] == pytest.approx(se, rel=1e-8)


def test_an_outlier_of_ten_thousand_sd_still_converges():
    rng = np.random.default_rng(1)
    y = rng.integers(0, 2, 300)
    x = rng.normal(size=(300, 4)) + 0.5 * y[:, None]
    x[np.flatnonzero(y == 0)[0], :2] = 1e4
    x[np.flatnonzero(y == 1)[0], 2] = 1e4
    worst, count = disagreement(x, y)
    assert count == 4
    assert worst <= 1e-8


SEPARATED = {
    "separated": ([0, 1, 2], [3, 4]),
    "separated down": ([3, 4, 5], [1, 2]),
    "separated, no variance": ([0, 0, 0], [1, 1]),
    "quasi_separated": ([0, 1, 2], [2, 3]),
    "quasi_separated down": ([2, 3, 4], [1, 2]),
    "quasi_separated, one class flat": ([2, 2, 2], [2, 3]),
    "quasi_separated, other class flat": ([0, 1, 2], [2, 2]),
    "constant": ([5, 5, 5], [5, 5]),
    "ok": ([0, 1, 3], [2, 4]),
    "ok, both ends shared": ([0, 1, 1], [0, 1]),
}


@pytest.mark.parametrize("case", SEPARATED)
def test_status(case):
    zero, one = SEPARATED[case]
    y = np.array([0, 0, 0, 1, 1])
    x = np.array([*zero, *one], dtype=float)[:, None] * 0.1 + 7.3
    result = stats.logistic(x, y)
    status = case.split(",")[0].removesuffix(" down")
    assert result.status[0] == status
    undefined = {name for name in NUMBERS if np.isnan(getattr(result, name)[0])}
    coefficients = {"intercept", "beta", "beta_se", "beta_std"}
    wald = {"wald_z", "wald_p", "log10_wald_p"}
    want = {"ok": set(), "constant": set(NUMBERS)}.get(status, coefficients | wald)
    assert undefined == want


def test_limits_at_separation():
    y = np.array([0, 0, 0, 1, 1])
    null = -2 * (3 * np.log(3 / 5) + 2 * np.log(2 / 5))
    x = np.array([[0, 1, 2, 3, 4], [0, 1, 2, 2, 3], [0, 2, 2, 2, 3], [2, 2, 3, 2, 2]]).T
    result = stats.logistic(x, y)
    fitted = [0, 2 * np.log(0.5), 2 * np.log(2 / 3) + np.log(1 / 3), 4 * np.log(0.5)]
    want = stats.chi2_tail(null + 2 * np.array(fitted))[1]
    np.testing.assert_allclose(result.log10_lrt_p, want, rtol=1e-12)
    np.testing.assert_allclose(result.accuracy, [1, 4 / 5, 4 / 5, 3 / 5])
    np.testing.assert_allclose(result.balanced_accuracy, [1, 3 / 4, 3 / 4, (1 + 0) / 2])
    r = [np.corrcoef(x[:, k], y)[0, 1] for k in range(4)]
    np.testing.assert_allclose(
        result.log10_score_p, stats.chi2_tail(5 * np.square(r))[1], rtol=1e-10
    )


def test_the_limit_is_where_nearby_estimates_go():
    rng = np.random.default_rng(8)
    y = np.repeat([0, 1], [40, 30])
    x = np.where(y == 1, 1.0, -1.0) * rng.exponential(1.0, 70)
    x[[0, 1, 40, 41, 42]] = 0.0
    near = x.copy()
    near[[0, 40]] = 1e-9, -1e-9
    result = stats.logistic(np.column_stack([x, near]), y)
    assert result.status.tolist() == ["quasi_separated", "ok"]
    assert result.log10_lrt_p[0] == pytest.approx(result.log10_lrt_p[1], rel=1e-3)


def test_separated_units_rank_by_score():
    y = np.repeat([0, 1], 20)
    gap = np.array([0.1, 1.0, 5.0])
    x = np.random.default_rng(0).random((40, 3)) + y[:, None] * (1 + gap)
    result = stats.logistic(x, y)
    assert len(set(result.log10_lrt_p)) == 1
    assert (np.diff(result.log10_score_p) < 0).all()


def test_null_p_values_are_uniform_and_planted_effects_are_found(planted):
    rng = np.random.default_rng(6)
    result = stats.logistic(rng.normal(size=(400, 3000)), rng.integers(0, 2, 400))
    for p in (result.wald_p, result.lrt_p, result.score_p):
        assert scipy_stats.kstest(p, "uniform").pvalue > 0.001
    found = stats.logistic(*planted)
    assert (found.lrt_p[-15:] < 1e-4).all()
    assert (found.beta[-15:] > 0).all()
    assert (found.lrt_p[:20] < 0.05).mean() < 0.2


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_logistic_takes_extreme_scales(planted, scale):
    x, y = planted
    for many in (x * scale, torch.from_numpy(x * scale)):
        have = stats.logistic(many, y)
        np.testing.assert_allclose(have.log10_lrt_p, stats.logistic(x, y).log10_lrt_p, rtol=1e-9)


def test_logistic_names_a_non_finite_value(planted):
    x, y = planted
    x = x.copy()
    x[5, 33] = np.inf
    for units in (x, torch.from_numpy(x)):
        with pytest.raises(ValueError, match="unit 33, example 5: the activation is inf"):
            stats.logistic(units, y)


def test_threads_and_batches_change_nothing():
    x, y = problems(60, 0.4, seed=1, units=97)
    want = stats.logistic(x, y)
    for have in (
        stats.logistic(x, y, n_threads=3),
        stats.logistic(np.tile(x, (1, 11)), y),
        *(stats.logistic(x[:, [k]], y) for k in (0, 50)),
    ):
        k = {97: slice(0, 97), 97 * 11: slice(0, 97)}.get(len(have.beta))
        for name in [*NUMBERS, "status"] if k else []:
            np.testing.assert_array_equal(getattr(have, name)[k], getattr(want, name))
    for k in (0, 50, 96):
        single = stats.logistic(x[:, [k]], y)
        for name in [*NUMBERS, "status"]:
            np.testing.assert_array_equal(getattr(single, name)[0], getattr(want, name)[k])


@given(
    seed=st.integers(0, 10_000),
    scale=st.sampled_from([1e-6, 1e-2, 1.0, 3e5]),
    shift=st.floats(-100, 100),
)
def test_relabelling_rescaling_and_order(seed, scale, shift):
    rng = np.random.default_rng(seed)
    y = np.r_[0, 0, 1, 1, rng.integers(0, 2, rng.integers(10, 60))]
    x = rng.normal(size=(len(y), 6)) + y[:, None] * np.linspace(0, 3, 6)
    x[:, ::2] = np.round(x[:, ::2])
    want = stats.logistic(x, y)
    swapped = stats.logistic(x, 1 - y)
    order = rng.permutation(len(y))
    moved = stats.logistic((x[order] + shift) * scale, y[order])
    for have, sign, unit in ((swapped, -1, 1.0), (moved, 1, scale)):
        np.testing.assert_array_equal(have.status, want.status)
        options = {"rtol": 1e-7, "atol": 1e-9}
        np.testing.assert_allclose(have.wald_z, sign * want.wald_z, **options)
        np.testing.assert_allclose(have.beta * unit, sign * want.beta, **options)
        for name in ("log10_lrt_p", "log10_score_p", "log10_wald_p"):
            np.testing.assert_allclose(getattr(have, name), getattr(want, name), **options)
    np.testing.assert_array_equal(moved.accuracy, want.accuracy)
    np.testing.assert_allclose(moved.beta_std, want.beta_std, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("offset", [1e4, -1e6])
def test_an_offset_changes_nothing(offset):
    rng = np.random.default_rng(2)
    y = rng.integers(0, 2, 200)
    x = (rng.normal(size=(200, 5)) + y[:, None] + offset).astype(np.float32)
    centred = x.astype(np.float64) - offset
    have, want = stats.logistic(x, y), stats.logistic(centred, y)
    for name in set(NUMBERS) - {"intercept"}:
        np.testing.assert_allclose(getattr(have, name), getattr(want, name), rtol=1e-11)
    np.testing.assert_allclose(have.intercept, want.intercept - offset * want.beta, rtol=1e-9)


def test_the_score_statistic_is_n_r_squared_and_a_function_of_t(planted):
    x, y = planted
    n = len(y)
    statistic = score_statistic(class_sums(x, y == 1))
    r = [np.corrcoef(x[:, k], y)[0, 1] for k in range(x.shape[1])]
    np.testing.assert_allclose(statistic, n * np.square(r), rtol=1e-10)
    t = stats.ttest(x, y).t
    np.testing.assert_allclose(statistic, n * t**2 / (t**2 + n - 2), rtol=1e-10)


def test_beta_std_is_beta_times_the_pooled_within_class_sd(planted):
    x, y = planted
    result = stats.logistic(x, y)
    ss = sum(((x[y == k] - x[y == k].mean(0)) ** 2).sum(0) for k in (0, 1))
    np.testing.assert_allclose(result.beta_std, result.beta * np.sqrt(ss / 118), rtol=1e-12)


def test_options_are_checked(planted):
    with pytest.raises(ValueError, match="n_threads is 0: it must be at least 1"):
        stats.logistic(*planted, n_threads=0)
