"""A text as one tokenizer sees it, with the characters of every token."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lens_probes.errors import InputError
from lens_probes.texts import Document, Text

_APOSTROPHES = str.maketrans({"\u2019": "'", "\u2018": "'", "\u02bc": "'", "\uff07": "'"})
_DOCUMENTS_AT_ONCE = 32
# What is kept of a token takes 16 bytes, besides the text.
_KEPT_CHARACTERS = 30_000_000


@dataclass(frozen=True)
class Tokenised:
    """A document with straight apostrophes, its ids and the first and end character of each."""

    body: str
    ids: NDArray[np.int64]
    first_char: Sequence[int]
    end_char: Sequence[int]

    def piece(self, index: int) -> str:
        """Characters of a token; a character split over several counts for its last one."""
        start, end = self.first_char[index], self.end_char[index]
        split = index + 1 < len(self.ids) and self.end_char[index + 1] == end
        return "" if split else self.body[start:end]


def tokenised(text: Text, tokenizer: Any) -> Iterator[Tokenised]:
    """Every document with its tokens; an error for a tokenizer that gives no offsets.

    The last text of moderate size is kept in memory: lessons, replications and further negative
    sets go through the same text again, and tokenizing takes most of the time of finding targets.
    """
    if tokenizer is None:
        raise InputError("this model has no tokenizer, so targets cannot be found in a text.")
    if not getattr(tokenizer, "is_fast", False):
        raise InputError(
            "this model's tokenizer gives no character offsets (it is not a fast tokenizer): "
            "targets cannot be found; use Examples.from_tokens."
        )
    has_state = hasattr(tokenizer, "backend_tokenizer")
    if text.n_characters > _KEPT_CHARACTERS or not has_state:
        return _in_batches(text.documents, tokenizer)
    return iter(_kept(text.documents, _Keyed(tokenizer)))


class _Keyed:
    """A tokenizer, equal to another one of its class whose whole state is the same."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        state = hashlib.sha256(tokenizer.backend_tokenizer.to_str().encode()).digest()
        self._key = (type(tokenizer), state)

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Keyed) and self._key == other._key


@lru_cache(maxsize=1)
def _kept(documents: tuple[Document, ...], keyed: _Keyed) -> tuple[Tokenised, ...]:
    return tuple(_in_batches(documents, keyed.tokenizer))


def _in_batches(documents: Sequence[Document], tokenizer: Any) -> Iterator[Tokenised]:
    for start in range(0, len(documents), _DOCUMENTS_AT_ONCE):
        batch = documents[start : start + _DOCUMENTS_AT_ONCE]
        encodings = tokenizer(
            [document.text for document in batch],
            add_special_tokens=False,
            return_offsets_mapping=True,
            return_attention_mask=False,
            verbose=False,
        )
        pairs = zip(encodings["input_ids"], encodings["offset_mapping"], strict=True)
        for document, (ids, offsets) in zip(batch, pairs, strict=True):
            tokens = np.array(ids, dtype=np.int64)
            tokens.setflags(write=False)
            yield Tokenised(
                document.text.translate(_APOSTROPHES),
                tokens,
                array("i", [first for first, _ in offsets]),
                array("i", [end for _, end in offsets]),
            )
