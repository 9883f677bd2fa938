"""How much of something is enough: where a curve over sizes reaches a level, with an interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from lens_probes.errors import InputError
from lens_probes.stats.inputs import Numbers, numbers


@dataclass(frozen=True)
class Crossing:
    """The smallest size from which on the curve stays at the level, and its 95 % interval.

    Infinite where it does not get there. `low`, `high` of the `curve` [size] are 95 % limits too.
    """

    size: float
    size_low: float
    size_high: float
    curve: Float[np.ndarray, " size"]
    low: Float[np.ndarray, " size"]
    high: Float[np.ndarray, " size"]


def crossing(
    sizes: Numbers,
    values: Numbers,
    groups: Numbers,
    *,
    level: float = 0.8,
    n_draws: int = 2000,
    seed: int = 0,
) -> Crossing:
    """Where mean values, as a share of the way from the first size to the last, reach a level.

    Between two sizes the curve is taken as straight on the log of the size (0 counts as a half).

    Parameters
    ----------
    sizes
        [size] growing; the first is the reference (0), the last is everything (1).
    values
        [size, item].
    groups
        [item] that the bootstrap resamples as a whole.

    Raises
    ------
    InputError
        Shapes that do not fit; first and last do not differ.
    """
    size, value, group = numbers(sizes, "sizes"), numbers(values, "values"), np.asarray(groups)
    if value.ndim != 2 or value.shape != (len(size), len(group)) or len(size) < 2:
        raise InputError(f"values {value.shape} must be [size, item] of {len(size)} sizes")
    ids = np.unique(group, return_inverse=True)[1]
    n = int(ids.max()) + 1
    sums = np.stack([np.bincount(ids, weights=row, minlength=n) for row in value])
    counts = np.bincount(ids, minlength=n)
    drawn = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=n_draws)
    curve = _share(sums.sum(axis=1)[:, None] / counts.sum())[:, 0]
    if not np.isfinite(curve).all():
        raise InputError("the first size and the last give the same value: nothing to explain.")
    draws = _share(sums @ drawn.T / (counts @ drawn.T))
    found = np.array([_first(size, one, level) for one in draws.T])
    low, high = np.nanquantile(draws, [0.025, 0.975], axis=1)
    # Not by interpolation: some may be infinite.
    ends = np.sort(found)[[int(0.025 * n_draws), min(n_draws - 1, int(0.975 * n_draws))]]
    return Crossing(_first(size, curve, level), float(ends[0]), float(ends[1]), curve, low, high)


def _share(means: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(divide="ignore", invalid="ignore"):
        share: NDArray[np.float64] = (means - means[0]) / (means[-1] - means[0])
    return share


def _first(sizes: Int[np.ndarray, " size"], curve: NDArray[np.float64], level: float) -> float:
    below = np.flatnonzero(~(curve >= level))
    if len(below) == 0:
        return float(sizes[0])
    at = int(below[-1])
    if at == len(sizes) - 1:
        return float("inf")
    logs = np.log(np.maximum(sizes[at : at + 2], 0.5))
    part = (level - curve[at]) / (curve[at + 1] - curve[at])
    return float(np.exp(logs[0] + part * (logs[1] - logs[0])))
