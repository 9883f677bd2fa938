"""Finding target words in a text."""

from __future__ import annotations

import bisect
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lens_probes.examples.tokenised import Tokenised, tokenised
from lens_probes.examples.windows import Target, Targets, Window
from lens_probes.examples.word_ends import Rule as Rule
from lens_probes.examples.word_ends import beside, followed_wrongly, goes_on_before, word_pattern
from lens_probes.texts.load import Text

_SENTENCE_END = re.compile(r"[.!?][\"')\]\u201d\u2019]*\s+|\n\s*\n")
_NAMED = 20


@dataclass(frozen=True)
class Exclusion:
    """Targets of one class that do not count before a pattern, with the reason that is counted."""

    label: int
    before: re.Pattern[str]
    reason: str

    def excludes(self, body: str, found: re.Match[str], label: int) -> bool:
        """Whether this occurrence is left out."""
        return label == self.label and self.before.match(body, found.end()) is not None


@dataclass(frozen=True)
class Candidate:
    """Characters start to end of a document that may be a target; `problem` says why not."""

    start: int
    end: int
    word: str
    label: int
    problem: str | None = None


def find_targets(
    text: Text,
    tokenizer: Any,
    words: Mapping[str, int],
    *,
    rule: Rule,
    window: Window,
    unless: Exclusion | None = None,
) -> Targets:
    """Every occurrence of some words in a text that can be read at a token's end.

    An occurrence is a candidate if its first character follows a non-word character or the start
    of the text ("knot" holds no candidate); upper and lower case, composed and decomposed accents
    and all that is typed for an apostrophe are the same. In a script without spaces a word between
    letters is a candidate that is dropped, as its ends cannot be seen. It counts if what follows
    is right: whitespace (`rule="course"`, so that "can" in "cannot" and "not," do not count), or
    no letter, digit, apostrophe or hyphen (`rule="extended"`, so that "not," counts). Its tokens
    must hold nothing but itself and white space, and its window must fit. Listed words that give
    no target are named in the counts.

    Parameters
    ----------
    words
        Word type (lower case, straight apostrophe) -> class 0 or 1.
    unless
        Occurrences to leave out and count, because of what follows them.

    Raises
    ------
    InputError
        No word, an empty one, a tokenizer that gives no offsets.
    """
    named = {unicodedata.normalize("NFC", word): word for word in words}
    pattern = word_pattern(words)
    seen: set[str] = set()

    def candidates(document: Tokenised) -> Iterator[Candidate]:
        for found in pattern.finditer(document.body):
            if goes_on_before(document.body, found.start()):
                continue
            key = unicodedata.normalize("NFC", found.group().lower())
            word = named.get(key, key)
            problem: str | None
            if word not in words:
                problem = "spelt with letters that only fold to the word's"
            else:
                problem = beside(document.body, found) or followed_wrongly(
                    document.body, found.end(), rule
                )
            label = words.get(word, 0)
            if problem is None and unless is not None:
                problem = unless.reason if unless.excludes(document.body, found, label) else None
            seen.add(word)
            yield Candidate(found.start(), found.end(), word, label, problem)

    found = locate(text, tokenizer, candidates, window)
    return replace(found, counts=dict(found.counts) | _without_examples(words, seen, found))


def _without_examples(words: Mapping[str, int], seen: set[str], found: Targets) -> dict[str, int]:
    """The listed words that give no target, by name: never in the text, or never usable there."""
    usable = {target.word for target in found.usable}
    never = [word for word in words if word not in seen]
    dropped = [word for word in words if word in seen and word not in usable]
    said = {"listed words not in the text": never, "listed words never usable": dropped}
    return {f"{what}: {_listed(which)}": len(which) for what, which in said.items() if which}


def _listed(words: Sequence[str]) -> str:
    more = f" and {len(words) - _NAMED} more" if len(words) > _NAMED else ""
    return ", ".join(words[:_NAMED]) + more


def locate(
    text: Text,
    tokenizer: Any,
    candidates: Callable[[Tokenised], Iterable[Candidate]],
    window: Window,
) -> Targets:
    """The candidates of every document that have tokens of their own and a window.

    What is no target is counted with the reason, so that candidates = usable + dropped.
    """
    counts: Counter[str] = Counter(candidates=0)
    usable: list[Target] = []
    tokens, starts = [], []
    for number, document in enumerate(tokenised(text, tokenizer)):
        taken: set[tuple[int, int]] = set()
        tokens.append(document.ids)
        starts.append(sentence_starts(document.body, document.end_char))
        for found in candidates(document):
            counts["candidates"] += 1
            span = token_span(document, found.start, found.end)
            problem = found.problem
            if problem is None and span is None:
                problem = "shares a token with other text"
            if problem is None and span in taken:
                problem = "the same tokens as another target"
            if problem is None and span is not None:
                problem = window.problem(*span, len(document.ids))
            if problem is None and span is not None:
                taken.add(span)
                usable.append(Target(found.word, found.label, number, *span))
            else:
                counts[f"dropped: {problem}"] += 1
    counts["usable"] = len(usable)
    return Targets(tuple(usable), tuple(tokens), tuple(starts), dict(counts))


def token_span(document: Tokenised, start: int, end: int) -> tuple[int, int] | None:
    """First and last token of body[start:end], or None if one holds other characters too."""
    body, first_char, end_char = document.body, document.first_char, document.end_char
    first = bisect.bisect_right(end_char, start)
    # A character may be split over several tokens that all end with it: the last one is read.
    last = bisect.bisect_right(end_char, end) - 1
    while last > first and first_char[last] == end_char[last]:
        last -= 1
    if last < first or end_char[last] != end:
        return None
    return None if body[first_char[first] : start].strip() else (first, last)


def sentence_starts(body: str, end_char: Sequence[int]) -> NDArray[np.int64]:
    """Token index at which each sentence starts; the first is 0."""
    firsts = (bisect.bisect_right(end_char, m.end()) for m in _SENTENCE_END.finditer(body))
    return np.unique([0, *(first for first in firsts if first < len(end_char))])
