"""Where a curve reaches a level."""

from __future__ import annotations

import numpy as np
import pytest

from lens_probes.errors import InputError
from lens_probes.stats.crossing import crossing

SIZES = np.array([0, 1, 10, 100])


def test_a_curve_without_noise() -> None:
    values = np.repeat(np.array([[0.0], [1.0], [3.0], [4.0]]), 6, axis=1) + 5
    found = crossing(SIZES, values, np.arange(6))
    np.testing.assert_allclose(found.curve, [0, 0.25, 0.75, 1])
    assert found.size == pytest.approx(10 * 10**0.2)  # 0.05 of 0.25 on the way to 100
    assert found.size_low == found.size_high == found.size
    assert crossing(SIZES, values, np.arange(6), level=0.25).size == pytest.approx(1)


def test_it_has_to_stay_there() -> None:
    values = np.array([[0.0], [0.9], [0.5], [1.0]]) * np.ones(4)
    assert 10 < crossing(SIZES, values, np.arange(4)).size < 100


def test_the_interval_covers_the_truth() -> None:
    rng = np.random.default_rng(0)
    truth = 10**1.6
    covered = 0
    for _ in range(200):
        gain = np.repeat(rng.normal(1, 0.3, 12), 3)
        curve = np.array([0, 0.2, 0.5, 1])[:, None] * gain + rng.normal(0, 0.1, (4, 36))
        found = crossing(SIZES, curve, np.repeat(np.arange(12), 3), n_draws=300)
        covered += found.size_low <= truth <= found.size_high
    assert covered >= 176


def test_what_cannot_be_told_is_one_line() -> None:
    with pytest.raises(InputError, match="nothing to explain"):
        crossing(SIZES, np.ones((4, 3)), np.arange(3))
    with pytest.raises(InputError, match=r"must be \[size, item\]"):
        crossing(SIZES, np.ones((3, 3)), np.arange(3))
