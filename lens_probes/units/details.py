"""What a unit's card shows beyond the tables of a result: plain values, kept with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from lens_probes.drawing.token_activations import ShownContext
from lens_probes.storage.json_values import to_json_value

CARDS, EACH = 10, 3


@dataclass(frozen=True)
class TokenContext:
    """A token of a window of a sweep, with the text around it; see `ShownContext`."""

    kind: str
    value: float
    before: str
    token: str
    after: str
    source: str = ""


@dataclass(frozen=True)
class UnitDetails:
    """What a card can show beyond the tables of a result; every part may be missing.

    Attributes
    ----------
    contexts
        Tokens with the text around them: top, quantile, random, counter-examples.
    anywhere
        What tokens the contexts of the kinds `anywhere_top` and `anywhere_random` were drawn from.
    promoted, suppressed
        Direct effect on the vocabulary: tokens and what is added to their logits, strongest first.
    direct
        What adds it: which unit at which value, and what was left out.
    replication, causal
        Sentences: what a replication and an intervention on this unit found.
    """

    contexts: Sequence[ShownContext] = ()
    anywhere: str = ""
    promoted: Sequence[tuple[str, float]] = ()
    suppressed: Sequence[tuple[str, float]] = ()
    direct: str = ""
    replication: Sequence[str] = ()
    causal: Sequence[str] = ()


def choose(
    x: Float[np.ndarray, " example"], label: Int[np.ndarray, " example"], direction: float
) -> list[tuple[str, int]]:
    """Examples worth showing, with their kind: the extremes, the middle, and what speaks against.

    Counter-examples are those that the unit puts farthest beyond the middle between the means of
    the classes: of the one with little of what the unit has for it, of the other with much. There
    are fewer than `EACH` where the unit separates the classes well.
    """
    order = np.argsort(-x, kind="stable")
    middle = order[np.linspace(0, len(x) - 1, 5).round().astype(int)[1:-1]]
    random = np.random.default_rng(0).choice(len(x), min(EACH, len(x)), replace=False)
    halfway = (x[label == 0].mean() + x[label == 1].mean()) / 2
    strangeness = np.where(label == 1, -1.0, 1.0) * np.sign(direction) * (x - halfway)
    strangest = np.argsort(-strangeness, kind="stable")[:EACH]
    kinds: dict[str, NDArray[np.int64]] = {
        "top": order[:EACH],
        "quantile": middle,
        "random": random,
        "bottom": order[::-1][:EACH],
        "counter_example": strangest[strangeness[strangest] > 0],
    }
    return [(kind, int(i)) for kind, chosen in kinds.items() for i in chosen]


def to_plain(details: Mapping[str, UnitDetails]) -> dict[str, Any]:
    """Values that JSON can hold, by unit name."""
    kept: dict[str, Any] = to_json_value({n: asdict(one) for n, one in details.items()}, "details")
    return kept


def from_plain(kept: Mapping[str, Any]) -> dict[str, UnitDetails]:
    """The inverse of `to_plain`; what is no number comes back as NaN."""
    return {name: _details(one) for name, one in kept.items()}


def _details(one: Mapping[str, Any]) -> UnitDetails:
    contexts = tuple(TokenContext(**c | {"value": _number(c["value"])}) for c in one["contexts"])
    parts: dict[str, Any] = {**one, "contexts": contexts}
    for name in ("promoted", "suppressed"):
        parts[name] = tuple((str(token), _number(by)) for token, by in one[name])
    for name in ("replication", "causal"):
        parts[name] = tuple(one[name])
    return UnitDetails(**parts)


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)
