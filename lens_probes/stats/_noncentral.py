"""Confidence limits for the noncentrality of t, vectorised over units of one sample size.

T = (Z + delta) / S with S = chi / sqrt(dof), so P(T <= t) is the mean of Phi(t S - delta) over S.
The trapezoidal rule in log S converges exponentially. For enormous |t| the roles are swapped: the
mean over Z of the upper chi-square tail at (Z + delta) / t, smooth exactly where the first is not.
Relative error about 1e-10 in both; limits for |t| = inf are infinite.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from lens_probes.stats._compile import EXACT, compiled
from lens_probes.stats.inputs import Floats

MAX_NODES = 4000


@compiled(EXACT)
def _solve(t: float, target: float, nodes: Floats, weights: Floats, start: float) -> float:
    """delta with P(T <= t) = target by Halley's method with a bracket.

    A last step below 1e-4 leaves an error of about its cube.
    """
    low, high = -math.inf, math.inf
    delta = start
    for _ in range(60):
        value, slope, curve = 0.0, 0.0, 0.0
        for k in range(nodes.size):
            d = t * nodes[k] - delta
            density = weights[k] * math.exp(-0.5 * d * d)
            value += weights[k] * math.erfc(-d / math.sqrt(2.0))
            slope += density
            curve += density * d
        miss = 0.5 * value - target
        if miss > 0.0:
            low = max(low, delta)
        else:
            high = min(high, delta)
        newton = miss * math.sqrt(2.0 * math.pi) / slope if slope > 0.0 else math.inf
        step = newton / max(1.0 + 0.5 * newton * curve / slope, 0.5) if slope > 0.0 else newton
        following = delta + max(min(step, 2.0), -2.0)
        if not low <= following <= high:
            following = 0.5 * (low + high)
        elif abs(step) < 1e-4:
            return following
        if abs(following - delta) <= 1e-12 * (1.0 + abs(delta)):
            return following
        delta = following
    return delta


@compiled(EXACT)
def _limits(t: Floats, dof: float, tail: float, z: float, low: Floats, high: Floats) -> None:
    right = math.sqrt(34.0 / dof)
    left = right + 34.0 / dof
    widest = 1.0 + 4.0 / math.sqrt(2.0 * dof)
    for i in range(t.size):
        step = min(0.06, 0.75 / math.sqrt(2.0 * dof + (widest * t[i]) ** 2))
        if not (left + right) / step < MAX_NODES:
            continue
        count = int((left + right) / step) + 2
        nodes = np.empty(count)
        weights = np.empty(count)
        for k in range(count):
            u = k * step - left
            nodes[k] = math.exp(u)
            weights[k] = math.exp(dof * (u - 0.5 * math.expm1(2.0 * u)))
        weights /= weights.sum()
        spread = z * math.sqrt(1.0 + t[i] * t[i] / (2.0 * dof))
        low[i] = _solve(t[i], 1.0 - tail, nodes, weights, t[i] - spread)
        high[i] = _solve(t[i], tail, nodes, weights, t[i] + spread)


def _limits_far(t: Floats, dof: float, target: float) -> Floats:
    """The same for positive t far beyond sqrt(2 dof)."""
    nodes = np.arange(-8.4, 8.41, 0.7)
    weights = np.exp(-0.5 * nodes**2)
    weights /= weights.sum()
    half = 0.5 * dof
    centre = special.gammainccinv(half, target)
    delta = t * np.sqrt(centre / half)
    for _ in range(20):
        s = np.maximum((nodes + delta[:, None]) / t[:, None], 0.0)
        value = special.gammaincc(half, half * s**2) @ weights
        log_density = (dof - 1.0) * np.log(np.maximum(s, 1e-300)) - half * s**2
        log_density += math.log(2.0) + half * math.log(half) - special.gammaln(half)
        slope = np.exp(log_density) @ weights / t
        step = (value - target) / slope
        delta = delta + np.clip(step, -0.1 * delta, 0.1 * delta)
        if np.all(np.abs(step) <= 1e-12 * delta):
            break
    far: Floats = delta
    return far


def noncentrality_limits(t: Floats, dof: float, *, level: float = 0.95) -> tuple[Floats, Floats]:
    """Lower and upper confidence limits [unit] for the noncentrality behind each t [unit]."""
    tail = 0.5 * (1.0 - level)
    low = np.where(np.isinf(t), t, np.nan)
    high = low.copy()
    size = np.abs(t)
    _limits(size, float(dof), tail, -float(special.ndtri(tail)), low, high)
    far = np.isnan(low) & np.isfinite(size)
    if np.any(far):
        low[far] = _limits_far(size[far], float(dof), 1.0 - tail)
        high[far] = _limits_far(size[far], float(dof), tail)
    low = np.where(np.isinf(t), size, low)
    high = np.where(np.isinf(t), size, high)
    negative = t < 0
    return np.where(negative, -high, low), np.where(negative, -low, high)
