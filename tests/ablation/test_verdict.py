"""p-values, intervals and the rule behind the words."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lens_probes.ablation.inference import (
    Ratio,
    below_precision,
    empirical_p,
    excess_low,
    family_test,
    resample,
    typical_ratio,
)
from lens_probes.ablation.verdict import UNDECIDED, UNUSED, USED, decide_use, overall


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
        alone, corrected, _, limit = family_test(values[..., 0], values[..., 1:], 0.05)
        assert limit.shape == (6, 2)
        passed += (corrected <= 0.05).any()
        alone_passed += (alone <= 0.05).sum()
    assert 0.02 < passed / 400 < 0.085, "family-wise error"
    assert 0.03 < alone_passed / 2400 < 0.07
    values[3, 1, 0] = 5000.0
    alone, corrected, which, _ = family_test(values[..., 0], values[..., 1:], 0.05)
    assert corrected[3] == alone[3] == pytest.approx(1 / 101)
    assert which[3] == 1


def test_an_effect_at_the_limit_just_passes() -> None:
    values = np.random.default_rng(0).gamma(2.0, size=(4, 1, 101))
    nulls = values[..., 1:]
    for factor, passes in ((1.1, True), (0.9, False)):
        observed = values[..., 0].copy()
        observed[2] = factor * family_test(observed, nulls, 0.05).limit[2]
        assert (family_test(observed, nulls, 0.05).corrected[2] <= 0.05) == passes


def test_a_member_without_a_null_takes_no_part() -> None:
    values = np.random.default_rng(1).gamma(2.0, size=(3, 2, 51))
    nulls = [*values[:2, :, 1:], values[2, :, 1:1]]
    found = family_test(values[..., 0], nulls, 0.05)
    only = family_test(values[:2, :, 0], nulls[:2], 0.05)
    assert np.isnan(found.corrected[2])
    assert np.isnan(found.limit[2]).all()
    np.testing.assert_array_equal(found.corrected[:2], only.corrected)


def test_a_measure_that_is_missing_is_left_out_of_the_family() -> None:
    values = np.random.default_rng(0).normal(size=(3, 2, 51))
    missing = values.copy()
    missing[:, 1] = np.nan
    alone, corrected, which, _ = family_test(missing[..., 0], missing[..., 1:], 0.05)
    only = family_test(values[:, :1, 0], values[:, :1, 1:], 0.05)
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
    point = top.mean[0] - np.percentile(nulls.mean, 95)
    assert excess_low(top, 0, nulls, 0.05) == pytest.approx(point, abs=1e-9), "the common cancels"
    assert top.interval(0)[0] < top.mean[0] - 1, "alone the effect is unsure"


def ratio_of(seed: int, truth: float, *, n_passages: int = 14, spread: float = 0.7) -> Ratio:
    """An effect that is `truth` times the median random one, in skewed windows of few passages."""
    rng = np.random.default_rng(seed)
    which = np.arange(50) % n_passages
    passage = np.array([f"p{i}" for i in which], dtype=object)
    shared = np.exp(0.5 * rng.normal(size=n_passages))[which]
    skewed = np.exp(spread * rng.normal(size=(32, 50)) - spread**2 / 2) * shared
    size = np.exp(0.4 * rng.normal(size=31))
    typical = resample(np.append(size, 1.0)[1:, None] * skewed[1:], passage, seed=seed)
    median = float(np.median(np.append(size, 1.0)[1:]))
    own = resample(truth * median * skewed[:1], passage, seed=seed)
    return typical_ratio(own, 0, typical, 3.0 * median, n_passages, 0.05)


def test_no_more_than_typical_is_said_wrongly_in_five_of_a_hundred() -> None:
    n = 200
    wrong = np.mean([ratio_of(seed, 1.0).high < 1 for seed in range(n)])
    assert 0.01 < wrong < 0.08, "at the smallest effect of interest"
    right = np.mean([ratio_of(seed, 0.5).high < 1 for seed in range(40)])
    assert right > 0.9
    found = ratio_of(0, 0.5)
    assert found.low < found.point < found.high
    assert found.seen > 3.0


def test_the_ratio_of_nothing_is_none() -> None:
    effects = np.ones((4, 12))
    passage = np.array([f"p{i}" for i in range(12)], dtype=object)
    something, nothing = resample(effects, passage), resample(0 * effects, passage)
    assert np.isnan(typical_ratio(something, 0, nothing, 1.0, 12, 0.05)).all()
    assert typical_ratio(nothing, 0, something, 2.0, 12, 0.05) == Ratio(0, 0, 0, 2.0)


USUAL = {"encoded": "", "p": 0.01, "resolution": 0.01, "alpha": 0.05, "what": "write swaps",
         "measure": "kl", "low": 0.1, "ratio": Ratio(3.0, 2.0, 4.0, 2.5), "interest": 1.0,
         "n_passages": 12}  # fmt: skip
LITTLE = {"p": 0.7, "low": -0.1, "ratio": Ratio(0.5, 0.3, 0.8, 2.5)}


@pytest.mark.parametrize(
    ("options", "verdict", "reason"),
    [
        ({}, USED, "the next-token distribution changes more than by 95 % of write swaps (cor"),
        ({"measure": "loss_after"}, USED, "the loss after the target changes more than by 95 %"),
        ({"encoded": "not tuned"}, UNDECIDED, "not tuned"),
        ({"no_null": "no direction"}, UNDECIDED, "no direction"),
        ({"n_passages": 5}, UNDECIDED, "are of 5 passages, too few for an interval: 6 or more"),
        ({"resolution": 0.1, "p": 0.1}, UNDECIDED, "p cannot be below 0.1; ask for more"),
        ({"resolution": 0.1, "more": False}, UNDECIDED, "cannot be below 0.1; there are no more"),
        ({"p": 0.2}, UNDECIDED, "but not after correction (corrected p = 0.2)"),
        ({"p": 0.2, "alone": 0.1}, UNDECIDED, "cannot pass with so few write swaps; ask for"),
        ({"p": 0.2, "alone": 0.1, "more": False}, UNDECIDED, "so few write swaps; there are no m"),
        ({"alone": 0.1}, USED, "changes more"),
        ({"faint": "below rounding", "unlike": "other size"}, USED, "changes more"),
        ({"low": -0.1}, UNDECIDED, "its interval reaches below 95 % of write swaps"),
        (
            LITTLE,
            UNUSED,
            "between 0.3 and 0.8 times what the median random one does. 2.5 times would have "
            "been seen",
        ),
        (LITTLE | {"interest": 0.7}, UNDECIDED, "between 0.3 and 0.8 times"),
        (LITTLE | {"faint": "below rounding"}, UNDECIDED, "below rounding"),
        (LITTLE | {"unlike": "other size"}, UNDECIDED, "other size"),
        (
            LITTLE | {"ratio": Ratio(0.9, 0.6, 1.2, 2.5)},
            UNDECIDED,
            "between 0.6 and 1.2 times what the median random one does. 2.5 times would have "
            "been seen: measure more windows",
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
        alone, corrected, _, _ = family_test(rng.gamma(2.0, size=(3, 2)), nulls, 0.05)
        passed += (corrected <= 0.05).any()
        assert (corrected >= alone).all()
        assert alone[2] >= 1 / 5
    assert 0.01 < passed / 400 < 0.09
    observed = np.array([[1.0, 1.0], [50.0, 1.0], [50.0, 1.0]])
    assert family_test(observed, nulls, 0.05).alone[1:].tolist() == [1 / 31, 1 / 5]


def test_effects_of_interest_near_rounding_show_nothing() -> None:
    said = below_precision(4.0, 1.0)
    assert said.startswith("below what this precision shows: with nothing taken away")
    assert "changes by 1 nats, and 4 would be of interest" in said
    assert below_precision(5.1, 1.0) == below_precision(4.0, np.nan) == ""
    assert below_precision(0.0, 0.0) != ""


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
