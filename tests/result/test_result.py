"""What a user takes out of a result: matrices, directions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from result_parts import ARRAYS, LABEL, WORD, N, swept
from sklearn.linear_model import LogisticRegression

import lens_probes as lp
from lens_probes.model.load import LensModel


@pytest.fixture(scope="module")
def result() -> lp.SweepResult:
    return swept()


def test_a_matrix_has_the_rows_of_the_examples_and_the_names_of_the_units(
    result: lp.SweepResult,
) -> None:
    matrix = result.matrix(layer=1, site="b")
    np.testing.assert_array_equal(matrix, ARRAYS[1, "b"])
    assert matrix.columns.tolist() == [f"L1.b.{i}" for i in range(5)]
    assert matrix.index.equals(result.examples.index)
    matrix.iloc[0, 0] = 99
    assert result.matrix(layer=1, site="b").iloc[0, 0] != 99
    with pytest.raises(lp.InputError, match=r"no layer 7 of 'b' in this sweep: it has \(0, 'a'\)"):
        result.matrix(layer=7, site="b")
    for place in ({"layer": [1], "site": "b"}, {"layer": 1, "site": ["b"]}):
        with pytest.raises(lp.InputError, match="must be"):
            result.matrix(**place)  # type: ignore[arg-type]


def test_a_saved_result_asks_for_the_activations_and_knows_its_own(
    result: lp.SweepResult, tmp_path: Path
) -> None:
    result.save(tmp_path / "run")
    loaded = lp.SweepResult.load(tmp_path / "run")
    with pytest.raises(lp.InputError, match="a saved result keeps no activations"):
        loaded.matrix(layer=1, site="b")
    again = loaded.matrix(layer=1, site="b", activations=ARRAYS)
    np.testing.assert_array_equal(again, ARRAYS[1, "b"])
    other = {(1, "b"): ARRAYS[1, "b"] + 1}
    with pytest.raises(lp.InputError, match="are not those of this sweep"):
        loaded.matrix(layer=1, site="b", activations=other)
    with pytest.raises(lp.InputError, match="have no layer 1, site b"):
        loaded.matrix(layer=1, site="b", activations={(0, "a"): ARRAYS[0, "a"]})
    pd.testing.assert_frame_equal(loaded.directions(), result.directions())


@pytest.mark.model
def test_a_sweep_of_a_model_and_its_store_give_the_same_matrix(
    tiny_model: LensModel, tmp_path: Path
) -> None:
    tokens = np.random.default_rng(2).integers(20, 300, (N, 6))
    examples = lp.Examples.from_tokens(tokens, -1, LABEL, WORD)
    swept_model = lp.sweep(
        tiny_model,
        examples,
        layers=[1],
        n_permutations=40,
        untrained=False,
        store=tmp_path / "store",
    )
    swept_model.save(tmp_path / "run")
    loaded = lp.SweepResult.load(tmp_path / "run")
    given = loaded.matrix(layer=1, site="mlp_pre", activations=tmp_path / "store")
    pd.testing.assert_frame_equal(given, swept_model.matrix(layer=1, site="mlp_pre"))


def test_directions_are_the_mean_difference_and_the_probe(result: lp.SweepResult) -> None:
    table = result.directions()
    assert table.columns.tolist() == ["layer", "site", "kind", "unit", "weight"]
    x = ARRAYS[2, "a"].astype(float)
    here = table[(table["layer"] == 2) & (table["site"] == "a")].set_index("kind")
    gap = x[LABEL == 1].mean(0) - x[LABEL == 0].mean(0)
    np.testing.assert_allclose(here.loc["mean_difference", "weight"], gap)
    scale = x.std(0) * np.sqrt(5)
    fit = LogisticRegression(C=1.0, tol=1e-10).fit((x - x.mean(0)) / scale, LABEL)
    np.testing.assert_allclose(
        here.loc["logistic_probe", "weight"], fit.coef_[0] / scale, rtol=1e-3, atol=1e-4
    )
    value = ARRAYS[0, "a"][:, 0] * 2.0
    slopes = swept([(0, "a")], value, word=None, group=range(N)).directions()
    assert slopes["kind"].unique().tolist() == ["slope"]
    assert slopes["weight"][0] == pytest.approx(0.5, rel=1e-6)
    with pytest.raises(lp.InputError, match="the rigorous preset makes them"):
        swept([(0, "a")], word=None, preset="course").directions()
