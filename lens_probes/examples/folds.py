"""Which examples are held out together: by replication group of words, and by passage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lens_probes.examples.examples import Examples
from lens_probes.examples.ids import joined
from lens_probes.examples.replication_groups import mixed_examples

N_FOLDS = 5
_BLOCKS = 10

Fold = NDArray[np.int64]


@dataclass(frozen=True)
class Folds:
    """Fold of each example by group of words and by passage, or why there is none."""

    word: Fold | None
    passage: Fold | None
    notes: tuple[str, ...]

    @property
    def main(self) -> Fold | None:
        """By word; by passage where there is no word."""
        return self.passage if self.word is None else self.word

    @property
    def main_name(self) -> str:
        """What the main folds hold out."""
        if self.main is None:
            return "none"
        return "passage" if self.word is None else "word"


def make_folds(examples: Examples, *, seed: int = 0) -> Folds:
    """Folds that hold out whole groups of words, and whole passages (overlapping windows too)."""
    notes: list[str] = []
    word = passage = None
    if examples.group is None:
        notes.append("no word types were given: no held-out scores by word, no word-level test")
    else:
        # A group with both classes is held out with all its examples, as a passage is.
        by_word = not mixed_examples(examples).any()
        word = _try("word", examples, examples.group, seed, notes, by_word=by_word)
    passages = passage_ids(examples)
    if passages is None:
        notes.append("no passages are known: no held-out scores by passage")
    else:
        # Copies of a window under other sources are one passage.
        if examples.pair is None:
            passages = joined(passages.astype(str), examples.windows.astype(str))
        passage = _try("passage", examples, passages, seed, notes, by_word=False)
    return Folds(word, passage, tuple(notes))


def passage_ids(examples: Examples) -> NDArray[np.object_] | None:
    """Passage of each example: its source; in a text of few sources, blocks of whole windows.

    Blocks are cut only where neighbouring windows do not overlap, so that no token is on both
    sides of a fold.
    """
    source = examples.source
    if source is not None and len(set(source)) >= 2 * N_FOLDS:
        return source
    if examples.document is None or examples.offset is None:
        return source if source is not None and len(set(source)) >= 2 else None
    ids = np.empty(len(examples), dtype=object)
    size = max(1, len(examples) // _BLOCKS)
    width = examples.tokens.shape[1]
    for document in dict.fromkeys(examples.document):
        rows = np.flatnonzero(examples.document == document)
        rows = rows[np.argsort(examples.offset[rows], kind="stable")]
        block, filled, previous = 0, 0, None
        for row in rows:
            offset = int(examples.offset[row])
            if filled >= size and previous is not None and offset - previous >= width:
                block, filled = block + 1, 0
            ids[row] = f"{document} {block}"
            filled, previous = filled + 1, offset
    return ids if len(set(ids)) >= 2 else None


def _try(
    kind: str, examples: Examples, groups: Any, seed: int, notes: list[str], *, by_word: bool
) -> Fold | None:
    """Five folds, or as many as the groups allow; a note where even two cannot be made."""
    reason = ""
    for n_folds in range(N_FOLDS, 1, -1):
        try:
            return examples.contrast.folds(groups, n_folds=n_folds, seed=seed, by_word=by_word)
        except ValueError as error:
            reason = str(error)
    notes.append(f"no held-out scores by {kind}: {reason}")
    return None
