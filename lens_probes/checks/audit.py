"""Planted truth: what each method finds where it is known which units are tuned.

Synthetic activations and a toy language model hold tuned units, noise, units that follow word
identity and nothing else, separated, constant and huge-offset units. A method is held to the bound
that its documentation promises.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from numpy.typing import NDArray

from lens_probes import stats

ALPHA = 0.05
LEAST_PRECISION = 0.95
WORDS, PER_WORD = 20, 10
Array = Float[np.ndarray, "example unit"]
Found = Bool[np.ndarray, " unit"]


@dataclass(frozen=True)
class Planted:
    """Activations with known units. `kind` [unit] names what each is; tuned ones are the truth."""

    x: Array
    y: NDArray[np.int64]
    word: NDArray[np.object_]
    kind: NDArray[np.str_]

    @property
    def truth(self) -> Found:
        """Units that differ between the classes beyond their words."""
        return np.isin(self.kind, ("tuned", "separated", "tuned, huge offset"))


@dataclass(frozen=True)
class Method:
    """One way to decide, with the least recall it must reach and its promise in words.

    Every method must reach a precision of LEAST_PRECISION: over all units if it `knows_words`,
    else over the units that do not follow word identity.
    """

    name: str
    find: Callable[[Planted], Found]
    knows_words: bool
    least_recall: float
    promise: str


def _passes(p: Float[np.ndarray, " unit"]) -> Found:
    found: Found = np.nan_to_num(p, nan=1.0) <= ALPHA
    return found


def _token_wald(planted: Planted) -> Found:
    p = stats.logistic(planted.x, planted.y).wald_p
    return _passes(stats.adjust(p, method="bonferroni"))


def _token_score(planted: Planted) -> Found:
    p = stats.logistic(planted.x, planted.y).score_p
    return _passes(stats.adjust(p, method="holm"))


def _word_welch(planted: Planted) -> Found:
    p = stats.word_level(planted.x, planted.y, planted.word).word_p
    return _passes(stats.adjust(p, method="holm"))


def _word_max_t(planted: Planted) -> Found:
    p = stats.max_permutation(planted.x, planted.y, groups=planted.word).p_family
    return _passes(p)


METHODS: tuple[Method, ...] = (
    Method("max-T over groups of words", _word_max_t, True, 0.9, "finds tuned units, little else"),
    Method("word-level Welch, Holm", _word_welch, True, 0.9, "the same if word effects are normal"),
    Method("score test of tokens, Holm", _token_score, False, 0.99, "also finds word identity"),
    Method(
        "Wald test of tokens, Bonferroni",
        _token_wald,
        False,
        0.2,
        "also loses units that separate the classes, or nearly do",
    ),
)


def plant(seed: int) -> Planted:
    """Synthetic activations: 2 x 20 word types, 10 examples each, 640 units of eight kinds."""
    rng = np.random.default_rng(seed)
    n_words = 2 * WORDS
    index = np.repeat(np.arange(n_words), PER_WORD)
    y = (index < WORDS).astype(np.int64)
    n = len(index)

    def words(units: int) -> Array:
        return rng.normal(size=(n_words, units))[index]

    def noise(units: int) -> Array:
        return rng.normal(size=(n, units))

    side = 2.0 * y[:, None] - 1.0
    parts: dict[str, Array] = {
        "tuned": noise(40) + 0.3 * words(40) + 0.6 * side * rng.choice([-1, 1], 40),
        "separated": 0.1 * noise(10) + 2.0 * side,
        "tuned, huge offset": noise(10) + 0.8 * side + 1e4,
        "noise": noise(300),
        "noise, huge offset": noise(20) + 1e4,
        "word identity": 0.45 * noise(240) + 0.89 * words(240),
        "constant": np.full((n, 10), 3.7),
        "constant, huge offset": np.full((n, 10), 1e4 + 0.1),
    }
    kind = np.concatenate([[name] * part.shape[1] for name, part in parts.items()])
    x = np.concatenate(list(parts.values()), axis=1).astype(np.float32)
    names = np.array([f"word {i}" for i in index], dtype=object)
    return Planted(x, y, names, kind)


def audit(planted: Sequence[Planted], methods: Sequence[Method] = METHODS) -> pd.DataFrame:
    """Precision and recall of each method over some planted data; does it keep its bound?"""
    rows = []
    for method in methods:
        found = np.concatenate([method.find(data) for data in planted])
        truth = np.concatenate([data.truth for data in planted])
        identity = np.concatenate([data.kind == "word identity" for data in planted])
        precision = _precision(found, truth)
        others = _precision(found & ~identity, truth)
        recall = float(found[truth].mean())
        bound = precision if method.knows_words else others
        rows.append(
            {
                "method": method.name,
                "precision": precision,
                "precision_without_word_identity": others,
                "recall": recall,
                "least_recall": method.least_recall,
                "word_identity_called_tuned": float(found[identity].mean()),
                "kept": bound >= LEAST_PRECISION and recall >= method.least_recall,
                "promise": method.promise,
            }
        )
    return pd.DataFrame(rows)


def _precision(found: Found, truth: Found) -> float:
    """Share of the found units that are true; 1 where none is found."""
    return float(truth[found].mean()) if found.any() else 1.0
