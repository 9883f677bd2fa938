"""Examples: one target token in its context, with its class, its word and where it came from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from numpy.typing import ArrayLike, NDArray

from lens_probes.errors import unknown
from lens_probes.examples.checks import COLUMNS, checked
from lens_probes.examples.classes import Classes
from lens_probes.examples.given_tokens import from_tokens
from lens_probes.examples.ids import counts_by_source, joined, numbered
from lens_probes.examples.label import Label, Pairs, TwoClasses
from lens_probes.examples.values import Values

if TYPE_CHECKING:
    from lens_probes.model.load import LensModel

Read = Literal["token", "mean"]


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
        [example] class, 0 or 1, or up to the last of `class_names`; with a continuous label, 1
        where `value` is above its median.
    value, value_name
        [example] continuous label and its name with the unit of measure, or None and "".
    pair
        [example] pair id, each once in both classes, or None: adds the paired test.
    covariates
        [example] numbers by name that partial effects are controlled for, or None: all confounds.
    word
        [example] word type of the target, or None.
    own_group
        [example] ids of one's own that are independent of one another (stems, documents, items),
        or None: `group` is then found from word types and read tokens.
    source
        [example] passage group, such as the speaker, or None.
    first
        [example] index of the target's first token, or None: a target of one token.
    read
        `"token"`: the activation at `position`; `"mean"`: averaged over `first` to `position`.
    document, offset
        [example] name of the document and index of the read token in it, or None.
    class_names
        Names of class 0, class 1 and further ones.
    counts
        What was found, dropped and why, in the order it happened: shown with every result.
    origin
        Where the examples come from; plain values, kept with every result.
    date
        [example] year that the document is from, or None where that of any is unknown.
    """

    tokens: Int[np.ndarray, "example position"]
    position: Int[np.ndarray, " example"]
    label: Int[np.ndarray, " example"]
    word: NDArray[np.object_] | None = None
    source: NDArray[np.object_] | None = None
    document: NDArray[np.object_] | None = None
    offset: Int[np.ndarray, " example"] | None = None
    first: Int[np.ndarray, " example"] | None = None
    value: Float[np.ndarray, " example"] | None = None
    value_name: str = ""
    pair: Int[np.ndarray, " example"] | None = None
    covariates: Mapping[str, Float[np.ndarray, " example"]] | None = None
    own_group: NDArray[np.object_] | None = None
    read: Read = "token"
    class_names: tuple[str, ...] = ("class 0", "class 1")
    counts: Mapping[str, int] = field(default_factory=dict)
    origin: Mapping[str, Any] = field(default_factory=dict)
    date: Float[np.ndarray, " example"] | None = None

    def __post_init__(self) -> None:
        if self.read not in ("token", "mean"):
            raise unknown("read", self.read, ("token", "mean"))
        for name, values in checked(vars(self)).items():
            object.__setattr__(self, name, values)

    @classmethod
    def from_tokens(
        cls,
        tokens: ArrayLike | Sequence[Sequence[int]],
        position: ArrayLike,
        label: ArrayLike | None = None,
        word: Iterable[str | int] | None = None,
        source: Iterable[str | int] | None = None,
        *,
        group: Iterable[str | int] | None = None,
        value: ArrayLike | None = None,
        value_name: str = "value",
        class_names: Sequence[str] | None = None,
    ) -> Examples:
        """Examples of one's own; the ids are fed exactly as given, with no BOS added.

        Parameters
        ----------
        tokens
            [example, position] token ids, or a list of lists of unequal length.
        position
            Where to read: one int for all, or [example]; negative counts from the end.
        label
            [example] 0 or 1; of several classes 0, 1, 2 ...
        word, source
            [example] word type and passage group, where known.
        group
            [example] ids that are independent of one another, in place of those found from word
            types and read tokens (`Examples.group`).
        value, value_name
            [example] a continuous label in place of `label`: units are correlated with it.
        class_names
            Names of the classes, in order; None: their numbers.

        Raises
        ------
        InputError
            Shapes that do not fit, ids that are not whole numbers >= 0, a position outside its
            window, a label that is no class, names that are missing or of no order.

        Examples
        --------
        >>> from lens_probes import Examples
        >>> Examples.from_tokens([[5, 7], [5, 8], [6, 7], [6, 8]], -1, [0, 0, 1, 1]).n_per_class
        (2, 2)
        """
        given = from_tokens(
            tokens, position, label, word, source, group, value, value_name, class_names
        )
        return cls(**given)

    @classmethod
    def from_texts(
        cls,
        model: LensModel,
        texts: Iterable[str],
        label: ArrayLike | None = None,
        spans: Iterable[tuple[int, int]] | None = None,
        *,
        value: ArrayLike | None = None,
        **options: Any,
    ) -> Examples:
        """Examples of one's own texts, each read at characters of it, or as a whole.

        Parameters
        ----------
        model
            Its tokenizer cuts the texts.
        texts, label, value
            [example] texts, and 0 or 1, or a continuous label in place of it.
        spans
            [example] characters of the target, (start, end) as Python slices; None: whole texts.
        **options
            value_name, class_names, word, group, pair, source, context, before, after, bos, read:
            see `lens_probes.examples.given_texts.from_texts`.

        Raises
        ------
        InputError
            A text, span or label that is wrong, by the number of its example.
        """
        from lens_probes.examples.given_texts import from_texts  # noqa: PLC0415  (the next stage)

        return cls(**from_texts(model, texts, label, spans, value=value, **options))

    def __len__(self) -> int:
        return len(self.label)

    @cached_property
    def contrast(self) -> Label:
        """What is asked of the units, by the kind of label: classes, pairs or values."""
        if self.value is not None:
            return Values(self.value, self.value_name)
        if self.pair is not None:
            return Pairs(self.label, self.class_names, self.pair)
        if len(self.class_names) > 2:
            return Classes(self.label, self.class_names)
        return TwoClasses(self.label, self.class_names)

    @property
    def own_control(self) -> bool:
        """Whether each group has both of every pair, and is its own control."""
        return self.contrast.own_control(self.group)

    @cached_property
    def group(self) -> Int[np.ndarray, " example"] | None:
        """[example] independent group, the unit of replication, numbered by first appearance.

        Word types, joined where they share the token that is read; with the mean over a target's
        tokens read, word types alone. `own_group` takes their place; None where neither is known.
        """
        if self.own_group is not None:
            return numbered(self.own_group.astype(str))
        if self.word is None:
            return None
        word = self.word.astype(str)
        alone = self.read == "mean" or not self.knows_tokens
        return numbered(word) if alone else joined(word, self.read_tokens)

    @property
    def knows_tokens(self) -> bool:
        """Whether there are windows of tokens: labels beside activations have none."""
        return bool(self.tokens.shape[1])

    @property
    def read_tokens(self) -> Int[np.ndarray, " example"]:
        """[example] the id of the token at the read position; -1 where no tokens are known."""
        if not self.knows_tokens:
            return np.full(len(self), -1)
        return np.asarray(self.tokens[np.arange(len(self)), self.position])

    @property
    def n_per_class(self) -> tuple[int, ...]:
        """Number of examples of each class."""
        return tuple(np.bincount(self.label, minlength=len(self.class_names)).tolist())

    @property
    def spans(self) -> Int[np.ndarray, " example"]:
        """[example] tokens that are read, ending at `position`: 1, or the target's with mean."""
        if self.read == "token" or self.first is None:
            return np.ones(len(self), dtype=np.int64)
        return np.asarray(self.position - self.first + 1)

    @property
    def windows(self) -> NDArray[np.object_]:
        """[example] digest of the ids up to the read position: equal ones are read alike.

        Where no tokens are known every example is a window of its own.
        """
        if not self.knows_tokens:
            return np.array([f"example {i}" for i in range(len(self))], dtype=object)
        ids = self.tokens.astype("<i8")
        rows = zip(ids, self.position, strict=True)
        digests = [hashlib.sha256(row[: end + 1].tobytes()).hexdigest()[:16] for row, end in rows]
        return np.array(digests, dtype=object)

    @property
    def digest(self) -> str:
        """sha256 of tokens, positions, labels, words and sources."""
        digest = hashlib.sha256()
        for name in ("tokens", "position", "label", "value", "spans"):
            array = getattr(self, name)
            if array is not None:
                numbers = np.ascontiguousarray(array, "<f8" if name == "value" else "<i8")
                digest.update(f"{name} {numbers.shape} ".encode() + numbers.tobytes())
        # As JSON each name ends where it ends, whatever is in it, and no list is not a list.
        said = (self.word, self.source, self.own_group)
        names = [None if column is None else list(map(str, column)) for column in said]
        digest.update(json.dumps(names).encode())
        return digest.hexdigest()

    def select(self, index: ArrayLike) -> Examples:
        """The examples at these indices, in this order."""
        i = np.asarray(index)
        picked: dict[str, Any] = {}
        for name in ("tokens", "label", *COLUMNS):
            values = getattr(self, name)
            picked[name] = None if values is None else values[i]
        if self.covariates is not None:
            picked["covariates"] = {name: values[i] for name, values in self.covariates.items()}
        return replace(self, **picked)

    def by_source(self) -> pd.DataFrame:
        """Examples and word types of each class by source, most examples first."""
        return counts_by_source(self.source, self.label, self.word, len(self.class_names))

    def table(self) -> pd.DataFrame:
        """One row an example, without its tokens: `window` is the digest of those it was read from.

        `read_token` is the id of the token at the read position, -1 where a mean over several is
        read; `group` is -1 where none are known. `value`, `pair` and `own_group` are there where
        the examples have them.
        """
        columns = ["label", "word", "source", "document", "offset", "position"]
        columns += [c for c in ("value", "pair", "own_group") if getattr(self, c) is not None]
        table = pd.DataFrame({c: getattr(self, c) for c in columns})
        none = np.full(len(self), -1)
        return table.assign(
            read_token=none if self.read == "mean" else self.read_tokens,
            group=none if self.group is None else self.group,
            window=self.windows,
        )
