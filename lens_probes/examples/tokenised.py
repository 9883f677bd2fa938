"""A text as one tokenizer sees it, with the characters of every token."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lens_probes.errors import InputError
from lens_probes.examples.kept_tokens import (
    DocumentTokens,
    keep_tokens,
    place_of_tokens,
    read_tokens,
)
from lens_probes.storage.integrity import sha256_of
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
    or more are kept, for as long as the tokenizer is the same and as it was, and on the disk for
    the next process (`kept_tokens`).
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
        return map(_with_body, documents, _in_batches(documents, tokenizer))
    return iter(_kept(documents, _Same(tokenizer, state), text.sha256))


def _state(tokenizer: Any) -> str | None:
    """Digest of all that decides how a text is cut; None for a tokenizer that does not tell."""
    try:
        rules = tokenizer.backend_tokenizer.to_str()
    except Exception:  # no backend, or one with a part in Python: then nothing is kept
        return None
    said = f"{rules}{getattr(tokenizer, 'split_special_tokens', None)}"
    return sha256_of(said.encode("utf-8", "surrogatepass"))


class _Same:
    """A tokenizer that equals only itself, in the same state."""

    def __init__(self, tokenizer: Any, state: str) -> None:
        self.tokenizer, self.state = tokenizer, state

    def __hash__(self) -> int:
        return hash(self.state)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Same):
            return NotImplemented
        return self.tokenizer is other.tokenizer and self.state == other.state


@lru_cache(maxsize=1)
def _kept(documents: tuple[Document, ...], same: _Same, text_sha256: str) -> tuple[Tokenised, ...]:
    kind = type(same.tokenizer)
    lengths = [len(document.text) for document in documents]
    path = place_of_tokens(f"{text_sha256} {lengths}", f"{kind.__qualname__} {same.state}")
    # A class of the user's own may cut a text by more than the rules say.
    known = kind.__module__.startswith("transformers.")
    kept = read_tokens(path, len(documents)) if known else None
    if kept is None:
        kept = list(_in_batches(documents, same.tokenizer))
        if known:
            keep_tokens(path, kept)
    return tuple(map(_with_body, documents, kept))


def _with_body(document: Document, tokens: DocumentTokens) -> Tokenised:
    tokens.ids.setflags(write=False)
    first, end = (part.data.toreadonly() for part in (tokens.first_char, tokens.end_char))
    return Tokenised(straight(document.text), tokens.ids, first, end)


def _in_batches(documents: Sequence[Document], tokenizer: Any) -> Iterator[DocumentTokens]:
    for start in range(0, len(documents), _DOCUMENTS_AT_ONCE):
        encodings = tokenizer(
            [document.text for document in documents[start : start + _DOCUMENTS_AT_ONCE]],
            add_special_tokens=False,
            return_offsets_mapping=True,
            return_attention_mask=False,
            verbose=False,
        )
        for ids, spans in zip(encodings["input_ids"], encodings["offset_mapping"], strict=True):
            first, end = np.array(spans, dtype=np.int32).reshape(-1, 2).T.copy()
            yield DocumentTokens(np.array(ids, dtype=np.int64), first, end)
