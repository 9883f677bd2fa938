"""Proper nouns: names of people, places and things against other words (lesson L19)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from lens_probes.errors import at_least, choice
from lens_probes.examples.examples import Examples
from lens_probes.examples.targets import Candidate, locate
from lens_probes.examples.tokenised import Tokenised
from lens_probes.probes.base import TextProbe
from lens_probes.texts.load import Text, some_documents

if TYPE_CHECKING:
    from lens_probes.model.load import LensModel

_WORD = re.compile(r"(?<![\w'])[^\W\d_]+(?:-[^\W\d_]+)*(?![\w-])(?!'(?!s(?!\w)))")
_SENTENCE_END = ".?!"
_ABBREVIATION = re.compile(
    r"(?<!\w)(?:Mr|Mrs|Ms|Dr|St|Gen|Col|Capt|Lt|Hon|Gov|Sen|Rep|Prof|Rev|Messrs|[A-Z])\.$"
)
_NAME_SHARE = 0.9
_CONSIDERED = 3
# Capitalised in English without being names.
_ALWAYS_CAPITAL = frozenset({"I", "O", "Mr", "Mrs", "Ms", "Dr", "St"})


@dataclass(frozen=True)
class ProperNounProbe(TextProbe):
    """Which units tell a proper noun from other words?

    Parameters
    ----------
    text
        Where to look for targets.
    rule
        `"extended"`: whole words. A name is capitalised inside a sentence, in nine of ten or more
        of its occurrences there (so that a common noun which this text likes to capitalise is
        none); the other class is words that are never capitalised inside a sentence. `"course"`:
        the lesson's tokens: stripped, they begin with a capital, and the token before does not
        end in . ? or !; against any other tokens.
    characters
        Look only in documents drawn at random, up to this many characters; None: in all.
    max_per_class, max_words, min_per_word
        By default 300, 40 and 5; 220, all and 1 with the course's rule.

    The other parameters are those of every `TextProbe`.
    """

    text: Text
    rule: Literal["extended", "course"] = "extended"
    characters: int | None = 2_000_000

    name = "proper_noun"
    question = "Which units are tuned to proper nouns?"
    class_names = ("other word", "proper noun")
    control = "common words that have a capital because they begin a sentence"
    others_label = 0
    course_options: ClassVar = {"rule": "course", "max_per_class": 220}

    def __post_init__(self) -> None:
        choice("rule", self.rule, ("extended", "course"))
        at_least(1, characters=1 if self.characters is None else self.characters)
        if self.rule == "course":
            self._by_default(balance="natural")
        else:
            self._by_default(min_per_word=5, max_words=40)
        super().__post_init__()

    def examples(self, model: LensModel) -> Examples:
        """Draw the examples; an error if the text has fewer than two of a class."""
        text = some_documents(self.text, self.characters, self.seed)
        if self.rule == "course":
            return self.from_candidates(model, text, _course_tokens)
        names, others = _types(text)
        classes = self._considered(others, 0) | self._considered(names, 1)
        return self.from_candidates(
            model, text, _inside(classes), word_types_considered=len(classes)
        )

    def others(self, model: LensModel) -> Examples | None:
        """Common words with a capital, at the start of a sentence; None if the text has none."""
        text = some_documents(self.text, self.characters, self.seed)
        _, common = _types(text)
        found = locate(text, model.tokenizer, _initial(common), self.window)
        if len(found.usable) < 2:
            return None
        return self.drawn(model, text, found, classes=(0,))

    def _considered(self, types: Counter[str], label: int) -> dict[str, int]:
        """Some types (a few times as many as are drawn), so that not all words are looked up."""
        enough = sorted(word for word, n in types.items() if n >= (self.min_per_word or 1))
        if self.max_words is not None and len(enough) > _CONSIDERED * self.max_words:
            rng = np.random.default_rng([self.seed, label])
            enough = rng.permutation(enough)[: _CONSIDERED * self.max_words].tolist()
        return dict.fromkeys(enough, label)


def _course_tokens(document: Tokenised) -> Iterator[Candidate]:
    """Every token but the first: 1 if it begins with a capital and no sentence ended before it."""
    before = document.piece(0) if len(document.ids) else ""
    for index in range(1, len(document.ids)):
        start, piece = document.first_char[index], document.piece(index)
        word = piece.strip()
        if word:
            begin = start + len(piece) - len(piece.lstrip())
            capital = word[0].isupper() and before.strip()[-1:] not in tuple(_SENTENCE_END)
            yield Candidate(begin, begin + len(word), word, int(capital))
            before = piece


def _types(text: Text) -> tuple[Counter[str], Counter[str]]:
    """Names and common words of a text, with how often they stand inside a sentence.

    A name is capitalised (not all capitals) in nine of ten of those places or more, a common word
    in none.
    """
    capital: Counter[str] = Counter()
    lower: Counter[str] = Counter()
    for document in text.documents:
        body = document.text.replace("\u2019", "'")
        for found in _WORD.finditer(body):
            if _place(body, found.start()) != "inside":
                continue
            word = found.group()
            if word.islower():
                lower[word] += 1
            elif word[0].isupper() and not word.isupper() and word not in _ALWAYS_CAPITAL:
                capital[word] += 1
    names = {w: n for w, n in capital.items() if n >= _NAME_SHARE * (n + lower[w.lower()])}
    capitalised = {word.lower() for word in capital}
    common = {w: n for w, n in lower.items() if w not in capitalised and len(w) > 1}
    return Counter(names), Counter(common)


def _place(body: str, start: int) -> Literal["inside", "initial", "unclear"]:
    """Whether a word stands inside a sentence, at its start, or one cannot tell (after a quote)."""
    before = body[max(0, start - 40) : start].rstrip(" \t\n")
    if not before:
        return "initial" if start < 40 else "unclear"
    if _ABBREVIATION.search(before):
        return "inside"
    if before[-1] in _SENTENCE_END or "\n\n" in body[start - 3 : start]:
        return "initial"
    return "inside" if before[-1].isalnum() or before[-1] in ",;" else "unclear"


def _inside(classes: dict[str, int]) -> Callable[[Tokenised], Iterator[Candidate]]:
    def candidates(document: Tokenised) -> Iterator[Candidate]:
        for found in _WORD.finditer(document.body):
            label = classes.get(found.group())
            if label is not None and _place(document.body, found.start()) == "inside":
                yield Candidate(*found.span(), found.group(), label)

    return candidates


def _initial(common: Counter[str]) -> Callable[[Tokenised], Iterator[Candidate]]:
    def candidates(document: Tokenised) -> Iterator[Candidate]:
        for found in _WORD.finditer(document.body):
            word = found.group()
            capital = word[0].isupper() and word[1:].islower() and word.lower() in common
            if capital and _place(document.body, found.start()) == "initial":
                yield Candidate(*found.span(), word, 0)

    return candidates
