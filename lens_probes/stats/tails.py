"""Two-sided tail probabilities on the log scale, so that no p-value ever underflows.

SciPy's `logsf` of Student t is -inf below about 1e-300; here log10 p = -420 still ranks before
-330. Each function returns (p, log10 p); p is 0 only where it is below the smallest double.
An infinite statistic gives p = 0 and log10 p = -inf, a NaN statistic gives NaN.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import special

from lens_probes.errors import MOST, InputError, whole
from lens_probes.stats._compile import EXACT, compiled
from lens_probes.stats.inputs import Floats, Numbers, numbers

LN10 = math.log(10.0)


@compiled(EXACT)
def log_gamma_half_step(a: float) -> float:
    """log Gamma(a + 1/2) - log Gamma(a), by series where the difference would cancel."""
    if a < 20.0:
        return math.lgamma(a + 0.5) - math.lgamma(a)
    i = 1.0 / (a * a)
    series = 17.0 / 14336.0
    series = series * i - 1.0 / 640.0
    series = series * i + 1.0 / 192.0
    series = series * i - 1.0 / 8.0
    return 0.5 * math.log(a) + series / a


@compiled(EXACT)
def _beta_fraction(a: float, b: float, x: float) -> float:
    """Continued fraction of the incomplete beta function (modified Lentz, DLMF 8.17.22)."""
    tiny = 1e-300
    c = 1.0
    d = 1.0 - (a + b) * x / (a + 1.0)
    d = 1.0 / (d if abs(d) > tiny else tiny)
    value = d
    for m in range(1, 20_000):
        even = m * (b - m) * x / ((a + 2 * m - 1.0) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1.0))
        d = 1.0 + even * d
        c = 1.0 + even / c
        d = 1.0 / (d if abs(d) > tiny else tiny)
        c = c if abs(c) > tiny else tiny
        value *= d * c
        d = 1.0 + odd * d
        c = 1.0 + odd / c
        d = 1.0 / (d if abs(d) > tiny else tiny)
        c = c if abs(c) > tiny else tiny
        change = d * c
        value *= change
        if abs(change - 1.0) < 1e-15:
            break
    return value


@compiled(EXACT)
def _log_student(t: float, dof: float) -> float:
    """Natural log of P(|T| >= |t|) = I_x(dof / 2, 1 / 2), x = dof / (dof + t^2)."""
    if abs(t) == math.inf:
        return -math.inf
    if not dof > 0.0 or t != t:
        return math.nan
    if t == 0.0:
        return 0.0
    a = 0.5 * dof
    r = abs(t) / math.sqrt(dof)
    if r < 1e150:
        log_x = -math.log1p(r * r)
        x = 1.0 / (1.0 + r * r)
        y = r * r / (1.0 + r * r)
        log_y = 2.0 * math.log(r) + log_x
    else:
        log_x, x, y, log_y = -2.0 * math.log(r), 0.0, 1.0, 0.0
    log_beta = 0.5 * math.log(math.pi) - log_gamma_half_step(a)
    front = a * log_x + 0.5 * log_y - log_beta
    if x < (a + 1.0) / (a + 2.5):
        return front - math.log(a) + math.log(_beta_fraction(a, 0.5, x))
    return math.log1p(-2.0 * math.exp(front) * _beta_fraction(0.5, a, y))


@compiled(EXACT)
def _log_student_all(t: Floats, dof: Floats, out: Floats) -> None:
    for i in range(t.size):
        out[i] = _log_student(t[i], dof[i])


def student_tail(t: Numbers, dof: Numbers) -> tuple[Floats, Floats]:
    """Two-sided p and log10 p of Student's t; `dof` may be fractional and is broadcast to t."""
    t, dof = _together(numbers(t, "t"), numbers(dof, "dof"))
    log_p = np.empty(t.shape)
    _log_student_all(t.ravel(), dof.ravel(), log_p.reshape(-1))
    return np.exp(log_p), log_p / LN10


def normal_tail(z: Numbers) -> tuple[Floats, Floats]:
    """Two-sided p and log10 p of a standard normal z."""
    size: Any = np.abs(numbers(z, "z"))
    far = math.log(2.0) + special.log_ndtr(-size)
    log_p = np.where(size < 1.0, np.log1p(-special.erf(np.minimum(size, 1.0) / math.sqrt(2))), far)
    return np.exp(log_p), log_p / LN10


@compiled(EXACT)
def _log_f(f: float, m: float, v: float) -> float:
    """Natural log of P(F >= f) = I_x(v / 2, m / 2), x = v / (v + m f)."""
    if f != f or not (m > 0.0 and v > 0.0):
        return math.nan
    if f == math.inf:
        return -math.inf
    if f <= 0.0:
        return 0.0
    a, b, ratio = 0.5 * v, 0.5 * m, m * f / v
    log_x = -math.log1p(ratio)
    x, y = 1.0 / (1.0 + ratio), ratio / (1.0 + ratio)
    log_beta = math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
    front = a * log_x + b * (math.log(ratio) + log_x) - log_beta
    if x < (a + 1.0) / (a + b + 2.0):
        return front - math.log(a) + math.log(_beta_fraction(a, b, x))
    return math.log1p(-math.exp(front) * _beta_fraction(b, a, y) / b)


@compiled(EXACT)
def _log_chi2(s: float, m: float) -> float:
    """Natural log of P(chi2_m >= s) = Q(m / 2, s / 2), by series or continued fraction (DLMF 8)."""
    if s != s or s < 0.0:
        return math.nan
    if s == math.inf:
        return -math.inf
    a, x = 0.5 * m, 0.5 * s
    if x == 0.0:
        return 0.0
    front = a * math.log(x) - x - math.lgamma(a)
    if x < a + 1.0:
        term = 1.0 / a
        total = term
        for k in range(1, 10_000):
            term *= x / (a + k)
            total += term
            if term < 1e-17 * total:
                break
        return math.log1p(-math.exp(front) * total)
    tiny = 1e-300
    b = x + 1.0 - a
    c = 1.0 / tiny
    d = 1.0 / b
    value = d
    for k in range(1, 10_000):
        step = -k * (k - a)
        b += 2.0
        d = step * d + b
        d = 1.0 / (d if abs(d) > tiny else tiny)
        c = b + step / c
        c = c if abs(c) > tiny else tiny
        value *= c * d
        if abs(c * d - 1.0) < 1e-15:
            break
    return front + math.log(value)


@compiled(EXACT)
def _log_f_all(f: Floats, m: Floats, v: Floats, out: Floats) -> None:
    for i in range(f.size):
        out[i] = _log_f(f[i], m[i], v[i])


@compiled(EXACT)
def _log_chi2_all(s: Floats, m: float, out: Floats) -> None:
    for i in range(s.size):
        out[i] = _log_chi2(s[i], m)


def f_tail(f: Numbers, dof1: Numbers, dof2: Numbers) -> tuple[Floats, Floats]:
    """Upper p and log10 p of F; both degrees of freedom may be fractional, and are broadcast."""
    values, m = _together(numbers(f, "f"), numbers(dof1, "dof1"))
    values, v = _together(values, numbers(dof2, "dof2"))
    values, m = _together(values, m)
    log_p = np.empty(values.shape)
    _log_f_all(values.ravel(), m.ravel(), v.ravel(), log_p.reshape(-1))
    return np.exp(log_p), log_p / LN10


def chi2_tail(statistic: Numbers, dof: int = 1) -> tuple[Floats, Floats]:
    """Upper p and log10 p of a chi-square with `dof` degrees of freedom; NaN below zero."""
    given, dof = numbers(statistic, "statistic"), whole("dof", dof, least=1, most=MOST)
    if dof == 1:
        with np.errstate(invalid="ignore"):
            return normal_tail(np.sqrt(given))
    log_p = np.empty(given.shape)
    _log_chi2_all(given.ravel(), float(dof), log_p.reshape(-1))
    return np.exp(log_p), log_p / LN10


def z_of_chi2(statistic: Numbers, dof: int) -> Floats:
    """The |z| whose two-sided normal p is that of a chi-square with `dof` degrees of freedom."""
    log10_p = chi2_tail(statistic, dof)[1]
    z: Floats = -special.ndtri_exp(np.minimum(log10_p * LN10, 0.0) - math.log(2.0))
    return np.maximum(z, 0.0)


def _together(t: Floats, dof: Floats) -> tuple[Floats, Floats]:
    try:
        one, other = np.broadcast_arrays(t, dof)
    except ValueError as error:
        raise InputError(
            f"the statistic has shape {t.shape} and dof {dof.shape}: give one dof, or one for each"
        ) from error
    return one.copy(), other.copy()
