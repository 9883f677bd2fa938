"""An axis for activations of any sign and size, and how they are said in a sentence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from markupsafe import Markup
from numpy.typing import ArrayLike, NDArray

from lens_probes.drawing.numbers import MINUS, general

LOG_FROM = 30.0
MAX_DECADES = 12
TICKS_A_SIDE = 5
CROWDED = 3
SHOWN = 40


@dataclass(frozen=True)
class ActivationAxis:
    """Linear, or logarithmic on both sides of zero where the values span orders of magnitude.

    An optimised unit rises from about 0 to thousands, and activations may be negative, so that a
    plain logarithm has no place for them. The scale is asinh(value / 2 unit) / ln 10: linear
    within a `unit` of zero, a decade of values to each step beyond. A `unit` of None is linear.
    """

    unit: float | None
    lowest: float
    highest: float

    @classmethod
    def of(cls, values: ArrayLike, start: ArrayLike) -> ActivationAxis:
        """An axis for `values`, linear if the largest are not `LOG_FROM` times a typical start."""
        every = np.asarray(values, np.float64).ravel()
        typical = float(np.median(np.abs(np.asarray(start, np.float64))))
        largest = float(np.abs(every).max())
        ends = float(every.min()), float(every.max())
        if largest < LOG_FROM * typical or largest == 0:
            return cls(None, *ends)
        typical = max(typical, largest / 10**MAX_DECADES)
        return cls(10.0 ** math.floor(math.log10(typical)), *ends)

    def place(self, values: ArrayLike) -> NDArray[np.float64]:
        """Where values stand on the axis."""
        given = np.asarray(values, np.float64)
        if self.unit is None:
            return given
        return np.asarray(np.arcsinh(given / (2 * self.unit)) / math.log(10), np.float64)

    def layout(self, title: str) -> dict[str, Any]:
        """Title and ticks of the axis, for `update_xaxes` or `update_yaxes`."""
        said = {"title": {"text": title + " (logarithmic from zero)" * (self.unit is not None)}}
        if self.unit is None:
            return said
        ticks = self._ticks(self.unit)
        return said | {
            "tickmode": "array",
            "tickvals": self.place(ticks).tolist(),
            "ticktext": [str(general(tick, 1)) for tick in ticks],
        }

    def _ticks(self, unit: float) -> list[float]:
        last = math.ceil(math.log10(max(abs(self.lowest), abs(self.highest)) / unit))
        every = max(1, -(-last // TICKS_A_SIDE))
        first = 1 if last >= CROWDED else 0  # labels at ± unit would meet at zero
        sizes = [unit * 10.0**k for k in range(first, last + 1, every)]
        low = [-size for size in reversed(sizes) if -size >= 3 * min(self.lowest, 0)]
        high = [size for size in sizes if size <= 3 * max(self.highest, 0)]
        return [*low, 0.0, *high]


def said(value: float) -> str:
    """An activation in a sentence: three digits, no markup."""
    text = general(value)
    if isinstance(text, Markup) and "<" not in text:
        return str(text)
    return f"{value:.2e}".replace("-", MINUS)


def token_said(token: str) -> str:
    """A token in a sentence, in quotes, with its line ends visible."""
    return f"“{one_line_text(token)}”"


def one_line_text(text: str, limit: int = SHOWN) -> str:
    """Text on one line, what is too long cut at its end; control characters cannot act."""
    shown = "".join(
        "↵" if c == "\n" else c if c.isprintable() else "\ufffd" for c in text.replace("\r\n", "\n")
    )
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def mean_and_range(values: Sequence[float] | Float[np.ndarray, " start"]) -> str:
    """Values in a sentence: the one there is, or mean and range."""
    given = np.asarray(values, np.float64)
    if len(given) == 1:
        return said(float(given[0]))
    return f"{said(float(given.mean()))} ({said(float(given.min()))} to {said(float(given.max()))})"
