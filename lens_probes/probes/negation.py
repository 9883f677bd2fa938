"""Negation: "can't", "never", "nothing" against affirmations, in text (lessons L20 to L23)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from lens_probes.errors import given_as
from lens_probes.examples.examples import Examples
from lens_probes.examples.targets import Exclusion, Rule
from lens_probes.probes.base import TextProbe
from lens_probes.probes.word_sets import bundled_set, word_classes
from lens_probes.texts.load import Text

if TYPE_CHECKING:
    from lens_probes.model.load import LensModel

CLASSES = ("affirmation", "negation")
# "could not" is no affirmation; a causal model that has read "could" cannot know, and the course
# counts it. The extended set leaves it out.
# Emphasis ("did _not_", "did <em>not</em>") and quotes stand between the two.
BEFORE_NOT = Exclusion(
    0,
    re.compile(
        r"(?:\s|[*_~\"'\u201c\u201d\u00ab\u00bb(\[]|</?\w+>)+(?:not|never|n't)(?![^\W_])",
        re.IGNORECASE,
    ),
    "affirmation before not or never",
)


@dataclass(frozen=True)
class NegationProbe(TextProbe):
    """Which units tell a negation from an affirmation?

    Parameters
    ----------
    text
        Where to look for targets.
    words
        `"extended"`: pairs of the same word affirmed and negated (can/can't, always/never, ...),
        about two dozen types a class. "not" is not among them: there is no word that affirms in
        its place ("do not" against "do" differs in what stands before the token that is read).
        `"course"`: the lesson's few words, "not" first, with its rule that white space must
        follow. Or your own: `{"affirmation": [...], "negation": [...]}`.
    balance, min_per_word
        By default natural and 1 for the course's words, word and 5 for the extended ones.

    The other parameters are those of every `TextProbe`.
    """

    text: Text
    words: Literal["extended", "course"] | Mapping[str, Sequence[str]] = "extended"

    name = "negation"
    question = "Which units are tuned to negation?"
    class_names = CLASSES
    control = "each negation has its affirmation among the words; labels shuffled over word types"
    course_options: ClassVar = {"words": "course"}

    def __post_init__(self) -> None:
        given_as("words", self.words, str | Mapping, "extended, course, or two lists by class")
        course = isinstance(self.words, str) and self.words == "course"
        self._by_default(
            balance="natural" if course else "word",
            min_per_word=5 if self.words == "extended" else 1,
        )
        super().__post_init__()
        negation_words(self.words)

    def examples(self, model: LensModel) -> Examples:
        """Draw the examples; an error if the text has fewer than two of a class."""
        rule: Rule = "course" if self.words == "course" else "extended"
        return self.from_words(
            model,
            self.text,
            negation_words(self.words),
            rule=rule,
            unless=None if rule == "course" else BEFORE_NOT,
            word_set=self.words if isinstance(self.words, str) else "custom",
        )


def negation_words(words: str | Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Word type -> class, for a set of data/negation.toml or a mapping of one's own."""
    if not isinstance(words, str):
        return word_classes(words, CLASSES)
    chosen = bundled_set("negation", words)
    if "pairs" in chosen:
        chosen = dict(zip(CLASSES, zip(*chosen["pairs"], strict=True), strict=True))
    return word_classes(chosen, CLASSES)
