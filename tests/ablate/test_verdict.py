"""p-values, intervals and the rule behind the words."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lens_probes.ablate.verdict import (
    UNDECIDED,
    UNUSED,
    USED,
    Beyond,
    below_precision,
    decide_use,
    empirical_p,
    excess,
    family_p,
    overall,
    resample,
)


def test_empirical_p_counts_ties_and_never_is_below_its_resolution() -> None:
    nulls = np.array([0.0, 1.0, 2.0, 3.0])
    assert empirical_p(5.0, nulls) == 1 / 5
    assert empirical_p(2.0, nulls) == 3 / 5
    assert empirical_p(-1.0, nulls) == 1
    assert np.isnan(empirical_p(np.nan, nulls))
    assert np.isnan(empirical_p(5.0, nulls[:0]))


def test_the_family_p_is_calibrated_under_the_null_and_finds_what_is_planted() -> None:
    rng = np.random.default_rng(0)
    passed, alone_passed = 0, 0
    for _ in range(400):
        values = rng.gamma(2.0, size=(6, 2, 101)) * np.array([1.0, 100.0])[:, None]
        alone, corrected, _ = family_p(values[..., 0], values[..., 1:])
        passed += (corrected <= 0.05).any()
        alone_passed += (alone <= 0.05).sum()
    assert 0.02 < passed / 400 < 0.085, "family-wise error"
    assert 0.03 < alone_passed / 2400 < 0.07
    values[3, 1, 0] = 5000.0
    alone, corrected, which = family_p(values[..., 0], values[..., 1:])
    assert corrected[3] == alone[3] == pytest.approx(1 / 101)
    assert which[3] == 1


def test_a_measure_that_is_missing_is_left_out_of_the_family() -> None:
    values = np.random.default_rng(0).normal(size=(3, 2, 51))
    missing = values.copy()
    missing[:, 1] = np.nan
    alone, corrected, which = family_p(missing[..., 0], missing[..., 1:])
    only = family_p(values[:, :1, 0], values[:, :1, 1:])
    np.testing.assert_array_equal(alone, only[0])
    np.testing.assert_array_equal(corrected, only[1])
    assert (which == 0).all()


def test_resampling_takes_whole_passages() -> None:
    rng = np.random.default_rng(1)
    passage = np.repeat([f"p{i}" for i in range(12)], 5).astype(object)
    shared = rng.normal(size=12)[np.repeat(np.arange(12), 5)]
    effects = np.stack([shared, np.full(60, 2.0)])
    effects[0, 0] = np.nan
    found = resample(effects, passage, seed=2)
    assert found.mean[0] == pytest.approx(np.nanmean(effects[0]))
    assert found.draws.shape == (1000, 2)
    by_passage = np.array([np.nanmean(effects[0, 5 * i : 5 * i + 5]) for i in range(12)])
    wanted = by_passage.std() / np.sqrt(12)
    assert found.draws[:, 0].std() == pytest.approx(wanted, rel=0.15)
    assert found.draws[:, 0].std() > 1.7 * np.nanstd(effects[0]) / np.sqrt(60)
    assert found.interval(1) == (2.0, 2.0)


def test_excess_is_over_the_quantile_of_the_nulls_in_the_same_passages() -> None:
    rng = np.random.default_rng(3)
    passage = np.array([f"p{i}" for i in range(40)], dtype=object)
    common = 10 * rng.normal(size=40)
    nulls = resample(common + rng.normal(size=(100, 1)), passage, seed=5)
    top = resample(common[None] + 4.0, passage, seed=5)
    point, low, high, own, median = excess(top, 0, nulls, 0.05)
    assert own == top.mean[0]
    assert median == np.median(nulls.mean)
    assert point == pytest.approx(top.mean[0] - np.percentile(nulls.mean, 95))
    assert low == pytest.approx(point, abs=1e-9), "what all sets share cancels"
    assert high == pytest.approx(point, abs=1e-9)


USUAL = {"encoded": "", "p": 0.01, "resolution": 0.01, "alpha": 0.05, "what": "random sets",
         "measure": "kl", "beyond": {"kl": Beyond(0.2, 0.1, 0.3, 0.5, 0.2)},
         "n_passages": 12}  # fmt: skip


def beyond(point: float, low: float, high: float) -> Beyond:
    return Beyond(point, low, high, 0.0432, 0.0321)


@pytest.mark.parametrize(
    ("options", "verdict", "reason"),
    [
        ({}, USED, "the next-token distribution changes more than without 95 % of random sets"),
        ({"encoded": "not tuned"}, UNDECIDED, "not tuned"),
        ({"unlike": "other variance"}, UNDECIDED, "other variance"),
        ({"n_passages": 5}, UNDECIDED, "are of 5 passages, too few for an interval: 6 or more"),
        ({"resolution": 0.1, "p": 0.1}, UNDECIDED, "p cannot be below 0.1; ask for more"),
        ({"resolution": 0.1, "more": False}, UNDECIDED, "cannot be below 0.1; there are no more"),
        ({"p": 0.2}, UNDECIDED, "but not after correction (corrected p = 0.2)"),
        ({"p": 0.2, "alone": 0.1}, UNDECIDED, "cannot pass with so few random sets; ask for"),
        ({"p": 0.2, "alone": 0.1, "more": False}, UNDECIDED, "so few random sets; there are no m"),
        ({"alone": 0.1}, USED, "changes more"),
        ({"faint": "below rounding"}, USED, "changes more"),
        (
            {"p": 0.7, "beyond": {"kl": beyond(-0.2, -0.3, 0.0)}, "faint": "below rounding"},
            UNDECIDED,
            "below rounding",
        ),
        ({"p": 0.2, "beyond": {"kl": beyond(-0.1, -0.2, 0.1)}}, UNDECIDED, "measure more windows"),
        ({"beyond": {"kl": beyond(0.1, -0.2, 0.3)}}, UNDECIDED, "measure more windows"),
        (
            {"p": 0.7, "beyond": {"kl": beyond(-0.2, -0.3, 0.0)}},
            UNUSED,
            "no more than 95 % of random sets in which as much changes (corrected p = 0.7): "
            "without it the next-token distribution changes by 0.043 nats, without the median of "
            "them by 0.032",
        ),
        (
            {
                "p": 0.7,
                "beyond": {"kl": beyond(-0.2, -0.3, -0.1), "loss_after": beyond(-0.1, -0.2, 0.1)},
            },
            UNDECIDED,
            "measure more windows",
        ),
    ],
)
def test_the_rule(options: dict[str, object], verdict: str, reason: str) -> None:
    found, why = decide_use(**(USUAL | options))
    assert found == verdict
    assert reason in why
    assert "\n" not in why


def test_a_member_with_fewer_draws_keeps_its_own_resolution() -> None:
    rng = np.random.default_rng(0)
    passed = 0
    for _ in range(400):
        nulls = [rng.gamma(2.0, size=(2, n)) for n in (100, 30, 4)]
        alone, corrected, _ = family_p(rng.gamma(2.0, size=(3, 2)), nulls)
        passed += (corrected <= 0.05).any()
        assert (corrected >= alone).all()
        assert alone[2] >= 1 / 5
    assert 0.01 < passed / 400 < 0.09
    observed = np.array([[1.0, 1.0], [50.0, 1.0], [50.0, 1.0]])
    assert family_p(observed, nulls)[0][1:].tolist() == [1 / 31, 1 / 5]


def test_random_effects_near_rounding_show_nothing() -> None:
    nulls = np.array([1.0, 2.0, 3.0, 4.0])
    said = below_precision(nulls, 1.0, "kl", 0.05)
    assert said.startswith(
        "below what this precision shows: the next-token distribution changes by"
    )
    assert "1 nats with nothing taken away, and without most random ones by 3.8 or less" in said
    assert below_precision(nulls, 0.5, "kl", 0.05) == ""
    assert below_precision(-nulls, 0.5, "loss_after", 0.05) == ""
    assert below_precision(0 * nulls, 0.0, "kl", 0.05) != ""
    assert below_precision(nulls, np.nan, "loss_after", 0.05) == ""


def test_the_sweep_is_used_where_one_set_is_and_unused_only_where_all_are() -> None:
    def table(*verdicts: str) -> pd.DataFrame:
        n = len(verdicts)
        return pd.DataFrame(
            {"layer": range(n), "site": "mlp_pre", "verdict": verdicts, "why": ["because"] * n}
        )

    assert overall(table(UNUSED, USED, UNDECIDED)) == (USED, "L1.mlp_pre: because")
    assert overall(table(UNUSED, UNUSED))[0] == UNUSED
    verdict, why = overall(table(UNUSED, UNDECIDED, UNDECIDED))
    assert verdict == UNDECIDED
    assert why.startswith("L1.mlp_pre, L2.mlp_pre")
    assert "and 2 more" in overall(table(*[USED] * 6))[1]
