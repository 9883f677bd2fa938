"""Examples: one target token in its context, with its class, its word and where it came from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Int
from numpy.typing import ArrayLike, NDArray

from lens_probes.errors import InputError

NO_TOKEN = -1


@dataclass(frozen=True)
class Examples:
    """Windows of tokens, each read at one position.

    Attributes
    ----------
    tokens
        [example, position] token ids: before, target, after; `NO_TOKEN` right of a short window.
    position
        [example] index of the token that is read (the target's last), 0-based.
    label
        [example] class, 0 or 1.
    word
        [example] word type of the target, or None: the unit of replication (statistics guide).
    source
        [example] passage group, such as the speaker, or None.
    first
        [example] index of the target's first token, or None: a target of one token.
    document, offset
        [example] name of the document and index of the read token in it, or None.
    class_names
        Names of class 0 and class 1.
    counts
        What was found, dropped and why, in the order it happened: shown with every result.
    origin
        Where the examples come from; plain values, kept with every result.
    """

    tokens: Int[np.ndarray, "example position"]
    position: Int[np.ndarray, " example"]
    label: Int[np.ndarray, " example"]
    word: NDArray[np.object_] | None = None
    source: NDArray[np.object_] | None = None
    document: NDArray[np.object_] | None = None
    offset: Int[np.ndarray, " example"] | None = None
    first: Int[np.ndarray, " example"] | None = None
    class_names: tuple[str, str] = ("class 0", "class 1")
    counts: Mapping[str, int] = field(default_factory=dict)
    origin: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.label)
        columns = ("position", "word", "source", "document", "offset", "first")
        lengths = {name: getattr(self, name) for name in columns}
        for name, values in {"tokens": self.tokens, **lengths}.items():
            if values is not None and len(values) != n:
                raise InputError(f"{name} has {len(values)} entries for {n} labels: give as many.")
        if self.tokens.ndim != 2 or len(self.class_names) != 2:
            raise InputError(
                f"tokens must be [example, position] and class_names two names; got shape "
                f"{self.tokens.shape} and {self.class_names!r}."
            )
        _labels(self.label, n)
        read = np.arange(self.tokens.shape[1]) <= np.asarray(self.position)[:, None]
        inside = (self.position >= 0) & (self.position < self.tokens.shape[1])
        bad = np.flatnonzero(~inside | (read & (self.tokens < 0)).any(1))
        if len(bad):
            raise InputError(
                f"example {bad[0]} is read at position {self.position[bad[0]]}, which is outside "
                f"its window: give 0 to its number of tokens - 1."
            )

    @classmethod
    def from_tokens(
        cls,
        tokens: ArrayLike | Sequence[Sequence[int]],
        position: ArrayLike,
        label: ArrayLike,
        word: Sequence[str] | None = None,
        source: Sequence[str] | None = None,
        *,
        class_names: tuple[str, str] = ("class 0", "class 1"),
    ) -> Examples:
        """Examples of one's own; the ids are fed exactly as given, with no BOS added.

        Parameters
        ----------
        tokens
            [example, position] token ids, or a list of lists of unequal length.
        position
            Where to read: one int for all, or [example]; negative counts from the end.
        label
            [example] 0 or 1.
        word, source
            [example] word type and passage group, where known.

        Raises
        ------
        InputError
            Shapes that do not fit, ids that are not whole numbers >= 0, a position outside its
            window, a label other than 0 and 1.
        """
        rows, length = _rows(tokens)
        n = len(rows)
        return cls(
            rows,
            _positions(position, length),
            _labels(label, n),
            _names("word", word, n),
            _names("source", source, n),
            class_names=class_names,
            origin={"kind": "tokens given by the user"},
        )

    def __len__(self) -> int:
        return len(self.label)

    @property
    def n_per_class(self) -> tuple[int, int]:
        """Number of examples of class 0 and of class 1."""
        ones = int(self.label.sum())
        return len(self) - ones, ones

    @property
    def digest(self) -> str:
        """sha256 of tokens, positions, labels, words and sources."""
        digest = hashlib.sha256()
        for array in (self.tokens, self.position, self.label):
            digest.update(str(array.shape).encode() + np.ascontiguousarray(array, "<i8").tobytes())
        for names in (self.word, self.source):
            digest.update(b"none" if names is None else "\0".join(map(str, names)).encode())
        return digest.hexdigest()

    def select(self, index: ArrayLike) -> Examples:
        """The examples at these indices, in this order."""
        i = np.asarray(index)
        picked: dict[str, Any] = {}
        for name in (
            "tokens",
            "position",
            "label",
            "word",
            "source",
            "document",
            "offset",
            "first",
        ):
            values = getattr(self, name)
            picked[name] = None if values is None else values[i]
        return replace(self, **picked)

    def by_source(self) -> pd.DataFrame:
        """Examples and word types of each class by source, most examples first."""
        if self.source is None:
            return pd.DataFrame(columns=["source", "n0", "n1", "n_types0", "n_types1"])
        rows = []
        for source in dict.fromkeys(self.source):
            here = self.source == source
            row: dict[str, Any] = {"source": source}
            for label in (0, 1):
                rows_of_class = here & (self.label == label)
                row[f"n{label}"] = int(rows_of_class.sum())
                words = [] if self.word is None else self.word[rows_of_class]
                row[f"n_types{label}"] = len(set(words))
            rows.append(row)
        table = pd.DataFrame(rows)[["source", "n0", "n1", "n_types0", "n_types1"]]
        order = (-(table["n0"] + table["n1"])).argsort(kind="stable")
        return table.iloc[order].reset_index(drop=True)

    def table(self) -> pd.DataFrame:
        """One row an example: label, word, source, document, offset, position (no tokens)."""
        columns = ("label", "word", "source", "document", "offset", "position")
        return pd.DataFrame({c: getattr(self, c) for c in columns})


def _rows(tokens: Any) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
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


def _positions(position: ArrayLike, length: NDArray[np.int64]) -> NDArray[np.int64]:
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


def _labels(label: ArrayLike, n: int) -> NDArray[np.int64]:
    got = np.asarray(label)
    if got.shape != (n,):
        raise InputError(f"label must be [example] = ({n},); got shape {got.shape}.")
    if not np.isin(got, (0, 1)).all():
        odd = got[~np.isin(got, (0, 1))][0]
        raise InputError(f"label must be 0 or 1; got {odd!r}.")
    return got.astype(np.int64)


def _names(kind: str, names: Sequence[str] | None, n: int) -> NDArray[np.object_] | None:
    if names is None:
        return None
    if len(names) != n:
        raise InputError(f"{kind} must have one entry an example: {n}, not {len(names)}.")
    for i, name in enumerate(names):
        if name is None or name != name:
            raise InputError(f"{kind} of example {i} is {name!r}: name every one, or none.")
    return np.array([str(name) for name in names], dtype=object)
