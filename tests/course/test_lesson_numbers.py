"""What lessons calculate from their data, on planted activations."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from planted import planted

import lens_probes as lp
from lens_probes.course import Data, Setting, depths, doubts
from lens_probes.course.data import shuffled_data
from lens_probes.course.reproduce import load_script
from lens_probes.model.load import LensModel
from lens_probes.texts.load import Document, Text

FOLDER = Path(__file__).parents[2] / "experiments"


def lesson(name: str) -> ModuleType:
    return sys.modules[load_script(FOLDER, name).run.__module__]


def test_words_are_in_order_by_their_means_not_by_one_word() -> None:
    word_order = lesson("L16").word_order
    data = planted({0: 1}, effect=6.0)
    data.x[data.label == 1, 1] -= 6
    assert word_order(data, data) == {"order_positive": (64, 64), "order_negative": (64, 64)}
    by_one_word = planted({0: 0})
    by_one_word.x[by_one_word.word == "w9", 0] += 500
    k, n = word_order(by_one_word, by_one_word)["order_positive"]
    assert k < n


def test_two_experiments_agree_and_wrong_splits_of_the_same_words_do_too() -> None:
    agreement = lesson("L16").agreement
    one, two = planted({0: 20}, seed=1), planted({0: 20}, seed=2)
    found = agreement(one, two)
    assert found["r"] > 0.9
    assert found["sign_agreement"] == 1
    wrong = [agreement(one, part)["r"] for part in shuffled_data(two, 6, 0)]
    assert np.mean(wrong) < found["r"]
    words = planted({0: 0}, words=2.0, seed=3)
    again = [agreement(words, part)["r"] for part in shuffled_data(words, 4, 0)]
    assert np.mean(again) > 0.9, "word identity replicates on the same words under any split"


def test_recall_of_a_word_left_out() -> None:
    recall = doubts._recall
    data = planted({0: 40}, effect=4.0)
    target = data.word == "w15"
    assert recall(data, ~target, target) > 0.9
    only_word = planted({0: 0})
    only_word.x[target, 0] += 8
    assert recall(only_word, np.ones(192, bool), target) > 0.9
    assert recall(only_word, ~target, target) < 0.9


def test_place_by_p_of_the_largest_beta() -> None:
    place = lesson("L21").place
    assert place(np.array([1.0, -3.0, 2.0, np.nan]), np.array([-5.0, -2.0, -1.0, -9.0])) == 2
    assert np.isnan(place(np.array([np.nan]), np.array([-1.0])))


def test_shares_by_depth_are_of_tested_units() -> None:
    layers = pd.DataFrame({"n_significant": [1, 6, 2, 2, 1, 0], "n_tested": [10, 8, 10, 10, 10, 8]})
    assert depths.early_and_late(layers) == {"early": (6, 8), "late": (0, 8)}
    units = pd.DataFrame(
        {
            "layer": np.repeat(range(6), 10),
            "status": ["ok"] * 58 + ["constant"] * 2,
            "significant": np.tile(np.arange(10) < 3, 6),
        }
    )
    assert lesson("L23").depth(units) == {"early": (3, 10), "late": (3, 8)}


def test_a_second_batch_is_judged_by_the_words_it_is_given() -> None:
    holds = lesson("L19").holds
    data = planted({0: 10}, words=0.2, effect=3.0)
    units = lp.sweep_activations(data.activations, data.examples, preset="course").units
    found = holds(units, units, data, "t")
    assert found["auc_second"] > 0.95
    assert found["sign_agreement"] == 1
    other = holds(units, units.assign(t=-units["t"]), data.relabelled(1 - data.label), "t")
    assert other["auc_second"] < 0.05
    assert other["sign_agreement"] == 0


@pytest.mark.model
def test_the_noun_unit_is_read_as_it_is(tiny_models: dict[str, LensModel]) -> None:
    module, model = lesson("L09"), tiny_models["gpt2"]
    text = Text("prose", (Document("d", "s", "A text."),), "test")
    setting = Setting(model=model, text=text, scale="quick")
    data = planted({0: 2})
    data.x[data.label == 1, 3] -= 9  # higher for class 0: nouns
    data = replace(data, bare=Data(data.examples, data.activations, is_trained=False))
    tokens, marks = setting.tagged_passage()
    found = module.on_passage(setting, data, tokens, marks)
    (painted,) = lp.paint(model, [tokens], layer=0, site="mlp_pre", unit=3)
    auc = lp.stats.auc(np.array(painted.values)[1:, None], marks[0, 1:]).auc[0]
    assert found["auc_noun"] == auc
