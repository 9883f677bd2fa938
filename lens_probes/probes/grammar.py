"""Nouns against verbs, lone or in running text (lessons L08, L09); or all parts of speech."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from lens_probes.arrays import class_names_of
from lens_probes.errors import InputError, at_least, flag, unknown
from lens_probes.examples.examples import Examples
from lens_probes.examples.targets import Candidate
from lens_probes.examples.tokenised import Tokenised
from lens_probes.examples.windows import Window
from lens_probes.probes.base import LONE, TextProbe, text_origin
from lens_probes.probes.word_sets import bundled_set, word_classes
from lens_probes.texts.load import Document, Text, some_documents
from lens_probes.texts.tagging import TaggedWord, TaggerName, load_tagger

if TYPE_CHECKING:
    from lens_probes.model.load import LensModel

CLASSES = ("noun", "verb")
TAGS = ("NOUN", "VERB")
OTHER_TAGS = ("ADJ", "ADV", "ADP", "DET", "PRON", "CCONJ", "SCONJ")
POS = ("ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "NOUN", "PRON", "PROPN", "SCONJ", "VERB")
EVERY_TAG = (*POS, "INTJ", "NUM", "PART", "X")
OTHERS_IN = 1_000_000
_ONE_TAG = 0.9
_AMBIGUOUS = "word type is a noun in some places and a verb in others"
_SEVERAL = "word type is one part of speech in some places and another in others"


@dataclass(frozen=True)
class GrammarProbe(TextProbe):
    """Which units tell a noun from a verb, or parts of speech from one another?

    Parameters
    ----------
    text
        None: lone words. Otherwise where to look for nouns and verbs.
    words
        `"course"`: 100 nouns and 100 verbs, matched pair by pair for frequency and length. Or your
        own: `{"noun": [...], "verb": [...]}`.
    tagger
        In a text: None looks for the words above; `"spacy"` or `"perceptron"` (optional extras)
        tags every word, and takes types that are one of the two in nine of ten places or more.
    classes
        None: nouns and verbs. `"pos"`: the universal parts of speech ADJ, ADP, ADV, AUX, CCONJ,
        DET, NOUN, PRON, PROPN, SCONJ and VERB, each a class of its own; or some of the universal
        tags, class 0 first. Needs a text; the tagger is `"spacy"` by default. More than two are
        not drawn from the same sources (`balance_sources`).
    leading_space
        Lone words with a space before them: most words are one token then.
    characters
        Look only in documents drawn at random, up to this many characters; None: in all, with a
        tagger in 400,000.
    read
        Lone words: `"mean"` over a word's tokens, as in the lesson, or its `"last"` token.
    min_per_word, max_words
        With a tagger 5 and 40 by default.

    The other parameters are those of every `TextProbe`.
    """

    text: Text | None = None
    words: Literal["course"] | Mapping[str, Sequence[str]] = "course"
    tagger: TaggerName | None = None
    leading_space: bool = False
    characters: int | None = None
    classes: Literal["pos"] | Sequence[str] | None = None

    name = "grammar"
    question = "Which units tell verbs from nouns?"
    class_names = CLASSES
    control = "adjectives, adverbs and function words"
    course_p = "paired_p"
    course_options: ClassVar = {"read": "mean"}

    def __post_init__(self) -> None:
        if self.classes is not None:
            self._take_classes(self.classes)
        if self.tagger is not None and self.text is None:
            raise InputError("a tagger needs a text: give one, or leave the tagger out.")
        if isinstance(self.words, str) and self.words != "course":
            raise unknown("word set", self.words, ("course",))
        flag("leading_space", self.leading_space)
        at_least(1, characters=1 if self.characters is None else self.characters)
        if self.text is None:
            if self.context not in (None, "word"):
                raise InputError(f"context {self.context} needs a text: lone words have none.")
            self._by_default(context="word")
        elif self.tagger is not None:
            self._by_default(min_per_word=5, max_words=40, characters=400_000)
        super().__post_init__()
        word_classes(self._lists(), CLASSES)

    def _take_classes(self, classes: Literal["pos"] | Sequence[str]) -> None:
        """Universal tags as classes, by a tagger in a text."""
        if isinstance(classes, str) and classes != "pos":
            raise unknown("classes", classes, ("pos",))
        tags = POS if isinstance(classes, str) else class_names_of(classes)
        for tag in tags:
            if tag not in EVERY_TAG:
                raise unknown("universal tag", tag, EVERY_TAG)
        if self.text is None:
            raise InputError("classes of a tagger need a text: give one, or leave classes out.")
        object.__setattr__(self, "class_names", tags)
        object.__setattr__(self, "question", "Which units tell parts of speech apart?")
        object.__setattr__(self, "control", "labels shuffled over word types")
        object.__setattr__(self, "course_p", "F_p" if len(tags) > 2 else "t_p")
        self._by_default(tagger="spacy")
        if len(tags) > 2:
            self._by_default(balance_sources=False)

    @property
    def window(self) -> Window:
        """A lone word is the whole of its document, with the space before it."""
        window = super().window
        return window if self.text is not None else replace(window, context="sentence")

    def examples(self, model: LensModel) -> Examples:
        """Lone words with their pairs, or targets in a text."""
        lists = self._lists()
        if self.text is None:
            return self._lone(model, lists)
        text = some_documents(self.text, self.characters, self.seed)
        if self.tagger is None:
            classes = word_classes(lists, CLASSES)
            return self.from_words(model, text, classes, word_set=self._word_set)
        tags = TAGS if self.classes is None else self.class_names
        return self._tagged(model, text, {tag: k for k, tag in enumerate(tags)})

    def others(self, model: LensModel) -> Examples | None:
        """Adjectives, adverbs and function words, read in the same way; none for other classes."""
        if self.classes is not None:
            raise InputError("other parts of speech are classes, or were left out")
        if self.text is not None and self.tagger is not None:
            text = some_documents(self.text, self.characters, self.seed)
            return self._tagged(model, text, dict.fromkeys(OTHER_TAGS, 0), classes=(0,))
        words = [word for side in bundled_set("grammar", "specificity").values() for word in side]
        classes = dict.fromkeys(words, 0)
        if self.text is not None:
            text = some_documents(self.text, self.characters or OTHERS_IN, self.seed)
            return self.from_words(model, text, classes, classes=(0,))
        text = lone_words(words, leading_space=self.leading_space)
        return replace(self, max_per_class=None).from_words(model, text, classes, classes=(0,))

    def _lone(self, model: LensModel, lists: Mapping[str, Sequence[str]]) -> Examples:
        known = word_classes(lists, CLASSES)
        sides = [[word for word, label in known.items() if label == k] for k in (0, 1)]
        text = lone_words([*sides[0], *sides[1]], leading_space=self.leading_space)
        examples = replace(self, max_per_class=None).from_words(
            model,
            text,
            known,
            by_default=sorted(getattr(self, "_defaulted", ())),
            max_per_class=self.max_per_class,
            text=text_origin(text),
            word_set=self._word_set,
        )
        assert examples.word is not None
        place = {word: k for side in sides for k, word in enumerate(side)}
        pairs = np.array([place[word] for word in examples.word], dtype=np.int64)
        paired = len(sides[0]) == len(sides[1]) and len(examples) == 2 * len(sides[0])
        return replace(examples, pair=pairs if paired else None)

    def _tagged(
        self,
        model: LensModel,
        text: Text,
        labels: Mapping[str, int],
        *,
        classes: tuple[int, ...] | None = None,
    ) -> Examples:
        assert self.tagger is not None
        tagger = load_tagger(self.tagger)
        tagged = [list(tagger(document.text)) for document in text.documents]
        kept = _one_sided(tagged, labels.keys())
        documents = iter(tagged)

        def candidates(document: Tokenised) -> Iterator[Candidate]:
            for found in next(documents):
                if found.pos in labels and found.text.isalpha():
                    word = found.text.lower()
                    reason = _AMBIGUOUS if self.classes is None else _SEVERAL
                    problem = None if (word, found.pos) in kept else reason
                    yield Candidate(found.start, found.end, word, labels[found.pos], problem)

        return self.from_candidates(
            model, text, candidates, classes=classes, tagger_version=tagger.version
        )

    @property
    def _word_set(self) -> str:
        return self.words if isinstance(self.words, str) else "custom"

    def _lists(self) -> Mapping[str, Sequence[str]]:
        return bundled_set("grammar", "course") if isinstance(self.words, str) else self.words


def lone_words(words: Sequence[str], *, leading_space: bool) -> Text:
    """One document for each word."""
    space = " " if leading_space else ""
    documents = tuple(Document(word, word, space + word) for word in words)
    return Text("lone words", documents, LONE)


def _one_sided(
    tagged: Sequence[Sequence[TaggedWord]], tags: Collection[str]
) -> set[tuple[str, str]]:
    """Word types (with their tag) that have one tag in nine of ten places or more."""
    counts = Counter((w.text.lower(), w.pos) for words in tagged for w in words)
    places: Counter[str] = Counter()
    for (word, _), n in counts.items():
        places[word] += n
    return {(w, pos) for (w, pos), n in counts.items() if pos in tags and n >= _ONE_TAG * places[w]}
