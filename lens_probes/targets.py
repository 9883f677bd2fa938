"""Finding target words in a text."""

from __future__ import annotations

import bisect
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lens_probes.errors import InputError
from lens_probes.texts import Text
from lens_probes.tokenised import Tokenised, tokenised
from lens_probes.windows import Target, Targets, Window

Rule = Literal["course", "extended"]

_SENTENCE_END = re.compile(r"[.!?][\"')\]\u201d\u2019]*\s+|\n\s*\n")
_JOINERS = frozenset("'-_\u2010\u2011\u00ad\u200b\u200c\u200d\u2060")


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
    of the text ("knot" holds no candidate); upper and lower case and curly apostrophes are the
    same. It counts if what follows is right: whitespace (`rule="course"`, so that "can" in
    "cannot" and "not," do not count), or no letter, digit, apostrophe or hyphen
    (`rule="extended"`, so that "not," counts). Its tokens must hold nothing but itself and white
    space, and its window must fit.

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
    pattern = _pattern(words)

    def candidates(document: Tokenised) -> Iterator[Candidate]:
        for found in pattern.finditer(document.body):
            word, problem = found.group().lower(), None
            if word not in words:
                problem = "spelt with letters that only fold to the word's"
            else:
                problem = _followed_wrongly(document.body, found.end(), rule)
            label = words.get(word, 0)
            if problem is None and unless is not None:
                problem = unless.reason if unless.excludes(document.body, found, label) else None
            yield Candidate(found.start(), found.end(), word, label, problem)

    return locate(text, tokenizer, candidates, window)


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
        starts.append(_sentence_starts(document.body, document.end_char))
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


def _pattern(words: Mapping[str, int]) -> re.Pattern[str]:
    if not words or "" in words:
        raise InputError("words must name one word or more, and none of them may be empty.")
    longest_first = sorted(words, key=lambda word: (-len(word), word))
    # First letters are tried before whole words: twice as fast for two dozen words.
    firsts = "".join(sorted({re.escape(word[0]) for word in words}))
    either = "|".join(map(re.escape, longest_first))
    return re.compile(rf"(?<!\w)(?=[{firsts}])(?:{either})", re.IGNORECASE)


def _followed_wrongly(body: str, end: int, rule: Rule) -> str | None:
    following = body[end : end + 1]
    if rule == "course":
        return None if following.isspace() else "next token does not begin with white space"
    if following and (unicodedata.category(following)[0] in "LNM" or following in _JOINERS):
        return "followed by a letter, digit, apostrophe or hyphen"
    return None


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


def _sentence_starts(body: str, end_char: Sequence[int]) -> NDArray[np.int64]:
    """Token index at which each sentence starts; the first is 0."""
    firsts = (bisect.bisect_right(end_char, m.end()) for m in _SENTENCE_END.finditer(body))
    return np.unique([0, *(first for first in firsts if first < len(end_char))])
