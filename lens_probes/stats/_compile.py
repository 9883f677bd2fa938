"""One place for how the kernels are compiled.

`REORDER` lets sums be reassociated, which is what vectorises them; it never assumes that values
are finite. Functions whose rounding matters (the exponential) use `EXACT`. Kernels release the
interpreter lock, so threads run side by side, and are cached on disk. The cache of a kernel only
notices changes in its own file: kernels that call each other live in one file.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., Any])

REORDER = frozenset({"reassoc", "nsz", "arcp", "contract"})
EXACT = frozenset({"contract"})
FINITE = frozenset({"nnan", "nsz"})


def compiled(fastmath: frozenset[str]) -> Callable[[Function], Function]:
    """Decorator: compile with numba, keeping the Python signature for type checkers."""

    def wrap(function: Function) -> Function:
        compile_with = numba.njit(
            nogil=True, cache=True, fastmath=set(fastmath), error_model="numpy"
        )
        kernel: Any = compile_with(inspect.unwrap(function))
        return cast(Function, kernel)

    return wrap
