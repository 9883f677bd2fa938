"""Halves, rankings, matched random sets."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import stats as scipy_stats

from lens_probes.ablation.halves import Halves, draw_windows, halves
from lens_probes.ablation.matching import Profile, match_table, unlike
from lens_probes.ablation.sets import Ranking, Sets, draw_sets, rank
from lens_probes.errors import InputError
from lens_probes.examples.examples import Examples

N, UNITS = 120, 200


def examples_of(n: int = N, **options: object) -> Examples:
    tokens = np.random.default_rng(0).integers(0, 50, (n, 6))
    if "word" in options:  # each word is read at a token of its own
        tokens[:, 3] = np.unique(options["word"], return_inverse=True)[1]
    return Examples.from_tokens(tokens, 3, np.arange(n) % 2, **options)


def activations(seed: int = 0) -> np.ndarray:
    """Units of several means and scales; 0 to 4 are tuned, 5 is constant."""
    rng = np.random.default_rng(seed)
    scale = np.exp(rng.normal(size=UNITS))
    x = rng.normal(size=(N, UNITS)) + rng.normal(size=UNITS)
    x[:, :5] += 3.0 * (np.arange(N) % 2)[:, None]
    x *= scale
    x[:, 5] = 1.0
    return x.astype(np.float32)


OPTIONS = {"top": 5, "n_nulls": 100, "n_unit_nulls": 60, "most_unit_nulls": 60, "n_controls": 10}


def profile_like(ranking: Ranking) -> Profile:
    """As if the measured windows were the chosen ones, and the ablation that to the mean."""
    return Profile(ranking.mean, np.maximum(ranking.sd, 1e-9))


def drawn(ranking: Ranking, x: np.ndarray, examples: Examples) -> Sets:
    return draw_sets(ranking, x, examples, profile_like(ranking), **OPTIONS)


def test_the_ranking_is_that_of_scipys_correlation() -> None:
    x, examples = activations(), examples_of()
    ranking = rank(x, examples)
    r = [scipy_stats.pearsonr(x[:, u], examples.label).statistic for u in range(UNITS) if u != 5]
    wanted = np.array([u for u in range(UNITS) if u != 5])[np.argsort(-np.abs(r), kind="stable")]
    assert ranking.order.tolist() == wanted.tolist()
    assert set(ranking.order[:5]) == {0, 1, 2, 3, 4}
    p = scipy_stats.chi2.sf(N * np.array(r) ** 2, 1)
    np.testing.assert_allclose(10 ** np.delete(ranking.log10_p, 5), p, rtol=1e-9)
    assert np.isnan(ranking.r[5])


def test_matched_sets_have_the_top_units_means_and_spreads() -> None:
    x, examples = activations(), examples_of()
    ranking = rank(x, examples)
    sets = drawn(ranking, x, examples)
    assert set(sets.top) == {0, 1, 2, 3, 4}
    assert len(sets.matched) == 100
    assert len({tuple(units) for units in sets.matched}) > 90
    features = np.stack([ranking.mean, np.log(np.maximum(ranking.sd, 1e-9))], axis=1)
    features /= np.nanstd(features[ranking.order], axis=0)
    by_chance = np.random.default_rng(1).choice(ranking.order[5:], (100, 5))
    nearest = np.abs(features[sets.top].mean(0) - features[np.stack(sets.matched)].mean(1)).mean()
    chance = np.abs(features[sets.top].mean(0) - features[by_chance].mean(1)).mean()
    assert nearest < 0.5 * chance
    for units in sets.matched:
        assert len(set(units)) == 5
        assert not set(units) & {0, 1, 2, 3, 4, 5}
    said = match_table(profile_like(ranking), sets.top, sets.matched)
    assert said["size_top"] == pytest.approx(np.sqrt((ranking.sd[:5] ** 2).mean()))
    assert said["size_matched"] == pytest.approx(said["size_top"], rel=0.03)
    assert said["mean_matched"] == pytest.approx(said["mean_top"], abs=0.1)
    assert len(set(sets.matched_units)) == 60
    assert len(set(sets.like_best)) == 20
    assert not set(sets.matched_units) & {0, 1, 2, 3, 4, 5}
    again = drawn(ranking, x, examples)
    assert all((a == b).all() for a, b in zip(sets.matched, again.matched, strict=True))
    assert [len(units) for units in sets.doses] == [1, 2, 5]


def test_sets_match_in_variance_where_the_top_units_vary_much() -> None:
    x, examples = activations(), examples_of()
    others = np.sort(x[:, 5:].std(axis=0))
    x[:, :5] *= others[[-1, -3, -30, -60, -90]] / x[:, :5].std(axis=0)
    ranking = rank(x, examples)
    sets = drawn(ranking, x, examples)
    assert set(sets.top) == {0, 1, 2, 3, 4}
    wanted = (ranking.sd[sets.top] ** 2).sum()
    ratios = np.array([(ranking.sd[units] ** 2).sum() for units in sets.matched]) / wanted
    assert ratios.mean() > 0.9
    assert np.percentile(ratios, 10) > 0.8
    assert ratios.max() < 1.25
    assert len({tuple(units) for units in sets.matched}) > 50


def test_control_sets_hold_no_tuned_units() -> None:
    x, examples = activations(), examples_of(word=[f"w{i % 24}" for i in range(N)])
    ranking = rank(x, examples)
    sets = drawn(ranking, x, examples)
    p = 10**ranking.log10_p
    assert all((p[units] > 0.05).all() for units in sets.nonsignificant)
    assert len(sets.nonsignificant) == len(sets.shuffled) == 10
    tuned = [len(set(units) & {0, 1, 2, 3, 4}) for units in sets.shuffled]
    assert np.mean(tuned) < 2
    assert all(len(units) == 5 for units in sets.shuffled)


def test_units_that_are_all_tuned_leave_no_quiet_sets_and_say_so() -> None:
    x, examples = activations(), examples_of()
    x += 2.0 * x.std(0) * examples.label[:, None]
    sets = drawn(rank(x, examples), x, examples)
    assert sets.nonsignificant == []
    assert "no sets of non-significant units" in " ".join(sets.notes)


def test_too_few_units_are_an_error_that_says_how_many_would_do() -> None:
    x, examples = activations()[:, :8], examples_of()
    with pytest.raises(InputError, match=r"7 units vary here.*top of 3 or fewer"):
        drawn(rank(x, examples), x, examples)


def test_random_sets_that_cannot_be_matched_are_no_comparison() -> None:
    x, examples = activations(), examples_of()
    x[:, :5] *= 100
    ranking = rank(x, examples)
    sets = drawn(ranking, x, examples)
    said = match_table(profile_like(ranking), sets.top, sets.matched)
    assert "times as much, and no unit is nearer" in unlike(said["size_top"], said["size_matched"])
    assert unlike(1.0, 1.05) == unlike(1.0, 0.95) == ""
    assert "changes 1.7 times as much" in unlike(1.0, 1.3)


def sides(values: list[str], split: Halves) -> tuple[set[str], set[str]]:
    array = np.array(values)
    return set(array[split.chosen]), set(array[split.measured])


def test_halves_share_no_passage() -> None:
    passages = [f"speaker {i // 5}" for i in range(N)]
    split = halves(examples_of(source=passages), seed=3)
    chosen, measured = sides(passages, split)
    assert not chosen & measured
    assert sorted([*split.chosen, *split.measured]) == list(range(N))
    assert split.by == ("passage",)
    assert "words are on both sides (no words are known)" in " ".join(split.notes)
    assert halves(examples_of(source=passages), seed=4).chosen.tolist() != split.chosen.tolist()


@pytest.mark.parametrize("seed", range(3))
def test_halves_share_neither_word_nor_passage(seed: int) -> None:
    rng = np.random.default_rng(seed)
    passages = [f"speaker {i}" for i in rng.integers(0, 40, N)]
    words = [f"w{2 * i + k}" for i, k in zip(rng.integers(0, 8, N), np.arange(N) % 2, strict=True)]
    split = halves(examples_of(source=passages, word=words), seed=seed)
    for values in (passages, words):
        chosen, measured = sides(values, split)
        assert not chosen & measured
    assert split.by == ("replication group", "passage")
    assert split.notes == ()
    for rows in (split.chosen, split.measured):
        assert np.bincount(np.arange(N)[rows] % 2).min() >= 10
    assert len(split.chosen) + len(split.measured) > 0.5 * N
    again = halves(examples_of(source=passages, word=words), seed=seed)
    assert again.measured.tolist() == split.measured.tolist()


def test_words_that_are_read_at_one_token_are_on_one_side() -> None:
    words = [f"w{i % 20}" for i in range(N)]
    apart = examples_of(word=words)
    tokens = apart.tokens.copy()
    tokens[tokens[:, 3] < 4, 3] = 0
    shared = dataclasses.replace(apart, tokens=tokens)
    once = np.unique(words)[:4]
    chosen = [{w in sides(words, halves(e, seed=s))[0] for w in once}
              for e in (apart, shared) for s in range(5)]  # fmt: skip
    assert any(len(found) == 2 for found in chosen[:5])
    assert all(len(found) == 1 for found in chosen[5:])


def test_a_word_of_both_classes_is_on_one_side() -> None:
    words = [f"w{i // 2 % 20}" for i in range(N)]
    split = halves(examples_of(word=words))
    chosen, measured = sides(words, split)
    assert not chosen & measured
    assert split.by == ("replication group",)


def test_too_few_words_for_two_halves_are_noted() -> None:
    passages = [f"speaker {i // 5}" for i in range(N)]
    words = ["yes" if i % 2 else f"w{i}" for i in range(N)]
    split = halves(examples_of(source=passages, word=words))
    assert split.by == ("passage",)
    assert "too few groups" in " ".join(split.notes)


def test_halves_without_passages_are_noted_and_even() -> None:
    split = halves(examples_of())
    assert "no passages are known" in split.notes[0]
    assert split.by == ()
    label = np.arange(N) % 2
    assert label[split.chosen].sum() == label[split.measured].sum() == N // 4
    with pytest.raises(InputError, match="4 or more are needed in each"):
        halves(examples_of(6))


def test_a_continuous_label_has_no_halves() -> None:
    tokens = np.random.default_rng(0).integers(0, 50, (N, 6))
    examples = Examples.from_tokens(tokens, 3, value=np.arange(N) / 7, value_name="length")
    with pytest.raises(InputError, match=r"continuous \(length\).*compares two classes"):
        halves(examples)


def test_windows_are_drawn_evenly_from_both_classes() -> None:
    examples = examples_of()
    rows = np.concatenate([np.flatnonzero(examples.label == 0), np.arange(1, 20, 2)])
    assert examples.label[draw_windows(examples, rows, 30)].sum() == 10
    assert examples.label[draw_windows(examples, rows, 12)].sum() == 6
    assert draw_windows(examples, rows, None).tolist() == rows.tolist()
    assert len(draw_windows(examples, rows, 30)) == 30
