"""The sortable, filterable unit table: a first page as plain rows, the rest as packed columns."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lens_probes.drawing.numbers import whole
from lens_probes.drawing.tables import Table
from lens_probes.report.ranking import rank_name, several_classes, strongest
from lens_probes.report.unit_columns import side_names, unit_columns
from lens_probes.result.result import SweepData
from lens_probes.units.decision import rank_column

FIRST_PAGE = 25
MOST = 20_000
_WHOLE_TYPES = ("<u1", "<i2", "<i4")
_CODED = ("site", "status", "used")


@dataclass(frozen=True)
class UnitBrowser:
    """The table's first page, and all that the script needs to sort and filter the rest.

    `data` is plain values: the columns of at most `MOST` units in order of rank, packed by `pack`.
    """

    table: Table
    caption: str
    data: dict[str, Any]
    layers: tuple[int, ...]
    sites: tuple[str, ...]
    statuses: tuple[str, ...]
    sides: Mapping[int, str]


def unit_browser(result: SweepData, *, most: int = MOST, cards: frozenset[str]) -> UnitBrowser:
    """The `most` strongest units; units without a p-value come last and only where there is room.

    `cards` names the units that have a card to link to.
    """
    units, columns = result.units, unit_columns(result)
    ranked = units.sort_values(rank_column(units), kind="stable", na_position="last").head(most)
    first = _as_packed(strongest(units, FIRST_PAGE))
    caption = (
        f"The {len(first)} units with the smallest {rank_name(units)} of {whole(len(units))}, "
        "smallest first"
    )
    present = [c for c in columns if all(need in units for need in c.needs)]
    side_column = "highest" if several_classes(result) else "direction"
    needed = dict.fromkeys(
        ["layer", "site", side_column, *(need for c in present for need in c.needs)]
    )
    names = ranked["name"].astype(str)
    data = {
        "n": len(ranked),
        "columns": [
            {"header": c.header, "kind": c.kind, "needs": c.needs, "number": c.number}
            for c in present
        ],
        "sides": {str(number): name for number, name in side_names(result).items()},
        "side": side_column,
        "values": {need: pack(ranked[need]) for need in needed if need != "name"}
        | {"name": "\n".join(names)},
        "cards": [place for place, name in enumerate(names) if name in cards],
    }
    return UnitBrowser(
        Table.of(caption, first, columns),
        _caption(len(ranked), len(units), rank_name(units)),
        data,
        tuple(int(layer) for layer in sorted(set(ranked["layer"]))),
        tuple(str(site) for site in dict.fromkeys(units["site"]) if site in set(ranked["site"])),
        tuple(sorted(str(status) for status in set(ranked["status"]))),
        side_names(result),
    )


def _caption(shown: int, total: int, rank: str) -> str:
    part = f"{whole(shown)} of {whole(total)}" if shown < total else f"All {whole(total)}"
    text = f"{part} units, in order of {rank} until a column is chosen."
    if shown < total:
        text += (
            f" The other {whole(total - shown)}, all with a larger {rank} or none, are not on this "
            "page: they are in units.parquet of the saved result."
        )
    return text


def _as_packed(units: pd.DataFrame) -> pd.DataFrame:
    """Numbers as the script will have them, so that it writes the same digits."""
    floats = units.select_dtypes("float")
    return units.assign(**floats.astype(np.float32).astype(np.float64))


def pack(column: pd.Series) -> dict[str, Any]:
    """One column as few characters: a constant, codes of a few texts, or base64 of numbers.

    Numbers are whole numbers in one, two or four bytes where that loses nothing, else float32: a
    page shows three or four digits of them.
    """
    if column.name in _CODED:
        codes, labels = pd.factorize(column, use_na_sentinel=False)
        texts = [None if pd.isna(label) else str(label) for label in labels]
        return _numbers(codes.astype(np.float64)) | {"labels": texts}
    return _numbers(column.to_numpy(np.float64, na_value=np.nan))


def _numbers(values: NDArray[np.float64]) -> dict[str, Any]:
    # NaN has many bit patterns, and a file may change one into another.
    values = np.where(np.isnan(values), np.nan, values)
    if len(values) and (values == values[0]).all() and np.isfinite(values[0]):
        return {"all": float(values[0])}
    if np.all(np.isfinite(values) & (values == np.round(values))):
        for dtype in _WHOLE_TYPES:
            limits = np.iinfo(dtype)
            if len(values) and limits.min <= values.min() and values.max() <= limits.max:
                return _bytes(values, dtype)
    return _bytes(values, "<f4")


def _bytes(values: NDArray[np.float64], dtype: str) -> dict[str, Any]:
    packed = base64.b64encode(values.astype(dtype).tobytes()).decode("ascii")
    return {"type": dtype[1:], "base64": packed}
