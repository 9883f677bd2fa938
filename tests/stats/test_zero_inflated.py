"""Units that are zero in most examples: presence, and value given presence."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_ind

from lens_probes import stats
from lens_probes.errors import InputError

RNG = np.random.default_rng(0)
GROUPS = np.repeat(np.arange(30), 10)
LABEL = (GROUPS >= 14).astype(int)


def drawn(rng: np.random.Generator, n_units: int, presence=0.2, value=1.0) -> np.ndarray:
    """[example, unit] of groups with chances and sizes of their own, for class 1 as given."""
    group = rng.normal(0, 0.5, (30, n_units))[GROUPS]
    chance = np.where(LABEL[:, None] == 1, presence, 0.2) * np.exp(0.5 * group)
    there = rng.uniform(size=group.shape) < chance
    scale = np.where(LABEL[:, None] == 1, value, 1.0)
    return there * (rng.exponential(1.0, group.shape) + 0.5) * np.exp(0.3 * group) * scale


def test_both_tests_equal_scipy_over_group_means() -> None:
    x = drawn(RNG, 40)
    found = stats.zero_inflated(x, LABEL, GROUPS)
    label = LABEL[::10]
    for unit in range(40):
        rows = x[:, unit].reshape(30, 10)
        share = (rows != 0).mean(1)
        wanted = ttest_ind(share[label == 1], share[label == 0], equal_var=False)
        assert found.presence_t[unit] == pytest.approx(wanted.statistic, rel=1e-10)
        assert found.presence_p[unit] == pytest.approx(wanted.pvalue, rel=1e-9)
        assert found.presence1[unit] == pytest.approx(share[label == 1].mean())
        means = [r[r != 0].mean() if (r != 0).any() else np.nan for r in rows]
        a, b = (np.array(means)[(label == k) & ~np.isnan(means)] for k in (1, 0))
        wanted = ttest_ind(a, b, equal_var=False)
        assert (found.n_value0[unit], found.n_value1[unit]) == (len(b), len(a))
        assert found.value_p[unit] == pytest.approx(wanted.pvalue, rel=1e-9)


def test_each_part_finds_what_is_planted_in_it_alone() -> None:
    rng = np.random.default_rng(1)
    often = stats.zero_inflated(drawn(rng, 200, presence=0.5), LABEL, GROUPS)
    large = stats.zero_inflated(drawn(rng, 200, value=2.0), LABEL, GROUPS)
    assert (often.presence_p < 0.05).mean() > 0.9 > 0.15 > (often.value_p < 0.05).mean()
    assert (large.value_p < 0.05).mean() > 0.8 > 0.15 > (large.presence_p < 0.05).mean()
    assert (often.presence_t > 0).mean() > 0.95


@pytest.mark.parametrize("chance", [0.05, 0.2])
def test_the_level_is_kept_where_groups_differ_and_classes_do_not(chance: float) -> None:
    rng = np.random.default_rng(2)
    x = drawn(rng, 4000) * (rng.uniform(size=(300, 4000)) < chance / 0.2)
    found = stats.zero_inflated(x, LABEL, GROUPS)
    tokens = stats.zero_inflated(x, LABEL)
    assert np.nanmean(found.presence_p < 0.05) < 0.07
    assert np.nanmean(found.value_p < 0.05) < 0.07
    assert np.isfinite(tokens.presence_p).any()


def test_what_cannot_be_tested_is_no_number() -> None:
    x = np.zeros((300, 3))
    x[:2, 1] = 1.0  # two examples of one group
    x[:, 2] = 1.0
    found = stats.zero_inflated(x, LABEL, GROUPS)
    assert np.isnan(found.presence_p[[0, 2]]).all()
    assert np.isnan(found.value_p).all()
    with pytest.raises(InputError, match="both labels"):
        stats.zero_inflated(x, np.arange(300) % 2, GROUPS)
