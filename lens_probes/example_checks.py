"""What a user gives as examples, checked: token rows, positions, labels, values, names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lens_probes.errors import InputError

NO_TOKEN = -1


def token_rows(tokens: Any) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Right-padded [example, position] ids and the length of each row."""
    if hasattr(tokens, "detach"):
        tokens = tokens.detach().cpu().numpy()
    try:
        rows = [np.asarray(row) for row in tokens]
    except TypeError as error:
        raise InputError("tokens must be [example, position] ids, or a list of lists.") from error
    if not rows:
        raise InputError("no examples given: tokens is empty.")
    for i, row in enumerate(rows):
        if row.ndim != 1 or not len(row) or not np.issubdtype(row.dtype, np.integer):
            raise InputError(
                f"tokens of example {i} must be a non-empty row of whole numbers; got "
                f"{row.dtype} of shape {row.shape}."
            )
        if row.min() < 0:
            raise InputError(f"tokens of example {i} hold {row.min()}: ids are 0 or more.")
    length = np.array([len(row) for row in rows], dtype=np.int64)
    padded = np.full((len(rows), length.max()), NO_TOKEN, dtype=np.int64)
    for i, row in enumerate(rows):
        padded[i, : len(row)] = row
    return padded, length


def positions_in(position: ArrayLike, length: NDArray[np.int64]) -> NDArray[np.int64]:
    """[example] read positions from one number or one each; negative ones count from the end."""
    got = np.asarray(position)
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


def two_classes(label: ArrayLike, n: int) -> NDArray[np.int64]:
    """[example] classes, 0 or 1."""
    got = np.asarray(label)
    if got.shape != (n,):
        raise InputError(f"label must be [example] = ({n},); got shape {got.shape}.")
    if not np.isin(got, (0, 1)).all():
        odd = got[~np.isin(got, (0, 1))][0]
        raise InputError(f"label must be 0 or 1; got {odd!r}.")
    return got.astype(np.int64)


def names_of(kind: str, names: Sequence[str] | None, n: int) -> NDArray[np.object_] | None:
    """[example] word types or sources, or None for none at all."""
    if names is None:
        return None
    if len(names) != n:
        raise InputError(f"{kind} must have one entry an example: {n}, not {len(names)}.")
    for i, name in enumerate(names):
        if name is None or name != name:
            raise InputError(f"{kind} of example {i} is {name!r}: name every one, or none.")
    return np.array([str(name) for name in names], dtype=object)


def finite_values(name: str, value: ArrayLike, n: int) -> NDArray[np.float64]:
    """[example] finite numbers: a continuous label, a covariate."""
    got = np.asarray(value)
    if got.shape != (n,) or not (np.issubdtype(got.dtype, np.number) or got.dtype == bool):
        raise InputError(
            f"{name} must be [example] = ({n},) numbers; got {got.dtype} of shape {got.shape}."
        )
    values = got.astype(np.float64)
    if not np.isfinite(values).all():
        i = int(np.flatnonzero(~np.isfinite(values))[0])
        raise InputError(f"{name} of example {i} is {values[i]}: give finite numbers.")
    return values
