"""Every lesson's script on a tiny random model: it runs, and has a row for each of its claims."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tiny_models import PROSE

import lens_probes as lp
from lens_probes.cli import main
from lens_probes.course import CLAIMS, LESSONS, Setting, script_main
from lens_probes.course.reproduce import load_script, run_script
from lens_probes.model.load import LensModel
from lens_probes.storage.integrity import unseal
from lens_probes.texts.load import Document, Text

pytestmark = pytest.mark.model

FOLDER = Path(__file__).parent.parent / "experiments"
NAMES = "We saw Anna in Paris, and then Anna went to Rome with Bob. It was dark in Rome. "


def prose() -> Text:
    body = (PROSE + NAMES) * 30
    return Text("prose", tuple(Document(f"d{i}", f"s{i}", body) for i in range(3)), "test")


@pytest.fixture(scope="module")
def setting(tiny_models: dict[str, LensModel]) -> Setting:
    return Setting(model=tiny_models["gpt2"], text=prose(), scale="quick")


def test_there_is_one_script_for_each_lesson() -> None:
    scripts = [load_script(FOLDER, lesson).lesson for lesson in LESSONS]
    assert [one.id for one in scripts] == list(LESSONS)
    assert [claim for one in scripts for claim in one.claims] == list(CLAIMS)


def test_scripts_are_short() -> None:
    lines = {path.name: len(path.read_text().splitlines()) for path in FOLDER.glob("l*.py")}
    # What is aimed at is 60; these only go down.
    assert max(lines.values()) <= 107, lines
    assert sum(lines.values()) <= 1720, lines


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_lesson_runs(lesson: str, setting: Setting, tmp_path: Path) -> None:
    script = load_script(FOLDER, lesson)
    record = run_script(script, setting, tmp_path)
    assert {row["claim"] for row in record.rows} == set(script.lesson.claims)
    for row in record.rows:
        claim = CLAIMS[row["claim"]]
        if row["word"] != "not testable here":
            assert set(claim.reads) <= set(row["parts"]), row["claim"]
        assert row["how"]
        assert row["n"]
    for link in record.said["figures"].values():
        page = (tmp_path / link).read_text()
        assert page.lower().startswith(("<html", "<!doctype"))
        assert not re.search(r"src=\"https?:", page)
    kept = tmp_path / f"{lesson}.json"
    assert unseal(kept.read_bytes(), kept) == record.said
    stamp = kept.stat().st_mtime_ns
    assert run_script(script, setting, tmp_path).said == record.said
    assert kept.stat().st_mtime_ns == stamp


def imports_of(path: Path) -> Iterator[tuple[str, str]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
            "lens_probes.course"
        ):
            yield from ((node.module or "", one.name) for one in node.names)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("l*.py")), ids=lambda path: path.stem[:3])
def test_a_lessons_numbers_come_from_the_product(path: Path) -> None:
    assert re.search(r"lp\.(sweep|collect|stats|maximize|residual)", path.read_text())
    for module, name in imports_of(path):
        assert module in ("lens_probes.course", "lens_probes.course.drawings"), (module, name)


def test_a_lesson_a_run_and_a_users_sweep_give_the_same_units(
    setting: Setting, tmp_path: Path
) -> None:
    script = load_script(FOLDER, "L22")
    lesson = sys.modules[script.run.__module__]
    record = run_script(script, setting, tmp_path)
    text = setting.whole_text(quick=600_000)
    probe = lp.NegationProbe.course(text, max_per_class=30, seed=setting.seed)
    swept = lp.sweep(setting.model, probe, sites=["mlp_pre"], preset="course")
    data = setting.read(probe, ["mlp_pre"])
    again = lp.sweep_activations(data.activations, data.examples, preset="course")
    pd.testing.assert_frame_equal(again.units, swept.units, check_exact=True)
    assert {"t", "log10_wald_p", "p_corrected", "significant", "accuracy"} <= set(again.units)
    assert again.provenance["decision"] == swept.provenance["decision"]
    pd.testing.assert_frame_equal(lesson.course(data), swept.layers, check_exact=True)
    shares = swept.layers["share_significant"]
    third = max(1, len(shares) // 3)
    (row,) = (r for r in record.rows if (r["claim"], r["side"]) == ("L22.b", "course"))
    assert row["parts"]["early"]["value"] == shares.head(third).max()
    assert row["parts"]["early"]["of"] == swept.layers["n_tested"].iloc[shares[:third].argmax()]
    assert row["parts"]["late"]["value"] == shares.iloc[-1]
    bare = lp.sweep(setting.untrained, probe, sites=["mlp_pre"], preset="course").layers
    assert row["parts"]["late"]["untrained"] == bare["share_significant"].iloc[-1]
    accuracy = swept.layers["mean_accuracy_significant_positive"]
    (row,) = (r for r in record.rows if (r["claim"], r["side"]) == ("L22.c", "course"))
    for part, number in (
        ("low_layers", accuracy.head(third).mean()),
        ("highest", accuracy.iloc[-1]),
    ):
        value = row["parts"][part]["value"]
        assert value == number if value is not None else np.isnan(number)


def test_a_script_and_the_command_write_the_same_rows(
    tiny_folders: dict[str, Path], tmp_path: Path
) -> None:
    book = tmp_path / "book.txt"
    book.write_text("\n\n".join(one.text for one in prose().documents))
    asked = ["--model", str(tiny_folders["gpt2"]), "--text", str(book), "--quick", "--out"]
    script_main(load_script(FOLDER, "L22").run, [*asked, str(tmp_path / "script")])
    command = ["reproduce", "L22", *asked, str(tmp_path / "command"), "--quiet"]
    assert main([*command, "--scripts", str(FOLDER)]) == 0
    of_script, of_command = (
        [unseal(path.read_bytes(), path) for path in (tmp_path / name).rglob("L22.json")]
        for name in ("script", "command")
    )
    assert of_script[0]["rows"] == of_command[0]["rows"]
    assert len(of_script[0]["rows"]) == 5


def test_a_script_says_what_is_wrong_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        script_main(load_script(FOLDER, "L17").run, ["--model", str(tmp_path / "none")])
    assert end.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
