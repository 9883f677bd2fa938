"""The one-predictor logit in float64: Newton's method, and Firth's penalised likelihood.

Rows are those of `_rows`: shifted and scaled, class 0 first. Coefficients are written as a margin
a + b (z - c): the origin c follows the weighted mean of z, so that the two-by-two information is
diagonal and nothing cancels, however close to separation.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lens_probes.stats._compile import EXACT, REORDER, compiled
from lens_probes.stats.inputs import Bools, Floats

FITS = 7
INTERCEPT, SLOPE, SLOPE_SE, LLR, RIGHT0, RIGHT1, CONVERGED = range(FITS)

MAX_STEPS = 200
MAX_HALVINGS = 40
LAST_STEP = 1e-5
TINY_LLR = 1e-3
ON_BOUNDARY = 1e-9

_LOG2E = 1.0 / math.log(2.0)
_LN2_HI = 6.93145751953125e-1
_LN2_LO = 1.42860682030941723212e-6
_MAGIC = 6755399441055744.0


@compiled(EXACT)
def _exp_minus(v: float) -> float:
    """exp(-v) for v >= 0 to 1e-16, without branches so that loops over it vectorise."""
    v = v if v < 700.0 else 700.0
    shifted = _MAGIC - v * _LOG2E
    k = shifted - _MAGIC
    r = -v - k * _LN2_HI
    r = r - k * _LN2_LO
    p = 1.0 / 479001600.0
    p = p * r + 1.0 / 39916800.0
    p = p * r + 1.0 / 3628800.0
    p = p * r + 1.0 / 362880.0
    p = p * r + 1.0 / 40320.0
    p = p * r + 1.0 / 5040.0
    p = p * r + 1.0 / 720.0
    p = p * r + 1.0 / 120.0
    p = p * r + 1.0 / 24.0
    p = p * r + 1.0 / 6.0
    p = p * r + 0.5
    p = p * r * r + r + 1.0
    bits = (np.float64(shifted).view(np.int64) + 1023) << 52
    return p * np.int64(bits).view(np.float64)


@compiled(REORDER)
def _pass64(z: Floats, a: float, b: float, c: float) -> tuple[Any, ...]:
    """One class at margins a + b (z - c): sums as in _pass32, four more, the likelihood.

    The four are sums of (dw/dm) z^k, k = 0 to 3: how the weights change with the next step. The log
    likelihood is a sum of logarithms of numbers in (1, 2]: the product of 512 of them cannot
    overflow, so one logarithm serves for all.
    """
    sq, sqz, sw, swz, swzz = 0.0, 0.0, 0.0, 0.0, 0.0
    t0, t1, t2, t3 = 0.0, 0.0, 0.0, 0.0
    loss = 0.0
    for first in range(0, z.size, 512):
        product = 1.0
        part = z[first : first + 512]
        for i in range(part.size):
            v = part[i] - c
            m = a + b * v
            u = _exp_minus(abs(m))
            inverse = 1.0 / (1.0 + u)
            q = inverse * (u if m > 0.0 else 1.0)
            w = u * inverse * inverse
            wz = w * v
            wzz = wz * v
            d = q + q - 1.0
            sq += q
            sqz += q * v
            sw += w
            swz += wz
            swzz += wzz
            t0 += w * d
            t1 += wz * d
            t2 += wzz * d
            t3 += wzz * v * d
            product *= 1.0 + u
            loss -= m if m < 0.0 else 0.0
        loss += math.log(product)
    return sq, sqz, sw, swz, swzz, t0, t1, t2, t3, -loss


@compiled(REORDER)
def _count(z: Floats, a: float, b: float, c: float) -> int:
    """How many of z are fitted above one half; margins within 1e-9 of the boundary are not."""
    count = 0
    for i in range(z.size):
        count += 1 if a + b * (z[i] - c) > ON_BOUNDARY else 0
    return count


@compiled(EXACT)
def _log_ratio(z: Floats, sign: float, a0: float, a: float, b: float, c: float) -> float:
    """Log likelihood at (a, b) less that at a0, without cancelling: for small differences."""
    total = 0.0
    null = 1.0 / (1.0 + math.exp(sign * a0))
    for i in range(z.size):
        d = sign * (a - a0 + b * (z[i] - c))
        total -= math.log1p(null * math.expm1(-d))
    return total


@compiled(EXACT)
def _finish(z: Floats, n0: int, a: float, b: float, c: float, llr: float, out: Floats) -> None:
    """Write the fit at margins a + b (z - c) but for its standard error."""
    n1 = z.size - n0
    if llr < TINY_LLR:
        a0 = math.log(n1 / n0)
        llr = 2.0 * (_log_ratio(z[:n0], -1.0, a0, a, b, c) + _log_ratio(z[n0:], 1.0, a0, a, b, c))
    out[INTERCEPT] = a - b * c
    out[SLOPE] = b
    out[LLR] = max(llr, 0.0)
    out[RIGHT0] = n0 - _count(z[:n0], a, b, c)
    out[RIGHT1] = _count(z[n0:], a, b, c)


@compiled(EXACT)
def _local(z: Floats, n0: int, a: float, b: float, c: float) -> tuple[float, ...]:
    """Everything at margins a + b (z - c), about the weighted mean of z at c + shift.

    Returns log likelihood, shift, information of the margin and of the slope, gradient of both,
    and the sums of dw (z - mean)^k for k = 0 to 3.
    """
    q0, qz0, w0, wz0, wzz0, r0, r1, r2, r3, l0 = _pass64(z[:n0], -a, -b, c)
    q1, qz1, w1, wz1, wzz1, s0, s1, s2, s3, l1 = _pass64(z[n0:], a, b, c)
    h = w0 + w1
    shift = (wz0 + wz1) / h
    hzz = wzz0 + wzz1 - h * shift * shift
    g = q1 - q0
    gz = qz1 - qz0 - g * shift
    m0, m1, m2, m3 = s0 - r0, s1 - r1, s2 - r2, s3 - r3
    t1 = m1 - shift * m0
    t2 = m2 - shift * (2.0 * m1 - shift * m0)
    t3 = m3 - shift * (3.0 * m2 - shift * (3.0 * m1 - shift * m0))
    return l0 + l1, shift, h, hzz, g, gz, m0, t1, t2, t3


@compiled(EXACT)
def _newton(z: Floats, n0: int, a: float, b: float, c: float, out: Floats) -> bool:
    """Newton with step halving from margins a + b (z - c); the fit goes into `out`.

    Every accepted point raises the log likelihood. Done when a step moves no margin by more than
    LAST_STEP (rows span at most 1): the third derivatives then give the coefficients to third
    order (Chebyshev's step) and the information to second order at their final value.
    """
    n = z.size
    null = n0 * math.log(n0 / n) + (n - n0) * math.log((n - n0) / n)
    best = -math.inf
    base_a, base_b, base_c, step_a, step_b = a, b, c, 0.0, 0.0
    halvings = 0
    for _ in range(MAX_STEPS):
        likelihood, shift, h, hzz, g, gz, t0, t1, t2, t3 = _local(z, n0, a, b, c)
        if not (h > 0.0 and hzz > 0.0 and likelihood > best - 1e-12 * (1.0 + abs(best))):
            halvings += 1
            if halvings > MAX_HALVINGS:
                return False
            step_a *= 0.5
            step_b *= 0.5
            a, b, c = base_a + step_a, base_b + step_b, base_c
            continue
        halvings = 0
        best = max(best, likelihood)
        base_a, base_b, base_c = a + b * shift, b, c + shift
        step_a = g / h
        step_b = gz / hzz
        moved = step_a * step_a + step_b * step_b * hzz / h
        a, b, c = base_a + step_a, base_b + step_b, base_c
        if abs(step_a) + abs(step_b) < LAST_STEP:
            aa, ab, bb = step_a * step_a, 2.0 * step_a * step_b, step_b * step_b
            a -= 0.5 * (t0 * aa + t1 * ab + t2 * bb) / h
            b -= 0.5 * (t1 * aa + t2 * ab + t3 * bb) / hzz
            across = t1 * step_a + t2 * step_b
            hzz += t2 * step_a + t3 * step_b - across * across / h
            out[SLOPE_SE] = 1.0 / math.sqrt(hzz)
            _finish(z, n0, a, b, c, 2.0 * (likelihood - null) + moved * h, out)
            return True
    return False


@compiled(EXACT)
def _firth_null(z: Floats, n0: int) -> float:
    """Penalised log likelihood with the slope at 0 inside the full information matrix.

    The intercept has a closed form: the information is (p (1 - p))^2 times a constant, so p is that
    of one more example of each class.
    """
    n = z.size
    p = (n - n0 + 1.0) / (n + 2.0)
    mean = z.mean()
    squares = 0.0
    for i in range(n):
        squares += (z[i] - mean) * (z[i] - mean)
    fit = (n - n0 + 1.0) * math.log(p) + (n0 + 1.0) * math.log(1.0 - p)
    return fit + 0.5 * math.log(n * squares)


@compiled(EXACT)
def _firth(z: Floats, n0: int, a: float, b: float, c: float, out: Floats) -> bool:
    """Fisher scoring of Firth's likelihood: log likelihood + log det(information) / 2.

    The penalty's gradient needs only the sums of dw that _local has. Its curvature is not used, so
    convergence is linear, at a rate near the reciprocal of the number of examples.
    """
    best = -math.inf
    base_a, base_b, base_c, step_a, step_b = a, b, c, 0.0, 0.0
    halvings = 0
    for _ in range(MAX_STEPS):
        likelihood, shift, h, hzz, g, gz, t0, t1, t2, t3 = _local(z, n0, a, b, c)
        usable = h > 0.0 and hzz > 0.0
        if usable:
            likelihood += 0.5 * (math.log(h) + math.log(hzz))
        if not (usable and likelihood > best - 1e-12 * (1.0 + abs(best))):
            halvings += 1
            if halvings > MAX_HALVINGS:
                return False
            step_a *= 0.5
            step_b *= 0.5
            a, b, c = base_a + step_a, base_b + step_b, base_c
            continue
        halvings = 0
        best = max(best, likelihood)
        base_a, base_b, base_c = a + b * shift, b, c + shift
        step_a = (g + 0.5 * (t0 / h + t2 / hzz)) / h
        step_b = (gz + 0.5 * (t1 / h + t3 / hzz)) / hzz
        moved = step_a * step_a + step_b * step_b * hzz / h
        a, b, c = base_a + step_a, base_b + step_b, base_c
        if moved < 1e-22:
            out[INTERCEPT] = a - b * c
            out[SLOPE] = b
            out[LLR] = max(2.0 * (likelihood - _firth_null(z, n0)), 0.0)
            return True
    return False


@compiled(EXACT)
def firth_block(block: Floats, n: int, n0: int, fit: Bools, starts: Floats, out: Floats) -> None:
    """Firth's fit of the rows that `fit` marks into slope and LLR of out [unit, FITS]."""
    a0 = math.log((n - n0) / n0)
    for k in range(block.shape[0]):
        if not fit[k]:
            continue
        z = block[k, :n]
        a, b, c = starts[k]
        done = a == a and _firth(z, n0, a, b, c, out[k])
        if not done:
            done = _firth(z, n0, a0, 0.0, c, out[k])
        out[k, CONVERGED] = 1.0 if done else 0.0


@compiled(EXACT)
def fit_block(block: Floats, n: int, n0: int, fit: Bools, starts: Floats, out: Floats) -> None:
    """Fit the rows that `fit` marks into out [unit, FITS]; the other rows stay as they are.

    From `starts`, or from no effect where that fails. Coefficients are those of the shifted and
    scaled row.
    """
    a0 = math.log((n - n0) / n0)
    for k in range(block.shape[0]):
        if not fit[k]:
            continue
        z = block[k, :n]
        a, b, c = starts[k]
        done = a == a and _newton(z, n0, a, b, c, out[k])
        if not done:
            done = _newton(z, n0, a0, 0.0, c, out[k])
        out[k, CONVERGED] = 1.0 if done else 0.0
