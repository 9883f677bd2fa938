"""The compiled kernel: class sums and the one-predictor logit, a block of units at a time.

Examples come sorted by class (class 0 first). A block of units is copied from [example, unit] to
[unit, example] in float64, small enough to stay in cache. A row is shifted by its first value and
scaled by a power of two near its range before anything is summed, so neither a large offset nor
the unit's scale costs precision.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from lens_probes.stats._compile import EXACT, FINITE, REORDER, compiled
from lens_probes.stats.inputs import Floats, Ints

SUMS = 10
SHIFT, SCALE, MEAN0, MEAN1, SS0, SS1, LOW0, HIGH0, LOW1, HIGH1 = range(SUMS)
FITS = 7
INTERCEPT, SLOPE, SLOPE_SE, LLR, RIGHT0, RIGHT1, CONVERGED = range(FITS)

BLOCK_VALUES = 40_000
MAX_STEPS = 200
TINY_LLR = 1e-3
ON_BOUNDARY = 1e-9

_LOG2E = 1.0 / math.log(2.0)
_LN2_HI = 6.93145751953125e-1
_LN2_LO = 1.42860682030941723212e-6
_MAGIC = 6755399441055744.0
_F1 = np.float32(1.0)
_F0 = np.float32(0.0)
_FHALF = np.float32(0.5)
_FLOG2E = np.float32(_LOG2E)
_FLN2_HI = np.float32(0.693359375)
_FLN2_LO = np.float32(-2.12194440e-4)
_FMAGIC = np.float32(12582912.0)
_FLIMIT = np.float32(80.0)


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


@compiled(EXACT)
def _exp_minus32(v: np.float32) -> np.float32:
    """exp(-v) for v >= 0 in float32, to about 1e-6."""
    v = v if v < _FLIMIT else _FLIMIT
    shifted = _FMAGIC - v * _FLOG2E
    k = shifted - _FMAGIC
    r = -v - k * _FLN2_HI
    r = r - k * _FLN2_LO
    p = np.float32(1.0 / 120.0)
    p = p * r + np.float32(1.0 / 24.0)
    p = p * r + np.float32(1.0 / 6.0)
    p = p * r + _FHALF
    p = p * r * r + r + _F1
    bits = (np.float32(shifted).view(np.int32) + np.int32(127)) << np.int32(23)
    return p * np.int32(bits).view(np.float32)


@compiled(REORDER)
def _centred_sums(row: Floats) -> tuple[float, float]:
    """Mean and sum of squares about it, corrected for the rounding of the mean."""
    n = row.size
    total = 0.0
    for i in range(n):
        total += row[i]
    mean = total / n
    squares = 0.0
    rest = 0.0
    for i in range(n):
        d = row[i] - mean
        squares += d * d
        rest += d
    return mean + rest / n, max(squares - rest * rest / n, 0.0)


@compiled(EXACT)
def _sums(row: Floats, n0: int, out: Floats) -> None:
    """Shift and scale one row in place and write its class sums; `out` already has its ranges."""
    shift = row[0]
    span = max(out[HIGH0], out[HIGH1]) - min(out[LOW0], out[LOW1])
    exponent = max(min(math.frexp(span)[1], 1000), -1000) if span > 0.0 else 0
    inverse = math.ldexp(1.0, -exponent)
    scale = math.ldexp(1.0, exponent)
    for i in range(row.size):
        row[i] = (row[i] - shift) * inverse
    out[SHIFT] = shift
    out[SCALE] = scale
    out[MEAN0], out[SS0] = row[0], 0.0
    out[MEAN1], out[SS1] = row[n0], 0.0
    if out[LOW0] != out[HIGH0]:
        out[MEAN0], out[SS0] = _centred_sums(row[:n0])
    if out[LOW1] != out[HIGH1]:
        out[MEAN1], out[SS1] = _centred_sums(row[n0:])


@compiled(FINITE)
def _ranges(
    x: npt.NDArray[Any], order: Ints, first: int, low: npt.NDArray[Any], high: npt.NDArray[Any]
) -> None:
    """Smallest and largest value over the examples in `order`, side by side over units."""
    for j in range(low.size):
        low[j] = x[order[0], first + j]
        high[j] = low[j]
    for i in range(1, order.size):
        values = x[order[i], first : first + low.size]
        for j in range(low.size):
            v = values[j]
            low[j] = v if v < low[j] else low[j]
            high[j] = v if v > high[j] else high[j]


@compiled(EXACT)
def _copy_block(x: npt.NDArray[Any], order: Ints, first: int, block: Floats) -> None:
    """Units `first` ... of x [example, unit] into block [unit, example], examples in `order`.

    Four examples at a time: the stores of one unit then fall into one cache line.
    """
    n = order.size
    for i in range(0, n - 3, 4):
        r0, r1, r2, r3 = order[i], order[i + 1], order[i + 2], order[i + 3]
        for j in range(block.shape[0]):
            u = first + j
            block[j, i] = x[r0, u]
            block[j, i + 1] = x[r1, u]
            block[j, i + 2] = x[r2, u]
            block[j, i + 3] = x[r3, u]
    for i in range(n - n % 4, n):
        for j in range(block.shape[0]):
            block[j, i] = x[order[i], first + j]


@compiled(EXACT)
def _load(
    x: npt.NDArray[Any], order: Ints, n0: int, first: int, block: Floats, sums: Floats
) -> None:
    """One block of units: rows shifted and scaled in `block`, class sums in sums [unit, SUMS]."""
    width = sums.shape[0]
    low = np.empty(width, dtype=x.dtype)
    high = np.empty(width, dtype=x.dtype)
    _ranges(x, order[:n0], first, low, high)
    sums[:, LOW0] = low
    sums[:, HIGH0] = high
    _ranges(x, order[n0:], first, low, high)
    sums[:, LOW1] = low
    sums[:, HIGH1] = high
    _copy_block(x, order, first, block[:width])
    for j in range(width):
        _sums(block[j, : order.size], n0, sums[j])


@compiled(EXACT)
def _block_for(n: int, units: int) -> Floats:
    """An empty block of about 40,000 values; rows are padded to an odd number of cache lines.

    Rows a power of two apart would all compete for the same few places in the cache.
    """
    lines = (n + 7) // 8
    return np.empty((max(1, min(BLOCK_VALUES // n, units)), 8 * (lines + 1 - lines % 2)))


@compiled(EXACT)
def sum_units(
    x: npt.NDArray[Any], order: Ints, n0: int, start: int, stop: int, out: Floats
) -> None:
    """Class sums of units `start` to `stop` into out [unit, SUMS]; NaN means where not finite."""
    block = _block_for(order.size, stop - start)
    for first in range(start, stop, block.shape[0]):
        last = min(first + block.shape[0], stop)
        _load(x, order, n0, first, block, out[first:last])


@compiled(REORDER)
def _pass32(z: npt.NDArray[np.float32], a: np.float32, b: np.float32) -> tuple[Any, ...]:
    """One class of the float32 Newton step: sums of q, qz, w, wz, wzz with q the misfit.

    The caller has multiplied a and b by the sign of the class: a + b z is the margin.
    """
    sq = _F0
    sqz = _F0
    sw = _F0
    swz = _F0
    swzz = _F0
    for i in range(z.size):
        v = z[i]
        m = a + b * v
        u = _exp_minus32(abs(m))
        inverse = _F1 / (_F1 + u)
        q = inverse * (u if m > _F0 else _F1)
        w = u * inverse * inverse
        wz = w * v
        sq += q
        sqz += q * v
        sw += w
        swz += wz
        swzz += wz * v
    return sq, sqz, sw, swz, swzz


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
        for i in range(first, min(first + 512, z.size)):
            v = z[i] - c
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
def _start32(z: npt.NDArray[np.float32], n0: int, a: float, b: float) -> tuple[bool, float, float]:
    """Float32 Newton from (a, b) until a step moves the weighted margins by less than 1e-3."""
    for _ in range(12):
        a32 = np.float32(a)
        b32 = np.float32(b)
        q0, qz0, w0, wz0, wzz0 = _pass32(z[:n0], -a32, -b32)
        q1, qz1, w1, wz1, wzz1 = _pass32(z[n0:], a32, b32)
        h = np.float64(w0) + np.float64(w1)
        c = (np.float64(wz0) + np.float64(wz1)) / h
        hzz = np.float64(wzz0) + np.float64(wzz1) - h * c * c
        g = np.float64(q1) - np.float64(q0)
        gz = np.float64(qz1) - np.float64(qz0) - g * c
        if not hzz > 1e-4 * h:
            return False, a, b
        step_b = gz / hzz
        step_a = g / h
        moved = (g * step_a + gz * step_b) / h
        if not moved < 30.0:
            return False, a, b
        a = a + step_a - step_b * c
        b = b + step_b
        if moved < 1e-6:
            return True, a, b
    return False, a, b


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
def _newton(z: Floats, n0: int, a: float, b: float, c: float, out: Floats) -> bool:
    """Float64 Newton with step halving from margins a + b (z - c); the fit goes into `out`.

    Every accepted point raises the log likelihood. The origin c follows the weighted mean of z,
    so the two-by-two solve never cancels, however close to separation. Done when a step moves
    the weighted margins by less than about 3e-6: the third derivatives then give the coefficients
    to third order (Chebyshev's step) and the information to second order at their final value.
    """
    n = z.size
    null = n0 * math.log(n0 / n) + (n - n0) * math.log((n - n0) / n)
    best = -math.inf
    base_a, base_b, base_c, step_a, step_b = a, b, c, 0.0, 0.0
    halvings = 0
    for _ in range(MAX_STEPS):
        q0, qz0, w0, wz0, wzz0, r0, r1, r2, r3, l0 = _pass64(z[:n0], -a, -b, c)
        q1, qz1, w1, wz1, wzz1, s0, s1, s2, s3, l1 = _pass64(z[n0:], a, b, c)
        likelihood = l0 + l1
        h = w0 + w1
        shift = (wz0 + wz1) / h
        hzz = wzz0 + wzz1 - h * shift * shift
        if not (h > 0.0 and hzz > 0.0 and likelihood > best - 1e-12 * (1.0 + abs(best))):
            halvings += 1
            if halvings > 40:
                return False
            step_a *= 0.5
            step_b *= 0.5
            a, b, c = base_a + step_a, base_b + step_b, base_c
            continue
        halvings = 0
        best = max(best, likelihood)
        base_a, base_b, base_c = a + b * shift, b, c + shift
        g = q1 - q0
        step_a = g / h
        step_b = (qz1 - qz0 - g * shift) / hzz
        moved = step_a * step_a + step_b * step_b * hzz / h
        a, b, c = base_a + step_a, base_b + step_b, base_c
        if moved < 1e-11:
            t0 = s0 - r0
            t1 = s1 - r1 - shift * t0
            m2 = s2 - r2
            t2 = m2 - shift * (2.0 * (s1 - r1) - shift * t0)
            t3 = s3 - r3 - shift * (3.0 * m2 - shift * (3.0 * (s1 - r1) - shift * t0))
            aa, ab, bb = step_a * step_a, 2.0 * step_a * step_b, step_b * step_b
            a -= 0.5 * (t0 * aa + t1 * ab + t2 * bb) / h
            b -= 0.5 * (t1 * aa + t2 * ab + t3 * bb) / hzz
            h += t0 * step_a + t1 * step_b
            across = t1 * step_a + t2 * step_b
            hzz += t2 * step_a + t3 * step_b - across * across / h
            out[SLOPE_SE] = 1.0 / math.sqrt(hzz)
            _finish(z, n0, a, b, c, 2.0 * (likelihood - null) + moved * h, out)
            return True
    return False


@compiled(EXACT)
def _fit(z: Floats, z32: npt.NDArray[np.float32], n0: int, sums: Floats, out: Floats) -> None:
    """Fit one shifted and scaled row that is neither constant nor separated."""
    n = z.size
    n1 = n - n0
    within = (sums[SS0] + sums[SS1]) / (n - 2)
    gap = sums[MEAN1] - sums[MEAN0]
    middle = 0.5 * (sums[MEAN0] + sums[MEAN1])
    sd = math.sqrt(within + gap * gap * n0 * n1 / (n * n))
    for i in range(n):
        z32[i] = np.float32((z[i] - middle) / sd)
    a0 = math.log(n1 / n0)
    started, a, b = _start32(z32, n0, a0, gap * sd / within)
    done = started and _newton(z, n0, a, b / sd, middle, out)
    if not done:
        done = _newton(z, n0, a0, 0.0, middle, out)
    out[CONVERGED] = 1.0 if done else 0.0


@compiled(EXACT)
def fit_units(
    x: npt.NDArray[Any],
    order: Ints,
    n0: int,
    start: int,
    stop: int,
    sums: Floats,
    out: Floats,
) -> None:
    """Class sums and logits of units `start` to `stop` into sums [unit, SUMS], out [unit, FITS].

    Rows of `out` stay untouched where there is nothing to fit: constant, separated or quasi-
    separated units. Coefficients are those of the shifted and scaled row.
    """
    n = order.size
    block = _block_for(n, stop - start)
    z32 = np.empty(n, dtype=np.float32)
    for first in range(start, stop, block.shape[0]):
        last = min(first + block.shape[0], stop)
        _load(x, order, n0, first, block, sums[first:last])
        for k in range(first, last):
            unit = sums[k]
            overlap = unit[HIGH0] > unit[LOW1] and unit[HIGH1] > unit[LOW0]
            if overlap and unit[SS0] + unit[SS1] > 0.0:
                _fit(block[k - first, :n], z32, n0, unit, out[k])
