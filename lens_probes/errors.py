"""The one error for a user's mistake, and the checks of options that raise it."""

from __future__ import annotations

import operator
import os
import reprlib
from collections.abc import Iterable
from difflib import get_close_matches
from numbers import Real
from pathlib import Path
from typing import Any

MOST = 1_000_000_000
MOST_SEED = 2**63 - 1
MOST_PERMUTATIONS = 10_000_000
LEAST_ALPHA = 1e-12
_LONGEST = 2_000

_shorter = reprlib.Repr()
_shorter.maxstring = _shorter.maxother = 60


class InputError(ValueError):
    """What came, what is allowed, what to do next: one line, shown by the command line as it is."""

    def __init__(self, message: object = "") -> None:
        super().__init__(_folded(str(message), _LONGEST))


def one_line(error: BaseException, limit: int = 200) -> str:
    """Another library's error folded into one line of at most `limit` characters."""
    return _folded(str(error), limit) or type(error).__name__


def _folded(text: str, limit: int) -> str:
    """One line that any terminal and file can take: no line ends, nothing unseen."""
    text = " ".join(text.split())
    if not text.isprintable():
        text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    return text if len(text) <= limit else text[: limit - 3] + "..."


def shown(value: object) -> str:
    """A value in an error: its repr, cut short, or its type where it has none."""
    try:
        return " ".join(_shorter.repr(value).split())
    except Exception:  # a repr of the user's own that fails
        return f"a {type(value).__name__}"


def unknown(kind: str, got: object, allowed: Iterable[object]) -> InputError:
    """Error for a name outside a closed set, with the nearest allowed name where one is near."""
    names = [str(name) for name in allowed]
    near = get_close_matches(got[:100] if isinstance(got, str) else "", names, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return InputError(f"unknown {kind} {shown(got)}: choose from {', '.join(names)}.{hint}")


def whole(name: str, value: Any, *, least: int | None = None, most: int | None = None) -> int:
    """A whole number within its bounds; no True and False, which count as 1 and 0 in Python."""
    try:
        array = hasattr(value, "ndim") and not hasattr(value, "numerator")
        if array or isinstance(value, bool) or str(getattr(value, "dtype", "")).endswith("bool"):
            raise TypeError
        number = operator.index(value)
    except Exception as error:  # whatever a type of the user's raises
        raise InputError(f"{name} must be a whole number; got {shown(value)}.") from error
    if least is not None and number < least:
        raise InputError(f"{name} must be {least:,} or more; got {_short(number)}.")
    if most is not None and number > most:
        raise InputError(f"{name} must be {most:,} or fewer; got {_short(number)}.")
    return number


def _short(number: int) -> str:
    return f"{number}" if abs(number) < 10**30 else "a number of more than 30 digits"


def at_least(lowest: int, **options: Any) -> None:
    """Check that each option is a whole number not below the lowest allowed, nor beyond all sense.

    A seed may be any number up to 2**63 - 1, which NumPy, torch and JSON all take.
    """
    for name, value in options.items():
        whole(name, value, least=lowest, most=MOST_SEED if name == "seed" else MOST)


def within(lowest: int, highest: int, **options: Any) -> None:
    """Check that each option is a whole number from `lowest` to `highest`.

    For counts of what is computed or held at once: beyond some number there is no end, or no room.
    """
    for name, value in options.items():
        whole(name, value, least=lowest, most=highest)


def number(name: str, value: Any, *, least: float, most: float) -> float:
    """A finite real number within its bounds, both allowed; no text, no True and False."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise InputError(f"{name} must be a number; got {shown(value)}.")
    real: Any = value
    if not least <= real <= most:  # which NaN is not
        raise InputError(f"{name} must lie between {least:g} and {most:g}; got {shown(value)}.")
    return float(real)


def alpha_of(value: Any) -> float:
    """The level of a test: above 0, below 1."""
    level = number("alpha", value, least=0, most=1)
    if not LEAST_ALPHA <= level < 1:
        raise InputError(
            f"alpha must lie between 0 and 1, and be {LEAST_ALPHA:g} or more; got {value!r}."
        )
    return level


def flag(name: str, value: Any) -> bool:
    """True or False, as itself: "no" and 0 are neither."""
    if type(value).__name__ not in ("bool", "bool_"):
        raise InputError(f"{name} must be True or False; got {shown(value)}.")
    return bool(value)


def choice(kind: str, value: Any, allowed: Iterable[str]) -> str:
    """One of a closed set of names."""
    names = tuple(allowed)
    if not isinstance(value, str) or value not in names:
        raise unknown(kind, value, names)
    return value


def given_as(name: str, value: Any, kinds: Any, how: str) -> None:
    """Check an argument's type as `isinstance` does; `how` says what to give, or how to make it."""
    if not isinstance(value, kinds):
        raise InputError(f"{name} must be {how}; got {shown(value)}.")


def place_of(name: str, value: Any) -> Path:
    """A path, which names something."""
    if not isinstance(value, str | os.PathLike) or not str(value).strip() or "\0" in str(value):
        raise InputError(f"{name} must be a path; got {shown(value)}.")
    return Path(value)
