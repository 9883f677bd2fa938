"""Semantic categories: any two lists of words, in sentences or in a text (lessons L14 to L16)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from lens_probes.arrays import class_names_of
from lens_probes.errors import InputError, given_as
from lens_probes.examples.examples import Examples
from lens_probes.probes.base import TextProbe, text_origin
from lens_probes.probes.contrasts import Contrast, Sentences, bundled_contrast, load_contrast
from lens_probes.probes.word_sets import list_of_words, word_classes
from lens_probes.texts.load import Text

if TYPE_CHECKING:
    from lens_probes.model.load import LensModel


@dataclass(frozen=True)
class CategoryProbe(TextProbe):
    """Which units tell the words of one category from those of another?

    Parameters
    ----------
    words
        A contrast of the package (`dental_furniture`, `animals_tools`, `random_words`: a null
        that keeps word identity), the path of a TOML file (`load_contrast`), two lists of words
        by class (class 0 first), or a `Contrast`.
    text
        Where to look for the words, in place of the contrast's own sentences.
    sentences
        Which sentences of a contrast of the package: see `bundled_contrast`.
    context
        `"sentence"` by default.

    The other parameters are those of every `TextProbe`.
    """

    words: str | Path | Mapping[str, Sequence[str]] | Contrast = "dental_furniture"
    text: Text | None = None
    sentences: Sentences = "frames"

    name = "category"
    control = "labels shuffled over word types: wrong splits of the same words"
    course_p = "t_p"
    course_options: ClassVar = {"words": "dental_furniture", "sentences": "single"}

    def __post_init__(self) -> None:
        self._by_default(context="sentence")
        super().__post_init__()
        contrast = self._contrast
        word_classes(contrast.words, contrast.class_names)
        if contrast.sentences is None and self.text is None:
            raise InputError(f"{contrast.name} has no sentences or frames: give a text.")
        object.__setattr__(self, "class_names", contrast.class_names)
        class0, class1 = contrast.class_names
        question = contrast.question or f"Which units tell {class1} from {class0}?"
        object.__setattr__(self, "question", question)

    def examples(self, model: LensModel) -> Examples:
        """All the words found; an error if there are fewer than two of a class."""
        contrast = self._contrast
        text = self.text or contrast.sentences
        assert text is not None
        return self.from_words(
            model,
            text,
            word_classes(contrast.words, contrast.class_names),
            word_set=str(self.words) if isinstance(self.words, str | Path) else "custom",
            text=text_origin(text),
        )

    @property
    def _contrast(self) -> Contrast:
        if isinstance(self.words, Contrast):
            return self.words
        if isinstance(self.words, Mapping):
            class0, class1 = class_names_of(list(self.words))
            lists = [list_of_words(k, v) for k, v in self.words.items()]
            return Contrast("words given", dict(zip((class0, class1), lists, strict=True)))
        given_as("words", self.words, str | Path, "the name of a contrast, a file, or two lists")
        if str(self.words).endswith(".toml"):
            return load_contrast(self.words)
        return bundled_contrast(str(self.words), self.sentences, self.seed)
