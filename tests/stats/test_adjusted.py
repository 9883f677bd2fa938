"""The adjusted test: equal to least squares, exact where it can be, level and power."""

import itertools

import numpy as np
import pytest
import statsmodels.api as sm

from lens_probes import stats


def crossed(seed, *, units, n_groups=24, each=10, speaker=0.0, curve=0.0, effect=0.0, icc=0.4):
    """Words of two classes, spoken by speakers and of frequencies that lean to one class."""
    rng = np.random.default_rng(seed)
    label = (np.arange(n_groups) < n_groups // 2).astype(int)
    group = np.repeat(np.arange(n_groups), each)
    who = (rng.random(len(group)) ** np.where(label[group] == 1, 2.5, 0.4) * 8).astype(int)
    log_count = rng.normal(size=n_groups) + 1.5 * label
    x = np.sqrt(icc) * rng.normal(size=(n_groups, units))[group]
    x += np.sqrt(1 - icc) * rng.normal(size=(len(group), units))
    x += speaker * rng.normal(size=(8, units))[who]
    bend = (np.tanh(log_count) + 0.3 * log_count**2)[group]
    x += curve * rng.normal(size=units) * bend[:, None] + effect * label[group][:, None]
    return x, label[group], group, who, log_count[group]


def share_wrong(p, n_families):
    """Share of families in which any unit passes 0.05."""
    return (p.reshape(n_families, -1).min(axis=1) <= 0.05).mean()


@pytest.mark.parametrize("continuous", [False, True])
def test_single_examples_give_the_t_of_least_squares(continuous):
    x, y, _, who, log_count = crossed(0, units=3, n_groups=60, each=1, speaker=1.0, curve=1.0)
    if continuous:
        y = log_count**2 + np.random.default_rng(1).normal(size=60)
    columns = stats.spline_columns(log_count)
    got = stats.adjusted_test(x, y, groups=np.arange(60), fixed=who, covariates=columns, n_draws=20)
    levels = np.unique(who)
    full = np.column_stack([y, who[:, None] == levels, columns]).astype(float)
    want = [sm.OLS(column, full).fit() for column in x.T]
    np.testing.assert_allclose(got.adjusted_t, [fit.tvalues[0] for fit in want], rtol=1e-9)
    assert got.dof == want[0].df_resid
    plain = stats.adjusted_test(x, y, groups=np.arange(60), n_draws=20)
    assert not np.allclose(plain.adjusted_t, got.adjusted_t, rtol=0.05)


def test_equal_groups_give_the_t_of_their_means():
    x, y, group, *_ = crossed(1, units=4, effect=0.5)
    got = stats.adjusted_test(x, y, groups=group, n_draws=20)
    means = np.array([x[group == g].mean(axis=0) for g in range(24)])
    want = stats.ttest(means, y[::10]).t
    np.testing.assert_allclose(got.adjusted_t, want, rtol=1e-10)
    assert (got.dof, got.n_groups) == (22, 24)
    assert got.effective_groups == pytest.approx(24)


def test_effects_taken_out_leave_no_trace():
    x, y, group, who, log_count = crossed(2, units=5)
    rng = np.random.default_rng(0)
    era = rng.integers(0, 3, len(y))
    moved = x + 5 * rng.normal(size=(8, 5))[who] + rng.normal(size=(3, 5))[era] + log_count[:, None]
    both = [
        stats.adjusted_test(
            part, y, groups=group, fixed=[who, era], covariates=log_count, n_draws=50
        )
        for part in (x, moved)
    ]
    np.testing.assert_allclose(both[0].adjusted_t, both[1].adjusted_t, rtol=1e-8)
    np.testing.assert_array_equal(both[0].p_family, both[1].p_family)
    without = stats.adjusted_test(moved, y, groups=group, n_draws=50)
    assert not np.allclose(without.adjusted_t, both[0].adjusted_t, rtol=0.1)


def test_all_sign_flips_equal_brute_force():
    x, y, group, *_ = crossed(3, units=6, n_groups=8, each=4, effect=1.0)
    family = np.array([5, 5, 5, 1, 1, 1])
    got = stats.adjusted_test(x, y, groups=group, family=family)
    means = np.array([x[group == g].mean(axis=0) for g in range(8)])
    means -= means.mean(axis=0)
    means /= np.linalg.norm(means, axis=0)
    label = y[::4] - y.mean()
    sizes = []
    for signs in itertools.product([1, -1], repeat=8):
        flipped = label * signs - np.mean(label * signs)
        length = np.linalg.norm(flipped)
        sizes.append(np.abs(flipped @ means) / length if length > 1e-9 else np.zeros(6))
    real = np.abs(label @ means) / np.linalg.norm(label)
    for ids in (1, 5):
        top = np.array(sizes)[:, family == ids].max(axis=1)
        want = [(top >= r - 1e-9).mean() for r in real[family == ids]]
        np.testing.assert_allclose(got.p_family[family == ids], want, rtol=1e-12)
    assert got.exact
    assert got.n_distinct == got.n_draws == 128
    assert got.families.tolist() == [1, 5]


def test_a_permutation_counts_equal_values_once():
    x, y, group, *_ = crossed(3, units=4, n_groups=8, each=4, effect=1.0)
    got = stats.adjusted_test(x, y, groups=group, method="permutation")
    want = stats.max_permutation(x, y, groups=group)
    assert got.n_distinct == want.n_distinct_relabellings == 70
    np.testing.assert_allclose(got.p_family.min(), want.p_family.min(), atol=2 / 70)
    sampled = stats.adjusted_test(x, y, groups=group, method="permutation", n_draws=69)
    assert not sampled.exact


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.3])
def test_the_threshold_is_where_p_reaches_alpha(alpha):
    x, y, group, who, _ = crossed(4, units=300, effect=0.6)
    family = np.arange(300) % 3
    got = stats.adjusted_test(
        x, y, groups=group, fixed=who, n_draws=199, alpha=alpha, family=family
    )
    np.testing.assert_array_equal(
        np.abs(got.adjusted_t) > got.threshold[family] + 1e-9, got.p_family <= alpha
    )
    np.testing.assert_allclose(got.log10_p_family, np.log10(got.p_family))


def test_arrays_in_turn_and_scales_change_nothing():
    x, y, group, who, _ = crossed(5, units=9, effect=0.5)
    whole = stats.adjusted_test(x, y, groups=group, fixed=who, n_draws=99)
    apart = stats.adjusted_test(
        [1e6 + x[:, :4], 1e-9 * x[:, 4:]], 3.0 * y - 7, groups=group, fixed=who, n_draws=99
    )
    np.testing.assert_allclose(apart.adjusted_t, whole.adjusted_t, rtol=1e-6)
    np.testing.assert_array_equal(apart.p_family, whole.p_family)
    order = np.random.default_rng(0).permutation(len(y))
    shuffled = stats.adjusted_test(
        x[order], y[order], groups=group[order], fixed=who[order], n_draws=99
    )
    np.testing.assert_allclose(shuffled.p_family, whole.p_family)


@pytest.mark.parametrize("confound", ["speaker", "curve"])
def test_the_level_holds_only_with_the_adjustment(confound):
    wrong = np.zeros(2)
    for seed in range(4):
        x, y, group, who, log_count = crossed(seed, units=60 * 50, **{confound: 1.5})
        family = np.repeat(np.arange(60), 50)
        effects = {"speaker": {"fixed": who}, "curve": {"covariates": 0}}[confound]
        if "covariates" in effects:
            effects["covariates"] = stats.spline_columns(log_count)
        for k, given in enumerate(({}, effects)):
            p = stats.adjusted_test(x, y, groups=group, family=family, n_draws=199, **given)
            wrong[k] += share_wrong(p.p_family, 60) / 4
    assert wrong[0] > 0.3
    assert wrong[1] < 0.095  # 0.05 + 3 standard errors of 240 families


def test_sign_flips_stand_unequal_spreads_and_a_permutation_does_not():
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(40), 5)
    y = (group < 10).astype(int)
    x = (rng.normal(size=(40, 4000)) * np.where(np.arange(40) < 10, 2.0, 1.0)[:, None])[group]
    family = np.repeat(np.arange(80), 50)
    flips, deals = (
        stats.adjusted_test(x, y, groups=group, family=family, n_draws=199, method=method)
        for method in ("auto", "permutation")
    )
    assert flips.method == "sign flips"
    assert share_wrong(flips.p_family, 80) < 0.15
    assert share_wrong(deals.p_family, 80) > 0.4


def test_a_true_effect_is_found_through_a_confound():
    x, y, group, who, _ = crossed(6, units=200, speaker=0.7)
    x[:, :40] += 1.5 * y[:, None]
    p = stats.adjusted_test(x, y, groups=group, fixed=who, n_draws=499).p_family
    assert (p[:40] <= 0.05).mean() > 0.5
    assert (p[40:] <= 0.05).sum() <= 2


def test_a_label_that_varies_inside_groups():
    rng = np.random.default_rng(0)
    x, _, group, who, _ = crossed(7, units=3000, speaker=0.5)
    y = rng.integers(0, 2, len(group))
    family = np.repeat(np.arange(60), 50)
    got = stats.adjusted_test(x, y, groups=group, fixed=who, family=family, n_draws=199)
    assert share_wrong(got.p_family, 60) < 0.15
    x[:, 0] += 1.0 * y
    again = stats.adjusted_test(x, y, groups=group, fixed=who, family=family, n_draws=199)
    assert again.p_family[0] <= 0.01
    with pytest.raises(ValueError, match="varies inside a group"):
        stats.adjusted_test(x, y, groups=group, method="permutation")


def test_units_without_anything_left_are_nan():
    x, y, group, who, _ = crossed(8, units=4)
    x[:, 1] = 0.1
    x[:, 2] = who * 3.0
    got = stats.adjusted_test(x, y, groups=group, fixed=who, n_draws=50)
    assert np.isnan(got.adjusted_t).tolist() == [False, True, True, False]
    assert np.isnan(got.p_family).tolist() == [False, True, True, False]
    nothing = stats.adjusted_test(x[:, 1:2], y, groups=group, n_draws=50)
    assert np.isnan(nothing.threshold).all()


def test_few_groups_choose_what_can_reach_alpha():
    rng = np.random.default_rng(0)
    x, value = rng.normal(size=(5, 2)), rng.normal(size=5)
    got = stats.adjusted_test(x, value, groups=np.arange(5))
    assert (got.method, got.n_distinct, got.exact) == ("permutation", 120, True)
    assert "too few sign flips" in got.why
    more = stats.adjusted_test(rng.normal(size=(6, 2)), rng.normal(size=6), groups=np.arange(6))
    assert (more.method, more.n_distinct) == ("sign flips", 32)


def test_a_spline_spans_curves_and_straight_lines():
    values = np.random.default_rng(0).normal(size=80)
    columns = stats.spline_columns(values, 5)
    assert columns.shape == (80, 4)
    basis = np.column_stack([np.ones(80), columns])
    for target, most in ((values, 1e-10), (values**2, 0.5), (np.tanh(values), 0.1)):
        left = target - basis @ np.linalg.lstsq(basis, target)[0]
        assert np.abs(left).max() < most
    assert stats.spline_columns(np.repeat([1.0, 2.0], 5), 4).shape == (10, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"groups": np.repeat([0, 1], 120)}, "there are 2 groups"),
        ({"groups": np.arange(3)}, "group has shape"),
        ({"fixed": np.arange(3)}, "fixed has shape"),
        ({"covariates": np.zeros((3, 1))}, "covariates have shape"),
        ({"covariates": np.full((240, 2), np.nan)}, "covariate 0 is nan at example 0"),
        ({"fixed": np.repeat(np.arange(24), 10)}, "determine y"),
        ({"n_draws": 0}, "n_draws is 0"),
        ({"icc": 1.0}, "icc 1.0"),
        ({"family": np.zeros(3)}, "family has shape"),
    ],
)
def test_mistakes_are_named(change, message):
    x, y, group, *_ = crossed(0, units=4)
    with pytest.raises(ValueError, match=message):
        stats.adjusted_test(x, y, **{"groups": group, **change})


def test_other_mistakes_are_named():
    x, y, group, *_ = crossed(0, units=4)
    with pytest.raises(ValueError, match="y is constant"):
        stats.adjusted_test(x, np.ones(240), groups=group)
    x[3, 2] = np.nan
    with pytest.raises(ValueError, match="unit 2, example 3"):
        stats.adjusted_test(x, y, groups=group)
    with pytest.raises(ValueError, match="n_knots is 2"):
        stats.spline_columns(np.arange(5.0), 2)
    tiny = np.random.default_rng(0).normal(size=(4, 1))
    with pytest.raises(ValueError, match="degrees of freedom"):
        stats.adjusted_test(
            tiny, [0, 1, 1, 0], groups=np.arange(4), covariates=np.eye(4)[:, :2] + tiny
        )
