"""Numbers as a reader wants them: true minus signs, powers of ten, few digits, "–" for none."""

from __future__ import annotations

import math
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any

from markupsafe import Markup, escape

NONE = "–"
MINUS = "\u2212"


def missing(value: Any) -> bool:
    """Whether a table's cell holds no value."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def whole(value: Any) -> str:
    """Count, with thousands separated."""
    return NONE if missing(value) else f"{int(value):,}".replace("-", MINUS)


def fixed(value: Any, digits: int = 2) -> str:
    """Number of a known range, such as an AUC; -0.00 is 0.00."""
    if missing(value):
        return NONE
    if math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    text = _rounded(value, f",.{digits}f")
    if float(text.replace(",", "")) == 0:
        text = text.lstrip("-")
    return text.replace("-", MINUS)


def percent(value: Any, digits: int = 1) -> str:
    """Share as a percentage."""
    return NONE if missing(value) else f"{fixed(100 * float(value), digits)}%"


def general(value: Any, digits: int = 3) -> Markup:
    """Number of any size to `digits` significant digits, as a power of ten where it is long."""
    if missing(value):
        return Markup(NONE)
    number = float(value)
    if math.isinf(number):
        return Markup("∞" if number > 0 else f"{MINUS}∞")
    if number == 0:
        return Markup("0")
    mantissa, power_of_ten = _rounded(number, f".{digits - 1}e").split("e")
    exponent = int(power_of_ten)
    if -4 < exponent < 5:
        rounded = float(f"{mantissa}e{exponent}")
        return Markup(escape(fixed(rounded, max(digits - 1 - exponent, 0))))
    return _times_power(fixed(float(mantissa), digits - 1), exponent)


def power(log10_p: Any) -> Markup:
    """p-value from its logarithm: 0.031, or 3.1 × 10 to a power; works far below 1e-308."""
    if missing(log10_p):
        return Markup(NONE)
    value = float(log10_p)
    if math.isinf(value):
        return Markup("0") if value < 0 else Markup(NONE)
    if value >= -3:
        return Markup(f"{10**value:.2g}")
    exponent = math.floor(value)
    mantissa = round(10 ** (value - exponent), 1)
    if mantissa >= 10:
        mantissa, exponent = 1.0, exponent + 1
    return _times_power(f"{mantissa:.1f}", exponent)


def seconds(value: Any) -> str:
    """Duration in seconds."""
    return NONE if missing(value) else f"{float(value):,.2f} s"


def _rounded(value: Any, form: str) -> str:
    """Formatted with exact ties away from zero, as the script of a page rounds them."""
    with localcontext(rounding=ROUND_HALF_UP):
        return format(Decimal(float(value)), form)


def _times_power(mantissa: str, exponent: int) -> Markup:
    sign = MINUS if exponent < 0 else ""
    return Markup("{} × 10<sup>{}{}</sup>").format(mantissa, sign, abs(exponent))
