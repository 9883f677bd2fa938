"""What the rule of a claim says to the numbers that were measured; never by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from lens_probes.course.claim import Claim, Condition, Measured, Parts, Value, same_model
from lens_probes.course.intervals import half_width
from lens_probes.course.parts import why_none

Word = Literal["reproduced", "partly", "contradicted", "not testable here"]
State = Literal["holds", "uncertain", "fails", "no value"]
IDENTITY = "true of any model"
# Of the null's draws: beyond it, what holds here says little.
OFTEN = 0.05


@dataclass(frozen=True)
class Verdict:
    """What the rule says, and which of its conditions hold.

    Attributes
    ----------
    on
        The model, where it is not the course's: the verdict is about that model only.
    conditions
        Each in words, with its state. Uncertain: the value fulfils it, its 95 % interval reaches
        the bound.
    untrained, null
        The rule applied to the untrained model's numbers and to the null's, to each of its draws
        where they are known; "" where unknown. A claim that holds there too is no evidence about
        what the model has learned.
    why
        Why it is not testable here, or why the claim is true of any model.
    also
        Where all conditions hold that the value fulfils: "null" (in more than 5 % of its draws, or
        in its numbers where there are no draws) and "untrained", each in words.
    identity
        The claim is true of any model by construction.
    """

    word: Word
    on: str
    conditions: tuple[tuple[str, State], ...] = ()
    untrained: str = ""
    null: str = ""
    why: str = ""
    also: Mapping[str, str] = field(default_factory=dict)
    identity: bool = False

    @property
    def said(self) -> str:
        """The word and what it is worth: `reproduced, and so it is with shuffled labels`."""
        if self.identity and self.word == "reproduced":
            return IDENTITY
        return ", and so it is ".join(filter(None, (self.word, " and ".join(self.also.values()))))

    def __str__(self) -> str:
        return f"on {self.on}: {self.said}" if self.on else self.said


def decide(claim: Claim, measured: Measured, model: str) -> Verdict:
    """The verdict of a claim's rule.

    A part that has no value decides nothing: the claim is not testable here, with the reason.
    """
    on = "" if same_model(model, claim.model) else model
    if measured.missing or (on and claim.needs):
        why = measured.missing or f"needs {claim.needs} of {claim.model}"
        return Verdict("not testable here", on, (), why=why)
    states = tuple((one.says, state(one, measured)) for one in claim.rule)
    lacking = [name for name in claim.reads if not np.isfinite(measured.parts[name].value)]
    why = "; ".join(
        f"{_said(name)} has no value: {why_none(name, measured.parts[name])}" for name in lacking
    )
    word = "not testable here" if lacking else _word([found for _, found in states])
    untrained, null = (_beside(claim, measured.column(name)) for name in ("untrained", "null"))
    met = (
        ()
        if lacking
        else tuple(
            one
            for one, (_, found) in zip(claim.rule, states, strict=True)
            if found in ("holds", "uncertain")
        )
    )
    null = _in_draws(claim, measured, met) or null
    also = _also(claim, measured, met)
    return Verdict(
        word, on, states, untrained, null, why or claim.identity, also, bool(claim.identity)
    )


def state(condition: Condition, measured: Measured) -> State:
    """Whether the value fulfils a condition, and its whole 95 % interval with it."""
    read = [measured.parts[name] for name in condition.reads]
    points = [value.value for value in read]
    if not np.isfinite(points).all():
        return "no value"
    if not condition.test(*points):
        return "fails"
    return "holds" if all(condition.test(end, *points[1:]) for end in _ends(read)) else "uncertain"


def _ends(read: Sequence[Value]) -> tuple[float, float]:
    """Ends of the first part's interval; where two are compared, of their difference's.

    With draws in common the difference has its own spread. Without, its limits come from both
    intervals as if they were independent (Zou and Donner 2008): too wide, if anything, as parts
    that are compared rise and fall together. A part without an interval counts as a point.
    """
    one, *others = read
    low, high = (end if np.isfinite(end) else one.value for end in (one.low, one.high))
    for other in others:
        if one.drawn and len(one.drawn) == len(other.drawn):
            half = half_width(np.subtract(one.drawn, other.drawn).tolist())
            half = half if np.isfinite(half) else 0.0
            return one.value - half, one.value + half
        below, above = (
            abs(end - other.value) if np.isfinite(end) else 0.0 for end in (other.low, other.high)
        )
        low = one.value - float(np.hypot(one.value - low, above))
        high = one.value + float(np.hypot(high - one.value, below))
    return low, high


def _beside(claim: Claim, parts: Parts) -> str:
    """The rule applied to numbers beside the measured ones; "" where none is known."""
    lacking = [name for name in claim.reads if not np.isfinite(parts[name])]
    if len(lacking) == len(claim.reads):
        return ""
    if lacking:
        return f"no verdict: {', '.join(_said(name) for name in lacking)} has no value"
    return _word(["holds" if one.holds(parts) else "fails" for one in claim.rule])


def _also(claim: Claim, measured: Measured, met: Sequence[Condition]) -> dict[str, str]:
    """Where the conditions that are met here are met too, in words."""
    if not met:
        return {}
    worlds = _null_draws(claim, measured) or [measured.column("null")]
    found = {}
    if np.mean([_all_hold(met, parts) for parts in worlds]) > OFTEN:
        found["null"] = measured.null_in
    if _all_hold(met, measured.column("untrained")):
        found["untrained"] = "in the untrained model"
    return found


def _null_draws(claim: Claim, measured: Measured) -> list[dict[str, float]]:
    """The parts of the rule in each draw of the null; none where they are not the same draws."""
    draws = [measured.parts[name].null_draws for name in claim.reads]
    if any(len(one) != len(draws[0]) for one in draws):
        return []
    return [dict(zip(claim.reads, values, strict=True)) for values in zip(*draws, strict=True)]


def _all_hold(rule: Sequence[Condition], parts: Parts) -> bool:
    return all(one.holds(parts) for one in rule)


def _in_draws(claim: Claim, measured: Measured, met: Sequence[Condition]) -> str:
    """In how many draws of the null the whole rule holds: the mean of draws is no draw.

    Where only some conditions are met here, in how many draws those hold as well.
    """
    worlds = _null_draws(claim, measured)
    n = len(worlds)
    if not n:
        return ""
    known = [parts for parts in worlds if np.isfinite(list(parts.values())).all()]
    if not known:
        return f"no value in any of {n} draws"
    held, these = (sum(_all_hold(rule, p) for p in known) for rule in (claim.rule, met))
    some = f", what holds here in {these}" if 0 < len(met) < len(claim.rule) else ""
    lost = f"; {n - len(known)} without a value" if len(known) < n else ""
    return f"the rule holds in {held} of {len(known)} draws{some}{lost}"


def _word(states: Sequence[State]) -> Word:
    if all(one == "holds" for one in states):
        return "reproduced"
    return "contradicted" if all(one == "fails" for one in states) else "partly"


def _said(name: str) -> str:
    return name.replace("_", " ")
