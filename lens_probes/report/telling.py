"""The two most telling windows under the best unit, cut to what is around the token read."""

from __future__ import annotations

from dataclasses import replace

from lens_probes.drawing.token_activations import TokenActivations
from lens_probes.report.ranking import class_names
from lens_probes.result.result import SweepData
from lens_probes.units.decision import own_class

BEFORE, AFTER = 100, 30


def telling_windows(result: SweepData) -> tuple[TokenActivations, ...]:
    """Of the painted windows: the highest of the unit's own class, the lowest of the others.

    Empty where no window was painted, or none of them says where it was read.
    """
    read = [p for p in result.paintings if p.target is not None]
    unit = result.units[result.units["name"].isin([p.unit for p in read])]
    if unit.empty:
        return ()
    names = class_names(result)
    own = names[own_class(unit.iloc[0])]
    high = [p for p in read if p.title == own]
    low = [p for p in read if p.title in names and p.title != own]
    chosen = [(max(high, key=_value), "highest")] if high else []
    chosen += [(min(low, key=_value), "lowest")] if low else []
    return tuple(_cut(p, f"{p.title}, the {which} of the windows painted") for p, which in chosen)


def _value(painting: TokenActivations) -> float:
    return painting.values[painting.target or 0]


def _cut(painting: TokenActivations, title: str) -> TokenActivations:
    """At most `BEFORE` and `AFTER` characters around the target, whole tokens."""
    target = painting.target or 0
    first, last = target, target + 1
    while first > 0 and sum(map(len, painting.pieces[first - 1 : target])) <= BEFORE:
        first -= 1
    n = len(painting.pieces)
    while last < n and sum(map(len, painting.pieces[target + 1 : last + 1])) <= AFTER:
        last += 1
    return replace(
        painting,
        pieces=painting.pieces[first:last],
        values=painting.values[first:last],
        title=title,
        target=target - first,
    )
