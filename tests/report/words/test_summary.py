"""Every sentence of an answer is short, and every number in it is a column of the result."""

from __future__ import annotations

import inspect
import re
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from answer_claims import CLAIMS, bare, n_numbers, sentences

import lens_probes as lp
from lens_probes.checks.toy import toy_model
from lens_probes.report.unit_card import unit_card
from lens_probes.report.unit_columns import unit_columns
from lens_probes.report.words.summary import summary

pytestmark = pytest.mark.model

PAIRED = ["river", "cat", "road", "dark", "sky", "hand", "sea", "long", "say", "sure"]
NOUNS = {"noun": ["river", "road", "cat", "sea", "hand"], "verb": ["go", "see", "say", "carry"]}


def toy_examples(n_words: int, per_word: int = 5) -> lp.Examples:
    """Contexts of words of the toy model; the first twenty words are class 1."""
    rng = np.random.default_rng(n_words)
    word = np.repeat(np.r_[np.arange(n_words), 20 + np.arange(n_words)], per_word)
    tokens = rng.integers(40, 80, (len(word), 8))
    tokens[:, -1] = word
    source = [f"speaker {i % 7}" for i in range(len(word))]
    return lp.Examples.from_tokens(tokens, -1, word < 20, [f"w{i}" for i in word], source)


@pytest.fixture(scope="module")
def results(tiny_folders: dict[str, Path]) -> dict[str, lp.SweepResult]:
    toy, tiny = toy_model(0), lp.load_model(tiny_folders["gpt2"])
    given = toy_examples(12)
    word = np.array([int(w[1:]) for w in given.word])
    mixed = given.label.copy()
    mixed[0] = 0
    values = lp.Examples.from_tokens(
        given.tokens, -1, word=given.word.tolist(), value=given.label + 0.1 * (word % 7)
    )
    short = {"sites": ["mlp_pre"], "untrained": False}
    space = lp.ContextProbe("space", words=PAIRED)
    return {
        "two classes": lp.sweep(toy, given, sites=["mlp_pre", "q"], untrained=False),
        "no category": lp.sweep(toy, replace(given, label=word % 2), **short),
        "too few groups": lp.sweep(toy, toy_examples(4), **short),
        "a group of both classes": lp.sweep(toy, replace(given, label=mixed), **short),
        "false discoveries": lp.sweep(toy, given, method="bh", **short),
        "tokens": lp.sweep(toy, given, level="token", **short),
        "tokens in place of groups": lp.sweep(toy, toy_examples(2), **short),
        "no words": lp.sweep(toy, replace(given, word=None), **short),
        "values": lp.sweep(toy, values, **short),
        "values of the course": lp.sweep(toy, values, preset="course", **short),
        "course": lp.sweep(toy, given, preset="course", **short),
        "pairs": lp.sweep(tiny, space, layers=[0, 1], **short),
        "pairs of the course": lp.sweep(tiny, space, layers=0, preset="course", **short),
        "further negatives": lp.sweep(tiny, lp.GrammarProbe(words=NOUNS), layers=0),
    }


NAMES = (
    "two classes", "no category", "too few groups", "a group of both classes",
    "false discoveries", "tokens", "tokens in place of groups", "no words", "values",
    "values of the course", "course", "pairs", "pairs of the course", "further negatives",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_no_sentence_has_more_than_two_numbers(
    results: dict[str, lp.SweepResult], name: str
) -> None:
    lines = summary(results[name])
    for line in lines:
        for sentence in sentences(line):
            assert n_numbers(bare(sentence, results[name])) <= 2, sentence
    assert sum(len(line.split()) for line in lines) <= 230
    if name == "two classes":
        assert n_numbers("AUC 0.81 (0.70 to 0.90).") == 2
        assert n_numbers("AUC 0.81 (0.70 to 0.90) of 4.") == 3


@pytest.mark.parametrize("name", NAMES)
def test_every_number_is_that_of_its_column(results: dict[str, lp.SweepResult], name: str) -> None:
    result = results[name]
    for sentence in claimed(result):
        assert holds(*claim_of(sentence), result), sentence


def test_the_results_above_say_every_sentence_that_is_known(
    results: dict[str, lp.SweepResult],
) -> None:
    """And where something is missing: no scores of chosen units, no covariates, no live unit."""
    two, values = results["two classes"], results["values"]
    odd = [
        replace(two, validation={**two.validation, "nested_best": None}),
        replace(values, units=values.units.assign(partial_r=np.nan)),
        replace(two, units=two.units.assign(log10_score_p=np.nan, rank=np.nan)),
        *(
            decided(two, p_beyond=0.02, tuned=1, **changed)
            for changed in (
                {"evidence_level": 0.0, "level_at_this_design": [0.05, 0.2]},
                {"evidence_level": 0.004},
                {"evidence_level": 0.004, "threshold": [30.0]},
            )
        ),
    ]
    said = set()
    for result in (*results.values(), *odd):
        for sentence in claimed(result):
            pattern, numbers = claim_of(sentence)
            said.add(pattern)
            if result in odd:
                assert holds(pattern, numbers, result), sentence
    assert set(CLAIMS) - said == set()


def decided(
    result: lp.SweepResult, *, p_beyond: float, tuned: int, **changed: Any
) -> lp.SweepResult:
    """A result whose design asks for more than half of alpha."""
    decision = {**result.provenance["decision"], "p_beyond": p_beyond, **changed}
    return replace(
        result,
        units=result.units.assign(p_corrected=1.0),
        provenance={**result.provenance, "decision": decision},
        validation={
            **result.validation,
            "tuned": {**result.validation["tuned"], "at_least": tuned},
        },
    )


def holds(pattern: str, said: tuple[str, ...], result: lp.SweepResult) -> bool:
    """Whether the numbers of a sentence are those of its columns."""
    claim = CLAIMS[pattern]
    if len(inspect.signature(claim).parameters) == 2:
        return bool(claim(result, said))  # type: ignore[call-arg]
    return bool(said == claim(result))  # type: ignore[call-arg]


def claimed(result: lp.SweepResult) -> list[str]:
    """All sentences but the question."""
    question = result.provenance["examples"]["origin"].get("question")
    every = [sentence for line in summary(result) for sentence in sentences(line)]
    return [s for s in every if s != question and not s.startswith("Which units tell ")]


def claim_of(sentence: str) -> tuple[str, tuple[str, ...]]:
    """The pattern that a sentence fits, the longest if several, and its numbers."""
    fits = {pattern: m for pattern in CLAIMS if (m := re.fullmatch(pattern, sentence))}
    assert fits, f"no column is known for: {sentence}"
    pattern = max(fits, key=len)
    return pattern, tuple(group for group in fits[pattern].groups() if group is not None)


@pytest.mark.parametrize("name", NAMES)
def test_places_and_names_are_those_of_the_tables(
    results: dict[str, lp.SweepResult], name: str
) -> None:
    result = results[name]
    said = " ".join(summary(result))
    best = result.units.loc[result.units[result.rank_column].idxmin()]
    assert f"Strongest unit: {best['name']}" in said
    layers = result.layers
    if layers["n_significant"].sum():
        most = layers.loc[layers["n_significant"].idxmax()]
        assert f"most in layer {most['layer']} of {most['site']}." in said
    if "r" not in result.units:
        side = result.provenance["examples"]["class_names"][int(best["direction"] > 0)]
        assert f"{best['name']}, higher for {side}." in said


@pytest.mark.parametrize("name", NAMES)
def test_a_card_says_what_its_row_says(results: dict[str, lp.SweepResult], name: str) -> None:
    result = results[name]
    row = result.units.loc[result.units[result.rank_column].idxmin()]
    card = unit_card(result, row["name"])
    effect = "r" if "r" in result.units else "hedges_g"
    (shown,) = re.findall(r" = ([\d.,\u2212]+),", card.summary)
    assert float(shown.replace("\u2212", "-")) == pytest.approx(row[effect], abs=0.0051)
    verdict = "significant" if row["significant"] else "not significant"
    assert card.summary.endswith(f", {verdict}")
    columns = {column.header: column for column in unit_columns(result)}
    for header, value, _ in (map(unescape, row) for row in card.statistics.rows):
        column = columns[header]
        if not column.number or column.kind == "power" or value == "\u2013":
            continue
        numbers = re.findall(r"\u2212?\d[\d,]*(?:\.\d+)?", re.sub(r" × 10.*", "", value))
        scale = 100 if column.kind == "percent" else 1
        if "×" in value or "∞" in value:
            continue
        assert len(numbers) == len(column.needs), (header, value)
        for text, need in zip(numbers, column.needs, strict=True):
            digits = len(text.partition(".")[2])
            number = float(text.replace("\u2212", "-").replace(",", ""))
            assert number == pytest.approx(scale * row[need], abs=0.51 * 10**-digits), header
