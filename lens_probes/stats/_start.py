"""Where Newton's method starts: normal theory, then a few cheap steps in float32.

A float32 pass costs a fifth of a float64 one. The steps stop at an error of about 1e-6, from where
one float64 step is enough for most units.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from lens_probes.stats._compile import EXACT, REORDER, compiled
from lens_probes.stats.inputs import Bools, Floats

_F0 = np.float32(0.0)
_F1 = np.float32(1.0)
_FHALF = np.float32(0.5)
_FLOG2E = np.float32(1.0 / math.log(2.0))
_FLN2_HI = np.float32(0.693359375)
_FLN2_LO = np.float32(-2.12194440e-4)
_FMAGIC = np.float32(12582912.0)
_FLIMIT = np.float32(80.0)


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
def _pass32(
    z: npt.NDArray[np.float32], a: np.float32, b: np.float32
) -> tuple[np.float32, np.float32, np.float32, np.float32, np.float32]:
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
def start_block(
    block: Floats,
    n: int,
    n0: int,
    sums: Floats,
    columns: tuple[int, ...],
    fit: Bools,
    starts: Floats,
) -> None:
    """Starts [unit, (margin at the middle, slope, middle)] of the rows that `fit` marks.

    `columns` are the places of mean0, mean1, ss0 and ss1 in sums. The middle is halfway between the
    class means. A start that is NaN did not settle.
    """
    mean0, mean1, ss0, ss1 = columns
    n1 = n - n0
    z32 = np.empty(n, dtype=np.float32)
    for k in range(block.shape[0]):
        if not fit[k]:
            continue
        within = (sums[k, ss0] + sums[k, ss1]) / (n - 2)
        gap = sums[k, mean1] - sums[k, mean0]
        middle = 0.5 * (sums[k, mean0] + sums[k, mean1])
        sd = math.sqrt(within + gap * gap * n0 * n1 / (n * n))
        inverse = 1.0 / sd
        for i in range(n):
            z32[i] = np.float32((block[k, i] - middle) * inverse)
        settled, a, b = _start32(z32, n0, math.log(n1 / n0), gap * sd / within)
        starts[k, 0] = a if settled else math.nan
        starts[k, 1] = b / sd
        starts[k, 2] = middle
