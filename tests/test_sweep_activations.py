"""Activations of one's own: the numbers of `sweep`, no model, and one line for each mistake."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import lens_probes as lp
from lens_probes.model.load import LensModel
from lens_probes.report.words.summary import summary
from lens_probes.result.verify import verify

N = 80
RNG = np.random.default_rng(0)
LABEL = np.arange(N) % 2
X = RNG.normal(size=(N, 6)).astype(np.float32)
X[:, 2] += 2 * LABEL
WORD = [f"w{i % 2}-{i // 2 % 12}" for i in range(N)]
FEW: dict[str, Any] = {"n_permutations": 60}


def windows(*, value: bool = False, covariates: bool = True) -> lp.Examples:
    """Examples with tokens, words, sources and covariates of their own."""
    rng = np.random.default_rng(1)
    tokens = rng.integers(20, 300, (N, 7))
    made = lp.Examples.from_tokens(
        tokens, -1, None if value else LABEL, WORD, [f"s{i % 9}" for i in range(N)],
        value=tokens[:, -1] * 1.0 if value else None, value_name="token",
    )  # fmt: skip
    columns = vars(made).copy()
    columns.pop("group", None)
    return lp.Examples(
        **columns | {"covariates": {"c": rng.normal(size=N)} if covariates else None}
    )


@pytest.mark.model
@pytest.mark.parametrize("value", [False, True], ids=["classes", "value"])
def test_the_numbers_are_those_of_a_sweep_of_the_model(
    tiny_model: LensModel, value: bool, tmp_path: Path
) -> None:
    examples, where = windows(value=value), {"sites": ["mlp_pre", "q"], "layers": [0, 1]}
    swept = lp.sweep(tiny_model, examples, **where, untrained=False, **FEW)
    read = lp.collect(tiny_model, examples, **where, store=tmp_path / "store")
    given = lp.sweep_activations(read, examples, **FEW)
    pd.testing.assert_frame_equal(given.units, swept.units, check_exact=True)
    pd.testing.assert_frame_equal(given.layers, swept.layers, check_exact=True)
    pd.testing.assert_frame_equal(given.evidence, swept.evidence, check_exact=True)
    assert given.provenance["decision"] == swept.provenance["decision"]
    assert swept.validation["notes"] != given.validation["notes"]
    stored = lp.sweep_activations(tmp_path / "store", examples, **FEW)
    arrays = lp.sweep_activations({key: torch.tensor(read[key]) for key in read}, examples, **FEW)
    for other in (stored, arrays):  # which do not know heads
        same = given.units.drop(columns="name"), other.units.drop(columns="name")
        pd.testing.assert_frame_equal(*same, check_exact=True)
    assert stored.provenance["activations"]["sha256"] == given.provenance["activations"]["sha256"]


@pytest.mark.model
def test_confounds_of_the_text_are_left_out_and_said_to_be(tiny_model: LensModel) -> None:
    examples = windows(covariates=False)
    swept = lp.sweep(tiny_model, examples, layers=[0], untrained=False, **FEW)
    given = lp.sweep_activations(lp.collect(tiny_model, examples, sites=["mlp_pre"], layers=[0]),
                                 examples, **FEW)  # fmt: skip
    left_out = {"partial_r", "partial_r_p", "log10_partial_r_p"}
    left_out |= {"adjusted_t", "adjusted_p", "log10_adjusted_p"}
    assert set(swept.units) - set(given.units) == left_out
    shared = swept.units.drop(columns=list(left_out))
    pd.testing.assert_frame_equal(given.units, shared, check_exact=True)
    assert "no confounds of the text" in given.validation["notes"][-2]
    assert given.validation["notes"][-1].startswith("no covariates were given")


def test_a_result_is_saved_loaded_verified_and_reported(tmp_path: Path) -> None:
    names = [f"feature {i} <b>" for i in range(6)]
    result = lp.sweep_activations(X, LABEL, word=WORD, names=names, **FEW)
    assert result.top(1)["name"][0] == names[2]
    assert result.validation["nested_best"]["chosen_unit"] == [names[2]] * 5
    result.save(tmp_path / "run")
    loaded = lp.SweepResult.load(tmp_path / "run")
    pd.testing.assert_frame_equal(loaded.units, result.units)
    assert loaded.provenance["model"] is None
    page = loaded.write_report(tmp_path / "run" / "report.html").read_text()
    assert "given activations" in page
    assert "feature 2 <b>" not in page
    assert "lp.sweep_activations(" in page
    assert [one.problems for one in verify(tmp_path)] == [()]
    assert "of given activations" in summary(loaded)[0]
    assert loaded._repr_html_()
    with pytest.raises(lp.InputError, match="knows no model"):
        _ = loaded.recorded_model


def test_a_frame_names_units_and_types_mean_the_same() -> None:
    frame = pd.DataFrame(X, columns=list("abcdef"))
    result = lp.sweep_activations(frame, pd.Series(LABEL), word=WORD, **FEW)
    assert result.units["name"].tolist() == list("abcdef")
    for other in (X.tolist(), torch.tensor(X, requires_grad=True), X.astype(np.float64)):
        again = lp.sweep_activations(other, LABEL.tolist(), word=WORD, **FEW)
        np.testing.assert_array_equal(again.units["p_corrected"], result.units["p_corrected"])
    two = lp.sweep_activations({(1, "a"): frame, (2, "a"): frame[["b"]]}, LABEL, word=WORD, **FEW)
    assert two.units["name"].tolist()[-2:] == ["L1.a.f", "L2.a.b"]
    half = lp.sweep_activations(torch.tensor(X).bfloat16(), LABEL, word=WORD, **FEW)
    assert half.provenance["activations"]["dtypes"] == ["float32"]


def test_groups_are_the_unit_of_replication_and_labels_may_be_names() -> None:
    names = np.where(LABEL, "noun", "verb")
    result = lp.sweep_activations(X, names, group=WORD, **FEW)
    assert result.provenance["examples"]["class_names"] == ["noun", "verb"]
    assert result.provenance["examples"]["n_groups_per_class"] == [12, 12]
    assert result.provenance["decision"]["level"] == "word"
    tokens = lp.sweep_activations(X, names, **FEW)
    assert tokens.provenance["decision"]["level"] == "token"
    value = lp.sweep_activations(X, X[:, 0] * 2.0, label_name="rating", **FEW)
    assert value.provenance["examples"]["value_name"] == "rating"
    assert value.units["r"][0] == pytest.approx(1)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"activations": X[0]}, r"\[example, unit\]; got the shape \(6,\) \(one unit is"),
        ({"activations": X[:, :0]}, r"got the shape \(80, 0\)"),
        ({"activations": X[:9]}, "9 examples have activations and 80 have labels"),
        ({"activations": X.astype(complex)}, "must be numbers; got complex128"),
        ({"activations": {}}, "no activations given"),
        ({"activations": {3: X}}, r"by \(layer, site\), such as \(3, 'sae'\); got 3"),
        ({"activations": {(-1, "a"): X}}, "a layer must be 0 or more"),
        ({"activations": {(0, " "): X}}, "a site must be a name"),
        ({"activations": {(0, "a"): X, (0, "a "): X}}, "layer 0, site a is given twice"),
        ({"activations": {(0, "a"): X, (1, "a"): X[1:]}}, "layer 1, site a has 79 examples"),
        ({"activations": np.where(X[4, 1] == X, np.nan, X)}, "site units, unit 1 .*, example 4: "),
        ({"activations": "nowhere"}, "nowhere is no store"),
        ({"names": ["a"] * 6}, "two units are called 'a'"),
        ({"names": ["a", "b"]}, "has 6 units and 2 names"),
        ({"activations": {(0, "a"): X}, "names": {(1, "a"): ["a"]}}, r"names of \(1, 'a'\)"),
        ({"examples": [0] * N}, "two classes are needed"),
        ({"examples": [None] * N}, "the label of example 0 is empty"),
        ({"examples": [0.5, np.inf, 1] + [2.5] * (N - 3)}, "the label of example 1 is inf"),
        ({"word": WORD[1:]}, "word must have one entry an example: 80, not 79"),
        ({"examples": windows(), "word": WORD}, "word belongs to the examples"),
        ({"covariates": {"c": [1.0]}}, "c has 1 entries for 80 labels"),
        ({"preset": "bold"}, "unknown preset 'bold'"),
        ({"activations": pd.DataFrame(X), "examples": pd.Series(LABEL, index=range(1, N + 1))},
         "other indices"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line(given: dict[str, Any], said: str) -> None:
    with pytest.raises(lp.InputError, match=said) as error:
        lp.sweep_activations(**{"activations": X, "examples": LABEL, **given})
    assert "\n" not in str(error.value)


@pytest.mark.model
def test_labels_alone_cannot_be_read_by_a_model(tiny_model: LensModel) -> None:
    from lens_probes.examples.labels_alone import labels_alone

    with pytest.raises(lp.InputError, match="labels alone, without tokens"):
        lp.collect(tiny_model, labels_alone(LABEL, N), sites=["mlp_pre"], layers=[0])


def test_units_that_are_mostly_zero_are_tested_on_their_own_terms() -> None:
    rng = np.random.default_rng(3)
    sparse = X.copy() * (rng.uniform(size=X.shape) < 0.3)
    sparse[:, 0] = np.where(LABEL, np.abs(X[:, 0]) + 1, 0) * (rng.uniform(size=N) < 0.9)
    sparse[:, 5] = X[:, 5]
    result = lp.sweep_activations(sparse, LABEL, word=WORD, **FEW)
    units = result.units
    assert units["presence_p"].isna().tolist() == [False] * 5 + [True]
    assert units["presence_q"][0] < 0.01
    assert units["presence0"][0] == 0
    assert np.isnan(units["value_p"][0])
    assert any("presence" in note for note in result.validation["notes"])
    dense = lp.sweep_activations(X, LABEL, word=WORD, **FEW)
    assert "share_zero" not in dense.units
    value = lp.sweep_activations(sparse, X[:, 5], group=range(N), **FEW)
    assert "the mean alone is tested" in value.validation["notes"][1]
    classes = lp.sweep_activations(sparse, list("abcd") * 20, group=range(N), **FEW)
    assert any("with several classes the mean alone" in n for n in classes.validation["notes"])


def test_names_words_and_groups_are_given_by_place_too() -> None:
    by_place = lp.sweep_activations(X, LABEL, list("abcdef"), WORD, WORD, **FEW)
    by_name = lp.sweep_activations(X, LABEL, names=list("abcdef"), word=WORD, group=WORD, **FEW)
    assert by_place.units.equals(by_name.units)
