"""A passage under a unit, as `result.json` keeps it."""

from __future__ import annotations

from typing import Self

from pydantic import ConfigDict, model_validator

from lens_probes.storage.schemas.base import Saved


class OnePainting(Saved):
    """One passage under one unit."""

    model_config = ConfigDict(extra="forbid")
    unit: str
    pieces: list[str]
    values: list[float]
    title: str
    target: int | None

    @model_validator(mode="after")
    def _a_value_for_each_piece(self) -> Self:
        if not len(self.values) == len(self.pieces) > (self.target or 0) >= 0:
            raise ValueError("pieces, values and target do not fit")
        return self
