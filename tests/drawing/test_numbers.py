"""Numbers as text: exact where it matters, never a false zero."""

import math

import pytest
from markupsafe import Markup

from lens_probes.drawing.numbers import fixed, general, percent, power, seconds, whole


@pytest.mark.parametrize(
    ("log10_p", "shown"),
    [
        (0.0, "1"),
        (math.log10(0.05), "0.05"),
        (-3.0, "0.001"),
        (math.log10(3.1e-12), "3.1 × 10<sup>−12</sup>"),
        (-420.5, "3.2 × 10<sup>−421</sup>"),
        (math.log10(9.96e-7), "1.0 × 10<sup>−6</sup>"),
        (float("nan"), "–"),
        (None, "–"),
        (-math.inf, "0"),
    ],
)
def test_power(log10_p, shown):
    assert power(log10_p) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (1.0, "1.00"),
        (-0.01234, "−0.0123"),
        (999.6, "1,000"),
        (0.9999, "1.00"),
        (12345.0, "12,300"),
        (-1234567.0, "−1.23 × 10<sup>6</sup>"),
        (9.999e-6, "1.00 × 10<sup>−5</sup>"),
        (5e-324, "4.94 × 10<sup>−324</sup>"),
        (math.inf, "∞"),
        (-math.inf, "−∞"),
        (float("nan"), "–"),
    ],
)
def test_general(value, shown):
    assert general(value) == shown


def test_fixed_has_no_minus_zero():
    assert fixed(-0.001) == "0.00"
    assert fixed(-1.005, 1) == "−1.0"
    assert fixed(1234.5, 1) == "1,234.5"
    assert fixed(float("nan")) == "–"
    assert fixed(-math.inf) == "−∞"


def test_percent_whole_seconds():
    assert percent(0.1234) == "12.3%"
    assert percent(None) == "–"
    assert whole(75000) == "75,000"
    assert whole(float("nan")) == "–"
    assert seconds(1.234) == "1.23 s"


def test_markup_is_only_where_powers_are():
    assert isinstance(power(-100), Markup)
    assert isinstance(general(1e-9), Markup)
    assert not isinstance(fixed(1), Markup)
