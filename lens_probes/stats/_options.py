"""Options of the public statistics, checked by name before anything is computed."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from lens_probes.arrays import LARGEST
from lens_probes.errors import (
    MOST,
    MOST_PERMUTATIONS,
    MOST_SEED,
    alpha_of,
    flag,
    given_as,
    number,
    whole,
)

P = ParamSpec("P")
T = TypeVar("T")

# An option of one name means the same in every statistic. What is least is said by each of them.
_MOST = {
    "n": MOST_PERMUTATIONS,
    "n_draws": MOST_PERMUTATIONS,
    "n_permutations": MOST_PERMUTATIONS,
    "n_pairings": 100_000,  # all of them are held at once
    "n_folds": 10_000,
    "n_knots": 100,
    "n_threads": 4_096,
    "n_groups0": MOST,
    "n_groups1": MOST,
    "n_units": 10**12,
    "n_relabellings": None,  # counted exactly, and soon beyond every bound
    "min_per_word": MOST,
}
_SHARES = ("alpha_unit", "icc")
_NAMES = ("kind", "method", "statistic")


def checked_options(function: Callable[P, T]) -> Callable[P, T]:
    """A statistic that takes an option of the wrong kind, or beyond all sense, as an InputError."""
    signature = inspect.signature(function)
    parameters = signature.parameters
    optional = {name for name, parameter in parameters.items() if parameter.default is None}

    @wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> T:
        given = signature.bind(*args, **kwargs)
        for name, value in given.arguments.items():
            if not (value is None and name in optional):
                given.arguments[name] = _checked(name, value)
        return function(*given.args, **given.kwargs)

    return checked


def _checked(name: str, value: Any) -> Any:
    """The value of an option as Python's own kind; of another argument, as it came."""
    if name in _MOST:
        return whole(name, value, most=_MOST[name])
    if name == "seed":
        return whole(name, value, least=0, most=MOST_SEED)
    if name == "alpha":
        return alpha_of(value)
    if name in _SHARES:
        return number(name, value, least=-LARGEST, most=LARGEST)
    if name in _NAMES:
        given_as(name, value, str, "a name")
    return flag(name, value) if name == "bound" else value
