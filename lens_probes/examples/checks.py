"""What a user gives as examples, checked: token rows, positions, labels, windows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lens_probes.arrays import array_of, class_names_of, finite_values, names_of, whole_numbers
from lens_probes.errors import InputError, given_as, shown

NO_TOKEN = -1
_MOST_UNNAMED = 1000
COLUMNS = (
    "position", "value", "pair", "word", "own_group", "source", "document", "offset", "first",
    "date",
)  # fmt: skip
_NAMES = ("word", "own_group", "source", "document")


def checked(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Every field of `Examples`, by name, as the array it should be.

    Raises
    ------
    InputError
        Lengths that differ, a label other than 0 and 1, a position outside its window, ...
    """
    label = array_of("label", fields["label"])
    tokens = array_of("tokens", fields["tokens"])
    covariates = fields["covariates"]
    given_as("covariates", covariates, Mapping | None, "numbers by name, or None")
    given = {"tokens": tokens} | {name: fields[name] for name in COLUMNS}
    columns: dict[str, Any] = {}
    for name, values in {**given, **(covariates or {})}.items():
        if values is None or name in _NAMES:
            continue
        columns[name] = array_of(name, values)
        if label.ndim == 1 and columns[name].shape[:1] != label.shape:
            count = len(columns[name]) if columns[name].ndim else "no"
            raise InputError(f"{name} has {count} entries for {len(label)} labels: give as many.")
    names = class_names_of(fields["class_names"])
    n = len(label) if label.ndim else 0
    made: dict[str, Any] = {"label": classes_in(label, n, len(names)), "class_names": names}
    if len(names) > 2 and (what := next((w for w in ("value", "pair") if w in columns), "")):
        raise InputError(f"{what} goes with two class_names, not with {len(names)}: leave one out.")
    if tokens.ndim != 2 or not np.issubdtype(tokens.dtype, np.integer):
        raise InputError(
            f"tokens must be whole numbers [example, position]; got {tokens.dtype} of shape "
            f"{tokens.shape}."
        )
    made["tokens"] = tokens.astype(np.int64)
    made |= {name: names_of(name, fields[name], n) for name in _NAMES}
    for name in ("position", "pair", "offset", "first"):
        made[name] = whole_numbers(name, columns[name], n) if name in columns else None
    made["value"] = finite_values("value", columns["value"], n) if "value" in columns else None
    made["date"] = finite_values("date", columns["date"], n) if "date" in columns else None
    if covariates is not None:
        made["covariates"] = {key: finite_values(key, columns[key], n) for key in covariates}
    given_as("value_name", fields["value_name"], str, "a text")
    for name in ("counts", "origin"):
        given_as(name, fields[name], Mapping, "a dict")
    _check_windows(**{name: made[name] for name in ("tokens", "position", "first")})
    return made


def _check_windows(
    tokens: NDArray[np.int64], position: NDArray[np.int64] | None, first: NDArray[np.int64] | None
) -> None:
    if position is None:
        raise InputError("position must be [example] whole numbers: where each window is read.")
    if not tokens.shape[1] and (position == -1).all() and first is None:
        return  # labels alone, whose tokens are not known
    read = np.arange(tokens.shape[1]) <= position[:, None]
    inside = (position >= 0) & (position < tokens.shape[1])
    bad = np.flatnonzero(~inside | (read & (tokens < 0)).any(1))
    if len(bad):
        raise InputError(
            f"example {bad[0]} is read at position {position[bad[0]]}, which is outside "
            f"its window: give 0 to its number of tokens - 1."
        )
    if first is not None:
        bad = np.flatnonzero((first < 0) | (first > position))
        if len(bad):
            raise InputError(
                f"the target of example {bad[0]} begins at {first[bad[0]]} and is read at "
                f"{position[bad[0]]}: give a first from 0 to its position."
            )


def token_rows(tokens: Any) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Right-padded [example, position] ids and the length of each row."""
    if isinstance(tokens, str | bytes | Mapping | set | frozenset):
        raise InputError(f"tokens must be [example, position] ids; got {shown(tokens)}.")
    if isinstance(tokens, pd.DataFrame) or hasattr(tokens, "detach"):
        tokens = array_of("tokens", tokens)
    try:
        given = list(tokens)
    except TypeError as error:
        raise InputError("tokens must be [example, position] ids, or a list of lists.") from error
    if not given:
        raise InputError("no examples given: tokens is empty.")
    rows = [array_of(f"tokens of example {i}", row) for i, row in enumerate(given)]
    for i, row in enumerate(rows):
        if row.ndim != 1 or not len(row) or not np.issubdtype(row.dtype, np.integer):
            raise InputError(
                f"tokens of example {i} must be a non-empty row of whole numbers; got "
                f"{row.dtype} of shape {row.shape}."
            )
        if not 0 <= row.min() <= row.max() < 2**62:
            odd = row.min() if row.min() < 0 else row.max()
            raise InputError(f"tokens of example {i} hold {odd}: ids are 0 or more, and no more.")
    length = np.array([len(row) for row in rows], dtype=np.int64)
    padded = np.full((len(rows), length.max()), NO_TOKEN, dtype=np.int64)
    for i, row in enumerate(rows):
        padded[i, : len(row)] = row
    return padded, length


def positions_in(position: Any, length: NDArray[np.int64]) -> NDArray[np.int64]:
    """[example] read positions from one number or one each; negative ones count from the end."""
    got = array_of("position", position)
    if not np.issubdtype(got.dtype, np.integer) or got.shape not in ((), length.shape):
        raise InputError(
            f"position must be one whole number or [example]; got {got.dtype} of shape "
            f"{got.shape} for {len(length)} examples."
        )
    got = np.broadcast_to(got, length.shape)
    bad = np.flatnonzero((got >= length) | (got < -length))
    if len(bad):
        i = int(bad[0])
        raise InputError(
            f"position {got[i]} of example {i} is outside its {length[i]} tokens: give 0 to "
            f"{length[i] - 1}, or a negative number that counts from the end."
        )
    return np.where(got < 0, got + length, got).astype(np.int64)


def classes_in(label: Any, n: int, n_classes: int) -> NDArray[np.int64]:
    """[example] classes, 0 to n_classes - 1."""
    got = array_of("label", label)
    allowed = "0 or 1" if n_classes == 2 else f"0 to {n_classes - 1}"
    if got.shape != (n,):
        raise InputError(f"label must be [example] = ({n},); got shape {got.shape}.")
    if got.dtype.kind not in "fiub":
        first = shown(got[0] if n else None)
        raise InputError(f"label must be {allowed}; got {got.dtype}: {first}.")
    bad = ~np.isin(got, np.arange(n_classes))
    if bad.any():
        odd = got[bad][0].item()
        # Labels without a gap, of which names are too few: the names are what is wrong.
        high = int(got.max()) if got.dtype.kind in "iub" and got.min() >= 0 else 0
        if n_classes <= high < _MOST_UNNAMED and len(np.unique(got)) == high + 1:
            raise InputError(
                f"class_names has {n_classes} names and label has {high + 1} classes (0 to "
                f"{high}): give a name for each class, in their order."
            )
        raise InputError(
            f"label must be {allowed}; got {odd!r} (several classes are numbered from 0 without "
            "gaps, and class_names has a name for each)."
        )
    return got.astype(np.int64)


def names_for(label: Any, names: Any) -> tuple[str, ...]:
    """Names as given, or "class 0", "class 1", ... as many as labels that leave no gap."""
    if names is not None:
        return class_names_of(names)
    got = array_of("label", label)
    n_classes = 2
    if got.ndim == 1 and got.dtype.kind in "iu" and got.size:
        found = np.unique(got)
        if found[0] == 0 and found[-1] == len(found) - 1:
            n_classes = max(2, len(found))
    return tuple(f"class {k}" for k in range(n_classes))
