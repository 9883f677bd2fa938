"""Sums over windows from which every unit's effect follows, whatever the unit is set to."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray

from lens_probes.screening.gradients import Slopes


@dataclass
class Sums:
    """Of one layer and site; arrays [block, ..., unit], windows being dealt to blocks.

    What a unit is set to is its mean, which is known after the last window only. A change is
    `c * factor - written`, so sums of products of the two with the gradient are enough for any c:
    memory does not grow with the windows.

    Attributes
    ----------
    effect
        Order 2: [block, 3, unit] sums of B^2, B W, W^2, with B and W the sums over positions of
        gradient * factor and gradient * written, averaged over draws; order 1: [block, 2, unit]
        sums of B, W.
    change
        [block, 3, unit] sums over positions of factor^2, factor * written, written^2.
    value
        [unit] sum of the site's values.
    n_windows, n_places
        [block] windows, and windows times positions.
    """

    n_units: int
    n_blocks: int
    order: int
    effect: NDArray[np.float64] = field(init=False)
    change: NDArray[np.float64] = field(init=False)
    value: NDArray[np.float64] = field(init=False)
    n_windows: NDArray[np.int64] = field(init=False)
    n_places: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self.effect = np.zeros((self.n_blocks, self.order + 1, self.n_units))
        self.change = np.zeros((self.n_blocks, 3, self.n_units))
        self.value = np.zeros(self.n_units)
        self.n_windows = np.zeros(self.n_blocks, dtype=np.int64)
        self.n_places = np.zeros(self.n_blocks, dtype=np.int64)

    def add(self, one: Slopes, block: NDArray[np.int64]) -> None:
        """Windows [window] of some blocks."""
        written, gradient = one.written.double(), one.gradient.double()
        factor = torch.ones_like(written) if one.factor is None else one.factor.double()
        b, w = ((gradient * what).sum(2) for what in (factor, written))
        parts = [b, w] if self.order == 1 else [b * b, b * w, w * w]
        effect = torch.stack([part.mean(0) for part in parts], dim=1).cpu().numpy()
        squares = [factor * factor, factor * written, written * written]
        change = torch.stack([square.sum(1) for square in squares], dim=1).cpu().numpy()
        np.add.at(self.effect, block, effect)
        np.add.at(self.change, block, change)
        self.value += one.value.double().sum((0, 1)).cpu().numpy()
        np.add.at(self.n_windows, block, 1)
        np.add.at(self.n_places, block, written.shape[1])

    @property
    def mean(self) -> Float[np.ndarray, " unit"]:
        """Mean value of every unit where it is replaced."""
        mean: NDArray[np.float64] = self.value / self.n_places.sum()
        return mean

    def effects(self, c: Float[np.ndarray, " unit"]) -> Float[np.ndarray, "block unit"]:
        """Mean effect over the windows of each block; NaN for one without windows."""
        if self.order == 1:
            total = c * self.effect[:, 0] - self.effect[:, 1]
        else:
            total = 0.5 * _square(self.effect, c)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean: NDArray[np.float64] = total / self.n_windows[:, None]
        return mean

    def size(self, c: Float[np.ndarray, " unit"]) -> Float[np.ndarray, " unit"]:
        """Root mean square of the change."""
        total = _square(self.change, c).sum(axis=0) / self.n_places.sum()
        # What is left of a constant unit is rounding of the sums.
        tiny = 1e-12 * (self.change[:, 2].sum(axis=0) + c**2 * self.change[:, 0].sum(axis=0))
        size: NDArray[np.float64] = np.sqrt(
            np.where(total * self.n_places.sum() <= tiny, 0.0, total)
        )
        return size


def _square(
    moments: Float[np.ndarray, "block 3 unit"], c: Float[np.ndarray, " unit"]
) -> Float[np.ndarray, "block unit"]:
    square: NDArray[np.float64] = c**2 * moments[:, 0] - 2 * c * moments[:, 1] + moments[:, 2]
    return np.maximum(square, 0.0)
