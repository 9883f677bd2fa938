"""The tokens of a text that an atlas reads: words, neighbours, sentences, positions."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Bool, Int
from numpy.typing import NDArray

from lens_probes.errors import InputError
from lens_probes.examples.examples import Examples
from lens_probes.examples.ids import joined, numbered
from lens_probes.examples.targets import sentence_starts
from lens_probes.examples.tokenised import Tokenised, tokenised
from lens_probes.examples.windows import Window, starts_with_bos
from lens_probes.model.load import LensModel
from lens_probes.texts.load import Text

_ITEM = re.compile(r"\w+(?:'\w+)*|[^\w\s]|\s+")
LONGEST, CONTEXT = 512, 90


@dataclass(frozen=True, eq=False)
class Tokens:
    """Tokens of chunks of a text, in their order; what a property of one's own is computed from.

    Attributes
    ----------
    id, piece
        [token] token id, and its characters.
    written, word
        [token] the word, number or sign that it belongs to, as it stands in the text and in lower
        case with straight apostrophes.
    previous, following
        [token] the word or sign before and after it in lower case; "" at the ends of a chunk.
    starts_word, ends_word, spaced
        [token] whether it is the first and the last token of its word; whether white space stands
        before the word.
    chunk, document, index
        [token] the pass it goes through the model in, its document, its place in that (0-based).
    position
        [token] its place in the chunk: the tokens that the model has seen before it.
    sentence, sentence_place
        [token] number of its sentence, and words of it before this one.
    read
        [token] whether it is read: those before it are context of later tokens only.
    """

    id: Int[np.ndarray, " token"]
    piece: NDArray[np.object_]
    written: NDArray[np.object_]
    word: NDArray[np.object_]
    previous: NDArray[np.object_]
    following: NDArray[np.object_]
    starts_word: Bool[np.ndarray, " token"]
    ends_word: Bool[np.ndarray, " token"]
    spaced: Bool[np.ndarray, " token"]
    chunk: Int[np.ndarray, " token"]
    document: Int[np.ndarray, " token"]
    index: Int[np.ndarray, " token"]
    position: Int[np.ndarray, " token"]
    sentence: Int[np.ndarray, " token"]
    sentence_place: Int[np.ndarray, " token"]
    read: Bool[np.ndarray, " token"]

    def __len__(self) -> int:
        return len(self.id)

    def among(self, what: str) -> Bool[np.ndarray, " token"]:
        """[token] whether it is one of the `words`, `numbers` or `signs`, or any (`all`)."""
        return self._kinds[what]

    @cached_property
    def _kinds(self) -> dict[str, Bool[np.ndarray, " token"]]:
        first = np.array([word.strip()[:1] for word in self.word])
        there = first != ""
        words, numbers = np.char.isalpha(first), np.char.isdigit(first)
        signs = there & ~np.char.isalnum(first)
        return {"words": words, "numbers": numbers, "signs": signs, "all": there}


@dataclass(frozen=True)
class Reading:
    """What is read: tokens, and the examples among them.

    Examples are tokens that are read and end a word, `token` [example] their numbers. Of word types
    that share the token they are read at, the most frequent one is taken: `examples.group` is then
    one word type each.
    """

    tokens: Tokens
    examples: Examples
    token: Int[np.ndarray, " example"]
    documents: tuple[str, ...]
    window: Window


def read_tokens(model: LensModel, text: Text, max_tokens: int, seed: int) -> Reading:
    """Chunks of a text drawn at random, evenly over its documents, up to so many read tokens.

    The chunks are those of `context="document"` of a probe: every token that is read has 90 tokens
    of context or more (a quarter of a short model's window).

    Raises
    ------
    InputError
        A tokenizer that gives no characters, or no document that is long enough.
    """
    bos = starts_with_bos(model.tokenizer) if model.tokenizer is not None else False
    longest = min(LONGEST, int(model.cfg.n_ctx) - bos)
    window = Window("document", min(CONTEXT, longest // 4), 0, bos, "last", longest)
    documents = tuple(tokenised(text, model.tokenizer))
    drawn = _draw([len(d.ids) for d in documents], window, max_tokens, seed)
    if not drawn:
        raise InputError(
            f"no document of text {text.name!r} has more than {window.before} tokens: give a "
            "longer text."
        )
    chunks = [
        _chunk(documents[d], number, d, start, stop, window)
        for number, (d, start, stop) in enumerate(drawn)
    ]
    columns = {name: np.concatenate([c[name] for c in chunks]) for name in chunks[0]}
    tokens = Tokens(**columns)
    # A copy, or a part, of another document is that document under another name.
    names = tuple(text.documents[text.originals[d]].name for d in range(len(documents)))
    token = _one_word_a_group(tokens)
    examples = _examples(tokens, token, names, window, model.tokenizer)
    return Reading(tokens, examples, token, names, window)


def _draw(
    lengths: list[int], window: Window, max_tokens: int, seed: int
) -> list[tuple[int, int, int]]:
    """Chunks as (document, start, end), until `max_tokens` tokens of them are read.

    One of each document first, then a second of each that has more, and so on.
    """
    rng = np.random.default_rng(seed)
    step = window.chunk - window.before
    waiting = {}
    for d, n in enumerate(lengths):
        n_chunks = -(-(n - window.before) // step)
        if n > window.before:
            waiting[d] = rng.permutation(n_chunks).tolist()
    drawn, left = [], max_tokens
    while waiting and left > 0:
        for d in rng.permutation(list(waiting)).tolist():
            start = waiting[d].pop() * step
            stop = min(start + window.chunk, lengths[d], start + window.before + left)
            if not waiting[d]:
                del waiting[d]
            if left > 0:
                drawn.append((d, start, stop))
                left -= stop - start - window.before
    return sorted(drawn)


def _chunk(
    document: Tokenised, number: int, d: int, start: int, stop: int, window: Window
) -> dict[str, NDArray[Any]]:
    """Columns of `Tokens` of one chunk."""
    n = stop - start
    index = np.arange(start, stop)
    words = list(_words(document, start, stop))
    written, first_char, ends, spaced = (list(part) for part in zip(*words, strict=True))
    item = np.cumsum([0, *(a != b for a, b in zip(first_char[1:], first_char, strict=False))])
    word = np.array([w.lower() for w in written], dtype=object)
    of_item = np.append(word[np.flatnonzero(np.diff(item, prepend=-1))], "")
    sentences = sentence_starts(document.body, document.end_char)
    sentence = np.searchsorted(sentences, index, side="right") - 1
    place = np.zeros(n, dtype=np.int64)
    is_word = np.array([bool(w[:1].isalnum()) for w in written])
    begins = np.diff(item, prepend=-1) > 0
    for s in np.unique(sentence):
        here = sentence == s
        place[here] = np.cumsum(is_word[here] & begins[here]) - is_word[here]
    return {
        "id": document.ids[start:stop],
        "piece": np.array([document.piece(i) for i in range(start, stop)], dtype=object),
        "written": np.array(written, dtype=object),
        "word": word,
        "previous": of_item[item - 1],
        "following": of_item[item + 1],
        "starts_word": begins,
        "ends_word": np.array(ends, dtype=bool),
        "spaced": np.array(spaced, dtype=bool),
        "chunk": np.full(n, number),
        "document": np.full(n, d),
        "index": index,
        "position": index - start + window.bos,
        "sentence": sentence,
        "sentence_place": place,
        "read": index >= start + window.before,
    }


def _words(document: Tokenised, start: int, stop: int) -> Iterator[tuple[str, int, bool, bool]]:
    """Of each token its word, where that begins, whether the token ends it, and is spaced."""
    body = document.body
    low = document.first_char[start]
    while low > 0 and not body[low - 1].isspace():
        low -= 1
    high = document.end_char[stop - 1]
    while high < len(body) and not body[high].isspace():
        high += 1
    items = [(m.start(), m.end()) for m in _ITEM.finditer(body, low, high)]
    starts = [first for first, _ in items]
    for i in range(start, stop):
        first, end = document.first_char[i], document.end_char[i]
        text = body[first:end]
        inside = first + len(text) - len(text.lstrip()) if text.strip() else first
        k = max(bisect_right(starts, inside) - 1, 0)
        begin, close = items[k]
        split = i + 1 < len(document.ids) and document.end_char[i + 1] == end
        if end > close and text.strip():  # a token of several signs is a word of its own
            begin, close = inside, end
        ends = end >= close and not split and bool(text.strip())
        yield body[begin:close], begin, ends, body[begin - 1 : begin].isspace()


def _one_word_a_group(tokens: Tokens) -> Int[np.ndarray, " example"]:
    """Tokens of the most frequent word type of each replication group."""
    ends = np.flatnonzero(tokens.read & tokens.ends_word)
    word = numbered(tokens.word[ends].astype(str))
    group = joined(word, tokens.id[ends])
    n = np.bincount(word)
    of_word = np.zeros(len(n), dtype=np.int64)
    of_word[word] = group
    order = np.lexsort((np.arange(len(n)), -n, of_word))
    leads = order[np.unique(of_word[order], return_index=True)[1]]
    chosen: Int[np.ndarray, " example"] = ends[np.isin(word, leads)]
    return chosen


def _examples(
    tokens: Tokens,
    used: Int[np.ndarray, " example"],
    names: tuple[str, ...],
    window: Window,
    tokenizer: Any,
) -> Examples:
    """Tokens with the chunks they are read from; the label is only a place for one."""
    starts = np.flatnonzero(np.diff(tokens.chunk, prepend=-1))
    ends = np.append(starts[1:], len(tokens))
    prefix = [tokenizer.bos_token_id] if window.bos else []
    width = int((ends - starts).max()) + len(prefix)
    padded = np.full((len(starts), width), -1, dtype=np.int64)
    for row, (start, end) in enumerate(zip(starts, ends, strict=True)):
        padded[row, : end - start + len(prefix)] = [*prefix, *tokens.id[start:end]]
    document = np.array(names, dtype=object)[tokens.document[used]]
    return Examples(
        tokens=padded[tokens.chunk[used]],
        position=tokens.position[used],
        label=np.zeros(len(used), dtype=np.int64),
        word=tokens.word[used],
        source=document,
        document=document,
        offset=tokens.index[used],
        origin={"kind": "tokens of a text", "context": "document", "bos": window.bos},
    )
