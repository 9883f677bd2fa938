"""Replication: planted units come back on new words, word identity does not."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import lens_probes as lp
from lens_probes.activations import workers
from lens_probes.checks.toy import TUNED, toy_model
from lens_probes.cli import main
from lens_probes.replication.replication import KINDS
from lens_probes.report.replication_figures import replication_table

pytestmark = pytest.mark.model

FILLER = 40
ENDS = ("low", "high", "null_low", "null_high", "p")


def toy_examples(words: range, seed: int, source: str = "one") -> lp.Examples:
    """Five contexts of some words of the toy model; the first twenty words are class 1."""
    rng = np.random.default_rng(seed)
    word = np.repeat(np.array([*words, *(20 + w for w in words)]), 5)
    tokens = rng.integers(40, 40 + FILLER, (len(word), 8))
    tokens[:, -1] = word
    names = [f"word {i}" for i in word]
    sources = [f"{source} {i % 10}" for i in range(len(word))]
    return lp.Examples.from_tokens(tokens, -1, word < 20, names, sources)


@pytest.fixture(scope="module")
def model() -> lp.LensModel:
    return toy_model(0)


@pytest.fixture(scope="module")
def first(model: lp.LensModel) -> lp.SweepResult:
    return lp.sweep(model, toy_examples(range(12), 0), sites=["mlp_pre"], untrained=False)


def line(replication: object, kind: str) -> dict[str, object]:
    table = replication.lines.set_index("kind")  # type: ignore[attr-defined]
    return dict(table.loc[kind])


def test_planted_units_come_back_on_new_words(model: lp.LensModel, first: lp.SweepResult) -> None:
    assert first.units["significant"][:TUNED].all()
    again = lp.replicate(first, toy_examples(range(12, 20), 1, "two"), model=model)
    new_words = line(again, "new words")
    assert new_words["n_words"] == "8 v 8"
    assert new_words["n_groups"] == "8 v 8"
    assert new_words["sign_agreement"] == 1
    assert new_words["sign_agreement_low"] > 0.7
    assert new_words["sign_agreement_null_low"] < 0.4
    assert new_words["sign_agreement_null_high"] < 1
    assert new_words["sign_agreement_p"] == pytest.approx(1 / 1001, abs=0.002)
    assert new_words["auc_heldout_low"] > 0.7
    assert new_words["auc_heldout_null_high"] < 0.8
    assert new_words["best_auc_heldout_low"] > 0.7
    assert new_words["share_significant_again"] == 1
    assert new_words["auc_heldout"] > 0.99
    assert new_words["level"] == "word"
    assert "2 examples of each class" in str(line(again, "new sentences")["note"])
    assert line(again, "new passages")["n"] == "40 v 40"
    assert "no text is known" in str(line(again, "new corpus")["note"])
    both = again.units[again.units["group"] == "both"]
    assert set(both["unit"]) == set(range(TUNED))
    assert (np.sign(both["t1"]) == np.sign(both["t2"])).all()


def test_a_store_and_workers_give_the_same(
    model: lp.LensModel, first: lp.SweepResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples = toy_examples(range(12, 20), 1, "two")
    monkeypatch.setattr(workers, "load_again", lambda _: model)  # a toy cannot be loaded
    plain = lp.replicate(first, examples, model=model)
    with ThreadPoolExecutor(1) as executor:
        given: dict[str, Any] = {"model": model, "store": tmp_path, "executor": executor}
        kept = lp.replicate(first, examples, **given)
        made = [path.stat().st_mtime_ns for path in sorted(tmp_path.rglob("*.safetensors"))]
        again = lp.replicate(first, examples, **given)
    assert len(made) >= 2
    assert made == [path.stat().st_mtime_ns for path in sorted(tmp_path.rglob("*.safetensors"))]
    for other in (kept, again):
        pd.testing.assert_frame_equal(other.lines, plain.lines, check_exact=True)
        pd.testing.assert_frame_equal(other.units, plain.units, check_exact=True)


def test_word_identity_comes_back_in_new_sentences_and_not_in_new_words(
    model: lp.LensModel,
) -> None:
    """The trap that the separate lines are for: the same words carry their identity along."""
    random = np.random.default_rng(3).permutation(40)

    def shuffled(examples: lp.Examples) -> lp.Examples:
        label = np.array([random[int(w.split()[1])] % 2 for w in examples.word])
        return replace(examples, label=label)

    result = lp.sweep(
        model,
        shuffled(toy_examples(range(12), 0)),
        sites=["mlp_pre"],
        method="holm",
        level="token",
        untrained=False,
    )
    assert result.units["significant"].sum() > 20
    sentences = lp.replicate(result, shuffled(toy_examples(range(12), 5)), model=model)
    words = lp.replicate(result, shuffled(toy_examples(range(12, 20), 5)), model=model)
    same, new = line(sentences, "new sentences"), line(words, "new words")
    assert same["sign_agreement"] > 0.95
    assert same["effect_correlation"] > 0.9
    assert new["sign_agreement"] < same["sign_agreement"] - 0.2
    assert abs(new["effect_correlation"]) < 0.4
    assert new["sign_agreement_p"] > 0.05
    assert (
        new["sign_agreement_null_low"] <= new["sign_agreement"] <= new["sign_agreement_null_high"]
    )
    assert new["auc_heldout_null_low"] < 0.5 < new["auc_heldout_null_high"]


def test_each_line_is_what_the_statistics_say_of_its_examples(
    model: lp.LensModel, first: lp.SweepResult
) -> None:
    examples = toy_examples(range(12, 20), 1, "two")
    again = lp.replicate(first, examples, model=model, n_permutations=200)
    row = line(again, "new words")
    x = lp.collect(model, examples, sites=["mlp_pre"])
    arrays = [x[key] for key in x]
    given = (arrays, examples.label, examples.group, first.units["direction"],
             first.units["significant"])  # fmt: skip
    for name, found in (
        ("sign_agreement", lp.stats.sign_agreement(*given, n_permutations=200)),
        ("auc_heldout", lp.stats.mean_auc(*given, n_permutations=200)),
    ):
        for end in ENDS:
            assert row[f"{name}_{end}"] == getattr(found, end)
    effects = lp.stats.effect_agreement(
        arrays, examples.label, examples.group, first.units["hedges_g"], n_permutations=200
    )
    assert row["effect_correlation"] == effects.r
    assert row["effect_correlation_low"] < effects.r < row["effect_correlation_high"]
    assert row["effect_correlation_p"] == effects.p < 0.05
    said = next(text for text in again.text_lines() if text.startswith("new words"))
    low, high, p = (row[f"sign_agreement_{end}"] for end in ("null_low", "null_high", "p"))
    assert f"[at random {low:.0%} to {high:.0%}, p = {p:.3f}] keep their sign" in said
    assert "8 v 8 word types in 8 v 8 groups" in said
    (table,) = [t for t in [replication_table(again)] if t.rows]
    headers = [column.header for column in table.columns]
    assert headers.count("95 % over groups") == 4
    assert headers.count("at random") == 3


def test_where_groups_cannot_be_counted_the_line_says_so(
    model: lp.LensModel, first: lp.SweepResult
) -> None:
    new = toy_examples(range(12, 20), 1, "two")
    blind = line(lp.replicate(first, replace(new, word=None), model=model), KINDS[0])
    assert np.isnan(blind["sign_agreement_low"])
    assert blind["sign_agreement"] == 1
    assert blind["n_groups"] == ""
    assert str(blind["note"]).endswith("no interval: no groups are known")
    one = new.select(np.flatnonzero(np.isin(new.tokens[:, -1], [12, 13, 32])))
    few = line(lp.replicate(first, one, model=model), KINDS[0])
    assert few["n_groups"] == "1 v 2"
    assert np.isnan(few["auc_heldout_p"])
    assert "no interval: too few groups (1 v 2)" in str(few["note"])


def test_windows_read_before_are_left_out(model: lp.LensModel, first: lp.SweepResult) -> None:
    same = toy_examples(range(12), 0)
    with pytest.raises(lp.InputError, match="all 120 examples were read by the first sweep"):
        lp.replicate(first, same, model=model)
    new = toy_examples(range(12), 9)
    both = lp.Examples.from_tokens(
        np.concatenate([same.tokens, new.tokens]), -1, np.concatenate([same.label, new.label]),
        [*same.word, *new.word],
    )  # fmt: skip
    again = lp.replicate(first, both, model=model)
    assert line(again, "all new examples")["n"] == "60 v 60"
    counts = again.provenance["second"]["counts"]
    assert counts["left out: read by the first sweep"] == 120


def test_refusals(model: lp.LensModel, first: lp.SweepResult) -> None:
    new = toy_examples(range(12), 9)
    with pytest.raises(lp.InputError, match="has the classes class 0 and class 1, these"):
        lp.replicate(first, replace(new, class_names=("a", "b")), model=model)
    with pytest.raises(lp.InputError, match="has other weights than the model of the first"):
        lp.replicate(first, new, model=toy_model(1))
    values = lp.Examples.from_tokens(
        new.tokens, -1, value=np.arange(len(new)), class_names=("class 0", "class 1")
    )
    with pytest.raises(lp.InputError, match="one of the two has a continuous label"):
        lp.replicate(first, values, model=model)


def test_a_word_that_changed_sides_is_refused(model: lp.LensModel, first: lp.SweepResult) -> None:
    new = toy_examples(range(12), 9)
    with pytest.raises(lp.InputError, match="is class 0 here and was class 1 in the first"):
        lp.replicate(first, replace(new, label=1 - new.label), model=model)


def test_pairs_replicate_whole(tiny_model: lp.LensModel) -> None:
    words = ["river", "cat", "road", "dark", "sky", "hand", "sea", "long"]
    probe = lp.ContextProbe("space", words=words)
    result = lp.sweep(tiny_model, probe, sites=["mlp_pre"], layers=0, untrained=False)
    more = lp.ContextProbe("space", words=[*words[:2], "say", "sure", "will", "never", "all", "it"])
    again = lp.replicate(result, more, model=tiny_model)
    assert line(again, "all new examples")["n"] == "6 v 6"
    assert line(again, "new words")["level"] == "pair"
    assert line(again, "new words")["n_groups"] == "6"
    assert np.isnan(line(again, "new words")["auc_heldout_low"])
    nouns = {"noun": ["river", "road", "cat"], "verb": ["go", "see", "say"]}
    lone = lp.sweep(
        tiny_model, lp.GrammarProbe(words=nouns), sites=["v"], layers=0, untrained=False
    )
    nouns = {"noun": ["river", "sea", "hand"], "verb": ["carry", "see", "walk"]}
    again = lp.replicate(lone, lp.GrammarProbe(words=nouns), model=tiny_model)
    assert line(again, "new words")["n"] == "2 v 2"


def test_progress_shows_the_statistics_of_each_line(
    model: lp.LensModel, first: lp.SweepResult, capfd: pytest.CaptureFixture[str]
) -> None:
    given = toy_examples(range(10, 16), 1, "two")
    shown = lp.replicate(first, given, model=model, n_permutations=9, progress=True)
    written = capfd.readouterr()
    assert written.out == ""
    ends = [part.split("\r")[-1] for part in written.err.split("\n")]
    bars = {end.partition(":")[0]: end.partition(":")[2] for end in ends if ":" in end}
    assert "forward passes" in bars
    lines = [name for name in bars if name.startswith("statistics")]
    assert lines == [f"statistics, {kind}" for kind in KINDS[:4]], "no text is known"
    assert all(int(bars[name].split("array")[0]) >= 2 for name in lines)
    hidden = lp.replicate(first, given, model=model, n_permutations=9)
    assert capfd.readouterr() == ("", "")
    pd.testing.assert_frame_equal(shown.lines, hidden.lines)


def test_a_continuous_label_replicates(model: lp.LensModel) -> None:
    def made(words: range, seed: int) -> lp.Examples:
        base = toy_examples(words, seed)
        value = base.label + 0.1 * np.array([int(w.split()[1]) % 7 for w in base.word])
        return lp.Examples.from_tokens(base.tokens, -1, word=base.word.tolist(), value=value)

    result = lp.sweep(model, made(range(12), 0), sites=["mlp_pre"], untrained=False)
    again = lp.replicate(result, made(range(12, 20), 1), model=model)
    row = line(again, "new words")
    assert row["sign_agreement"] == 1
    assert row["auc_heldout"] > 0.8
    assert row["n_groups"] == "16"
    assert row["sign_agreement_low"] > 0.5
    assert row["sign_agreement_p"] < 0.05
    assert np.isnan(row["auc_heldout_low"])


def test_the_command(
    tiny_folders: dict[str, Path],
    prose_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = tmp_path / "other.txt"
    words = np.random.default_rng(1).permutation(prose_file.read_text().split())
    other.write_text(" ".join(words))
    run = tmp_path / "run"
    given = f"--model {tiny_folders['llama']} --text {prose_file} --words course --layers 1 --quiet"
    options = "--max-per-class 20 --before 9 --after 2 --no-untrained"
    assert main(["sweep", "negation", *given.split(), *options.split(), "--out", str(run)]) == 0
    capsys.readouterr()
    assert main(["replicate", str(run), "--text", str(other), "--quiet"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("all new examples:")
    assert "new corpus:" in printed
    assert f"Report: {run / 'replication' / 'report.html'}" in printed
    assert {p.name for p in (run / "replication").iterdir()} >= {
        "lines.parquet", "units.parquet", "replication.json",
    }  # fmt: skip
    full = tmp_path / "full"
    full.mkdir()
    (full / "notes.txt").write_text("mine")
    for arguments, message in [
        ([str(run), "--quiet"], "say what is new"),
        ([str(run), "--seed", "1", "--quiet", "--out", str(full)], "already holds files"),
        ([str(run), "--text", str(other)], "already holds a replication: name another one"),
        ([str(tmp_path / "no"), "--seed", "1"], "no result in"),
        (
            [str(run), "--words", "corse", "--out", str(tmp_path / "x"), "--quiet"],
            "unknown word set",
        ),
    ]:
        assert main(["replicate", *arguments]) == 2
        assert message in capsys.readouterr().err
    assert [path.name for path in full.iterdir()] == ["notes.txt"]
