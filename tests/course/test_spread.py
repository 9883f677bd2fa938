"""Profiles on planted activations: shares, accuracy, intervals, word-type null, untrained value."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats as scipy_stats

from lens_probes import stats
from lens_probes.activations.collect import Activations
from lens_probes.course.categories import agreement, word_order, wrong_splits
from lens_probes.course.length import bimodality, length_parts
from lens_probes.course.negation import held_out_accuracy, recall
from lens_probes.course.profiles import (
    balanced_rows,
    layer_shares,
    max_t_threshold,
    share_profile,
    student,
    student_t,
    wald,
    word_z,
    words_beyond,
)
from lens_probes.course.spread import Reading, Sample, half_samples, shuffles, spread
from lens_probes.examples.examples import Examples
from lens_probes.sites import SiteShape

SHAPES = {"mlp_pre": SiteShape(None, 40)}


def planted(
    tuned: dict[int, int], *, words: float = 0.0, effect: float = 2.0, seed: int = 0
) -> Reading:
    """8 v 8 word types, 12 examples each; `tuned` units a layer follow the class, all the word."""
    rng = np.random.default_rng(seed)
    word = np.repeat([f"w{k}" for k in range(16)], 12)
    label = np.repeat([0, 1], 96)
    tokens = np.ones((192, 3), int)
    tokens[:, -1] = np.repeat(np.arange(16), 12)  # each word type is read at its own token
    examples = Examples.from_tokens(tokens, -1, label, word=word.tolist())
    arrays: dict[tuple[int, str], Any] = {}
    for layer, n in tuned.items():
        x = rng.normal(size=(192, 40)) + words * np.repeat(rng.normal(size=(16, 40)), 12, axis=0)
        x[:, :n] += effect * label[:, None]
        arrays[layer, "mlp_pre"] = x.astype(np.float32)
    bare = {key: rng.normal(size=(192, 40)).astype(np.float32) for key in arrays}
    return Reading(examples, Activations(arrays, SHAPES), Activations(bare, SHAPES))


@pytest.mark.parametrize("decide", [wald, student])
def test_shares_are_those_planted(decide: Any) -> None:
    reading = planted({0: 30, 1: 20, 2: 4, 3: 2}, effect=1.2)
    layers, share, accuracy = layer_shares(reading.sample(), decide)
    assert layers == [0, 1, 2, 3]
    np.testing.assert_allclose(share, [0.75, 0.5, 0.1, 0.05], atol=0.03)
    if decide is wald:
        expected = scipy_stats.norm.cdf(0.6)
        np.testing.assert_allclose(accuracy, expected, atol=0.03)
    found = share_profile(decide)(reading.sample())
    assert found["early"] == share[0]
    assert found["late"] == found["last"] == share[-1]
    assert found["before"] == pytest.approx(share[:3].mean())
    assert found["share"] == pytest.approx(share.mean())
    assert found["share_positive"] > 0.95


def test_what_is_planted_has_an_interval_and_null_and_untrained_have_nothing() -> None:
    reading = planted({0: 20, 1: 20, 2: 20}, words=0.1)
    values = spread(share_profile(wald), reading, draws=20)
    share = values["share"]
    assert share.low <= share.value <= share.high
    assert share.high - share.low < 0.1
    assert share.value == pytest.approx(0.5, abs=0.05)
    assert share.null < 0.2
    assert share.untrained < 0.02


def test_shares_are_of_tested_units_as_in_a_result() -> None:
    reading = planted({0: 20, 1: 20}, effect=4.0)
    for key in reading.activations:
        reading.activations[key][:, 20:30] = key[0]  # constant: 20 of 30 tested units are tuned
    sample = reading.sample()
    threshold = max_t_threshold(sample)
    for decide in (student, words_beyond(threshold)):
        found = share_profile(decide)(sample)
        assert found["share"] == pytest.approx(2 / 3, abs=0.02)
        assert (found["share_of"], found["early_of"]) == (60, 30)
    values = spread(share_profile(student), reading, draws=4)
    assert values["share"].of == 60
    assert not any(name.endswith("_of") for name in values)


def test_word_identity_alone_passes_the_course_and_not_the_words() -> None:
    reading = planted({0: 0, 1: 0, 2: 0}, words=2.0)
    course = spread(share_profile(wald), reading, draws=10)["share"]
    assert course.value > 0.2
    assert course.null > 0.2
    threshold = max_t_threshold(reading.sample())
    words = spread(share_profile(words_beyond(threshold)), reading, draws=10)["share"]
    assert words.value <= 0.02
    tuned = planted({0: 20, 1: 20, 2: 20}, words=0.5, effect=3.0)
    found = share_profile(words_beyond(max_t_threshold(tuned.sample())))(tuned.sample())
    assert found["share"] == pytest.approx(0.5, abs=0.05)


def test_word_z_is_welchs_t_of_word_means_as_a_normal_z() -> None:
    sample = planted({0: 5}, words=1.0).sample()
    x = sample.arrays[0, "mlp_pre"].astype(float)
    means = x.reshape(16, 12, 40).mean(1)
    welch = scipy_stats.ttest_ind(means[8:], means[:8], equal_var=False)
    v = welch.df
    expected = (8 * v + 1) / (8 * v + 3) * np.sqrt(v * np.log1p(welch.statistic**2 / v))
    expected *= np.sign(welch.statistic)
    z = word_z(sample, (0, "mlp_pre"), 5)
    np.testing.assert_allclose(z, expected, rtol=1e-6)
    exact = np.sign(z) * scipy_stats.norm.isf(welch.pvalue / 2)
    np.testing.assert_allclose(z, exact, rtol=5e-3)
    few = sample.take(np.arange(0, 192, 12))
    assert np.isnan(word_z(few, (0, "mlp_pre"), 5)).all()
    assert max_t_threshold(few) == np.inf
    mixed = sample.take(np.random.default_rng(0).permutation(192))
    np.testing.assert_allclose(word_z(mixed, (0, "mlp_pre"), 5), expected, rtol=1e-6)


def test_students_t_alone_is_that_of_the_statistics() -> None:
    sample = planted({0: 5}).sample()
    x = sample.arrays[0, "mlp_pre"] + np.float32(1000)
    x[:, 7] = 3
    t = student_t(x, sample.label)
    np.testing.assert_allclose(t, stats.ttest(x, sample.label).t, rtol=1e-9)
    assert np.isnan(t[7])


def test_draws_keep_classes_and_relabellings_keep_words() -> None:
    sample = planted({0: 0}).sample()
    drawn = list(half_samples(sample, 6, 0))
    for one, other in zip(drawn[::2], drawn[1::2], strict=True):
        for half in (one, other):
            assert [len(set(half.copy[half.label == k])) for k in (0, 1)] == [8, 8]
            assert len(set(half.word)) == 8, "each counts twice"
        assert set(one.word) | set(other.word) == set(sample.word)
    for shuffled in shuffles(sample, 5, 0):
        assert shuffled.label.sum() == 96
        for word in set(sample.word):
            assert len(set(shuffled.label[sample.word == word])) == 1


def test_draws_of_a_part_are_of_its_own_words() -> None:
    part = planted({0: 0}).sample().take(np.r_[0:24, 120:192])
    for drawn in half_samples(part, 5, 0):
        assert set(drawn.word) <= set(part.word)
        assert [len(set(drawn.copy[drawn.label == k])) for k in (0, 1)] == [2, 6]


def test_words_read_at_one_token_are_drawn_and_relabelled_together() -> None:
    reading = planted({0: 0})
    tokens = np.array(reading.examples.tokens)
    tokens[:, -1] = np.repeat(np.arange(16) // 2, 12)  # w0 and w1 share a token, w2 and w3, ...
    pairs = replace(reading, examples=replace(reading.examples, tokens=tokens)).sample()
    assert (pairs.group == tokens[:, -1]).all()
    for drawn in half_samples(pairs, 5, 0):
        assert [len(set(drawn.copy[drawn.label == k])) for k in (0, 1)] == [4, 4]
        for copy in set(drawn.copy):
            assert len(set(drawn.word[drawn.copy == copy])) == 2
    for shuffled in shuffles(pairs, 5, 0):
        for group in set(pairs.group):
            assert len(set(shuffled.label[pairs.group == group])) == 1
    # A group with both classes is drawn as two, one in each class.
    tokens[:, -1] = np.repeat(np.arange(16) % 8, 12)
    mixed = replace(reading, examples=replace(reading.examples, tokens=tokens)).sample()
    for drawn in (mixed, *half_samples(mixed, 5, 0)):
        assert [len(set(drawn.copy[drawn.label == k])) for k in (0, 1)] == [8, 8]


def test_the_null_is_kept_draw_by_draw_and_never_the_real_split() -> None:
    reading = planted({0: 10}, effect=4.0)
    values = spread(share_profile(wald), reading, draws=6, null_draws=9)
    share, early = values["share"], values["early"]
    assert len(share.null_draws) == len(early.null_draws) == 9
    assert share.null == pytest.approx(np.mean(share.null_draws))
    assert len(share.drawn) == 6
    few = reading.sample().take(np.flatnonzero(np.isin(reading.sample().copy, [0, 1, 14, 15])))
    split = few.label == 1
    for drawn in shuffles(few, 40, 0):
        same = (drawn.label == 1) == split
        assert same.any()
        assert not same.all(), "neither the real split nor its mirror image"
    two = few.take(np.flatnonzero(np.isin(few.copy, [0, 15])))
    assert list(shuffles(two, 5, 0)) == [], "one word a class has no other split"
    assert np.isnan(
        spread(share_profile(wald), planted({0: 1}), draws=3, null_draws=0)["late"].null
    )


def test_shares_end_at_0_and_1() -> None:
    values = spread(share_profile(wald), planted({0: 1, 1: 0, 2: 0}, words=0.5), draws=8)
    for name in ("share", "early", "share_positive"):
        value = values[name]
        assert not value.low < 0
        assert not value.high > 1


def test_accuracy_on_held_out_words_finds_what_is_planted_and_not_word_identity() -> None:
    tuned = held_out_accuracy(planted({0: 20, 1: 20, 2: 20}, effect=1.2).sample())
    assert tuned["low_layers"] == pytest.approx(scipy_stats.norm.cdf(0.6), abs=0.03)
    words = planted({0: 0, 1: 0, 2: 0}, words=2.0).sample()
    _, _, in_sample = layer_shares(words, wald)
    assert np.nanmean(in_sample) > 0.6
    assert held_out_accuracy(words)["low_layers"] < 0.58


def test_recall_of_a_word_left_out() -> None:
    sample = planted({0: 40}, effect=4.0).sample()
    target = sample.word == "w15"
    assert recall(sample, (0, "mlp_pre"), ~target, target) > 0.9
    only_word = planted({0: 0}).sample()
    only_word.arrays[0, "mlp_pre"][target, 0] += 8
    assert recall(only_word, (0, "mlp_pre"), np.ones(192, bool), target) > 0.9
    assert recall(only_word, (0, "mlp_pre"), ~target, target) < 0.9


def test_order_of_words_and_agreement() -> None:
    reading = planted({0: 1}, effect=6.0)
    sample = reading.sample()
    sample.arrays[0, "mlp_pre"][sample.label == 1, 1] -= 6
    assert word_order(sample, (0, "mlp_pre"), (0, 1)) == {
        "order_positive": 1.0, "order_negative": 1.0
    }  # fmt: skip
    by_one_word = planted({0: 0}).sample()
    by_one_word.arrays[0, "mlp_pre"][by_one_word.word == "w9", 0] += 50
    assert word_order(by_one_word, (0, "mlp_pre"), (0, 0))["order_positive"] < 1
    one, two = planted({0: 20}, seed=1).sample(), planted({0: 20}, seed=2).sample()
    found = agreement(one, two)
    assert found["r"] > 0.9
    assert found["sign_agreement"] == 1
    wrong = [agreement(*pair)["r"] for pair in wrong_splits(one, two, 10, 0)]
    assert np.mean(wrong) < found["r"]
    words = planted({0: 0}, words=2.0, seed=3)
    again = [agreement(*p)["r"] for p in wrong_splits(words.sample(), words.sample(), 5, 0)]
    assert np.mean(again) > 0.9, "word identity replicates on the same words under any split"


def test_rows_of_both_classes() -> None:
    label = np.repeat([0, 1], [30, 50])
    rows = balanced_rows(label, 10, 0)
    assert (np.bincount(label[rows]) == 10).all()
    assert len(set(rows.tolist())) == 20


def test_parts_of_token_length() -> None:
    rng = np.random.default_rng(0)
    r = rng.normal(size=(12, 500)) * np.linspace(0.2, 0.02, 12)[:, None] - 0.05
    r[0] = np.abs(r[0])
    shift = np.full((12, 500), -0.1)
    found = length_parts(r, shift, 5)
    assert found["shift"] == pytest.approx(-0.1)
    assert found["share_negative"] > 0.5
    assert found["median_first"] > 0
    assert found["sd_last"] < found["sd_middle"]


def test_two_peaks_are_told_from_one() -> None:
    rng = np.random.default_rng(0)
    assert bimodality(rng.normal(size=10_000)) < 5 / 9
    two = np.concatenate([rng.normal(-3, 1, 5000), rng.normal(3, 1, 5000)])
    assert bimodality(two) > 5 / 9


def test_samples_of_some_layers() -> None:
    sample = planted({0: 1, 1: 1}).sample()
    assert list(sample.only([(1, "mlp_pre")]).arrays) == [(1, "mlp_pre")]
    assert isinstance(sample.relabelled(1 - sample.label), Sample)
    r = stats.ttest(sample.arrays[0, "mlp_pre"], 1 - sample.label).t
    np.testing.assert_allclose(r, -stats.ttest(sample.arrays[0, "mlp_pre"], sample.label).t)
