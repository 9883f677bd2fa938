"""One passage under one unit: the text of each token and the unit's activation there."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Painting:
    """One passage under one unit.

    `pieces` are the texts of its tokens; joined they are the passage. `values` [position] are the
    activations; `target` is the position an example is read at, or None for a free passage.
    """

    unit: str
    pieces: tuple[str, ...]
    values: tuple[float, ...]
    title: str = ""
    target: int | None = None
