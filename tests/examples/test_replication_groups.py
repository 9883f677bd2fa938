"""What is independent: groups over word type and read token, and everything that counts them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import lens_probes as lp
from lens_probes.cli.running import words_of
from lens_probes.examples.folds import make_folds
from lens_probes.examples.replication_groups import (
    group_names,
    groups_per_class,
    mixed_examples,
    seen_groups,
    set_aside,
)
from lens_probes.model.load import LensModel
from lens_probes.report.words.summary import summary


def ends_in(last: list[int], word: list[str], label: list[int], **more: object) -> lp.Examples:
    """One example for each of `last`, the token that is read."""
    rng = np.random.default_rng(0)
    tokens = rng.integers(300, 400, (len(last), 6))
    tokens[:, -1] = last
    return lp.Examples.from_tokens(tokens, -1, label, word, **more)


def contractions(n_each: int = 6) -> lp.Examples:
    """8 negations that all end in token 5, 8 of their own, and 12 affirmations of their own."""
    last = [5] * 8 + list(range(20, 28)) + list(range(40, 52))
    words = [f"w{i}" for i in range(len(last))]
    label = [1] * 16 + [0] * 12
    repeated = [np.repeat(part, n_each).tolist() for part in (last, words, label)]
    source = [f"speaker {i % 11}" for i in range(28 * n_each)]
    return ends_in(*repeated, source=source)


def test_words_read_at_one_token_are_one_group_and_links_go_on() -> None:
    examples = ends_in(
        [5, 5, 6, 7, 8, 8, 9],
        ["can't", "don't", "don't", "not", "no", "never", "never"],
        [
            1,
            1,
            1,
            1,
            1,
            1,
            1,
        ][:7],
    )
    assert examples.group is not None
    assert examples.group.tolist() == [0, 0, 0, 1, 2, 2, 2]
    assert group_names(examples) == ["can't (+1)", "not", "never (+1)"]
    mean = replace(examples, read="mean", first=examples.position)
    assert mean.group is not None
    assert mean.group.tolist() == [0, 1, 1, 2, 3, 4, 4]
    assert replace(examples, word=None).group is None
    own = replace(examples, own_group=np.array(list("aabbccc"), dtype=object))
    assert own.group is not None
    assert own.group.tolist() == [0, 0, 1, 1, 2, 2, 2]


def test_a_group_with_both_classes_is_named() -> None:
    examples = ends_in([5, 6, 7, 7, 8], ["a", "b", "c", "d", "e"], [0, 0, 0, 1, 1])
    assert mixed_examples(examples).tolist() == [False, False, True, True, False]
    assert set_aside(examples) == {"c (+1)": 2}
    assert groups_per_class(examples, ~mixed_examples(examples)) == (2, 1)


def test_new_is_what_is_new_in_word_and_in_read_token() -> None:
    first = ends_in([5, 6], ["can't", "not"], [1, 1])
    second = ends_in([5, 6, 7, 7, 9], ["don't", "not", "don't", "none", "no"], [1] * 5)
    seen = seen_groups(second, first.table())
    assert seen is not None
    assert seen.tolist() == [True, True, True, True, False]
    assert seen_groups(replace(second, word=None), first.table()) is None


def test_folds_hold_out_whole_groups() -> None:
    examples = contractions()
    fold = make_folds(examples).word
    assert fold is not None
    assert len(set(fold[:48])) == 1
    apart = replace(examples, tokens=examples.tokens.copy())
    apart.tokens[:48, -1] = 500 + np.repeat(np.arange(8), 6)
    other = make_folds(apart).word
    assert other is not None
    assert len(set(other[:48])) > 1


@pytest.fixture(scope="module")
def swept(tiny_model: LensModel) -> tuple[lp.Examples, lp.SweepResult]:
    examples = contractions()
    return examples, lp.sweep(tiny_model, examples, sites=["mlp_pre", "q"])


@pytest.mark.model
def test_names_of_word_types_change_nothing(
    tiny_model: LensModel, swept: tuple[lp.Examples, lp.SweepResult]
) -> None:
    """Names say which examples are one word; and where a token is shared, not even that."""
    examples, first = swept
    assert examples.word is not None
    backwards = {word: f"z{99 - i}" for i, word in enumerate(dict.fromkeys(examples.word))}
    renamed = replace(examples, word=np.array([backwards[w] for w in examples.word], dtype=object))
    split = renamed.word.copy()
    split[:48] = [f"another {i}" for i in range(48)]  # all read at one token
    for word in (renamed.word, split):
        again = lp.sweep(tiny_model, replace(examples, word=word), sites=["mlp_pre", "q"])
        pd.testing.assert_frame_equal(again.units, first.units)
        pd.testing.assert_frame_equal(again.layers, first.layers)
        for name in ("nulls", "splits", "confounds", "resolution", "tuned"):
            assert again.validation[name] == first.validation[name], name
        assert again.provenance["decision"] == first.provenance["decision"]
    course = [
        lp.sweep(tiny_model, given, sites=["mlp_pre"], preset="course")
        for given in (examples, renamed)
    ]
    pd.testing.assert_frame_equal(course[0].units, course[1].units)


@pytest.mark.model
def test_what_a_sweep_says_of_its_groups(swept: tuple[lp.Examples, lp.SweepResult]) -> None:
    _, result = swept
    said = result.provenance["examples"]
    assert said["n_words_per_class"] == [12, 16]
    assert said["n_read_tokens_per_class"] == [12, 9]
    assert said["n_groups_per_class"] == [12, 9]
    assert result.provenance["decision"]["n_words_tested"] == [12, 9]
    assert "Independent groups of words: 9 v 12." in " ".join(summary(result))
    words = "Words: 16 v 12 types, read at 9 v 12 tokens, make 9 v 12 replication groups"
    assert words_of(result) == words
    low, high = result.provenance["decision"]["level_at_this_design"]
    assert 0.01 <= low <= high <= 0.13
    units = result.units.dropna(subset="word_p")
    np.testing.assert_allclose(units["q_word"], lp.stats.adjust(units["pooled_p"], method="bh"))
    bounds = result.layers["tuned_at_least"]
    assert bounds.sum() <= result.validation["tuned"]["at_least"] <= len(units)
    layers = result.layers
    assert (layers["share_mc_low"] <= layers["share_significant"]).all()
    assert (layers["share_significant"] <= layers["share_mc_high"]).all()
    assert result.units[["adjusted_t", "adjusted_p"]].notna().any(axis=None)
    given = result.provenance["decision"]["adjusted"]["given"]
    assert "source or document" in given


@pytest.mark.model
def test_the_read_token_alone_passes_for_negation_only_if_words_are_counted(
    tiny_model: LensModel,
) -> None:
    """At layer 0, q sees the token: 8 contractions of one token would be 8 words."""
    examples = contractions()
    one_each = np.array([str(i) for i in np.repeat(np.arange(28), 6)], dtype=object)
    counted = replace(examples, own_group=one_each)
    by_group, by_word = (
        lp.sweep(tiny_model, given, sites=["q"], layers=0, untrained=False)
        for given in (examples, counted)
    )
    assert by_word.units["significant"].sum() >= 3
    assert by_group.units["significant"].sum() == 0


@pytest.mark.model
def test_one_wrong_label_sets_its_group_aside_and_the_test_stays(tiny_model: LensModel) -> None:
    examples = contractions()
    label = examples.label.copy()
    label[-1] = 1
    wrong = lp.sweep(tiny_model, replace(examples, label=label), sites=["mlp_pre"], untrained=False)
    decision = wrong.provenance["decision"]
    assert (decision["level"], decision["method"]) == ("word", "max_t")
    assert decision["n_set_aside"] == 6
    assert decision["n_words_tested"] == [11, 9]
    assert wrong.provenance["examples"]["set_aside"] == {"w27": 6}
    assert "6 examples of 1 group with both classes are set aside (w27)" in " ".join(summary(wrong))
    without = examples.select(np.flatnonzero(np.arange(len(examples)) < 27 * 6))
    right = lp.sweep(tiny_model, without, sites=["mlp_pre"], untrained=False)
    np.testing.assert_allclose(wrong.units["p_corrected"], right.units["p_corrected"])
    np.testing.assert_allclose(wrong.units["word_t"], right.units["word_t"], rtol=1e-5)


@pytest.mark.model
@pytest.mark.parametrize("method", ["bh", "by", "holm", "bonferroni", "hierarchical"])
def test_every_correction_counts_groups_unless_tokens_are_asked_for(
    tiny_model: LensModel, method: str
) -> None:
    examples = contractions()
    options = {"sites": ["mlp_pre"], "untrained": False, "method": method}
    words = lp.sweep(tiny_model, examples, **options)
    decision = words.provenance["decision"]
    assert (decision["level"], decision["p_column"]) == ("word", "pooled_p")
    assert decision["level_at_this_design"][1] <= 0.15
    raw = words.units["pooled_p"].to_numpy()
    if method != "hierarchical":
        want = lp.stats.adjust(raw, method=method)
        np.testing.assert_allclose(words.units["p_corrected"], want, rtol=1e-9)
    tokens = lp.sweep(tiny_model, examples, level="token", **options)
    assert tokens.provenance["decision"]["p_column"] == "score_p"
    assert tokens.units["significant"].sum() >= words.units["significant"].sum()


@pytest.mark.model
def test_the_adjusted_test_decides_where_it_is_asked_for(tiny_model: LensModel) -> None:
    result = lp.sweep(
        tiny_model, contractions(), sites=["mlp_pre"], untrained=False, method="max_adjusted"
    )
    units = result.units
    np.testing.assert_array_equal(units["p_corrected"], units["adjusted_p"])
    assert result.provenance["decision"]["level_at_this_design"][1] <= 0.15
    assert "Test: adjusted_p of groups, max_adjusted, alpha 0.05." in " ".join(summary(result))


@pytest.mark.model
def test_requests_that_cannot_be_met_are_one_line(tiny_model: LensModel) -> None:
    examples = contractions()
    for options, said in (
        ({"level": "words"}, "unknown level 'words'"),
        ({"level": "token", "method": "max_t"}, "max_t tests groups of words"),
        ({"level": "word", "preset": "course"}, "the course preset counts tokens"),
        ({"method": "max_adjusted", "preset": "course"}, "the course preset counts tokens"),
    ):
        with pytest.raises(lp.InputError, match=said):
            lp.sweep(tiny_model, examples, sites=["q"], **options)
    with pytest.raises(
        lp.InputError, match=r"no word types were given\. Or decide with level token"
    ):
        lp.sweep(tiny_model, replace(examples, word=None), sites=["q"], level="word")


@pytest.mark.model
def test_groups_of_few_examples_are_tested_where_most_have_few(tiny_model: LensModel) -> None:
    few = lp.sweep(tiny_model, contractions(3), sites=["q"], layers=0, untrained=False)
    assert few.provenance["decision"]["min_per_group"] == 1
    assert few.provenance["decision"]["n_words_tested"] == [12, 9]
    many = contractions(6)
    asked = lp.sweep(tiny_model, many, sites=["q"], layers=0, untrained=False, min_per_group=7)
    assert asked.provenance["decision"]["level"] == "token"
    assert "1 v 0 replication groups have 7 examples" in asked.provenance["decision"]["why"]


@pytest.mark.model
@pytest.mark.parametrize("method", ["bh", "holm", "hierarchical"])
def test_too_few_groups_for_alpha_are_too_few_for_every_correction(
    tiny_model: LensModel, method: str
) -> None:
    word = np.repeat(np.arange(6), 5)
    examples = ends_in(
        (20 + word).tolist(), [f"w{i}" for i in word], (word >= 3).astype(int).tolist()
    )
    with pytest.raises(lp.InputError, match=f"the smallest p is 0.1, but {method} needs 0.05"):
        lp.sweep(tiny_model, examples, sites=["mlp_pre"], untrained=False, method=method)
