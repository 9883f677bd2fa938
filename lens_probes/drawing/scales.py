"""From an activation to one of a few colour levels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from lens_probes.drawing.palette import BLUE, SKY, VERMILLION, Rgb, blend
from lens_probes.errors import unknown

Scale = Literal["minmax", "symmetric", "robust"]
LEVELS = 21
ROBUST_PERCENTILES = (2, 98)

_STOPS = {
    ("light", False): ("#ffffff", "#f6c9a6", VERMILLION),
    ("dark", False): ("#1b1e23", "#7d3d0c", "#ff9a52"),
    ("light", True): (BLUE, "#a9cfe6", "#ffffff", "#f6c9a6", VERMILLION),
    ("dark", True): (SKY, "#24597f", "#1b1e23", "#7d3d0c", "#ff9a52"),
}


@dataclass(frozen=True)
class ColourScale:
    """Limits of the scale; values beyond them get the colour of the nearer limit.

    `"minmax"`: least to greatest value. `"robust"`: 2nd to 98th percentile, because one token
    (often the first) can be a hundred times larger than all others. `"symmetric"`: zero in the
    middle.
    """

    kind: Scale
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float], kind: Scale) -> ColourScale:
        """Scale of these values; NaN and infinite ones do not count."""
        if kind not in get_args(Scale):
            raise unknown("scale", kind, get_args(Scale))
        array = np.array(list(values), dtype=float)
        finite = array[np.isfinite(array)]
        if not len(finite):
            return cls(kind, 0.0, 0.0)
        if kind == "symmetric":
            limit = float(np.abs(finite).max())
            return cls(kind, -limit, limit)
        if kind == "robust":
            low, high = np.percentile(finite, ROBUST_PERCENTILES)
            return cls(kind, float(low), float(high))
        return cls(kind, float(finite.min()), float(finite.max()))

    @property
    def diverging(self) -> bool:
        """Whether the middle, not the low end, is the colour of nothing."""
        return self.kind == "symmetric"

    def level(self, value: float) -> int | None:
        """0 to LEVELS - 1, or None for NaN; the resting level where all values are equal."""
        if np.isnan(value):
            return None
        if self.high <= self.low:
            return LEVELS // 2 if self.diverging else 0
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return round(share * (LEVELS - 1))

    def describe(self) -> str:
        """What the two ends stand for."""
        return {
            "minmax": "from the least to the greatest value",
            "symmetric": "zero in the middle",
            "robust": "from the 2nd to the 98th percentile; values beyond have the end colours",
        }[self.kind]


def colours(theme: Literal["light", "dark"], *, diverging: bool) -> tuple[Rgb, ...]:
    """Background of every level."""
    stops = _STOPS[theme, diverging]
    return tuple(blend(stops, level / (LEVELS - 1)) for level in range(LEVELS))
