"""`L22.json`: what is kept of a lesson that was reproduced."""

from __future__ import annotations

from typing import Literal

from lens_probes.storage.schemas.base import Number, Saved


class OnePart(Saved):
    """A number of a claim, and what is beside it."""

    value: Number
    low: Number
    high: Number
    null: Number
    untrained: Number
    unit: str | None
    of: int
    why: str
    no_interval: str


class OneRow(Saved):
    """A claim under a preset, and its verdict."""

    claim: str
    side: Literal["course", "rigorous", "both"]
    parts: dict[str, OnePart]
    n: str
    how: str
    interval_is: str
    null_is: str
    null_reason: str
    untrained_reason: str
    verdict: str
    word: Literal["reproduced", "partly", "contradicted", "not testable here"]
    said: str
    also: list[str]
    conditions: list[tuple[str, Literal["holds", "uncertain", "fails", "no value"]]]
    untrained_verdict: str
    null_verdict: str
    why: str


class OneDoubt(Saved):
    """What is doubtful in the course."""

    about: str
    evidence: str


class LessonRecord(Saved):
    """The whole file."""

    key: str
    lesson: str
    title: str
    model: str
    rows: list[OneRow]
    figures: dict[str, str]
    doubts: list[OneDoubt]
    lines: list[str]
    sizes: list[str]
    seconds: float
