"""What is called encoded: units that know words are not, units that know their class are."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from lens_probes import stats
from lens_probes.ablation.encoded import NOT_TUNED, evidence, tuned
from lens_probes.ablation.sets import rank
from lens_probes.examples.examples import Examples
from lens_probes.sites import SiteShape

WORDS, PER_WORD, UNITS = 16, 6, 40


def examples_of(*, mixed: bool = False) -> Examples:
    """16 words, each read at its own token; of one class, or with examples of both."""
    word = np.repeat(np.arange(WORDS), PER_WORD)
    label = np.tile([0, 1], len(word) // 2) if mixed else word % 2
    tokens = np.stack([np.zeros_like(word), word + 1], axis=1)
    return Examples.from_tokens(tokens, 1, label, [f"w{i}" for i in word])


def activations(seed: int, examples: Examples, effect: float = 0.0) -> np.ndarray:
    """Units that know words; unit 0 also the class."""
    rng = np.random.default_rng(seed)
    word = examples.tokens[:, 1] - 1
    x = rng.normal(size=(WORDS, UNITS))[word] + 0.5 * rng.normal(size=(len(word), UNITS))
    x[:, 0] += effect * examples.label
    return x.astype(np.float32)


def test_word_identity_is_called_encoded_in_five_of_a_hundred() -> None:
    examples, n = examples_of(), 100
    called = [tuned(activations(s, examples), examples, alpha=0.05)[0].any() for s in range(n)]
    assert np.mean(called) <= 0.1
    p = [
        stats.chi2_tail(len(examples) * stats.correlation(x, examples.label).r ** 2)[0]
        for x in (activations(s, examples) for s in range(n))
    ]
    by_token = [(stats.adjust(row, method="holm") <= 0.05).any() for row in p]
    assert np.mean(by_token) > 0.9, "examples of a word are not independent"


@pytest.mark.parametrize("mixed", [False, True])
def test_a_unit_that_knows_the_class_is_found(mixed: bool) -> None:
    examples = examples_of(mixed=mixed)
    found, note = tuned(activations(0, examples, effect=8.0), examples, alpha=0.05)
    assert np.flatnonzero(found).tolist() == [0]
    assert note == ""


def test_words_of_both_classes_are_set_aside() -> None:
    examples = examples_of()
    label = examples.label.copy()
    label[:PER_WORD:2] = 1 - label[:PER_WORD:2]
    some = dataclasses.replace(examples, label=label)
    x = activations(0, some, effect=8.0)
    other = x.copy()
    other[:PER_WORD] += 100.0
    assert tuned(x, some, alpha=0.05)[0][0]
    assert (tuned(x, some, alpha=0.05)[0] == tuned(other, some, alpha=0.05)[0]).all()


def test_too_few_words_and_no_words_are_said() -> None:
    examples = examples_of()
    few = examples.select(np.arange(4 * PER_WORD))
    found, note = tuned(activations(0, few, effect=50.0), few, alpha=0.05)
    assert not found.any()
    assert note == "no unit can be called encoded: 6 relabellings"
    x = activations(0, examples, effect=8.0)
    alone = dataclasses.replace(examples, word=None)
    found, note = tuned(x, alone, alpha=0.05)
    assert found[0]
    assert note == "encoded at token level: no words are known"
    one = examples.select(np.flatnonzero(examples.tokens[:, 1] < 3))
    assert tuned(x[: len(one)], one, alpha=0.05)[1].startswith("no unit can be called encoded: ")


def test_the_evidence_of_a_unit_is_that_of_the_first_half() -> None:
    examples = examples_of()
    x = activations(0, examples, effect=8.0)
    significant = np.arange(UNITS) < 1
    names = (3, "q", SiteShape(4, 10))
    units = np.array([0, 9])
    table = evidence(rank(x, examples), units, significant, -x, examples, names=names)
    assert table["encoded"].tolist() == [True, False]
    assert table["not_encoded"].tolist() == ["", NOT_TUNED]
    assert table["name"].tolist() == ["L3.q.h0.0", "L3.q.h0.9"]
    assert table["direction"][0] == 1
    assert table["auc_measured"][0] < 0.1, "the other half says so, and decides nothing"
