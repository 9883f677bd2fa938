"""atlas(): planted units by their names, and the numbers of a sweep on the same tokens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from atlas_toy import EACH, Toy, make_toy

import lens_probes as lp
from lens_probes.atlases.tokens import Tokens
from lens_probes.errors import InputError

pytestmark = pytest.mark.model


def atlas_of(toy: Toy, **options: object) -> lp.Atlas:
    given: dict[str, object] = {
        "sites": ["mlp_pre"], "max_tokens": 12_000, "n_permutations": 300, "untrained": False,
    }  # fmt: skip
    return lp.atlas(toy.model, toy.text, [toy.properties, "frequent word"], **(given | options))


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    return make_toy(tmp_path_factory.mktemp("toy"), 0)


@pytest.fixture(scope="module")
def found(toy: Toy) -> lp.Atlas:
    return atlas_of(toy)


def named_rightly(found: lp.Atlas, kind: np.ndarray) -> dict[str, float]:
    """Share of the planted units of each kind that the atlas names rightly."""
    units = found.units
    tuned = units["p_best"] <= 0.05
    both = {"round", "sharp"}
    pairs = np.array([{a, b} == both for a, b in zip(units["best"], units["second"], strict=True)])
    also = (units["partial_second"].abs() > found.provenance["threshold"]) & pairs
    right = {
        "round": tuned & (units["best"] == "round") & ~also,
        "sharp": tuned & (units["best"] == "sharp") & ~also,
        "both": tuned & also,
        "frequency": tuned & (units["best"] == "frequent word") & (units["p_second"] > 0.05),
        "none": ~tuned,
    }
    return {name: float(value[kind == name].mean()) for name, value in right.items()}


def test_planted_units_are_named_rightly_over_20_seeds(tmp_path: Path) -> None:
    table = []
    for seed in range(20):
        toy = make_toy(tmp_path, seed)
        table.append(named_rightly(atlas_of(toy), toy.kind))
    right = pd.DataFrame(table)
    assert (right[["round", "sharp", "frequency"]] == 1).all(axis=None)
    assert right["both"].mean() > 0.95
    assert (right["none"] == 1).mean() >= 0.9  # one unit or more in at most 5 % of runs, and chance


def test_a_planted_unit_has_a_sentence_and_another_has_none(found: lp.Atlas, toy: Toy) -> None:
    units = found.units
    alone = np.isin(toy.kind, ["round", "sharp", "frequency"])
    assert units.loc[alone, "named"].mean() > 0.8
    assert not units.loc[toy.kind == "none", "named"].any()
    name = units.loc[alone & units["named"], "name"].iloc[0]
    assert found.sentence(name).startswith(f"{name} is ")
    assert found.sentence(units["name"].iloc[-1]) == ""
    top = found.follows("round", 2 * EACH)["name"]
    assert set(top) == set(units.loc[np.isin(toy.kind, ["round", "both"]), "name"])


@pytest.mark.parametrize("name", ["round", "common", "frequent word"])
def test_the_numbers_of_a_property_are_those_of_a_sweep(
    found: lp.Atlas, toy: Toy, name: str
) -> None:
    examples = found.examples(name)
    swept = lp.sweep(
        toy.model, examples, sites=["mlp_pre"], untrained=False, min_per_group=1,
        n_permutations=300,
    )  # fmt: skip
    design = found.designs.set_index("property").loc[name]
    assert swept.provenance["decision"]["n_words_tested"] == [
        design["n_groups0"], design["n_groups1"],
    ]  # fmt: skip
    np.testing.assert_allclose(
        found.values[name], swept.units["permuted_value"], rtol=1e-4, atol=1e-4
    )


def test_it_is_saved_whole_and_read_back(found: lp.Atlas, tmp_path: Path) -> None:
    folder = found.save(tmp_path / "atlas")
    again = lp.Atlas.load(folder)
    for name in ("units", "properties", "designs", "values", "sample", "tokens"):
        pd.testing.assert_frame_equal(getattr(again, name), getattr(found, name))
    assert again.text_lines() == found.text_lines()
    assert again.examples("round").digest == found.examples("round").digest
    with pytest.raises(InputError, match="already holds"):
        found.save(folder)
    (folder / "values.parquet").write_bytes(b"")
    with pytest.raises(InputError, match="damaged"):
        lp.Atlas.load(folder)


def test_the_same_request_gives_the_same_numbers(found: lp.Atlas, toy: Toy, tmp_path: Path) -> None:
    kept = atlas_of(toy, store=tmp_path / "store")
    pd.testing.assert_frame_equal(kept.units, found.units, rtol=1e-4, atol=1e-4)
    pd.testing.assert_frame_equal(kept.designs, found.designs)


def test_one_property_has_no_second(toy: Toy) -> None:
    alone = lp.atlas(
        toy.model, toy.text, "frequent word", sites=["mlp_pre"], max_tokens=6_000,
        n_permutations=50, untrained=False,
    )  # fmt: skip
    assert set(alone.units["second"]) == {""}
    assert alone.units[["t_second", "p_second", "partial_second"]].isna().all(axis=None)
    assert (alone.units.loc[toy.kind == "frequency", "best"] == "frequent word").all()


def test_random_weights_are_searched_beside(toy: Toy) -> None:
    with_twin = atlas_of(toy, untrained=True)
    assert with_twin.properties["untrained_share_significant"].max() < 0.1
    assert with_twin.units["q_untrained"].notna().all()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_tokens": 10}, "max_tokens must be 100 or more"),
        ({"alpha": 2}, "alpha must lie between"),
        ({"sites": ["nowhere"]}, "unknown site"),
        ({"untrained": "no"}, "untrained must be True or False"),
    ],
)
def test_a_wrong_request_is_one_line(toy: Toy, options: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said) as error:
        atlas_of(toy, **options)
    assert "\n" not in str(error.value)


def test_a_text_without_the_words_is_refused(toy: Toy, tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text('[nowhere]\nwords = ["absent"]\n')
    with pytest.raises(InputError, match="no property can be tested"):
        lp.atlas(toy.model, toy.text, [path], sites=["mlp_pre"], max_tokens=2_000, untrained=False)


def test_what_comes_in_passages_is_not_tested_over_words(toy: Toy) -> None:
    def in_first_chunks(tokens: Tokens) -> np.ndarray:
        return tokens.chunk % 4 == 0

    def every_other(tokens: Tokens) -> np.ndarray:
        return tokens.index % 2 == 0

    found = lp.atlas(
        toy.model, toy.text, [in_first_chunks, every_other], sites=["mlp_pre"], max_tokens=6_000,
        n_permutations=100, untrained=False,
    )  # fmt: skip
    designs = found.designs.set_index("property")
    assert "comes in passages (100%" in designs.loc["in first chunks", "problem"]
    assert designs.loc["every other", "level"] == "inside word types"
    assert list(found.values) == ["every other"]
    assert (found.units["p_best"] > 0.05).mean() > 0.97
