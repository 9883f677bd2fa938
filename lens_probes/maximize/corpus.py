"""A text as a stream of tokens: in windows or cuts, never all of it at once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int, UInt64
from numpy.typing import NDArray

from lens_probes.errors import InputError, given_as
from lens_probes.examples.checks import NO_TOKEN
from lens_probes.texts.load import Text

SECTION = 200_000
_BETWEEN_WORDS = re.compile(r"(?<=\S)(?= \w)|(?<=\w)(?=\n\w)")
_CUTS_AT_ONCE = 4096


@dataclass(frozen=True)
class Window:
    """Consecutive tokens of one document, as the model reads them.

    `first` is the number in the corpus of the first token; the leading `n_seen` tokens were the
    end of the window before and are only context here.
    """

    document: int
    first: int
    ids: Int[np.ndarray, " token"]
    n_seen: int


@dataclass(frozen=True)
class TokenStream:
    """The tokens of a text, numbered through all its documents and made again when they are asked.

    Only `starts` is kept: the number of each document's first token, and the number of all tokens
    at its end. A document of more than 200,000 characters is tokenised in sections cut between
    words; a tokenizer that marks the start of every text may give one token more at a cut.
    """

    text: Text
    tokenizer: Any
    starts: Int[np.ndarray, document_and_end]

    @classmethod
    def count(cls, text: Text, tokenizer: Any) -> TokenStream:
        """Tokenise once to count.

        Raises
        ------
        InputError
            No tokenizer, or a text without a token.
        """
        given_as("text", text, Text, "a Text: load_text(...) makes one")
        if tokenizer is None:
            raise InputError(
                "this model has no tokenizer, so a text cannot be read: load it from a folder "
                "with its tokenizer files."
            )
        lengths = [
            sum(len(ids) for ids in _pieces(document.text, tokenizer))
            for document in text.documents
        ]
        if not sum(lengths):
            raise InputError(f"text {text.name!r} holds no token: give a text with words in it.")
        return cls(text, tokenizer, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))

    @property
    def n_tokens(self) -> int:
        """Tokens in all documents together."""
        return int(self.starts[-1])

    @property
    def lengths(self) -> Int[np.ndarray, " document"]:
        """Tokens of each document."""
        return np.diff(self.starts)

    def document_of(self, numbers: Int[np.ndarray, "*shape"]) -> Int[np.ndarray, "*shape"]:
        """Document of each token number."""
        document: NDArray[np.int64] = np.searchsorted(self.starts, numbers, side="right") - 1
        return document

    def n_windows(self, length: int, overlap: int) -> Int[np.ndarray, " document"]:
        """Windows of each document: none if it is empty, one if it fits, more otherwise."""
        beyond = np.maximum(self.lengths - length, 0)
        n: NDArray[np.int64] = (self.lengths > 0) + -(-beyond // (length - overlap))
        return n

    def windows(
        self, length: int, overlap: int, chosen: NDArray[np.int64] | None = None
    ) -> Iterator[Window]:
        """Windows that tile each document from its start; the last one may be shorter.

        `chosen` are the numbers of the windows wanted, sorted; None is all of them.
        """
        firsts = np.concatenate([[0], np.cumsum(self.n_windows(length, overlap))])
        for document in range(len(self.text.documents)):
            if chosen is None:
                yield from self._document_windows(document, length, overlap)
                continue
            low, high = np.searchsorted(chosen, firsts[document : document + 2])
            left = set((chosen[low:high] - firsts[document]).tolist())
            if not left:
                continue
            for number, window in enumerate(self._document_windows(document, length, overlap)):
                if number in left:
                    left.remove(number)
                    yield window
                if not left:
                    break

    def cut(
        self, first: Int[np.ndarray, " cut"], length: int, document: Int[np.ndarray, " cut"]
    ) -> Int[np.ndarray, "cut token"]:
        """Token ids from each number on, in one pass; NO_TOKEN outside the cut's document."""
        out = np.full((len(first), length), NO_TOKEN, dtype=np.int32)
        order = np.lexsort((first, document))
        sorted_first, offsets = first[order], np.arange(length)
        bounds = np.searchsorted(document[order], np.arange(len(self.text.documents) + 1))
        for number in np.unique(document).tolist():
            begin, end = bounds[number : number + 2]
            for start, ids in self._numbered_pieces(number):
                of_document = sorted_first[begin:end]
                low = begin + np.searchsorted(of_document, start - length, side="right")
                high = begin + np.searchsorted(of_document, start + len(ids), side="left")
                for at in range(low, high, _CUTS_AT_ONCE):
                    rows = slice(at, min(at + _CUTS_AT_ONCE, high))
                    index = sorted_first[rows, None] + offsets - start
                    inside = (index >= 0) & (index < len(ids))
                    row, column = np.nonzero(inside)
                    out[order[rows][row], column] = ids[index[inside]]
        return out

    def _numbered_pieces(self, document: int) -> Iterator[tuple[int, NDArray[np.int32]]]:
        start = int(self.starts[document])
        for ids in _pieces(self.text.documents[document].text, self.tokenizer):
            yield start, ids
            start += len(ids)

    def _document_windows(self, document: int, length: int, overlap: int) -> Iterator[Window]:
        first = int(self.starts[document])
        held, n_seen = np.empty(0, np.int32), 0
        for _, ids in self._numbered_pieces(document):
            held = np.concatenate([held, ids])
            while len(held) >= length:
                yield Window(document, first, held[:length], n_seen)
                held, n_seen = held[length - overlap :], overlap
                first += length - overlap
        if len(held) > n_seen:
            yield Window(document, first, held, n_seen)


def context_keys(
    tokens: Int[np.ndarray, "window position"], n: int
) -> UInt64[np.ndarray, "window position"]:
    """Number for the last n tokens up to each position: the same for the same tokens (64 bits)."""
    mixed = scatter(tokens.astype(np.uint64) + np.uint64(1))
    keys = np.zeros_like(mixed)
    power = np.uint64(1)
    for back in range(min(n, tokens.shape[1])):
        keys[:, back:] += mixed[:, : tokens.shape[1] - back] * power
        power = np.uint64(int(power) * 0x9E3779B97F4A7C15 % 2**64)
    return keys


def scatter(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Numbers spread over 64 bits without collisions (the mixing steps of SplitMix64)."""
    z = numbers + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _pieces(body: str, tokenizer: Any) -> Iterator[NDArray[np.int32]]:
    """Token ids of a document, one section after the other."""
    first = 0
    while first < len(body):
        end = len(body)
        if end - first > SECTION:
            between = _BETWEEN_WORDS.search(body, first + SECTION, first + 2 * SECTION)
            end = min(end, between.start() if between else first + 2 * SECTION)
        encoded = tokenizer(
            body[first:end], add_special_tokens=False, return_attention_mask=False, verbose=False
        )
        yield np.array(encoded["input_ids"], dtype=np.int32)
        first = end
