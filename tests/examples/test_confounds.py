"""Confounds: what partial r is given, sources and documents left out one by one, adjustment."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import lens_probes as lp
from lens_probes import stats
from lens_probes.examples.confounds import (
    adjustment,
    categorical_differences,
    confound_differences,
    confound_table,
    fixed_effects,
    independent_covariates,
)
from lens_probes.model.load import LensModel


def with_sources(source: np.ndarray, label: np.ndarray) -> lp.Examples:
    names = [f"s{i}" for i in source]
    return lp.Examples.from_tokens([[1, 2]] * len(label), -1, label, source=names)


def test_a_sources_auc_is_not_flattered_by_many_small_sources() -> None:
    rng = np.random.default_rng(0)
    source = np.repeat(np.arange(150), 3)
    found, in_sample = [], []
    for _ in range(8):
        label = rng.integers(0, 2, 450)
        share = (np.bincount(source, weights=label) / 3)[source]
        in_sample.append(stats.auc(share[:, None], label).auc[0])
        found.append(categorical_differences(with_sources(source, label))["source"]["auc"])
    assert np.mean(in_sample) > 0.8
    assert np.mean(found) < 0.54
    planted = np.where(rng.random(450) < 0.9, source % 2, 1 - source % 2)
    assert categorical_differences(with_sources(source, planted))["source"]["auc"] > 0.75


def test_sources_that_are_matched_exactly_are_no_confound() -> None:
    source, label = np.repeat(np.arange(20), 4), np.tile([0, 1], 40)
    said = categorical_differences(with_sources(source, label))
    assert said == {"source": {"levels": 20, "auc": 0.5, "not_given": "no number"}}


def test_fixed_effects_are_sources_that_hold_both_classes_else_documents() -> None:
    label = np.tile([0, 1], 12)
    speaker = np.repeat(np.arange(6), 4)
    examples = with_sources(speaker, label)
    fixed = fixed_effects(examples)
    assert fixed is not None
    np.testing.assert_array_equal(fixed, speaker)
    apart = with_sources(label * 2 + np.arange(24) % 4 // 2, label)
    assert fixed_effects(apart) is None, "each source is of one class"
    document = np.array([f"d{i}" for i in speaker], dtype=object)
    fixed = fixed_effects(replace(apart, document=document))
    assert fixed is not None
    np.testing.assert_array_equal(fixed, speaker)


def made_targets(model: LensModel) -> lp.Examples:
    """Class 1 has a capital, and nothing else tells it apart; years go with the speakers."""
    names = ("can", "will", "never", "nobody", "it", "so")
    plain = [names[i // 2 % 6] for i in range(24)]
    words = [word.capitalize() if i % 2 else word for i, word in enumerate(plain)]
    rows = [model.tokenizer("We " + word, add_special_tokens=False)["input_ids"] for word in words]
    start = len(model.tokenizer("We", add_special_tokens=False)["input_ids"])
    speaker = np.repeat(np.arange(4), 6)
    made = lp.Examples.from_tokens(rows, -1, np.arange(24) % 2, words, [f"s{i}" for i in speaker])
    return replace(made, first=np.full(24, start), date=1900.0 + 10 * speaker)


@pytest.mark.model
def test_what_partial_r_is_not_given_is_said_by_name(tiny_model: LensModel) -> None:
    examples = made_targets(tiny_model)
    table = confound_table(examples, tiny_model.tokenizer)
    assert table["year"].tolist() == np.repeat([1900.0, 1910.0, 1920.0, 1930.0], 6).tolist()
    said = confound_differences(table, examples.label)
    assert said["capitalised"]["auc"] == 1.0
    assert "tells the classes apart" in said["capitalised"]["not_given"]
    assert said["log_frequency"]["not_given"] == said["year"]["not_given"] == ""
    own = confound_differences(table, examples.label, own=("mine",))
    assert own["year"]["not_given"] == "not among the examples' covariates"


@pytest.mark.model
def test_renaming_word_types_changes_no_confound(tiny_model: LensModel) -> None:
    examples = made_targets(tiny_model)
    assert examples.word is not None
    renamed = replace(examples, word=np.array([f"w-{w}" for w in examples.word], dtype=object))
    before, after = (confound_table(e, tiny_model.tokenizer) for e in (examples, renamed))
    assert before.equals(after)
    assert before["log_frequency"].nunique() > 1


@pytest.mark.model
def test_adjustment_leaves_out_by_name_what_it_cannot_use(tiny_model: LensModel) -> None:
    examples = made_targets(tiny_model)
    fixed, covariates = adjustment(examples, tiny_model.tokenizer)
    assert fixed is not None
    left_out = covariates.attrs["left_out"]
    assert left_out["capitalised"] == "tells the classes apart by itself (AUC 1.000)"
    assert left_out["year"] == "does not vary within a source"
    assert left_out["leading_space"] == "the same in every example"
    assert "log_frequency" in covariates
    assert not set(left_out) & set(covariates)
    _, free = adjustment(replace(examples, source=None), tiny_model.tokenizer)
    assert "year" in free, "without speakers the year is a covariate"


@pytest.mark.model
def test_confounds_are_read_off_the_target(tiny_model: LensModel) -> None:
    tokenizer = tiny_model.tokenizer
    words = [" can", "Never", " nobody", "it"]
    rows = [tokenizer("We" + word)["input_ids"] for word in words]
    examples = replace(
        lp.Examples.from_tokens(rows, -1, [0, 1, 1, 0], [w.strip().lower() for w in words]),
        first=np.array([len(tokenizer("We")["input_ids"])] * 4),
    )
    table = confound_table(examples, tokenizer)
    assert table["n_characters"].tolist() == [3, 5, 6, 2]
    assert table["capitalised"].tolist() == [0, 1, 0, 0]
    assert table["leading_space"].tolist() == [1, 0, 1, 0]
    assert table["n_tokens"].tolist() == [len(row) - 1 for row in rows] or "n_tokens" not in table
    assert table["log_frequency"].iloc[3] > table["log_frequency"].iloc[2] > 0
    assert confound_differences(table, examples.label)["n_characters"]["auc"] == 1.0


def test_covariates_are_independent_and_leave_the_label_free() -> None:
    rng = np.random.default_rng(5)
    y = np.arange(60) % 2
    a = rng.normal(size=60)
    table = pd.DataFrame({"a": a, "twice": 2 * a + 1, "b": rng.normal(size=60), "y": y * 3.0})
    assert list(independent_covariates(table, y).columns) == ["a", "b"]
