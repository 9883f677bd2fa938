"""A number's 95 % interval from halves of what was sampled: its standard error, not quantiles.

Draws with replacement carry the sampling noise twice: shares of significant units and sizes of
effects are biased up in them and spread too far. Two halves that make up the sample err in opposite
directions, so that half their difference errs as the number itself does. Draws that do not vary
give no interval: they do not show that a number is exact.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import special

from lens_probes.course.claim import NAN, Unit, Value

ERROR = "95 %, standard error from {n} halves of "
MIN_DRAWS = 4
_LEVEL = 0.975
# Set by simulation: shares, medians, means and largest values cover 0.94 to 0.98 with it, each over
# eight designs; with 0 a median |r| covers 0.88 (tests/course/test_coverage.py).
_WEIGHT_OF_MEAN = 0.5


def halves(n: int, draws: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """`draws` random halves of n things, each followed by the rest; a single thing is in both."""
    for _ in range((draws + 1) // 2):
        order = rng.permutation(n)
        cut = (n + int(rng.integers(2))) // 2
        yield from (order[:cut], order[cut:]) if n > 1 else (order, order)


def half_width(draws: Sequence[float]) -> float:
    """t(0.975, pairs) times the standard error; NaN where the draws say nothing.

    Draws 2 k and 2 k + 1 are of two halves (`halves`): half their difference, and of what their
    mean moves by the half.
    """
    if no_interval(draws):
        return NAN
    one, other = np.reshape(np.asarray(draws, np.float64), (-1, 2)).T
    variance = np.mean((one - other) ** 2) / 4
    variance += _WEIGHT_OF_MEAN * np.var((one + other) / 2, ddof=1)
    return float(special.stdtrit(len(one), _LEVEL) * np.sqrt(variance))


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


def interval(
    values: Sequence[float], value: float, lower: float = -np.inf, upper: float = np.inf
) -> tuple[float, float]:
    """Value +- `half_width` of the draws, kept between two ends; NaN twice where there is none."""
    half = half_width(values)
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
    unit: Unit | None = None,
    why: str = "",
    of: int = 0,
) -> Value:
    """A value with the interval of its draws, and the draws of its null.

    Draw k of one part and draw k of another are taken as the same draw: rules that compare two
    parts, and the rule in each draw of the null, depend on it.
    """
    return Value(
        float(value), *interval(drawn, value, lower, upper), mean(null), float(untrained),
        tuple(float(one) for one in null), tuple(float(one) for one in drawn), unit, why, of,
    )  # fmt: skip


def mean(values: Sequence[float]) -> float:
    """Mean of the finite values; NaN without one."""
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else NAN
