"""The causal card on a model whose circuit is known, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lens_probes.ablation import CausalCard, ablate, steer
from lens_probes.ablation.card import METHOD
from lens_probes.ablation.verdict import UNDECIDED, UNUSED, USED, VERDICTS
from lens_probes.checks.planted import (
    DECOY,
    FILLER,
    READ,
    WORDS,
    planted_examples,
    planted_model,
)
from lens_probes.errors import InputError
from lens_probes.examples.examples import Examples
from lens_probes.model.load import LensModel

pytestmark = pytest.mark.model

PLANTED = READ + DECOY
QUICK = {"layers": [0], "top": PLANTED, "n_nulls": 40, "n_unit_nulls": 88, "n_windows": 24,
         "n_controls": 5}  # fmt: skip
FIRST_HALF = [f"w{2 * WORDS + i}" for i in range(FILLER // 2)]
SECOND_HALF = [f"w{2 * WORDS + FILLER // 2 + i}" for i in range(FILLER // 2)]
STEERING = {"words": (SECOND_HALF, FIRST_HALF), "prefixes": ["w30 w40 w50", "w60 w24 w70 w33"]}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LensModel:
    return planted_model(tmp_path_factory.mktemp("planted"), 0)


@pytest.fixture(scope="module")
def examples() -> Examples:
    return planted_examples(0)


@pytest.fixture(scope="module")
def card(model: LensModel, examples: Examples) -> CausalCard:
    return ablate(model, examples, **QUICK, **STEERING)


@pytest.mark.parametrize("seed", range(20))
def test_every_planted_unit_gets_its_verdict(seed: int, tmp_path: Path) -> None:
    card = ablate(planted_model(tmp_path, seed), planted_examples(seed), **QUICK, seed=seed)
    verdicts = card.units.set_index("unit")["verdict"].to_dict()
    wanted = dict.fromkeys(range(READ), USED) | dict.fromkeys(range(READ, PLANTED), UNUSED)
    assert verdicts == wanted, card.units[["name", "kl", "p_corrected", "why"]].to_string()
    assert card.verdict == USED


def test_only_decoys_on_top_are_not_used(tmp_path: Path, examples: Examples) -> None:
    card = ablate(planted_model(tmp_path, 0, read=0), examples, **QUICK)
    assert card.verdict == UNUSED
    assert (card.units["verdict"] == UNUSED).all()
    assert card.sets["kl"][0] < 1e-12
    assert card.sets["kl_floor"][0] < 1e-12


@pytest.mark.parametrize("seed", range(6))
def test_tuned_units_that_write_what_any_unit_may_are_not_used(seed: int, tmp_path: Path) -> None:
    model = planted_model(tmp_path, seed, read=0, silent=False)
    card = ablate(model, planted_examples(seed), **QUICK, seed=seed)
    assert card.sets["n_encoded"][0] >= PLANTED // 2
    assert card.verdict != USED
    assert (card.units["verdict"] != USED).all()


def test_read_units_are_found_beside_decoys_that_write(tmp_path: Path, examples: Examples) -> None:
    card = ablate(planted_model(tmp_path, 0, silent=False), examples, **QUICK)
    assert card.verdict == USED
    assert set(card.units[card.units["verdict"] == USED]["unit"]) == set(range(READ))


def test_the_card_holds_what_it_says(card: CausalCard, examples: Examples) -> None:
    row = card.sets.iloc[0]
    assert row["p_kl"] == row["p_resolution"] == pytest.approx(1 / 41)
    assert row["p_nonsignificant"] == row["p_shuffled"] == pytest.approx(1 / 6)
    assert row["kl_low"] < row["kl"] < row["kl_high"]
    assert row["kl"] > 1.5 * row["kl_swap_quantile"] > 1.5 * row["kl_swap"]
    assert row["typical_low"] > 3
    assert row["kl"] == pytest.approx((row["kl_0"] + row["kl_1"]) / 2)
    assert row["loss_target"] == row["loss_elsewhere"] == 0
    counts = card.nulls["kind"].value_counts().to_dict()
    assert counts == {"swap": 40, "matched": 40, "nonsignificant": 5, "shuffled": 5,
                      "matched unit": 88}  # fmt: skip
    matched, swaps = (card.nulls[card.nulls["kind"] == kind] for kind in ("matched", "swap"))
    assert row["kl_matched"] == pytest.approx(matched["kl"].median())
    assert row["typical_ratio"] == pytest.approx(row["kl"] / row["kl_matched"])
    wanted = swaps[["kl", "loss_after"]].mean().tolist()
    assert row[["kl_swap", "loss_after_swap"]].tolist() == pytest.approx(wanted)
    assert (matched["k"] == PLANTED).all()
    assert card.doses["k"].tolist() == [1, 2, 5, PLANTED]
    assert card.doses["kl"].iloc[-1] == row["kl"]
    first = card.units.iloc[0]
    assert card.doses["kl"].iloc[0] == pytest.approx(first["kl"], rel=1e-5)
    assert card.unit(first["name"])["kl"] == first["kl"]
    with pytest.raises(KeyError):
        card.unit("L9.mlp_pre.0")
    said = card.provenance
    assert said["examples"]["n_measured"] == [12, 12]
    assert said["examples"]["sha256"] == examples.digest
    assert said["options"]["kind"] == "mean"


def test_a_saved_card_is_read_as_it_was(card: CausalCard, tmp_path: Path) -> None:
    folder = card.save(tmp_path / "run" / "causal")
    again = CausalCard.load(folder)
    assert (again.verdict, again.why) == (card.verdict, card.why)
    for name in ("sets", "units", "doses", "nulls", "steering"):
        pd.testing.assert_frame_equal(getattr(again, name), getattr(card, name))
    assert again.provenance["options"]["top"] == PLANTED
    for number, verdict in enumerate(VERDICTS):
        other = replace(card, verdict=verdict).save(tmp_path / str(number))
        assert CausalCard.load(other).verdict == verdict
    replace(card, steering=pd.DataFrame()).save(tmp_path / "no steering")
    assert CausalCard.load(tmp_path / "no steering").steering.empty
    with pytest.raises(InputError, match="already holds files"):
        card.save(folder)
    with pytest.raises(InputError, match=r"it has no causal\.json"):
        CausalCard.load(tmp_path)
    (folder / "units.parquet").write_bytes(b"other")
    with pytest.raises(InputError, match=r"damaged: units\.parquet has changed"):
        CausalCard.load(folder)


def test_units_are_chosen_without_the_measured_half(
    model: LensModel, examples: Examples, card: CausalCard
) -> None:
    from lens_probes.ablation.halves import halves

    examples = replace(examples, own_group=examples.word)  # the groups that they are
    split, tokens = halves(examples), examples.tokens.copy()
    tokens[split.measured, examples.position[0]] = 2 * WORDS  # a filler in place of the words
    silent = replace(examples, tokens=tokens)
    assert halves(silent).chosen.tolist() == split.chosen.tolist()
    other = ablate(model, silent, **QUICK)
    assert other.units["unit"].tolist() == card.units["unit"].tolist()
    assert (card.units["auc_measured"] - 0.5).abs().min() > 0.45
    assert (other.units["auc_measured"] - 0.5).abs().max() < 0.3


@pytest.mark.parametrize("kind", ["zero", "resample"])
def test_other_ablations_find_the_same_units(
    model: LensModel, examples: Examples, kind: str
) -> None:
    card = ablate(model, examples, **QUICK, kind=kind)
    used = card.units[card.units["verdict"] == USED]["unit"]
    assert set(used) == set(range(READ))


def test_all_positions_reach_the_tokens_before(tmp_path: Path) -> None:
    few, model = (
        QUICK | {"n_nulls": 20, "n_windows": 16},
        planted_model(tmp_path, 1, everywhere=True),
    )
    card = ablate(model, planted_examples(1), **few, positions="all")
    row = card.sets.iloc[0]
    assert card.verdict == row["verdict"] == USED
    assert set(card.units[card.units["verdict"] == USED]["unit"]) <= set(range(READ))
    assert 0 <= row["kl_floor"] < 1e-9
    assert row["loss_elsewhere"] != 0
    assert row["loss_target"] != 0
    assert card.provenance["way"] == "whole"


def test_with_no_token_after_the_target_the_loss_is_left_out(
    model: LensModel, examples: Examples, tmp_path: Path
) -> None:
    few = QUICK | {"n_nulls": 20, "sites": ["mlp_pre", "k"], "top": 4, "n_windows": 8}
    card = ablate(model, examples, **few, after=0)
    assert card.sets["loss_after"].isna().all()
    assert card.sets.loc[0, ["p", "p_kl"]].notna().all()
    assert card.sets["n_nulls"].tolist() == [20, 0]
    said = " ".join(card.text_lines())
    assert "nan" not in said
    assert "No token follows whose loss could change. Against 20 write swaps p = " in said
    (line,) = [line for line in card.text_lines() if line.startswith("L0.k: undecided: ")]
    assert "swaps" not in line
    again = CausalCard.load(card.save(tmp_path / "card"))
    assert again.text_lines() == card.text_lines()


def test_few_random_sets_are_noted_and_fewer_refused(card: CausalCard) -> None:
    assert "40 write swaps: their 95 % quantile is surer with 100" in card.text_lines()[-1]
    said = card.sets.iloc[0]
    assert "8 of its top 8 units encode the property. " in " ".join(card.text_lines())
    assert said["steering_p_resolution"] == pytest.approx(1 / 21)
    assert card.provenance["method"] == METHOD


def test_random_sets_that_change_more_at_other_tokens_are_no_comparison(
    tmp_path: Path, examples: Examples
) -> None:
    model = planted_model(tmp_path, 0, read=0, silent=False)
    card = ablate(model, examples, **QUICK | {"n_windows": 8}, positions="all")
    row = card.sets.iloc[0]
    assert row["size_matched"] > 2 * row["size_top"]
    assert "times as much, and no unit is nearer" in row["why"]
    assert card.verdict == UNDECIDED
    assert (card.units["n_nulls"] == 0).all()
    assert (card.units["why"] == "no random unit changes about as much as it does").all()


def test_a_sweep_gives_sites_layers_and_what_is_encoded(
    model: LensModel, examples: Examples, tmp_path: Path
) -> None:
    pytest.importorskip("sklearn")
    from lens_probes._sweep import sweep

    result = sweep(
        model, examples, sites=["mlp_pre", "mlp_out"], layers=[0], untrained=False,
        n_permutations=200,
    )  # fmt: skip
    few = {"n_nulls": 20, "n_unit_nulls": 20, "n_windows": 8, "top": PLANTED}
    card = ablate(model, examples, result=result, **few)
    assert card.sets[["layer", "site"]].to_numpy().tolist() == [[0, "mlp_pre"], [0, "mlp_out"]]
    units = result.units.set_index("name")["significant"]
    here = card.units[card.units["not_encoded"] != "it is not significantly tuned"]
    assert units[here["name"]].all()
    one = ablate(model, examples, result=result, sites="mlp_pre", layers=np.int64(0),
                 **few | {"top": np.int64(PLANTED)})  # fmt: skip
    pd.testing.assert_frame_equal(one.units, card.units[card.units["site"] == "mlp_pre"])
    assert one.save(tmp_path / "numpy numbers").is_dir()
    with pytest.raises(InputError, match="a sweep of other examples"):
        ablate(model, examples.select(np.arange(200)), result=result)
    with pytest.raises(InputError, match="layer 1 is not in the sweep: it has layers 0"):
        ablate(model, examples, result=result, layers=[1])
    with pytest.raises(InputError, match="unknown site of this sweep 'q': choose from mlp_pre"):
        ablate(model, examples, result=result, sites=["q"])
    with pytest.raises(InputError, match=r"layer 0, site mlp_out: 46 units vary.*23 or fewer"):
        ablate(model, examples, result=result, sites=["mlp_out"], top=30)


def test_steering_a_unit_moves_the_words_that_read_it(card: CausalCard, model: LensModel) -> None:
    curves = steer(model, (0, "mlp_post"), [0, READ], np.ones(2), **STEERING)
    read, decoy = (curves[curves["unit"] == unit] for unit in (0, READ))
    assert (np.diff(read["log_odds"]) > 0).all()
    assert read["log_odds"].iloc[-1] - read["log_odds"].iloc[0] > 1
    assert np.ptp(decoy["log_odds"]) < 1e-4
    together = np.exp(read["log_p0"]) + np.exp(read["log_p1"])
    assert (together < 1 + 1e-6).all()
    assert together.iloc[0] > 0.9
    assert len(card.steering) == 7
    assert {"steered", "steering_slope", "steering_p"} <= set(card.sets)


def test_the_untrained_model_stands_beside_it(model: LensModel, examples: Examples) -> None:
    few = QUICK | {"n_nulls": 20, "n_unit_nulls": 0, "n_windows": 12, "n_controls": 0}
    alone = ablate(model, examples, **few)
    card = ablate(model, examples, **few, untrained=True)
    row = card.sets.iloc[0]
    assert card.provenance["options"]["untrained"]
    fresh = ablate(model.reinitialised(0), examples, **few).sets.iloc[0]
    assert (row["p_untrained"], row["verdict_untrained"]) == (fresh["p_family"], fresh["verdict"])
    assert row["p"] == 1 / 21 < row["p_untrained"]
    pd.testing.assert_frame_equal(card.sets[list(alone.sets)], alone.sets)
    assert "untrained" not in " ".join(alone.text_lines())
    assert "The same of the untrained model: " in " ".join(card.text_lines())


def test_steering_is_left_out_with_a_note(model: LensModel, examples: Examples) -> None:
    few = QUICK | {"n_nulls": 20, "n_unit_nulls": 0, "n_windows": 4, "n_controls": 0}
    card = ablate(model, examples, **few, words=(["w3"], ["w3"]))
    assert card.steering.empty
    assert "no steering: no word has a first token" in " ".join(card.provenance["notes"])
    assert card.units["why"].eq("no random units were measured").all()
    with pytest.raises(InputError, match="name others"):
        steer(model, (0, "mlp_pre"), [0], np.ones(1), (["w3"], ["w3"]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "men"}, "unknown kind 'men': choose from zero, mean, resample. Did you mean"),
        ({"positions": "last"}, "unknown positions 'last'"),
        ({"top": 0}, "top must be 1 or more; got 0"),
        ({"top": 20.0}, r"top must be a whole number; got 20\.0"),
        ({"n_windows": 1}, "n_windows must be 2 or more"),
        ({"n_windows": "all"}, "n_windows must be a whole number; got 'all'"),
        ({"n_nulls": None}, "n_nulls must be a whole number; got None"),
        ({"n_nulls": 18}, r"with 18 write swaps p cannot be below 0\.053, .* ask for 19 or more"),
        ({"seed": -1}, "seed must be 0 or more; got -1"),
        ({"prefixes": []}, "prefixes must be a list of texts, none of them empty"),
        ({"prefixes": [""]}, "prefixes must be a list of texts, none of them empty"),
        ({"prefixes": "text"}, "prefixes must be a list of texts, none of them empty"),
        ({"words": "text"}, "words must be two lists"),
        ({"words": (["a"], "b")}, "words must be two lists"),
        ({"layers": "0"}, "a layer must be|layers must be whole numbers"),
        ({"interest": 0}, "interest must lie between 1e-06 and 1"),
        ({"alpha": 1.5}, "alpha must lie between 0 and 1"),
        ({"sites": ["mlp_pre_linear"]}, "this model has no site"),
        ({"top": 60, "layers": [0]}, "layer 0, site mlp_pre: 96 units vary here"),
    ],
)
def test_mistakes_are_said_in_one_line(
    model: LensModel, examples: Examples, options: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        ablate(model, examples, **options)
    assert "\n" not in str(caught.value)
