"""Intervals from the standard error of halves: their width, their ends, where there is none."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as scipy_stats

from lens_probes.course import Measured, Value
from lens_probes.course.intervals import (
    estimate,
    half_width,
    halves,
    interval,
    no_interval,
)
from lens_probes.course.parts import bounded

NAN, INF = float("nan"), float("inf")


def test_an_interval_is_t_times_the_error_of_halves() -> None:
    draws = [0.9, 1.1, 1.4, 0.8]
    low, high = interval(draws, 2.0)
    variance = (0.1**2 + 0.3**2) / 2 + np.var([1.0, 1.1], ddof=1) / 2
    half = scipy_stats.t.ppf(0.975, 2) * np.sqrt(variance)
    assert (low, high) == pytest.approx((2 - half, 2 + half))
    assert interval(draws, 0.99, 0.0, 1.0) == (pytest.approx(max(0.0, 0.99 - half)), 1.0)


@pytest.mark.parametrize("n", [1, 2, 3, 8, 9])
def test_halves_make_up_the_whole(n: int) -> None:
    drawn = list(halves(n, 5, np.random.default_rng(0)))
    assert len(drawn) == 6, "whole pairs"
    for one, other in zip(drawn[::2], drawn[1::2], strict=True):
        both = sorted([*one.tolist(), *other.tolist()])
        assert both == ([0, 0] if n == 1 else list(range(n)))
        assert abs(len(one) - len(other)) <= 1
        assert min(len(one), len(other)) > 0


@pytest.mark.parametrize(
    ("draws", "says"),
    [
        ([0.578] * 10, "the draws do not vary"),
        ([0.1 + 0.2, 0.3, 0.3, 0.3], "the draws do not vary"),
        ([1.0, 2.0], "2 draws are too few"),
        ([], "0 draws are too few"),
        ([1.0, 2.0, NAN, 3.0], "1 of 4 draws have no value"),
        ([1.0, INF, 2.0, 2.0], "1 of 4 draws have no value"),
        ([0.0, 0.0, 0.0, 0.0], "the draws do not vary"),
    ],
)
def test_draws_that_say_nothing_give_no_interval(draws: list[float], says: str) -> None:
    assert no_interval(draws) == says
    assert np.isnan(interval(draws, 1.0)).all()


def test_no_value_has_no_interval() -> None:
    assert np.isnan(interval([1.0, 2.0, 3.0, 4.0], NAN)).all()


def test_halves_give_the_standard_error_of_a_mean() -> None:
    x = np.random.default_rng(0).normal(size=40)
    drawn = [float(x[half].mean()) for half in halves(40, 4000, np.random.default_rng(1))]
    expected = scipy_stats.t.ppf(0.975, 2000) * np.std(x, ddof=1) / np.sqrt(40)
    assert half_width(drawn) == pytest.approx(expected, rel=0.03)


def test_an_estimate_keeps_its_draws() -> None:
    found = estimate(0.5, [0.3, 0.5, 0.7, 0.4], null=[0.1, NAN, 0.3], untrained=0.2, of=7)
    assert (found.drawn, found.of) == ((0.3, 0.5, 0.7, 0.4), 7)
    assert (found.null, found.untrained) == (pytest.approx(0.2), 0.2)
    assert found.null_draws[2] == 0.3
    assert found.low == pytest.approx(0.5 - half_width([0.3, 0.5, 0.7, 0.4]))
    assert np.isnan([estimate(0.5).low, estimate(0.5).null]).all()


def test_intervals_end_where_a_number_of_the_kind_ends() -> None:
    wide = Value(0.9, -0.5, 2.0)
    names = (
        "share",
        "low_layers",
        "auc_noun",
        "r_space",
        "rank",
        "median_rise",
        "sd_last",
        "n_significant",
    )
    parts = dict.fromkeys(names, wide) | {"last": Value(142.0, 100.0, 180.0)}
    found = bounded(Measured("L22.b", "course", parts, "n", "how")).parts
    ends = {name: (value.low, value.high) for name, value in found.items()}
    for name in ("share", "low_layers", "auc_noun"):
        assert ends[name] == (0, 1)
    assert ends["r_space"] == (-0.5, 1)
    assert ends["rank"] == (1, 2)
    assert ends["median_rise"] == (-0.5, 2)
    assert ends["sd_last"] == ends["n_significant"] == (0, 2)
    assert ends["last"] == (100, 180), "no share: it is above 1"
    assert [found[name].unit for name in ("share", "low_layers", "rank", "last")] == [
        "share", "accuracy", "", "",
    ]  # fmt: skip
    said = bounded(Measured("L", "both", {"last": Value(0.3, unit="")}, "n", "how")).parts["last"]
    assert said.unit == "", "what the lesson says goes before what the name says"
