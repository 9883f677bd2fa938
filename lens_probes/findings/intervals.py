"""A number's 95 % interval from the draws of a bootstrap: its standard error, not its quantiles.

Ten to forty draws have no 2.5 % quantile; their standard deviation is usable, with Student's t for
its own uncertainty. Draws that do not vary give no interval: they do not show that a number is
exact.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import special

from lens_probes.findings.claim import NAN, Unit, Value

ERROR = "95 %, bootstrap standard error from {n} draws of "
MIN_DRAWS = 3
_LEVEL = 0.975


def half_width(draws: Sequence[float], scale: float = 1.0) -> float:
    """t(0.975, draws - 1) times the standard deviation of the draws; NaN where that says nothing.

    `scale` makes up for draws without replacement (`without_replacement`).
    """
    if no_interval(draws):
        return NAN
    return float(special.stdtrit(len(draws) - 1, _LEVEL) * scale * np.std(draws, ddof=1))


def no_interval(draws: Sequence[float]) -> str:
    """Why these draws give no interval, or ""."""
    n, lost = len(draws), int((~np.isfinite(np.asarray(draws, float))).sum())
    if n < MIN_DRAWS:
        return f"{n} draws are too few"
    if lost:
        return f"{lost} of {n} draws have no value"
    if np.ptp(draws) <= 1e-12 * np.abs(draws).max():
        return "the draws do not vary"
    return ""


def without_replacement(share: float) -> float:
    """What makes the spread of draws of a share of the cases that of a sample of all of them.

    The mean of m of n cases has variance s^2 (1/m - 1/n), that of n cases s^2 / n (Politis, Romano
    and Wolf, Subsampling, 1999, with the correction for a finite population).
    """
    return float(np.sqrt(share / (1 - share)))


def interval(
    values: Sequence[float],
    value: float,
    lower: float = -np.inf,
    upper: float = np.inf,
    *,
    scale: float = 1.0,
) -> tuple[float, float]:
    """Value +- `half_width` of the draws, kept between two ends; NaN twice where there is none."""
    half = half_width(values, scale)
    if not np.isfinite(half) or not np.isfinite(value):
        return NAN, NAN
    return float(max(lower, value - half)), float(min(upper, value + half))


def estimate(
    value: float,
    drawn: Sequence[float] = (),
    *,
    null: Sequence[float] = (),
    untrained: float = NAN,
    lower: float = -np.inf,
    upper: float = np.inf,
    scale: float = 1.0,
    unit: Unit | None = None,
    why: str = "",
) -> Value:
    """A value with the interval of its draws, and the draws of its null.

    Draw k of one part and draw k of another are taken as the same draw: rules that compare two
    parts, and the rule in each draw of the null, depend on it.
    """
    centre = float(np.mean(drawn)) if len(drawn) else NAN
    return Value(
        float(value), *interval(drawn, value, lower, upper, scale=scale), mean(null),
        float(untrained), tuple(float(one) for one in null),
        tuple(centre + scale * (float(one) - centre) for one in drawn), unit, why,
    )  # fmt: skip


def mean(values: Sequence[float]) -> float:
    """Mean of the finite values; NaN without one."""
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else NAN
