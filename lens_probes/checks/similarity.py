"""How alike the two conditions of a paired design are over the units of a layer (lesson L10)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

Array = Float[np.ndarray, "example unit"]


@dataclass(frozen=True)
class PairSimilarity:
    """Pearson r over units between two examples, averaged over pairs.

    pair_similarity: of a word in one condition and in the other; other_pair_similarity: of a word
    in one condition and the next pair's word in the other, which is what any two words give (lone
    words are read at an attention sink, where different words correlate at 0.99 too).
    """

    pair_similarity: float
    other_pair_similarity: float


def pair_similarity(
    x: Array, y: Int[np.ndarray, " example"], pair: Int[np.ndarray, " example"]
) -> PairSimilarity:
    """Similarity of the pairs of x [example, unit], and of mismatched ones beside it."""
    sides = []
    for label in (0, 1):
        rows = np.flatnonzero(y == label)
        values = x[rows[np.argsort(pair[rows], kind="stable")]].astype(np.float64)
        values -= values.mean(1, keepdims=True)
        size = np.linalg.norm(values, axis=1, keepdims=True)
        sides.append(values / np.where(size > 0, size, np.inf))
    same = (sides[0] * sides[1]).sum(1)
    other = (sides[0] * np.roll(sides[1], 1, axis=0)).sum(1)
    return PairSimilarity(float(same.mean()), float(other.mean()))
