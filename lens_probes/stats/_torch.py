"""The same class sums and logits in torch float64, for tensors on a GPU.

Same shift, scale, start and stopping rule as the compiled kernel; units run side by side and
drop out as they converge. Chunks bound the memory whatever the number of units.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from lens_probes.stats import _logit as logit
from lens_probes.stats import _rows as columns
from lens_probes.stats.inputs import Bools, Floats, Units, is_tensor, refuse_nonfinite, to_numpy
from lens_probes.stats.sums import ClassSums, pack

CHUNK_VALUES = 4_000_000
Tensor = torch.Tensor


def _rows(x: Units, positive: Bools) -> tuple[Any, Tensor, int]:
    """x as a tensor, the row order with class 0 first, the size of class 0."""
    units = x if is_tensor(x) else torch.from_numpy(np.ascontiguousarray(x))
    order = np.argsort(positive, kind="stable")
    rows = torch.from_numpy(order).to(units.device)
    return units, rows, int((~positive).sum())


def _load(part: Tensor, rows: Tensor, n0: int) -> tuple[Tensor, Tensor]:
    """Rows [unit, example] shifted and scaled, class 0 first, and their sums [unit, SUMS]."""
    z = part.detach()[rows].T.to(torch.float64).contiguous()
    sums = torch.empty((z.shape[0], columns.SUMS), dtype=torch.float64, device=z.device)
    sums[:, columns.LOW0], sums[:, columns.HIGH0] = torch.aminmax(z[:, :n0], dim=1)
    sums[:, columns.LOW1], sums[:, columns.HIGH1] = torch.aminmax(z[:, n0:], dim=1)
    span = torch.maximum(sums[:, columns.HIGH0], sums[:, columns.HIGH1]) - torch.minimum(
        sums[:, columns.LOW0], sums[:, columns.LOW1]
    )
    exponent = torch.frexp(span)[1].clamp(-1000, 1000)
    scale = torch.pow(2.0, torch.where(span > 0, exponent, 0).to(span.dtype))
    sums[:, columns.SHIFT] = z[:, 0]
    sums[:, columns.SCALE] = scale
    z = (z - z[:, :1]) / scale[:, None]
    for mean, ss, low, high, side in (
        (columns.MEAN0, columns.SS0, columns.LOW0, columns.HIGH0, z[:, :n0]),
        (columns.MEAN1, columns.SS1, columns.LOW1, columns.HIGH1, z[:, n0:]),
    ):
        first = side.mean(dim=1)
        rest = side - first[:, None]
        total = rest.sum(dim=1)
        squares = (rest.square().sum(dim=1) - total.square() / side.shape[1]).clamp(min=0)
        flat = sums[:, low] == sums[:, high]
        sums[:, mean] = torch.where(flat, side[:, 0], first + total / side.shape[1])
        sums[:, ss] = torch.where(flat, torch.zeros_like(squares), squares)
    return z, sums


def _run(x: Units, positive: Bools, *, fit: bool) -> tuple[ClassSums, Floats]:
    units, rows, n0 = _rows(x, positive)
    n, width = len(positive), int(units.shape[1])
    table = np.empty((width, columns.SUMS))
    fits = np.full((width, logit.FITS), np.nan)
    size = max(1, CHUNK_VALUES // n)
    for first in range(0, width, size):
        part = units[:, first : first + size]
        z, sums = _load(part, rows, n0)
        found = slice(first, first + size)
        table[found] = sums.cpu().numpy()
        if not np.isfinite(table[found]).all():
            refuse_nonfinite(to_numpy(part), first)
        if fit:
            fits[found] = _fit(z, sums, n0).cpu().numpy()
    return pack(table, n0, n - n0), fits


def class_sums_torch(x: Units, positive: Bools) -> ClassSums:
    """Class sums of x [example, unit] on the device of x."""
    return _run(x, positive, fit=False)[0]


def fit_torch(x: Units, positive: Bools) -> tuple[ClassSums, Floats]:
    """Class sums and fits [unit, FITS] of x [example, unit] on the device of x."""
    return _run(x, positive, fit=True)


def _fit(z: Tensor, sums: Tensor, n0: int) -> Tensor:
    """Fits [unit, FITS] of shifted and scaled rows; NaN where there is nothing to fit."""
    out = torch.full((z.shape[0], logit.FITS), math.nan, dtype=z.dtype, device=z.device)
    column = sums.unbind(dim=1)
    overlap = (column[columns.HIGH0] > column[columns.LOW1]) & (
        column[columns.HIGH1] > column[columns.LOW0]
    )
    todo = torch.nonzero(overlap & (column[columns.SS0] + column[columns.SS1] > 0)).squeeze(1)
    if len(todo) == 0:
        return out
    n = z.shape[1]
    n1 = n - n0
    s = sums[todo]
    within = (s[:, columns.SS0] + s[:, columns.SS1]) / (n - 2)
    slope = (s[:, columns.MEAN1] - s[:, columns.MEAN0]) / within
    middle = 0.5 * (s[:, columns.MEAN0] + s[:, columns.MEAN1])
    a0 = torch.full_like(slope, math.log(n1 / n0))
    done = _newton(z, n0, todo, a0, slope, middle, out)
    again = ~done
    if bool(again.any()):
        rest = todo[again]
        flat = torch.zeros_like(slope[again])
        done[again] = _newton(z, n0, rest, a0[again], flat, middle[again], out)
    out[todo, logit.CONVERGED] = done.to(out.dtype)
    return out


def _newton(
    z: Tensor, n0: int, units: Tensor, a: Tensor, b: Tensor, c: Tensor, out: Tensor
) -> Tensor:
    """Newton with step halving for rows `units` of z; fills their fits, returns which finished."""
    n = z.shape[1]
    sign = torch.ones(n, dtype=z.dtype, device=z.device)
    sign[:n0] = -1
    finished = torch.zeros(len(units), dtype=torch.bool, device=z.device)
    place = torch.arange(len(units), device=z.device)
    rows = z[units]
    best = torch.full_like(a, -math.inf)
    base_a, base_b, base_c = a, b, c
    step_a, step_b, halvings = torch.zeros_like(a), torch.zeros_like(a), torch.zeros_like(a)
    for _ in range(logit.MAX_STEPS):
        d = rows - c[:, None]
        m = sign * (a[:, None] + b[:, None] * d)
        u = torch.exp(-m.abs())
        q = torch.where(m > 0, u, torch.ones_like(u)) / (1 + u)
        w = u / (1 + u).square()
        likelihood = -(torch.log1p(u) + (-m).clamp(min=0)).sum(dim=1)
        h = w.sum(dim=1)
        shift = (w * d).sum(dim=1) / h
        d = d - shift[:, None]
        hzz = (w * d.square()).sum(dim=1)
        good = (h > 0) & (hzz > 0) & (likelihood > best - 1e-12 * (1 + best.abs()))
        step_a = torch.where(good, (sign * q).sum(dim=1) / h, 0.5 * step_a)
        step_b = torch.where(good, (sign * q * d).sum(dim=1) / hzz, 0.5 * step_b)
        halvings = torch.where(good, torch.zeros_like(halvings), halvings + 1)
        best = torch.where(good, torch.maximum(best, likelihood), best)
        base_a = torch.where(good, a + b * shift, base_a)
        base_b = torch.where(good, b, base_b)
        base_c = torch.where(good, c + shift, base_c)
        a, b, c = base_a + step_a, base_b + step_b, base_c
        moved = step_a.square() + step_b.square() * hzz / h
        ready = good & (moved < 1e-23)
        if bool(ready.any()):
            finished[place[ready]] = True
            _finish(
                rows[ready],
                n0,
                a[ready],
                b[ready],
                c[ready],
                likelihood[ready],
                hzz[ready],
                out,
                units[place[ready]],
            )
        keep = ~ready & (halvings <= logit.MAX_HALVINGS)
        if not bool(keep.any()):
            break
        if not bool(keep.all()):
            rows, place, best, halvings = rows[keep], place[keep], best[keep], halvings[keep]
            a, b, c, step_a, step_b = a[keep], b[keep], c[keep], step_a[keep], step_b[keep]
            base_a, base_b, base_c = base_a[keep], base_b[keep], base_c[keep]
    return finished


def _finish(
    rows: Tensor,
    n0: int,
    a: Tensor,
    b: Tensor,
    c: Tensor,
    likelihood: Tensor,
    hzz: Tensor,
    out: Tensor,
    units: Tensor,
) -> None:
    """Write the finished fits of `rows` at margins a + b (z - c) into out[units]."""
    n = rows.shape[1]
    n1 = n - n0
    null = n0 * math.log(n0 / n) + n1 * math.log(n1 / n)
    eta = a[:, None] + b[:, None] * (rows - c[:, None])
    moved = eta - math.log(n1 / n0)
    gain0 = torch.log1p(n1 / n * torch.expm1(moved[:, :n0])).sum(dim=1)
    gain1 = torch.log1p(n0 / n * torch.expm1(-moved[:, n0:])).sum(dim=1)
    llr = 2 * (likelihood - null)
    llr = torch.where(llr < logit.TINY_LLR, -2 * (gain0 + gain1), llr)
    above = eta > logit.ON_BOUNDARY
    out[units, logit.INTERCEPT] = a - b * c
    out[units, logit.SLOPE] = b
    out[units, logit.SLOPE_SE] = hzz.rsqrt()
    out[units, logit.LLR] = llr.clamp(min=0)
    out[units, logit.RIGHT0] = (~above[:, :n0]).sum(dim=1).to(out.dtype)
    out[units, logit.RIGHT1] = above[:, n0:].sum(dim=1).to(out.dtype)
