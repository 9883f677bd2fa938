"""Continuous labels and the groups of words: what varies inside a word, and rare word types."""

from __future__ import annotations

import numpy as np
import pytest

import lens_probes as lp
from lens_probes.report.words.summary import summary

pytestmark = pytest.mark.model


def sweep_of(model: lp.LensModel, examples: lp.Examples, **options: object) -> lp.SweepResult:
    return lp.sweep(
        model, examples, sites=["q"], layers=0, untrained=False, n_permutations=200, **options
    )


def test_a_value_that_varies_inside_a_word_says_why_tokens_decide(
    tiny_model: lp.LensModel,
) -> None:
    rng = np.random.default_rng(0)
    tokens = rng.integers(3, 390, (60, 6))
    tokens[:, -1] = 50 + np.arange(60) % 10
    word = [f"w{i % 10}" for i in range(60)]
    surprisal, of_word = rng.normal(size=60), np.arange(60.0) % 10
    varying = lp.Examples.from_tokens(tokens, -1, word=word, value=surprisal)
    result = sweep_of(tiny_model, varying)
    decision = result.provenance["decision"]
    assert (decision["level"], decision["p_column"]) == ("token", "r_p")
    assert decision["why"].startswith("the value varies inside words")
    assert "\n" not in decision["why"]
    assert decision["why"] in result.validation["resolution"]
    assert "since the value varies inside them" in summary(result)[-1]
    with pytest.raises(lp.InputError, match=r"varies inside words.*Or decide with level token"):
        sweep_of(tiny_model, varying, level="word")
    constant = lp.Examples.from_tokens(tokens, -1, word=word, value=of_word)
    assert sweep_of(tiny_model, constant).provenance["decision"]["level"] == "word"


def test_rare_word_types_are_counted_and_an_option_tests_them(tiny_model: lp.LensModel) -> None:
    """Frequency as the value: most types are rare, and fewer than 5 examples are too few."""
    types = np.repeat(np.arange(60), [6] * 40 + [2] * 20)
    rng = np.random.default_rng(0)
    tokens = rng.integers(3, 390, (len(types), 6))
    tokens[:, -1] = 50 + types
    examples = lp.Examples.from_tokens(
        tokens, -1, word=[f"w{k}" for k in types], value=np.log(1.0 + types)
    )
    result = sweep_of(tiny_model, examples)
    assert result.provenance["decision"]["n_words_tested"] == [40]
    assert (
        "20 of 60 groups have fewer than 5 examples and are not tested (min_per_group=1 tests them)"
        in result.validation["resolution"]
    )
    every = sweep_of(tiny_model, examples, min_per_group=1)
    assert every.provenance["decision"]["n_words_tested"] == [60]
    assert "not tested" not in every.validation["resolution"]


def test_a_draw_leaves_enough_of_few_nouns_and_verbs(tiny_model: lp.LensModel) -> None:
    """Nine types a class are common: drawn evenly over all twenty they would have three each."""
    names = [
        a + b for a in "bcdfg" for b in ("ana", "elo", "imu", "opo", "uri", "ade", "ofi", "ute")
    ]
    nouns, verbs = names[::2], names[1::2]
    common, rare = nouns[:9] + verbs[:9], nouns[9:] + verbs[9:]
    body = "so " * 100 + " ".join(common * 8 + rare * 3) + " "
    text = lp.Text("t", (lp.Document("d", "s", body),), "made")

    def probe(n: int) -> lp.GrammarProbe:
        words = {"noun": nouns[:n], "verb": verbs[:n]}
        return lp.GrammarProbe(text, words, max_per_class=60, read="mean", before=4, after=0)

    examples = probe(20).examples(tiny_model)
    assert examples.n_per_class == (60, 60)
    assert examples.word is not None
    assert min(int((examples.word == word).sum()) for word in common) >= 5
    assert examples.counts["word types not drawn"] == 16
    result = sweep_of(tiny_model, examples)
    assert result.provenance["decision"]["level"] == "word"
    assert result.provenance["decision"]["n_words_tested"] == [9, 9]
    assert "6 of 24 groups have fewer than 5 examples" in result.validation["resolution"]
    decision = sweep_of(tiny_model, probe(1).examples(tiny_model)).provenance["decision"]
    assert decision["level"] == "token"
    assert decision["why"].startswith("1 v 1 replication groups have")
