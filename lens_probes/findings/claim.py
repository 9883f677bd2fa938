"""A claim of the course as data, what was measured for it, and the rule that decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

Word = Literal["reproduced", "partly", "contradicted", "not testable here"]
Side = Literal["course", "rigorous", "both"]
Parts = Mapping[str, float]

NAN = float("nan")
SIMULATED = "simulated data"
Column = Literal["value", "null", "untrained"]
_BESIDE: tuple[Column, ...] = ("untrained", "null")


@dataclass(frozen=True)
class Value:
    """One number, with what stands beside it.

    Attributes
    ----------
    low, high
        95 % interval.
    null
        The same number where there is nothing to find (`Measured.null_is`).
    untrained
        The same number on untrained weights of the same architecture.
    """

    value: float
    low: float = NAN
    high: float = NAN
    null: float = NAN
    untrained: float = NAN


@dataclass(frozen=True)
class Measured:
    """What one lesson measured for one claim.

    Attributes
    ----------
    parts
        The numbers that the rule reads, the headline first.
    n
        What was counted, in words.
    how
        How it was measured here, in one line: layers, units, what was taken in place of what.
    interval_is, null_is
        What was resampled for the interval; what the null is. "" where there is none.
    missing
        Why the claim cannot be tested here, or "".
    """

    claim: str
    side: Side
    parts: Mapping[str, Value]
    n: str
    how: str
    interval_is: str = ""
    null_is: str = ""
    missing: str = ""

    @property
    def headline(self) -> Value:
        """The first part: the number that the table shows beside the course's."""
        return next(iter(self.parts.values()), Value(NAN))

    def column(self, name: Column) -> dict[str, float]:
        """Every part's value, its null, or its value on untrained weights."""
        return {part: getattr(value, name) for part, value in self.parts.items()}


@dataclass(frozen=True)
class Condition:
    """One thing that a claim says, in words and as a test of the parts.

    A number that does not exist (NaN: no unit was significant) fulfils no condition.
    """

    says: str
    reads: tuple[str, ...]
    test: Callable[..., bool] = field(repr=False)

    def holds(self, parts: Parts) -> bool:
        """Whether the parts fulfil it; a KeyError where one was not measured."""
        values = [parts[name] for name in self.reads]
        return not any(np.isnan(values)) and bool(self.test(*values))


@dataclass(frozen=True)
class Claim:
    """One claim of the course.

    Attributes
    ----------
    id
        As `L22.b`; the lesson is what stands before the point.
    statement
        In one line.
    model
        The course's.
    number
        The course's number, as it gives it.
    how
        How the course measured it.
    rule
        Reproduced: all conditions hold; partly: some; contradicted: none. They follow the course's
        words and were written before anything was measured.
    needs
        What another model than the course's lacks ("a named unit"), or "".
    """

    id: str
    statement: str
    model: str
    number: str
    how: str
    rule: tuple[Condition, ...]
    needs: str = ""

    @property
    def lesson(self) -> str:
        """Such as `L22`."""
        return self.id.partition(".")[0]

    @property
    def reads(self) -> tuple[str, ...]:
        """Parts that the rule reads."""
        return tuple(dict.fromkeys(name for one in self.rule for name in one.reads))


@dataclass(frozen=True)
class Verdict:
    """What the rule says, and which of its conditions hold.

    Attributes
    ----------
    on
        The model, where it is not the course's: the verdict is about that model only.
    untrained, null
        The rule applied to the untrained model's numbers and to the null's: "" where unknown. A
        claim that is reproduced there too is no evidence about what the model has learned.
    why
        Why it is not testable here.
    """

    word: Word
    on: str
    conditions: tuple[tuple[str, bool], ...] = ()
    untrained: str = ""
    null: str = ""
    why: str = ""

    def __str__(self) -> str:
        return f"on {self.on}: {self.word}" if self.on else self.word


def decide(claim: Claim, measured: Measured, model: str) -> Verdict:
    """The verdict of a claim's rule; never by hand."""
    on = "" if same_model(model, claim.model) else model
    values = measured.column("value")
    if measured.missing or (on and claim.needs):
        why = measured.missing or f"needs {claim.needs} of {claim.model}"
        return Verdict("not testable here", on, (), why=why)
    held = tuple((one.says, one.holds(values)) for one in claim.rule)
    beside = {name: _beside(claim, measured.column(name)) for name in _BESIDE}
    return Verdict(_word(held), on, held, beside["untrained"], beside["null"])


def same_model(one: str, other: str) -> bool:
    """Whether a source names a claim's model, with or without its owner; a path never does."""
    short = other.rpartition("/")[2]
    names = (other, short, f"openai-community/{short}")
    return other == SIMULATED or one.lower() in {name.lower() for name in names}


def _beside(claim: Claim, parts: Parts) -> str:
    """The rule applied to numbers beside the measured ones; "" where one is not known."""
    if not all(np.isfinite(parts[part]) for part in claim.reads):
        return ""
    return _word(tuple((one.says, one.holds(parts)) for one in claim.rule))


def _word(held: tuple[tuple[str, bool], ...]) -> Word:
    n = sum(holds for _, holds in held)
    if n == len(held):
        return "reproduced"
    return "partly" if n else "contradicted"
