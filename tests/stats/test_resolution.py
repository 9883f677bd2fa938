import math

import numpy as np
import pytest

from lens_probes import stats


@pytest.mark.parametrize(
    ("k0", "k1", "p_min"), [(4, 4, 2 / 70), (4, 9, 1 / 715), (5, 4, 1 / 126), (3, 3, 0.1)]
)
def test_smallest_p_of_all_relabellings(k0, k1, p_min):
    result = stats.resolution("max_t", n_groups0=k0, n_groups1=k1)
    assert result.p_min == pytest.approx(p_min)
    assert result.exact
    assert result.ok == (p_min <= 0.05)
    assert str(math.comb(k0 + k1, k0)) in result.message


def test_the_smallest_p_is_the_one_that_the_test_can_give():
    y = np.repeat([0, 1], [4, 5])
    x = y[:, None] * 100.0 + np.random.default_rng(0).random((9, 1))
    have = stats.max_permutation(x, y).p_family[0]
    assert have == pytest.approx(stats.resolution("max_t", n_groups0=4, n_groups1=5).p_min)
    few = stats.max_permutation(x, y, n_permutations=50).p_family[0]
    want = stats.resolution("max_t", n_groups0=4, n_groups1=5, n_permutations=50).p_min
    assert few == pytest.approx(want, rel=2)
    assert want == 1 / 51


def test_a_correction_that_cannot_be_reached_is_refused_with_what_would_do():
    result = stats.resolution("holm", n_groups0=4, n_groups1=4, n_units=5120)
    assert not result.ok
    assert "\n" not in result.message
    assert "holm over 5120 units needs 9.77e-06" in result.message
    k = result.groups_needed
    assert 2 / math.comb(2 * k, k) <= 0.05 / 5120 < 2 / math.comb(2 * k - 2, k - 1)
    assert f"{k} groups a class would be enough with n_permutations of 102399 or more" in (
        result.message
    )
    enough = stats.resolution(
        "holm", n_groups0=k, n_groups1=k, n_units=5120, n_permutations=102_399
    )
    assert enough.ok
    short = stats.resolution("bonferroni", n_groups0=k, n_groups1=k, n_units=5120)
    assert not short.ok
    assert "use n_permutations of 102399 or more, or max_t" in short.message


def test_max_t_is_refused_only_where_alpha_is_out_of_reach():
    refused = stats.resolution("max_t", n_groups0=3, n_groups1=3)
    assert not refused.ok
    assert "4 groups a class" in refused.message
    many = stats.resolution("max_t", n_groups0=30, n_groups1=30, n_units=10**6)
    assert many.ok
    assert not many.exact
    assert many.p_min == 1 / 1001
    assert f"{math.comb(60, 30)} relabellings" in many.message


def test_bh_and_by_say_how_many_must_pass_together():
    bh = stats.resolution("bh", n_groups0=4, n_groups1=9, n_units=1000)
    assert bh.ok
    assert bh.n_together == math.ceil(1000 / 715 / 0.05)
    assert f"needs {bh.n_together} of them to pass together" in bh.message
    p = np.ones(1000)
    p[: bh.n_together] = bh.p_min
    assert (stats.adjust(p, method="bh") <= 0.05).sum() == bh.n_together
    p[bh.n_together - 1] = 1
    assert (stats.adjust(p, method="bh") <= 0.05).sum() == 0
    by = stats.resolution("by", n_groups0=4, n_groups1=9, n_units=1000)
    p[: by.n_together] = by.p_min
    assert (stats.adjust(p, method="by") <= 0.05).sum() == by.n_together > bh.n_together
    p[by.n_together - 1] = 1
    assert (stats.adjust(p, method="by") <= 0.05).sum() == 0
    assert not stats.resolution("by", n_groups0=4, n_groups1=4, n_units=1000).ok


def test_relabellings_inside_passages_are_counted_by_the_caller():
    result = stats.resolution("max_t", n_groups0=40, n_groups1=41, n_relabellings=9)
    assert not result.ok
    assert "9 relabellings inside passages" in result.message
    assert "passages with more examples of both labels" in result.message


def test_errors():
    with pytest.raises(ValueError, match="method is 'maxt': it must be one of max_t, bonferroni"):
        stats.resolution("maxt", n_groups0=4, n_groups1=4)
    with pytest.raises(ValueError, match="n_groups0 0"):
        stats.resolution("max_t", n_groups0=0, n_groups1=4)
