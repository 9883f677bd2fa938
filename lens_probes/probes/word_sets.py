"""Word sets: those in the package's data folder, and those that a user gives."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from lens_probes.arrays import in_order, name_of
from lens_probes.errors import InputError, shown, unknown


def bundled_data(file: str) -> dict[str, Any]:
    """A file of the data folder, by its name without `.toml`."""
    folder = resources.files("lens_probes").joinpath("data")
    return tomllib.loads(folder.joinpath(f"{file}.toml").read_text("utf-8"))


def bundled_set(file: str, name: str) -> dict[str, Any]:
    """One table of a file of the data folder."""
    sets = bundled_data(file)
    if name not in sets:
        raise unknown("word set", name, sets)
    chosen: dict[str, Any] = sets[name]
    return chosen


def list_of_words(name: str, words: Any) -> tuple[str, ...]:
    """The words of a class, as text."""
    return tuple(name_of(f"a word of {name}", word) for word in in_order(f"words of {name}", words))


def word_classes(
    words: Mapping[str, Sequence[str]], class_names: tuple[str, str]
) -> dict[str, int]:
    """Word type (lower case, straight apostrophe) -> class.

    Raises
    ------
    InputError
        Other keys than the class names, an empty class, something that is no single word, a word
        in both classes.
    """
    if not isinstance(words, Mapping) or set(words) != set(class_names):
        got = list(words) if isinstance(words, Mapping) else words
        raise InputError(
            f"words must have the keys {class_names[0]} and {class_names[1]}; got {shown(got)}."
        )
    classes: dict[str, int] = {}
    for label, name in enumerate(class_names):
        if not isinstance(words[name], list | tuple) or not len(words[name]):
            raise InputError(f"words of {name} must be a list of words; got {shown(words[name])}.")
        for word in words[name]:
            key = name_of(f"a word of {name}", word).strip().lower().replace("\u2019", "'")
            if not key or not key[0].isalnum() or any(c.isspace() for c in key):
                raise InputError(f"not a word: {shown(word)} in {name}; give single words.")
            if classes.setdefault(key, label) != label:
                raise InputError(f"word {key!r} is in both classes: leave it in one.")
    return classes
