"""Groups of word types that share a stem: walk, walks and walked are one piece of evidence."""

from __future__ import annotations

import dataclasses
import importlib
from typing import Any

import numpy as np

from lens_probes.errors import InputError
from lens_probes.examples.examples import Examples
from lens_probes.examples.ids import joined, numbered


def by_stem(examples: Examples) -> Examples:
    """The examples with word types of one stem as one group, joined over the read token.

    With the mean over a target's tokens read, stems alone.
    """
    assert examples.word is not None
    stems = np.array(stemmer().stemWords([str(word) for word in examples.word]))
    group = numbered(stems) if examples.read == "mean" else joined(stems, examples.read_tokens)
    return dataclasses.replace(examples, own_group=group.astype(str).astype(object))


def stemmer() -> Any:
    """Snowball's English stemmer."""
    try:
        return importlib.import_module("snowballstemmer").stemmer("english")
    except ModuleNotFoundError as error:
        raise InputError(
            'group_by="stem" needs the package snowballstemmer: run `pip install '
            "snowballstemmer`, or group by word."
        ) from error
