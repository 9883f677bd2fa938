"""What a user gives as numbers or names, made into NumPy arrays and text.

Lists, tuples, generators, pandas columns, NumPy arrays and torch tensors of any type mean the same
here. What has no single meaning (a missing cell, a set, a string of letters) is an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lens_probes.errors import InputError, given_as, shown

# Squares of numbers outside these overflow, or are zero: what varies would seem constant.
SMALLEST, LARGEST = 1e-140, 1e140
_HALF = re.compile("[\ud800-\udfff]")


def whole_numbers(name: str, value: Any, n: int) -> NDArray[np.int64]:
    """[example] whole numbers: an offset, a pair, a first token."""
    got = array_of(name, value)
    if got.shape != (n,) or not np.issubdtype(got.dtype, np.integer):
        raise InputError(
            f"{name} must be [example] = ({n},) whole numbers; got {got.dtype} of shape "
            f"{got.shape}."
        )
    return got.astype(np.int64)


def finite_values(name: str, value: Any, n: int) -> NDArray[np.float64]:
    """[example] finite numbers of a scale that can be squared: a continuous label, a covariate."""
    got = array_of(name, value)
    if got.shape != (n,) or got.dtype.kind not in "fiub":
        raise InputError(
            f"{name} must be [example] = ({n},) numbers; got {got.dtype} of shape {got.shape}."
        )
    values = got.astype(np.float64)
    if not np.isfinite(values).all():
        i = int(np.flatnonzero(~np.isfinite(values))[0])
        raise InputError(f"{name} of example {i} is {values[i]}: give finite numbers.")
    check_scale(name, values)
    return values


def check_scale(name: str, values: NDArray[np.float64]) -> None:
    """An error for finite numbers whose squares are infinite, or zero where they are not."""
    scale = np.abs(values).max(initial=0.0)
    if scale > LARGEST or 0 < scale < SMALLEST:
        raise InputError(
            f"the largest size in {name} is {scale:.3g}, where squares leave the range of float64: "
            "give it in another unit of measure."
        )


def names_of(kind: str, names: Any, n: int) -> NDArray[np.object_] | None:
    """[example] word types or sources as text, or None for none at all."""
    if names is None:
        return None
    given = in_order(kind, names)
    if len(given) != n:
        raise InputError(f"{kind} must have one entry an example: {n}, not {len(given)}.")
    texts = [name_of(f"{kind} of example {i}", name) for i, name in enumerate(given)]
    _check_one_kind(kind, given, texts)
    made = np.empty(n, dtype=object)
    made[:] = texts
    return made


def class_names_of(names: Any) -> tuple[str, ...]:
    """Names of class 0, class 1, ...: two texts or more, all different."""
    given = in_order("class_names", names)
    texts = [name_of("a name in class_names", name) for name in given]
    distinct = len(set(texts)) == len(texts) >= 2
    if not distinct or not all(text.strip() for text in texts):
        raise InputError(f"class_names must be two different names, or more; got {shown(names)}.")
    return tuple(texts)


def name_of(kind: str, name: Any) -> str:
    """A name as text: text, a whole number, True or False; nothing that is missing."""
    if isinstance(name, np.generic):
        name = name.item()
    if _is_missing(name):
        raise InputError(f"{kind} is {name!r}: name every one, or none.")
    given_as(kind, name, str | int, "text or a whole number")
    text = str(name)
    half = _HALF.search(text)
    if half:
        near = text[max(0, half.start() - 20) : half.end() + 20]
        raise InputError(
            f"{kind} holds half a character (a lone surrogate) in {near!r}: write it whole, or "
            "take it out."
        )
    return text


def array_of(name: str, value: Any) -> NDArray[Any]:
    """The same values as a NumPy array: tensors without their gradient, bfloat16 as float32.

    Raises
    ------
    InputError
        Something of no order, rows of unequal length, a missing cell, or no array at all.
    """
    if isinstance(value, str | bytes | Mapping | set | frozenset):
        raise InputError(f"{name} must be numbers in a list or an array; got {shown(value)}.")
    if hasattr(value, "detach"):
        value = of_tensor(name, value)
    elif isinstance(value, pd.Series | pd.DataFrame | pd.Index | pd.api.extensions.ExtensionArray):
        if np.any(pd.isna(value)):
            raise InputError(f"{name} has missing cells: drop those rows, or fill them.")
    elif isinstance(value, Iterable) and not isinstance(value, Sequence | np.ndarray):
        value = list(value)
    elif isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise InputError(f"{name} has masked cells: drop those rows, or fill them.")
    try:
        got = np.asarray(value)
    except Exception as error:  # whatever a type of the user's raises
        raise InputError(
            f"{name} is no array of numbers: its rows differ in length, or it is of another kind."
        ) from error
    if got.dtype == object:
        got = _numbers_in(name, got)
    return got


def of_tensor(name: str, value: Any) -> NDArray[Any]:
    """A torch tensor of any device as an array, without its gradient and bfloat16 as float32."""
    check_dense(name, value)
    value = value.detach().cpu()
    value = value.float() if str(value.dtype) == "torch.bfloat16" else value
    try:
        array: NDArray[Any] = value.resolve_conj().resolve_neg().numpy()
    except Exception as error:  # a type that NumPy has not
        raise InputError(f"{name} is a tensor of {value.dtype}: convert it first.") from error
    return array


def check_dense(name: str, value: Any) -> None:
    """An error for a tensor that is sparse, or that has a shape and no numbers."""
    if str(getattr(value, "layout", "torch.strided")) != "torch.strided":
        raise InputError(f"{name} is a sparse tensor: give value.to_dense().")
    if str(getattr(value, "device", "")) == "meta":
        raise InputError(f"{name} is a tensor on the device meta, which holds no numbers.")


def _numbers_in(name: str, got: NDArray[np.object_]) -> NDArray[Any]:
    """Cells of one kind (a pandas column of NumPy's or its own numbers) as numbers."""
    for cell in got.ravel().tolist():
        if _is_missing(cell):
            raise InputError(f"{name} has missing cells: drop those rows, or fill them.")
    try:
        made = np.array(got.tolist())
    except Exception as error:  # whatever a type of the user's raises
        raise InputError(f"{name} must be numbers; got {shown(got.ravel()[0])}.") from error
    return made


def _is_missing(cell: Any) -> bool:
    return (
        cell is None
        or cell is pd.NA
        or cell is pd.NaT
        or (isinstance(cell, float) and cell != cell)
    )


def in_order(kind: str, names: Any) -> list[Any]:
    """The entries of a list, a column, an array or a generator; a set and a dict have no order."""
    unordered = isinstance(names, str | bytes | Mapping | set | frozenset)
    if unordered or not isinstance(names, Iterable) or getattr(names, "ndim", 1) != 1:
        raise InputError(f"{kind} must be a list of names, in order; got {shown(names)}.")
    return list(array_of(kind, names).tolist() if hasattr(names, "detach") else names)


def _check_one_kind(kind: str, given: list[Any], texts: list[str]) -> None:
    """An error where two entries of different types, such as 1 and "1", would have one name."""
    seen: dict[str, bool] = {}
    for name, text in zip(given, texts, strict=True):
        is_text = isinstance(name, str)
        if seen.setdefault(text, is_text) != is_text:
            raise InputError(f"{kind} has {text} both as text and as a number: give one of them.")
