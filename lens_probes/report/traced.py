"""Sentences whose numbers remember which cell of which table they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from lens_probes.drawing.numbers import whole
from lens_probes.errors import InputError
from lens_probes.result.result import SweepData


@dataclass
class TracedNumbers:
    """Numbers of a result as they are written, each with the cell it is.

    A place reads "TABLE / ROW / COLUMN": "units" and "layers" are the tables, a row is the name of
    a unit or "sum"; "provenance" and "validation" are followed by their keys. `text` is how the
    number is written.
    """

    result: SweepData
    rows: list[dict[str, Any]] = field(default_factory=list)

    def __call__(self, place: str, text: Callable[[Any], object] = whole) -> str:
        """The number at a place, written; the place is kept."""
        value = cell(self.result, place)
        written = str(text(value))
        self.rows.append({"written": written, "place": place, "value": value})
        return written

    def table(self) -> pd.DataFrame:
        """Every number written: how, where it is from, its value there."""
        return pd.DataFrame(self.rows, columns=["written", "place", "value"])


def cell(result: SweepData, place: str) -> Any:
    """The value at a place of a result.

    Raises
    ------
    InputError
        A place that the result does not have.
    """
    table, *keys = place.split(" / ")
    try:
        if table in ("units", "layers"):
            row, column = keys
            data = getattr(result, table)
            return data[column].sum() if row == "sum" else data.set_index("name").at[row, column]
        value = getattr(result, table)
        for key in _keys(keys):
            value = value[key]
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"the result has no {place!r}.") from error
    return value


def _keys(keys: list[str]) -> Iterator[str | int]:
    yield from (int(key) if key.isdecimal() else key for key in keys)
