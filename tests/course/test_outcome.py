"""Verdicts beyond the point value: intervals at a bound, numbers that do not exist, null draws."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lens_probes.course import CLAIMS, Measured, Value, Verdict, decide
from lens_probes.course.conditions import at_least, less, within
from lens_probes.course.intervals import estimate
from lens_probes.course.outcome import state

NAN = float("nan")
SHARE = CLAIMS["L22.b"]


def measured(**parts: Value) -> Measured:
    return Measured("L22.b", "course", parts, "n", "how")


def verdict(**parts: Value) -> Verdict:
    return decide(SHARE, measured(**parts), SHARE.model)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Value(0.7, 0.65, 0.75), "holds"),
        (Value(0.7, 0.5, 0.75), "uncertain"),
        (Value(0.7, 0.65, 0.9), "uncertain"),
        (Value(0.7), "holds"),
        (Value(0.9, 0.5, 1.0), "fails"),
        (Value(NAN, 0.5, 0.7), "no value"),
        (Value(float("inf")), "no value"),
    ],
)
def test_a_condition_holds_over_the_whole_interval(value: Value, expected: str) -> None:
    assert state(within("early", 0.6, 0.8, "about 70 %"), measured(early=value)) == expected


def test_an_interval_that_ends_at_a_bound_does_not_cross_it() -> None:
    condition = at_least("early", 0.6, "60 % or more")
    assert state(condition, measured(early=Value(0.7, 0.6, 0.8))) == "holds"


def test_two_parts_are_compared_by_the_interval_of_their_difference() -> None:
    condition = less("late", "early", "the share falls")
    apart = {"late": Value(0.2, 0.1, 0.3), "early": Value(0.5, 0.4, 0.6)}
    near = {"late": Value(0.2, 0.1, 0.3), "early": Value(0.3, 0.2, 0.4)}
    assert state(condition, measured(**apart)) == "holds"
    assert state(condition, measured(**near)) == "uncertain"
    assert state(condition, measured(late=Value(0.2, 0.1, 0.3), early=Value(0.25))) == "uncertain"
    assert state(condition, measured(late=Value(0.2), early=Value(0.21))) == "holds"
    by = less("late", "early", "by 0.2", by=0.2)
    assert state(by, measured(**apart)) == "uncertain"
    assert state(by, measured(late=Value(0.1, 0.08, 0.12), early=Value(0.5, 0.4, 0.6))) == "holds"


def test_draws_in_common_tell_what_two_intervals_cannot() -> None:
    """Two numbers that rise and fall together: each is uncertain, their difference is not."""
    common = np.random.default_rng(0).normal(0, 0.1, 20)
    jitter = np.random.default_rng(1).normal(0, 0.005, 20)
    late, early = estimate(0.5, list(0.5 + common)), estimate(0.6, list(0.6 + common + jitter))
    condition = less("late", "early", "the share falls")
    assert state(condition, measured(late=late, early=early)) == "holds"
    apart = {"late": replace(late, drawn=()), "early": replace(early, drawn=())}
    assert state(condition, measured(**apart)) == "uncertain"


def test_what_holds_only_in_the_point_value_is_partly() -> None:
    sure = {"early": Value(0.7, 0.65, 0.75), "late": Value(0.25, 0.2, 0.3)}
    assert verdict(**sure).word == "reproduced"
    unsure = verdict(**sure | {"late": Value(0.25, 0.1, 0.4)})
    assert unsure.word == "partly"
    assert [found for _, found in unsure.conditions] == ["holds", "uncertain", "holds"]
    claim = CLAIMS["L21.a"]
    only = Measured(claim.id, "course", {"best": Value(0.72, 0.6, 0.84)}, "n", "how")
    assert decide(claim, only, claim.model).word == "partly"


def test_a_number_that_does_not_exist_decides_nothing() -> None:
    lost = verdict(early=Value(0.0), late=Value(NAN, why="no late layer"))
    assert (lost.word, lost.why) == ("not testable here", "late has no value: no late layer")
    assert [found for _, found in lost.conditions] == ["fails", "no value", "no value"]
    claim = CLAIMS["L22.c"]
    parts = {"low_layers": Value(0.8), "highest": Value(NAN)}
    found = decide(claim, Measured(claim.id, "course", parts, "n", "how"), "bundled")
    assert str(found) == "on bundled: not testable here"
    assert found.why.startswith("highest has no value: no unit is significant")


def null(early: list[float], late: list[float]) -> Any:
    return {"early": estimate(0.7, null=early), "late": estimate(0.25, null=late)}


def test_the_rule_is_decided_in_each_draw_of_the_null_and_not_in_their_mean() -> None:
    """Nearly all draws fulfil the rule, their mean does not: one draw lies far away."""
    early, late = [0.75] * 9 + [0.0], [0.25] * 10
    assert np.mean(early) == pytest.approx(0.675)
    assert verdict(**null(early, late)).null == "the rule holds in 9 of 10 draws"
    far = [0.8] * 9 + [-9.0]
    assert verdict(**null(far, late)).null == "the rule holds in 9 of 10 draws"
    spread_out = [0.1, 0.9, 0.1, 0.9, 1.0, 1.0]
    assert 0.6 <= np.mean(spread_out) <= 0.8
    assert verdict(**null(spread_out, [0.25] * 6)).null == "the rule holds in 0 of 6 draws"


def test_draws_without_a_value_are_counted_apart() -> None:
    found = verdict(**null([0.7, NAN, 0.7], [0.25, 0.25, 0.9]))
    assert found.null == "the rule holds in 1 of 2 draws; 1 without a value"
    assert verdict(**null([NAN, NAN], [0.2, 0.2])).null == "no value in any of 2 draws"
    unequal = verdict(**null([0.7, 0.7], [0.25]))
    assert unequal.null == "reproduced", "draws that are not the same: only their means are known"


def test_beside_an_untrained_number_that_is_missing_there_is_no_verdict() -> None:
    values = {"early": Value(0.7, untrained=0.1), "late": Value(0.25)}
    assert verdict(**values).untrained == "no verdict: late has no value"
    assert verdict(early=Value(0.7), late=Value(0.25)).untrained == ""


def test_what_holds_in_the_null_too_says_so() -> None:
    here = [0.7], [0.25]
    for held, also in ((0, False), (2, False), (3, True), (40, True)):
        found = verdict(**null([0.7] * held + [0.1] * (40 - held), [0.25] * 40))
        assert (found.word, "null" in found.also) == ("reproduced", also)
        assert found.said == "reproduced" + ", and so it is with shuffled labels" * also
    few = verdict(**null(*here))
    assert str(replace(few, on="b")) == "on b: reproduced, and so it is with shuffled labels"
    lost = verdict(**null([0.7] * 2 + [NAN] * 38, [0.25] * 40))
    assert not lost.also, "2 of 40: a draw without a value does not hold"


def test_without_draws_the_nulls_numbers_decide_and_the_untrained_models_too() -> None:
    early, late = Value(0.7, null=0.65, untrained=0.62), Value(0.25, null=0.3, untrained=0.3)
    both = verdict(early=early, late=late)
    assert list(both.also) == ["null", "untrained"]
    assert both.said == ("reproduced, and so it is with shuffled labels and in the untrained model")
    bare = verdict(early=replace(early, null=0.1), late=late)
    assert bare.said == "reproduced, and so it is in the untrained model"
    named = replace(measured(early=early, late=replace(late, untrained=NAN)), null_in="at random")
    assert decide(SHARE, named, SHARE.model).said == "reproduced, and so it is at random"


def test_partly_is_judged_by_the_conditions_that_are_met() -> None:
    """Here the share falls, and only that: with shuffled labels it falls too, from elsewhere."""
    parts = null([0.4, 0.1, 0.2], [0.1, 0.05, 0.3])
    found = verdict(**{name: replace(value, value=v) for (name, value), v in zip(
        parts.items(), (0.9, 0.5), strict=True
    )})  # fmt: skip
    assert found.said == "partly, and so it is with shuffled labels"
    assert found.null == "the rule holds in 0 of 3 draws, what holds here in 2"
    wrong = verdict(early=Value(0.1, null=0.1), late=Value(0.5, null=0.5))
    assert (wrong.said, wrong.also) == ("contradicted", {})
