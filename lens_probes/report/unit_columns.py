"""Columns of the unit table: what each is made from, how it is written, what it means."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lens_probes.drawing.numbers import NONE, fixed, general, missing, percent, power, whole
from lens_probes.drawing.tables import Column, auc, text, yes
from lens_probes.report.ranking import class_names, several_classes, value_name
from lens_probes.result.result import SweepData
from lens_probes.units import columns


def _plus_minus(value: Any, error: Any) -> str:
    return NONE if missing(value) else f"{auc(value)} ± {auc(error)}"


def _interval(value: Any, low: Any, high: Any) -> str:
    return NONE if missing(value) else f"{fixed(value)} [{fixed(low)}, {fixed(high)}]"


def _status(value: Any) -> str:
    return text(value).replace("_", " ")


# The script of the page writes its rows with functions of the same names: a browser test compares.
_CELLS: Mapping[str, Callable[..., object]] = {
    "text": text,
    "status": _status,
    "yes": yes,
    "whole": whole,
    "fixed": fixed,
    "auc": auc,
    "percent": percent,
    "general": general,
    "power": power,
    "interval": _interval,
    "plus_minus": _plus_minus,
}
_WORDS = ("text", "status", "yes", "side")


@dataclass(frozen=True)
class UnitColumn(Column):
    """A column that both this package and the script of the page can write, by its `kind`."""

    kind: str = "text"


def unit_columns(result: SweepData) -> tuple[UnitColumn, ...]:
    """All columns that a unit table may show, in order; a table shows those it has data for."""
    names = side_names(result)
    decided = result.provenance["decision"]["p_column"]
    value, classes = value_name(result), class_names(result)
    if value is not None:
        listed = columns.of_values(value, decided)
    elif len(classes) > 2:
        listed = columns.of_classes(classes, decided)
    else:
        listed = columns.of_two_classes(classes, decided)
    listed += columns.OF_USE

    def side(number: Any) -> str:
        return NONE if missing(number) else names.get(int(number), NONE)

    return tuple(
        UnitColumn(header, needs, _CELLS.get(kind, side), means, kind not in _WORDS, kind)
        for header, needs, kind, means in listed
    )


def side_names(result: SweepData) -> dict[int, str]:
    """What the side column says for each of its numbers: a unit's direction, or its class."""
    if value_name(result) is not None:
        return {-1: "falls", 1: "rises"}
    if several_classes(result):
        return dict(enumerate(class_names(result)))
    class0, class1 = class_names(result)
    return {-1: class0, 1: class1}
