"""Several classes through the whole path: sweep, save, load, report, command line, refusals."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import pytest

import lens_probes as lp
from lens_probes.cli import main
from lens_probes.examples.classes import Classes
from lens_probes.report import class_distributions
from lens_probes.report.class_figures import confusion
from lens_probes.report.words.summary import summary

COLOURS = ("red", "green", "blue")


def planted(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Activations of 60 units over 24 words of three classes; unit 7 is higher for green."""
    rng = np.random.default_rng(seed)
    word = np.repeat(np.arange(24), 5)
    x = rng.normal(size=(24, 60))[word] + 0.5 * rng.normal(size=(len(word), 60))
    x[:, 7] += 6.0 * (word % 3 == 1)
    return x.astype(np.float32), word % 3, word


def examples() -> lp.Examples:
    rng = np.random.default_rng(1)
    word = np.repeat(np.arange(18), 5)
    tokens = rng.integers(5, 300, (len(word), 6))
    tokens[:, -1] = 10 + word
    return lp.Examples.from_tokens(
        tokens, -1, word % 3, [f"w{k}" for k in word], (word // 2 % 7).tolist(),
        class_names=COLOURS,
    )  # fmt: skip


@pytest.fixture(scope="module")
def result(tiny_model: lp.LensModel) -> lp.SweepResult:
    return lp.sweep(tiny_model, examples(), sites=["mlp_pre", "k"], n_permutations=199)


def test_labels_from_0_without_gaps_are_classes() -> None:
    given = examples()
    assert type(given.contrast) is Classes
    assert given.n_per_class == (30, 30, 30)
    assert given.contrast.describe() == "red (30) v green (30) v blue (30)"
    assert list(given.by_source()[["n0", "n1", "n2"]].sum()) == [30, 30, 30]
    unnamed = lp.Examples.from_tokens([[1, 2]] * 6, -1, [0, 1, 2] * 2)
    assert unnamed.class_names == ("class 0", "class 1", "class 2")
    with pytest.raises(lp.InputError, match=r"label must be 0 or 1; got 3 .*without gaps"):
        lp.Examples.from_tokens([[1, 2]] * 3, -1, [0, 1, 3])
    with pytest.raises(lp.InputError, match="label must be 0 to 2; got 3"):
        lp.Examples.from_tokens([[1, 2]] * 3, -1, [0, 1, 3], class_names=COLOURS)


def test_a_planted_unit_is_found_with_its_class_and_no_other() -> None:
    x, y, word = planted()
    found = lp.sweep_activations(x, [COLOURS[k] for k in y], word=word.tolist())
    names = found.provenance["examples"]["class_names"]
    units = found.units
    assert units.loc[units["significant"], "unit"].tolist() == [7]
    best = found.top(1).iloc[0]
    assert names[int(best["highest"])] == "green"
    assert best["auc_heldout"] > 0.95
    assert best["word_p"] < 1e-6
    assert found.layers["n_significant"].item() == 1
    f = lp.stats.f_test(x, found.examples["label"].to_numpy())
    assert np.allclose(units["F"], f.F)
    assert np.allclose(units["eta_squared"], f.eta_squared)
    low, high = found.provenance["decision"]["level_at_this_design"]
    assert low <= high < 0.12
    nested = found.validation["nested_classes"]
    assert nested["unit"] > nested["chance"] == pytest.approx(1 / 3)
    assert np.sum(nested["confusion"]) == len(y)
    assert any("highest for green" in line for line in summary(found))


def test_counts_of_nothing_stay_small() -> None:
    x, y, word = planted(seed=5)
    x = x[:, np.arange(60) != 7]
    found = lp.sweep_activations(x, y.tolist(), word=word.tolist(), label_name="kind")
    # Numbers are values; the same as names are classes.
    assert "r" in found.units
    named = lp.sweep_activations(x, [COLOURS[k] for k in y], word=word.tolist())
    assert named.units["significant"].sum() == 0
    assert named.units["significant_token_level"].sum() > 0


@pytest.mark.model
def test_a_saved_result_and_its_report_know_every_class(
    result: lp.SweepResult, tmp_path: Path
) -> None:
    result.save(tmp_path / "run")
    loaded = lp.SweepResult.load(tmp_path / "run")
    assert loaded.units.equals(result.units)
    assert loaded.validation == result.validation
    page = loaded.write_report(tmp_path / "run" / "report.html").read_text()
    for name in COLOURS:
        assert name in page
    for key in ("best-eta", "confusion", "held-out", "distributions", "effects", "unit-map"):
        assert f'id="{key}"' in page
    for key in ("accuracy", "fit", "funnel", "best-auc"):
        assert f'id="{key}"' not in page
    assert "Highest for" in page
    assert loaded._repr_html_()


@pytest.mark.model
def test_each_class_has_a_colour_of_its_own(result: lp.SweepResult) -> None:
    figure = class_distributions(result, 1)
    colours = {trace.marker.color for trace in figure.data if trace.marker.color}
    assert len(colours) == 3
    drawn = np.array(confusion(result).data[0].z, dtype=float)
    assert drawn.shape == (3, 3)
    assert np.allclose(drawn.sum(axis=1), 1)


@pytest.mark.model
def test_what_takes_two_classes_is_refused_in_one_line(
    result: lp.SweepResult, tiny_model: lp.LensModel
) -> None:
    tries = (
        lambda: lp.ablate(tiny_model, examples(), result=result),
        lambda: lp.replicate(result, examples(), model=tiny_model),
        lambda: lp.sweep(tiny_model, examples(), method="max_adjusted", layers=[0]),
    )
    for attempt in tries:
        with pytest.raises(lp.InputError, match="two") as caught:
            attempt()
        assert "\n" not in str(caught.value)


@pytest.mark.model
def test_a_table_of_several_labels_on_the_command_line(
    tiny_folders: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = {"animal": "cat dog horse cow", "colour": "red blue green black", "food": "egg pie"}
    rows = [
        {"text": f"I saw the {word} {place}.", "word": word, "label": label}
        for label, several in words.items()
        for word in several.split()
        for place in ("here", "there", "again")
    ]
    file = tmp_path / "rows.csv"
    with file.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, ["text", "word", "label"])
        writer.writeheader()
        writer.writerows(rows)
    out = tmp_path / "run"
    given = f"--model {tiny_folders['gpt2']} --layers 0 --permutations 99 --quiet --no-untrained"
    code = main(["sweep", "labelled", str(file), "--out", str(out), *given.split()])
    printed = capsys.readouterr()
    assert code == 0, printed.err
    assert "Which units tell animal, colour and food apart?" in printed.out
    assert (out / "report.html").exists()
    two = [*given.split(), "--classes", "animal,food"]
    assert main(["sweep", "labelled", str(file), "--out", str(tmp_path / "two"), *two]) == 0
    assert lp.SweepResult.load(tmp_path / "two").provenance["examples"]["n_per_class"] == [12, 6]


@pytest.mark.model
def test_parts_of_speech_are_classes(tiny_model: lp.LensModel, tmp_path: Path) -> None:
    pytest.importorskip("denckring_en_pos")
    sentence = "They often explain the old kitchen. We rarely describe a new garden to him. "
    file = tmp_path / "prose.txt"
    file.write_text(sentence * 12)
    text = lp.load_text(file)
    tags = ["NOUN", "VERB", "PRON", "ADJ"]
    probe = lp.GrammarProbe(text, tagger="perceptron", classes=tags, before=2, after=1, bos=False)
    found = probe.examples(tiny_model)
    assert found.class_names == ("NOUN", "VERB", "PRON", "ADJ")
    assert set(found.word[found.label == 0]) == {"kitchen", "garden"}
    assert type(found.contrast) is Classes
    with pytest.raises(lp.InputError, match="need a text"):
        lp.GrammarProbe(classes="pos")
    with pytest.raises(lp.InputError, match="universal tag"):
        lp.GrammarProbe(text, classes=["NOUN", "verb"])


@pytest.mark.model
def test_parts_of_speech_without_spacy_are_one_line(
    tiny_model: lp.LensModel, monkeypatch: pytest.MonkeyPatch, prose_file: Path
) -> None:
    monkeypatch.setitem(sys.modules, "spacy", None)
    probe = lp.GrammarProbe(lp.load_text(prose_file), classes="pos")
    with pytest.raises(lp.InputError, match="pip install spacy") as caught:
        probe.examples(tiny_model)
    assert "\n" not in str(caught.value)
