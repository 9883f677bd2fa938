"""The one error for a user's mistake, and the checks of numbers that raise it."""

import operator
from collections.abc import Iterable
from difflib import get_close_matches


class InputError(ValueError):
    """What came, what is allowed, what to do next: one line, shown by the command line as it is."""


def one_line(error: BaseException, limit: int = 200) -> str:
    """Another library's error folded into one line of at most `limit` characters."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= limit else text[: limit - 3] + "..."


def unknown(kind: str, got: object, allowed: Iterable[object]) -> InputError:
    """Error for a name outside a closed set, with the nearest allowed name where one is near."""
    names = [str(name) for name in allowed]
    near = get_close_matches(str(got), names, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return InputError(f"unknown {kind} {got!r}: choose from {', '.join(names)}.{hint}")


def whole(name: str, value: int) -> int:
    """A whole number, or the error that says so."""
    try:
        return operator.index(value)
    except TypeError as error:
        raise InputError(f"{name} must be a whole number; got {value!r}.") from error


def at_least(lowest: int, **options: int) -> None:
    """Check that each option is a whole number not below the lowest allowed."""
    for name, value in options.items():
        if whole(name, value) < lowest:
            raise InputError(f"{name} must be {lowest} or more; got {value}.")
