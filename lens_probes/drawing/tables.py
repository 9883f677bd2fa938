"""Tables: which columns, in which order, how each number is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from markupsafe import Markup, escape

from lens_probes.drawing.numbers import NONE, fixed, general, missing, whole


@dataclass(frozen=True)
class Column:
    """One column of a shown table. `needs` are the columns of the data it is made from."""

    header: str
    needs: tuple[str, ...]
    cell: Callable[..., object]
    means: str = ""
    number: bool = True


@dataclass(frozen=True)
class Table:
    """A table ready to be shown: cells are text, or markup where a power of ten needs it."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, caption: str, data: pd.DataFrame, columns: Sequence[Column]) -> Table:
        """The columns whose data exist, in their order."""
        present = tuple(c for c in columns if all(need in data for need in c.needs))
        rows = tuple(
            tuple(escape(c.cell(*(row[need] for need in c.needs))) for c in present)
            for row in data.to_dict("records")
        )
        return cls(caption, present, rows)


def text(value: Any) -> str:
    """Any text; "–" for none."""
    return NONE if missing(value) else str(value)


def auc(value: Any) -> str:
    """An AUC or a correlation."""
    return fixed(value, 3)


def yes(value: Any) -> str:
    """Yes or no."""
    return "yes" if value else "no"


def fact_table(caption: str, facts: Mapping[str, object], names: tuple[str, str]) -> Table:
    """Two columns: what, and its value."""
    data = pd.DataFrame({"what": list(facts), "value": list(facts.values())}, dtype=object)
    numbers = all(_is_number(v) for v in facts.values())
    columns = (
        Column(names[0], ("what",), text, number=False),
        Column(names[1], ("value",), number_or_text, number=numbers),
    )
    return Table.of(caption, data, columns)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def number_or_text(value: Any) -> str | Markup:
    """A value of any kind as a cell."""
    if isinstance(value, bool):
        return yes(value)
    if isinstance(value, int):
        return whole(value)
    return general(value) if isinstance(value, float) else text(value)
