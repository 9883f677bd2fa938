"""Properties that are functions of tokens: place, repetition, frequency, length, spelling."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lens_probes.atlases.property import Property
from lens_probes.atlases.tokens import Tokens

_PLACE, _SEEN, _FORM = "place", "repetition", "form and frequency"


def late_in_window(tokens: Tokens) -> NDArray[np.bool_]:
    """Later half of what the model sees at once."""
    middle: NDArray[np.bool_] = tokens.position >= np.median(tokens.position[tokens.read])
    return middle


def early_in_document(tokens: Tokens) -> NDArray[np.bool_]:
    """In the first 1,000 tokens of a document, against later ones."""
    early: NDArray[np.bool_] = tokens.index < 1000
    return early


def sentence_start(tokens: Tokens) -> Any:
    """The first word of its sentence."""
    return np.where(tokens.among("words"), tokens.sentence_place == 0, -1)


def late_in_sentence(tokens: Tokens) -> Any:
    """At least 20 words of its sentence stand before it, against fewer than 10."""
    late = np.where(tokens.sentence_place >= 20, 1, -1)
    return np.where(tokens.sentence_place < 10, 0, late)


def repeated(tokens: Tokens) -> Any:
    """The same word stands before it in what the model sees."""
    return np.where(tokens.among("words"), _seen(tokens, tokens.word), -1)


def repeated_lately(tokens: Tokens) -> Any:
    """The same word stands among the 30 tokens before it, against 100 or more tokens before it."""
    last: dict[Hashable, int] = {}
    found = np.full(len(tokens), -1)
    for i, key in enumerate(zip(tokens.chunk.tolist(), tokens.word, strict=True)):
        if not tokens.ends_word[i]:
            continue
        if key in last:
            gap = i - last[key]
            found[i] = 1 if gap <= 30 else 0 if gap >= 100 else -1
        last[key] = i
    return np.where(tokens.among("words"), found, -1)


def repeated_pair(tokens: Tokens) -> Any:
    """The word before it stood before the same word already, against a word seen otherwise."""
    pair = np.array([f"{a} {b}" for a, b in zip(tokens.previous, tokens.word, strict=True)])
    again = np.where(_seen(tokens, tokens.word), _seen(tokens, pair), -1)
    return np.where(tokens.among("words"), again, -1)


def in_quotes(tokens: Tokens) -> Any:
    """Between quotation marks."""
    state, chunk = False, -1
    found = np.zeros(len(tokens), dtype=np.int64)
    for i, sign in enumerate(tokens.piece):
        if tokens.chunk[i] != chunk:
            chunk, state = tokens.chunk[i], False
        found[i] = state
        if "\u201c" in sign or ("\u201d" not in sign and '"' in sign and not state):
            state = True
        elif "\u201d" in sign or '"' in sign:
            state = False
    return found


def frequent(tokens: Tokens) -> Any:
    """One of the words that the text has most often, against rare ones of like length."""
    words = tokens.among("words")
    counts = Counter(tokens.word[tokens.read & tokens.ends_word & words])
    n = np.array([counts[word] for word in tokens.word], dtype=np.float64)
    types = np.array([count for count in counts.values() if count > 1] or [1])
    low, high = np.quantile(types, [0.4, 0.85])
    label = np.where(n >= max(high, low + 1), 1, np.where(n <= low, 0, -1))
    return np.where(words, label, -1)


def long_word(tokens: Tokens) -> Any:
    """Nine letters or more, against up to five."""
    size = np.array([len(word) for word in tokens.word])
    label = np.where(size >= 9, 1, np.where(size <= 5, 0, -1))
    return np.where(tokens.among("words"), label, -1)


def several_tokens(tokens: Tokens) -> Any:
    """A word that is cut into several tokens, read at its last."""
    return np.where(tokens.among("words"), ~tokens.starts_word, -1)


def number_or_sign(tokens: Tokens) -> Any:
    """A number or a punctuation mark, not a word."""
    return np.where(tokens.among("all"), ~tokens.among("words"), -1)


def _seen(tokens: Tokens, keys: Iterable[Any]) -> NDArray[np.bool_]:
    """[token] whether its key stands earlier in its chunk, at the end of a word."""
    before: set[Hashable] = set()
    found = np.zeros(len(tokens), dtype=bool)
    for i, key in enumerate(zip(tokens.chunk.tolist(), keys, strict=True)):
        found[i] = key in before
        if tokens.ends_word[i]:
            before.add(key)
    return found


RULES = (
    Property("late in the window", late_in_window, _PLACE, "tokens late in what the model sees"),
    Property("early in the document", early_in_document, _PLACE, "tokens early in a document"),
    Property("sentence start", sentence_start, _PLACE, "first words of a sentence", ("capitals",)),
    Property("late in the sentence", late_in_sentence, _PLACE, "words late in a long sentence"),
    Property("in quotes", in_quotes, _PLACE, "tokens between quotation marks"),
    Property("repeated word", repeated, _SEEN, "words seen before in the window"),
    Property("repeated lately", repeated_lately, _SEEN, "words seen a few words ago"),
    Property("repeated pair", repeated_pair, _SEEN, "words whose pair with the last was seen"),
    Property("frequent word", frequent, _FORM, "frequent words", ("frequency",)),
    Property("long word", long_word, _FORM, "long words", ("length", "pieces")),
    Property("several tokens", several_tokens, _FORM, "words cut into several tokens", ("pieces",)),
    Property(
        "number or sign", number_or_sign, _FORM, "numbers and punctuation",
        ("length", "capitals", "space", "pieces"),
    ),
)  # fmt: skip
