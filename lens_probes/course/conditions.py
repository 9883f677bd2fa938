"""The few kinds of condition that rules are made of."""

from __future__ import annotations

from lens_probes.course.claim import Condition


def at_least(part: str, least: float, says: str) -> Condition:
    """The part is `least` or more."""
    return Condition(says, (part,), lambda value: value >= least)


def at_most(part: str, most: float, says: str) -> Condition:
    """The part is `most` or less."""
    return Condition(says, (part,), lambda value: value <= most)


def above(part: str, bound: float, says: str) -> Condition:
    """The part is more than `bound`."""
    return Condition(says, (part,), lambda value: value > bound)


def below(part: str, bound: float, says: str) -> Condition:
    """The part is less than `bound`."""
    return Condition(says, (part,), lambda value: value < bound)


def within(part: str, low: float, high: float, says: str) -> Condition:
    """The part lies between two numbers, ends included."""
    return Condition(says, (part,), lambda value: low <= value <= high)


def less(part: str, than: str, says: str, by: float = 0.0) -> Condition:
    """One part is less than another, by more than `by`."""
    return Condition(says, (part, than), lambda one, other: one < other - by)
