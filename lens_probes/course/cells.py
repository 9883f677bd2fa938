"""What stands in a cell of the findings: numbers, intervals, conditions, what is beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MARKS = {"holds": "✓", "uncertain": "~", "fails": "✗", "no value": "?"}
_FEW = 3
_LEAST = 5e-4  # 0.1 % once rounded
UNCERTAIN = "uncertain (the interval reaches the bound)"

Part = Mapping[str, Any]
Row = Mapping[str, Any]


def number(value: float | None, unit: str = "", of: int = 0) -> str:
    """A part as text: shares and accuracies in percent, small numbers in powers of ten.

    "0.0 %" hides whether there are any: a count where it is known what the share is `of`.
    """
    if value is None:
        return "none"
    if unit and abs(value) >= _LEAST:
        return f"{100 * value:.1f} %"
    if unit and of:
        return f"{round(value * of):,} of {of:,}"
    if unit:
        return "< 0.1 %" if value else "0"
    if value and abs(value) < 1e-3:
        return f"{value:.1e}"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def part_text(name: str, part: Part, interval_is: str = "") -> str:
    """`early 64.1 % [58.0 %, 70.2 %]`, or why there is no value or no interval."""
    unit = part["unit"]
    said = f"{_plain(name)} {number(part['value'], unit, part['of'])}"
    if part["value"] is None:
        return f"{said} ({part['why']})"
    if part["low"] is not None:
        return f"{said} [{number(part['low'], unit)}, {number(part['high'], unit)}]"
    why = part["no_interval"] or (interval_is and "the draws do not vary, or there are none")
    return f"{said} (no interval: {why})" if why else said


def parts_text(row: Row) -> str:
    """All parts of a row."""
    parts = row["parts"].items()
    return "; ".join(part_text(name, part, row["interval_is"]) for name, part in parts) or "nothing"


def short_text(row: Row) -> str:
    """`**partly**: early 85.2 %, late 58.8 %; null 78.7 %, 43.9 %`: values alone."""

    def values(column: str) -> str:
        known = [part for part in parts.values() if part[column] is not None]
        return ", ".join(number(part[column], part["unit"]) for part in known)

    parts = dict(list(row["parts"].items())[:_FEW])
    named = ", ".join(
        f"{_plain(k)} {number(part['value'], part['unit'], part['of'])}"
        for k, part in parts.items()
    )
    said = f"**{row['said']}**: {named}" if parts else f"**{row['said']}**"
    null = values("null")
    return f"{said}; null {null}" if null else said


def beside(row: Row, column: str) -> str:
    """The null's or the untrained model's numbers, and what the rule says to them."""
    known = {name: part for name, part in row["parts"].items() if part[column] is not None}
    if not known:
        reason = row[f"{column}_reason"]
        return f"none ({reason})" if reason else "none"
    said = ", ".join(
        f"{_plain(name)} {number(part[column], part['unit'])}" for name, part in known.items()
    )
    verdict = row[f"{column}_verdict"]
    return f"{said} ({verdict})" if verdict else said


def null_text(row: Row) -> str:
    """The null, with what it is."""
    said = beside(row, "null")
    has_null = any(part["null"] is not None for part in row["parts"].values())
    return f"{said}; {row['null_is']}" if has_null and row["null_is"] else said


def condition_text(says: str, state: str) -> str:
    """`✓ holds: the share falls`."""
    return f"{MARKS[state]} {UNCERTAIN if state == 'uncertain' else state}: {says}"


def conditions_text(row: Row) -> list[str]:
    """Each condition of the rule."""
    return [condition_text(says, state) for says, state in row["conditions"]]


def _plain(name: str) -> str:
    return name.replace("_", " ")
