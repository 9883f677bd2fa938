"""`lens-probes reproduce`: models in columns, what is kept, what could not run, mistakes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from made_scripts import folder_of, ran

from lens_probes.cli import main


@pytest.mark.model
def test_the_command_compares_models(
    tmp_path: Path, tiny_folders: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    scripts, text = folder_of(tmp_path, L22="", L23=""), tmp_path / "t.txt"
    text.write_text("We can go there.")
    models = ",".join(str(tiny_folders[name]) for name in ("gpt2", "llama"))
    given = ["reproduce", "L22", "L23.a", "--models", models, "--scripts", str(scripts)]
    given += ["--text", str(text), "--out", str(tmp_path / "out"), "--quick", "--quiet"]
    assert main(given) == 0, capsys.readouterr().err
    assert ran(tmp_path) == "L22 L23 L22 L23"
    printed = capsys.readouterr().out.splitlines()
    assert printed[-1] == str(tmp_path / "out" / "findings_quick.md")
    page = (tmp_path / "out" / "findings_quick.md").read_text()
    assert page.count("course preset |") == 4
    links = [part.split(")")[0] for part in page.split("](")[1:]]
    assert links
    assert all((tmp_path / "out" / link).is_file() for link in links)
    sizes = json.loads(next((tmp_path / "out").glob("*/quick/L22.json")).read_text())["sizes"]
    assert sizes == ["windows 3 (the course: 300)"]
    assert main(given) == 0
    assert ran(tmp_path) == "L22 L23 L22 L23"


@pytest.mark.model
def test_one_lesson_and_a_quick_look_leave_the_whole_table(
    tmp_path: Path, tiny_folders: dict[str, Path]
) -> None:
    scripts, text, out = folder_of(tmp_path, L22="", L23=""), tmp_path / "t.txt", tmp_path / "out"
    text.write_text("We can go there.")
    given = ["reproduce", "--model", str(tiny_folders["gpt2"]), "--scripts", str(scripts)]
    given += ["--text", str(text), "--out", str(out), "--quiet"]
    assert main([*given, "L22", "L23"]) == 0
    before = (out / "findings.md").read_text()
    assert main([*given, "L22"]) == 0
    assert (out / "findings.md").read_text() == before
    assert main([*given, "L22", "--quick"]) == 0
    assert (out / "findings.md").read_text() == before
    assert "windows 3 (the course" in (out / "findings_quick.md").read_text()
    assert main([*given, "L23"]) == 0
    assert (out / "findings.md").read_text() == before
    assert ran(tmp_path) == "L22 L23 L22"
    folder_of(tmp_path, L22="pass  # changed")
    assert main([*given, "L23"]) == 0
    page = (out / "findings.md").read_text()
    assert "**L22.b**" not in page
    assert "not shown, as they were run with other settings or older code: L22" in page


@pytest.mark.model
def test_what_could_not_run_is_in_the_tables_and_the_exit_code(
    tmp_path: Path, tiny_folders: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    body = "from lens_probes.errors import InputError; raise InputError('no text.')"
    scripts, text, out = folder_of(tmp_path, L22=body, L23=""), tmp_path / "t", tmp_path / "out"
    text.write_text("We can go there.")
    given = ["reproduce", "L22", "L23", "--scripts", str(scripts), "--text", str(text)]
    given += ["--out", str(out), "--quick", "--quiet"]
    nowhere = str(tmp_path / "nowhere")
    assert main([*given, "--models", f"{nowhere},{tiny_folders['gpt2']}"]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert f"could not run: {nowhere} (not loaded); L22 of {tiny_folders['gpt2']}" in said
    page = (out / "findings_quick.md").read_text()
    _, cells = [line.split(" | ") for line in page.splitlines() if line.startswith("| **L23.a**")]
    assert cells[2].startswith("not run (")
    assert "nowhere" in cells[2]
    assert "not testable here" not in cells[4]
    assert main([*given, "--models", f"{nowhere},{nowhere}2"]) == 2
    assert "no model could be loaded" in capsys.readouterr().err
    assert main([*given, "--model", nowhere]) == 2


def test_mistakes_are_one_line_and_load_no_torch(tmp_path: Path) -> None:
    mistakes = {
        "L24": "unknown lesson 'L24'",
        "²": "unknown lesson '²'",
        "L22.z": "unknown claim 'L22.z'",
        "--seed -1": "seed must be 0 or more",
        f"--scripts {tmp_path}": "no lesson scripts in",
        "--models a,a": "name each model once",
        "--models a,b --larger c": "--larger belongs to one model",
    }
    code = (
        "import sys; from lens_probes.cli import main; "
        "codes = [main(['reproduce', *one.split()]) for one in sys.argv[1:]]; "
        "assert 'torch' not in sys.modules, 'heavy import'; sys.exit(codes != [2] * len(codes))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *mistakes],
        capture_output=True, text=True, check=False, env={**os.environ}, timeout=120,
    )  # fmt: skip
    lines = done.stderr.strip().splitlines()
    assert done.returncode == 0, done.stderr
    for line, says in zip(lines, mistakes.values(), strict=True):
        assert says in line
