"""Resuming, tables and the command, with scripts of a few lines in place of the lessons'."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from lens_probes.cli import main
from lens_probes.errors import InputError
from lens_probes.findings import CLAIMS, LESSONS, Lesson, Measured, Outcome, Setting, Value
from lens_probes.findings.lessons import find_scripts, lesson_ids
from lens_probes.findings.record import Record, read_record, write_record
from lens_probes.findings.reproduce import load_script, run_lessons, run_script
from lens_probes.findings.run_models import folder_name
from lens_probes.findings.tables import Findings, html, markdown, record_lines, write_tables
from lens_probes.model import LensModel
from lens_probes.texts import Document, Text

SCRIPT = '''"""A lesson."""
from pathlib import Path
from lens_probes.findings import Doubt, Lesson, Measured, Outcome, Setting, Value

LESSON = Lesson("{id}", "<Title>", "gpt2-large", ("{claim}",))


def run(setting: Setting) -> Outcome:
    {body}
    log = Path(r"{log}")
    log.write_text((log.read_text() if log.exists() else "") + "{id} ")
    setting.size("windows", course=300, machine=30, quick=3)
    parts = {{"early": Value(0.7, 0.6, 0.8, 0.1, 0.02), "late": Value(0.25)}}
    return Outcome(
        (Measured("{claim}", "course", parts, "n | <b>", "how", "an interval", "a null"),),
        {{"heatmap": "<p>painted</p>"}}, (Doubt("<i>doubt</i>", "evidence"),), ("a line",),
    )
'''


def folder_of(tmp_path: Path, **bodies: str) -> Path:
    scripts = tmp_path / "experiments"
    scripts.mkdir(exist_ok=True)
    for lesson, body in bodies.items():
        claim = {"L22": "L22.b", "L23": "L23.a"}[lesson]
        text = SCRIPT.format(id=lesson, claim=claim, body=body or "pass", log=tmp_path / "log")
        (scripts / f"{lesson.lower()}_made.py").write_text(text)
    return scripts


def ran(tmp_path: Path) -> str:
    return (tmp_path / "log").read_text().strip()


@pytest.fixture
def setting(tiny_model: LensModel) -> Setting:
    text = Text("t", (Document("d", "s", "We can go there."),), "test")
    return Setting(model=tiny_model, text=text)


@pytest.mark.model
def test_a_stopped_run_goes_on_with_the_lesson_it_was_in(tmp_path: Path, setting: Setting) -> None:
    scripts = folder_of(tmp_path, L22="", L23="raise KeyboardInterrupt")
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        run_lessons(("L22", "L23"), setting, out, scripts)
    assert ran(tmp_path) == "L22"
    assert not (out / "L23.json").exists()
    folder_of(tmp_path, L23="")
    records = run_lessons(("L22", "L23"), setting, out, scripts)
    assert ran(tmp_path) == "L22 L23"
    assert [record.lesson for record in records] == ["L22", "L23"]
    run_lessons(("L22", "L23"), setting, out, scripts)
    assert ran(tmp_path) == "L22 L23"


@pytest.mark.model
def test_other_settings_and_a_changed_script_run_again(tmp_path: Path, setting: Setting) -> None:
    scripts, out = folder_of(tmp_path, L22=""), tmp_path / "out"
    script = load_script(scripts, "L22")
    assert run_script(script, setting, out).rows[0]["verdict"].endswith("reproduced")
    seeded = Setting(model=setting.model, text=setting.text, seed=1)
    run_script(script, seeded, out)
    assert ran(tmp_path) == "L22 L22"
    folder_of(tmp_path, L22="pass  # changed")
    run_script(load_script(scripts, "L22"), seeded, out)
    assert ran(tmp_path) == "L22 L22 L22"


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    assert read_record(tmp_path, "L22") is None
    for text in ("{", "{}"):
        (tmp_path / "L22.json").write_text(text)
        with pytest.raises(InputError, match=r"L22\.json is damaged .*delete it"):
            read_record(tmp_path, "L22")


def test_lessons_by_name() -> None:
    assert lesson_ids([]) == LESSONS
    assert lesson_ids(["L23.a", "22", "l09", "L22"]) == ("L09", "L22", "L23")
    for name in ("L24", "twenty", "L0"):
        with pytest.raises(InputError, match="unknown lesson"):
            lesson_ids([name])


def test_scripts_are_found_or_asked_for(tmp_path: Path) -> None:
    assert find_scripts().name == "experiments"
    with pytest.raises(InputError, match="--scripts"):
        find_scripts(tmp_path)
    with pytest.raises(InputError, match="holds 0 scripts for L01"):
        load_script(tmp_path, "L01")


def record(tmp_path: Path, claim: str = "L22.b", side: Any = "course", **parts: Value) -> Record:
    outcome = Outcome((Measured(claim, side, parts, "n | <b>x</b>", "how"),), {}, (), ())
    lesson = Lesson(claim[:3], "Title", "gpt2-large", (claim,))
    return write_record(tmp_path, lesson, "k", outcome, model="bundled", sizes=["n 3"], seconds=1)


class Cells(HTMLParser):
    """Text of every cell of the claims' table."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data


def test_tables_show_the_courses_number_ours_and_what_stands_beside(tmp_path: Path) -> None:
    early, late = Value(0.71, 0.6, 0.8, 0.1, 0.02), Value(0.2, untrained=0.01, null=0.05)
    one = record(tmp_path, early=early, late=late)
    other = record(tmp_path / "b", early=Value(0.05), late=Value(0.5))
    found = (Findings("bundled", "machine", (one,)), Findings("<b>", "quick", (other,), "b"))
    page = markdown(found)
    (row,) = [line for line in page.splitlines() if line.startswith("| **L22.b**")]
    cells = row.replace("\\|", "!").strip("| ").split(" | ")
    assert len(cells) == 2 + 2 * 2
    assert cells[1] == "70 % to 25 % (gpt2-large)"
    assert "**on bundled: reproduced**: early 71.0 % [60.0 %, 80.0 %]; late 20.0 %" in cells[2]
    assert "untrained: early 2.0 %, late 1.0 % (partly)" in cells[2]
    assert cells[3] == "not run"
    assert "contradicted" in cells[4]
    assert page.count("**L22.") == 3, "every claim of a lesson that was run has a row"
    reader = Cells()
    reader.feed(html(found))
    assert "b" not in reader.tags
    rows = {cells[0].strip(): cells for cells in reader.rows if cells}
    assert set(rows) == {"Claim", "L22.a", "L22.b", "L22.c"}
    assert "✓ holds: late layers are at about 25 % (15 to 35 %)" in rows["L22.b"][2]
    assert "✗ fails: the share falls" in rows["L22.b"][4]
    for path in write_tables(found, tmp_path):
        assert path.read_text().strip()


def test_a_claim_without_a_test_is_shown_once(tmp_path: Path) -> None:
    one = record(tmp_path, "L06.a", "both", error=Value(2e-7))
    page = markdown((Findings("bundled", "machine", (one,)),))
    assert "error 2.0e-07" in page
    assert page.count("no test decides") == 1
    said = "\n".join(record_lines(one))
    assert "holds: the largest relative error is 0.0001 or less" in said
    assert "verdict: on bundled: reproduced" in said


def test_numbers_that_do_not_exist_stay_out_of_the_file(tmp_path: Path) -> None:
    one = record(tmp_path, early=Value(float("nan")), late=Value(float("inf")))
    assert one.rows[0]["parts"]["early"]["value"] is None
    assert "NaN" not in (tmp_path / "L22.json").read_text()
    assert one.rows[0]["word"] == "contradicted"


def test_folders_of_models() -> None:
    assert folder_name("EleutherAI/gpt-neo-125M") == "EleutherAI_gpt-neo-125M"
    assert folder_name("../x") == "x"
    assert folder_name("..") == "model"


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
    assert printed[-1] == str(tmp_path / "out" / "findings.md")
    page = (tmp_path / "out" / "findings.md").read_text()
    assert page.count("course preset |") == 2
    links = [part.split(")")[0] for part in page.split("](")[1:]]
    assert links
    assert all((tmp_path / "out" / link).is_file() for link in links)
    sizes = json.loads(next((tmp_path / "out").glob("*/L22.json")).read_text())["sizes"]
    assert sizes == ["windows 3 (the course: 300)"]
    assert main(given) == 0
    assert ran(tmp_path) == "L22 L23 L22 L23"


def test_mistakes_are_one_line_and_load_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from lens_probes.cli import main; code = main(sys.argv[1:]); "
        "assert 'torch' not in sys.modules, 'heavy import'; sys.exit(code)"
    )
    for arguments, says in [
        (["L24"], "unknown lesson 'L24'"),
        (["--scripts", str(tmp_path)], "no lesson scripts in"),
        (["--models", "a,a"], "name each model once"),
        (["--models", "a,b", "--larger", "c"], "--larger belongs to one model"),
    ]:
        done = subprocess.run(
            [sys.executable, "-c", code, "reproduce", *arguments],
            capture_output=True, text=True, check=False, env={**os.environ}, timeout=120,
        )  # fmt: skip
        assert done.returncode == 2, done.stderr
        assert says in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


def test_every_claim_can_be_looked_up() -> None:
    assert all(claim.rule and claim.how and claim.number for claim in CLAIMS.values())
