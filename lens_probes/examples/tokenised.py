"""A text as one tokenizer sees it, with the characters of every token."""

from __future__ import annotations

import hashlib
import re
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lens_probes.errors import InputError
from lens_probes.texts.load import Document, Text

_APOSTROPHES = str.maketrans({"\u2019": "'", "\u2018": "'", "\u02bc": "'", "\uff07": "'"})
# Typed for an apostrophe, but between letters only: elsewhere they are accents, quotes, minutes.
_TYPED_APOSTROPHE = re.compile(r"(?<=[^\W\d_])[\u00b4`\u2032\u02b9\u201b](?=[^\W\d_])")
_DOCUMENTS_AT_ONCE = 32
# Shorter texts are tokenized in no time; of a longer one, a token takes 16 bytes and every document
# is there twice.
_KEPT_CHARACTERS = range(100_000, 30_000_001)


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


def straight(text: str) -> str:
    """The text with a straight apostrophe for all that is typed for one; no character moves."""
    return _TYPED_APOSTROPHE.sub("'", text.translate(_APOSTROPHES))


def tokenised(text: Text, tokenizer: Any) -> Iterator[Tokenised]:
    """Every document with its tokens; an error for a tokenizer that gives no offsets.

    Tokenizing takes most of the time of finding targets, and lessons, replications and sets of
    further negatives go through the same documents again: those of the last text of a book's size
    or more are kept, for as long as the tokenizer is the same and as it was.
    """
    if tokenizer is None:
        raise InputError("this model has no tokenizer, so targets cannot be found in a text.")
    if not getattr(tokenizer, "is_fast", False):
        raise InputError(
            "this model's tokenizer gives no character offsets (it is not a fast tokenizer): "
            "targets cannot be found; use Examples.from_tokens."
        )
    documents = tuple(text.documents)
    state = _state(tokenizer) if text.n_characters in _KEPT_CHARACTERS else None
    if state is None:
        return _in_batches(documents, tokenizer)
    return iter(_kept(documents, _Same(tokenizer, state)))


def _state(tokenizer: Any) -> bytes | None:
    """Digest of all that decides how a text is cut; None for a tokenizer that does not tell."""
    try:
        rules = tokenizer.backend_tokenizer.to_str()
    except Exception:  # no backend, or one with a part in Python: then nothing is kept
        return None
    said = f"{rules}{getattr(tokenizer, 'split_special_tokens', None)}"
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).digest()


class _Same:
    """A tokenizer that equals only itself, in the same state."""

    def __init__(self, tokenizer: Any, state: bytes) -> None:
        self.tokenizer, self._state = tokenizer, state

    def __hash__(self) -> int:
        return hash(self._state)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Same):
            return NotImplemented
        return self.tokenizer is other.tokenizer and self._state == other._state


@lru_cache(maxsize=1)
def _kept(documents: tuple[Document, ...], same: _Same) -> tuple[Tokenised, ...]:
    return tuple(_in_batches(documents, same.tokenizer))


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
                straight(document.text),
                tokens,
                memoryview(array("i", [first for first, _ in offsets])).toreadonly(),
                memoryview(array("i", [end for _, end in offsets])).toreadonly(),
            )
