"""Contrasts of two lists of words with sentences to read them in: the package's, or a user's."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from lens_probes.errors import InputError, unknown
from lens_probes.probes.base import MADE
from lens_probes.probes.toml_file import read_toml
from lens_probes.probes.word_sets import bundled_data, word_classes
from lens_probes.storage.paths import user_path
from lens_probes.texts.load import Document, Text

Sentences = Literal["frames", "single", "multi", "new"]

SENTENCES = ("frames", "single", "multi", "new")
RANDOM = "random_words"
_KEYS = ("name", "question", "words", "frames", "sentences")


@dataclass(frozen=True)
class Contrast:
    """Words of two classes (class 0 first), and sentences that hold them, or none."""

    name: str
    words: Mapping[str, tuple[str, ...]]
    sentences: Text | None = None
    question: str = ""

    @property
    def class_names(self) -> tuple[str, str]:
        """Names of class 0 and class 1."""
        class0, class1 = self.words
        return class0, class1


def bundled_contrast(name: str, sentences: Sentences = "frames", seed: int = 0) -> Contrast:
    """A contrast of data/categories.toml.

    Parameters
    ----------
    sentences
        `"frames"`: every word of the larger lists in every neutral sentence; `"single"`,
        `"multi"`: the lessons' eight words in sentences with one or several of them; `"new"`:
        one natural sentence for each of some further words.
    seed
        Splits the words of `random_words` into two classes.
    """
    sets = bundled_data("categories")
    frames = sets.pop("frames")
    if name not in sets:
        raise InputError(
            f"unknown category {name!r}: use one of {', '.join(sets)}, or the path of a TOML file "
            "with [words]."
        )
    if sentences not in SENTENCES:
        raise unknown("sentences", sentences, SENTENCES)
    chosen = dict(sets[name])
    if name == RANDOM:
        mixed = np.random.default_rng(seed).permutation(chosen["a"]).tolist()
        half = len(mixed) // 2
        chosen = {
            "classes": ["random words A", "random words B"],
            "words": {
                "random words A": {"a": mixed[:half]},
                "random words B": {"a": mixed[half:]},
            },
        }
    class0, class1 = chosen["classes"]
    if sentences == "frames":
        forms = chosen["words"]
        made = [
            (f"frame {i}", frame.format(word=word))
            for side in (class0, class1)
            for form, words in forms[side].items()
            for i, frame in enumerate(frames[form])
            for word in words
        ]
    else:
        key = "new_sentences" if sentences == "new" else f"sentences_{sentences}"
        if key not in chosen:
            raise InputError(f"category {name} has no {sentences} sentences: use frames.")
        forms = chosen["targets"] if sentences != "new" else chosen[key]
        made = [(f"sentence {i}", line) for i, line in enumerate(_lines(chosen[key]))]
    words = {side: _words(forms[side], sentences == "new") for side in (class0, class1)}
    question = f"Which units tell {class1} from {class0}?"
    return Contrast(name, words, _text(f"{name}, {sentences}", made), question)


def load_contrast(path: str | Path) -> Contrast:
    """A contrast from a TOML file.

    Two lists under `[words]`, the first being class 0; optionally `name`, `question`, and
    `frames` (sentences with {word} in them, made for every word) or `sentences` (as they are).

    Raises
    ------
    InputError
        No such file, not TOML, an unknown key, not two classes, a frame without {word}.
    """
    file = user_path(path)
    given = read_toml(file)
    for key in given:
        if key not in _KEYS:
            raise unknown(f"key in {file.name}", key, _KEYS)
    lists = given.get("words")
    if not isinstance(lists, Mapping) or len(lists) != 2:
        raise InputError(f"{file} must have a table [words] with two lists, one for each class.")
    class0, class1 = lists
    word_classes(lists, (class0, class1))
    words = {name: tuple(str(word) for word in lists[name]) for name in (class0, class1)}
    name, question = given.get("name", file.stem), given.get("question", "")
    if not isinstance(name, str) or not isinstance(question, str):
        raise InputError(f"name and question in {file.name} must be text in quotes.")
    frames, sentences = (_strings(given, key, file.name) for key in ("frames", "sentences"))
    for frame in frames:
        if frame.count("{word}") != 1:
            raise InputError(f"a frame in {file.name} must hold {{word}} once; got {frame!r}.")
    listed = word_classes(lists, (class0, class1))
    for frame in frames:
        if held := sorted(set(re.findall(r"[\w'-]+", frame.lower())) & set(listed)):
            raise InputError(
                f"a frame in {file.name} holds the listed word {held[0]!r}: {frame!r}."
            )
    made = [
        (f"frame {i}", frame.replace("{word}", word))
        for side in words.values()
        for i, frame in enumerate(frames)
        for word in side
    ] + [(f"sentence {i}", line) for i, line in enumerate(sentences)]
    question = question or f"Which units tell {class1} from {class0}?"
    return Contrast(name, words, _text(file.name, made) if made else None, question)


def _strings(given: Mapping[str, Any], key: str, file: str) -> list[str]:
    values = given.get(key, [])
    if not isinstance(values, list) or not all(isinstance(v, str) and v.strip() for v in values):
        raise InputError(f"{key} in {file} must be a list of sentences in quotes.")
    return values


def _lines(sentences: Sequence[str] | Mapping[str, Any]) -> list[str]:
    """Sentences of a list, or of all lists and names below a table."""
    if isinstance(sentences, str):
        return [sentences]
    values = sentences.values() if isinstance(sentences, Mapping) else sentences
    return [line for value in values for line in _lines(value)]


def _words(forms: Mapping[str, Any], by_word: bool) -> tuple[str, ...]:
    return tuple(forms) if by_word else tuple(_lines(forms))


def _text(name: str, made: Sequence[tuple[str, str]]) -> Text:
    documents = tuple(
        Document(f"{source}, {number}", source, line) for number, (source, line) in enumerate(made)
    )
    return Text(name, documents, MADE)
