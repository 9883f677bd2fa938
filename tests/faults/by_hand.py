"""Plain values with a few places changed as no program would change them, and right digests."""

from __future__ import annotations

import copy
import json
from typing import Any

import numpy as np

from lens_probes.storage.integrity import seal, sha256_of

NESTED: Any = []
for _ in range(300):
    NESTED = [NESTED]
ODD: list[Any] = [
    None, True, False, 0, -1, 1.5, 1e308, -1e308, 1e-320, float("nan"), float("inf"), 10**30,
    10**400, -(2**63), 2**64 + 1, "", "x", "10", "nan", "\x00", "a\u202eb", "\ud800",
    "../../etc/passwd", "x" * 5000, [], {}, [[]], [None], {"x": None}, ["a", 1], [1] * 50, NESTED,
]  # fmt: skip
FORMATS: list[Any] = [0, 1, 2, 4, 99, -1, "3", True, None, 3.0, 10**30]


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in plain values."""
    parts = list(value.items()) if isinstance(value, dict) else list(enumerate(value))
    found = []
    for key, part in parts:
        found.append((*at, key))
        if isinstance(part, dict | list) and len(at) < 12:
            found += places(part, (*at, key))
    return found


def mutant(sound: Any, rng: np.random.Generator) -> tuple[Any, str]:
    """The same with one or two places dropped, replaced, or added to; and what was done."""
    changed, done = copy.deepcopy(sound), []
    for _ in range(int(rng.integers(1, 3))):
        every = places(changed)
        if not every:
            break
        # Long lists hold many places of one kind: as often those near the top.
        near = [place for place in every if len(place) <= 3]
        chosen = near if rng.integers(2) else every
        place = chosen[int(rng.integers(len(chosen)))]
        part = changed
        for key in place[:-1]:
            part = part[key]
        what = int(rng.integers(7))
        if what == 0:
            del part[place[-1]]
        elif what == 1 and isinstance(part, dict):
            part["unheard of"] = _odd(rng)
        elif what == 2:
            part[place[-1]] = [copy.deepcopy(part[place[-1]])]
        elif what == 3 and "format" in changed:
            changed["format"] = FORMATS[int(rng.integers(len(FORMATS)))]
        else:
            part[place[-1]] = _odd(rng)
        names = ["drop", "add", "wrap", "format", "set", "set", "set"]
        done.append(f"{names[what]} {place}: {repr(part)[:80]}")
    return changed, "; ".join(done)


def _odd(rng: np.random.Generator) -> Any:
    return copy.deepcopy(ODD[int(rng.integers(len(ODD)))])


def sealed(content: Any, *, apart: str = "") -> bytes:
    """With the right digests, also where JSON has no such value and nothing of ours writes it."""
    try:
        return seal(content, apart=apart)
    except (ValueError, KeyError, TypeError, AttributeError):
        return json.dumps({**content, "sha256": sha256_of(b"")}, indent=1).encode()
