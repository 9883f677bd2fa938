"""Intervals from the standard error of draws: coverage, their ends, and where there is none."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as scipy_stats

from lens_probes.findings import Measured, Value
from lens_probes.findings.intervals import (
    estimate,
    half_width,
    interval,
    no_interval,
    without_replacement,
)
from lens_probes.findings.parts import bounded

NAN, INF = float("nan"), float("inf")


def test_an_interval_is_t_times_the_standard_deviation_of_the_draws() -> None:
    draws = [0.9, 1.1, 1.4, 0.8]
    low, high = interval(draws, 2.0)
    half = scipy_stats.t.ppf(0.975, 3) * np.std(draws, ddof=1)
    assert (low, high) == pytest.approx((2 - half, 2 + half))
    assert interval(draws, 0.99, 0.0, 1.0) == (pytest.approx(max(0.0, 0.99 - half)), 1.0)
    assert half_width(draws, scale=2.0) == pytest.approx(2 * half)


@pytest.mark.parametrize(
    ("draws", "says"),
    [
        ([0.578] * 10, "the draws do not vary"),
        ([0.1 + 0.2, 0.3, 0.3], "the draws do not vary"),
        ([1.0, 2.0], "2 draws are too few"),
        ([], "0 draws are too few"),
        ([1.0, 2.0, NAN, 3.0], "1 of 4 draws have no value"),
        ([1.0, INF, 2.0], "1 of 3 draws have no value"),
        ([0.0, 0.0, 0.0], "the draws do not vary"),
    ],
)
def test_draws_that_say_nothing_give_no_interval(draws: list[float], says: str) -> None:
    assert no_interval(draws) == says
    assert np.isnan(interval(draws, 1.0)).all()


def test_no_value_has_no_interval() -> None:
    assert np.isnan(interval([1.0, 2.0, 3.0], NAN)).all()


@pytest.mark.parametrize("replace", [True, False])
def test_ten_draws_cover_the_mean_in_95_of_100_samples(replace: bool) -> None:
    rng = np.random.default_rng(0)
    n, covered = 60, 0
    m = n if replace else n // 2
    scale = 1.0 if replace else without_replacement(m / n)
    for _ in range(400):
        sample = rng.normal(size=n)
        draws = [float(rng.choice(sample, m, replace=replace).mean()) for _ in range(10)]
        low, high = interval(draws, float(sample.mean()), scale=scale)
        covered += low <= 0 <= high
    assert covered / 400 == pytest.approx(0.95, abs=0.03)


def test_three_quarters_without_replacement_are_rescaled_to_the_jackknife() -> None:
    """All draws of 3 of 4 are the jackknife: its variance is (n - 1) times that of the draws."""
    x = np.array([1.0, 2.0, 4.0, 9.0])
    left_out = [float(np.delete(x, k).mean()) for k in range(4)]
    error = without_replacement(3 / 4) * np.std(left_out)
    assert error == pytest.approx(np.std(x, ddof=1) / 2)
    assert without_replacement(1 / 2) == 1.0


def test_an_estimate_keeps_its_draws_on_the_scale_of_the_interval() -> None:
    found = estimate(0.5, [0.4, 0.5, 0.6], null=[0.1, NAN, 0.3], untrained=0.2, scale=2.0)
    assert found.drawn == pytest.approx((0.3, 0.5, 0.7))
    assert (found.null, found.untrained) == (pytest.approx(0.2), 0.2)
    assert found.null_draws[2] == 0.3
    assert found.low == pytest.approx(0.5 - half_width([0.3, 0.5, 0.7]))
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
