"""A claim of the course as data, and what was measured for it; `outcome.py` decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

Side = Literal["course", "rigorous", "both"]
Unit = Literal["share", "accuracy", ""]
Parts = Mapping[str, float]

NAN = float("nan")
SIMULATED = "simulated data"
Column = Literal["value", "null", "untrained"]


@dataclass(frozen=True)
class Value:
    """One number, with what stands beside it.

    Attributes
    ----------
    low, high
        95 % interval; NaN where there is none.
    null
        The same number where there is nothing to find (`Measured.null_is`), the mean of its draws.
    untrained
        The same number on untrained weights of the same architecture.
    null_draws
        The null's draws: the rule is decided in each. Draw k belongs to draw k of other parts.
    drawn
        Draws behind the interval, on its scale; in the same order in all parts.
    unit
        "share" and "accuracy" are shown in percent, "" as a number; None: as the name says.
    of
        What a share is of, as a number (units tested, tokens); 0 where it is not known.
    why
        Why there is no value, where it is NaN.
    """

    value: float
    low: float = NAN
    high: float = NAN
    null: float = NAN
    untrained: float = NAN
    null_draws: tuple[float, ...] = field(default=(), repr=False)
    drawn: tuple[float, ...] = field(default=(), repr=False)
    unit: Unit | None = None
    why: str = ""
    of: int = 0


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
    null_in
        The null in the words of a verdict that holds there too.
    missing
        Why the claim cannot be tested here, or "".
    null_reason, untrained_reason
        Why there is no null, no value on untrained weights.
    """

    claim: str
    side: Side
    parts: Mapping[str, Value]
    n: str
    how: str
    interval_is: str = ""
    null_is: str = ""
    null_in: str = "with shuffled labels"
    missing: str = ""
    null_reason: str = ""
    untrained_reason: str = ""

    @property
    def headline(self) -> Value:
        """The first part: the number that the table shows beside the course's."""
        return next(iter(self.parts.values()), Value(NAN))

    def column(self, name: Column) -> dict[str, float]:
        """Every part's value, its null, or its value on untrained weights."""
        return {part: getattr(value, name) for part, value in self.parts.items()}


@dataclass(frozen=True)
class Condition:
    """One thing that a claim says, in words and as a test of one part, or of one less another."""

    says: str
    reads: tuple[str, ...]
    test: Callable[..., bool] = field(repr=False)

    def holds(self, parts: Parts) -> bool:
        """Whether the numbers fulfil it; a KeyError where one was not measured."""
        values = [parts[name] for name in self.reads]
        return bool(np.isfinite(values).all()) and bool(self.test(*values))


@dataclass(frozen=True)
class Lesson:
    """What a script of `experiments/` reproduces.

    Attributes
    ----------
    model
        The course's; "" where the lesson needs none.
    tokens
        Tokens that the bundled model runs at the scales "machine" and "quick", whole passes, for
        the account of time.
    """

    id: str
    title: str
    model: str
    claims: tuple[str, ...]
    tokens: tuple[int, int] = (0, 0)


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
        Reproduced: all conditions hold; partly: some, or some only in the point value;
        contradicted: none. They follow the course's words and were written before anything was
        measured.
    needs
        What another model than the course's lacks ("a named unit"), or "".
    identity
        Why it is true of any model by construction, or "": reproduced, it says that the code is
        right and nothing about the model.
    """

    id: str
    statement: str
    model: str
    number: str
    how: str
    rule: tuple[Condition, ...]
    needs: str = ""
    identity: str = ""

    @property
    def lesson(self) -> str:
        """Such as `L22`."""
        return self.id.partition(".")[0]

    @property
    def reads(self) -> tuple[str, ...]:
        """Parts that the rule reads."""
        return tuple(dict.fromkeys(name for one in self.rule for name in one.reads))


def same_model(one: str, other: str) -> bool:
    """Whether a source names a claim's model, with or without its owner; a path never does."""
    short = other.rpartition("/")[2]
    names = (other, short, f"openai-community/{short}")
    return other == SIMULATED or one.lower() in {name.lower() for name in names}
