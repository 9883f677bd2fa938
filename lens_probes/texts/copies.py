"""Documents that are copies of others, or parts of them: one piece of text under several names.

Counted as independent, a copy lets a held-out passage be seen before it is predicted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

# Shorter documents (lone words, rows of a table) hold each other by chance.
_LEAST = 200
_TRIED = 20
_PIECES = re.compile(r"(?<=[.!?])\s+|\n")


def originals(texts: Sequence[str]) -> tuple[int, ...]:
    """Index of the document that each one is a copy or a part of; its own where it is neither.

    Copies are equal but for white space at the ends. A part has 200 characters or more, stands in
    the other as it is, and is found by its longest sentence.
    """
    bare = [text.strip() for text in texts]
    first = {text: i for i, text in reversed(list(enumerate(bare)))}
    found = [first[text] for text in bare]
    holders: dict[int, list[int]] = {}
    sentence: dict[int, int] = {}
    for i, text in enumerate(bare):
        if found[i] != i or len(text) < _LEAST:
            continue
        pieces = _PIECES.split(text)
        for piece in set(pieces):
            holders.setdefault(hash(piece), []).append(i)
        # The first and the last sentence of a part may be cut.
        sentence[i] = hash(max(pieces[1:-1] or pieces, key=len))
    for i, key in sentence.items():
        longer = [j for j in holders[key] if len(bare[j]) > len(bare[i])]
        found[i] = next((j for j in longer[:_TRIED] if bare[i] in bare[j]), i)
    return tuple(_end(found, i) for i in range(len(found)))


def _end(found: Sequence[int], i: int) -> int:
    """The document at the end of a chain of parts of parts."""
    while found[i] != i:
        i = found[i]
    return i
