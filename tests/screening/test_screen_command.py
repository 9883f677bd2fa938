"""`lens-probes screen`: what it prints and writes, and that a mistake is one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_models import PROSE

import lens_probes as lp
from lens_probes.cli import main

pytestmark = pytest.mark.model

QUICK = ["--windows", "12", "--exact", "20", "--quiet"]
Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def run(tiny_folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("swept")
    (folder / "prose.txt").write_text(PROSE * 20)
    out = folder / "run"
    given = f"--model {tiny_folders['llama']} --text {folder / 'prose.txt'} --words course "
    given += f"--max-per-class 30 --layers 0,2 --no-untrained --quiet --out {out}"
    assert main(["sweep", "negation", *given.split()]) == 0
    return out


def test_the_screen_is_printed_kept_shown_and_verified(run: Path, capsys: Captured) -> None:
    assert lp.SweepResult.load(run).screen is None
    assert main(["screen", str(run), *QUICK]) == 0
    lines = capsys.readouterr().out.strip().splitlines()
    found = lp.SweepResult.load(run).screen
    assert found is not None
    assert lines[: len(found.text_lines())] == [f"* {line}" for line in found.text_lines()]
    assert lines[-2].endswith(f"tables: {run / 'screen'}")
    assert lines[-1] == f"Report: {run / 'report.html'}"
    assert found.provenance["command"].startswith("lens-probes screen ")
    assert sorted(set(found.units["layer"])) == [0, 2]
    assert set(found.units["site"]) == {"mlp_pre"}
    assert len(found.map) == 2
    stamps = {path: path.stat().st_mtime_ns for path in (run / "screen").rglob("*")}
    assert main(["screen", str(run), *QUICK]) == 0
    assert capsys.readouterr().out.strip().splitlines() == lines
    assert {path: path.stat().st_mtime_ns for path in (run / "screen").rglob("*")} == stamps
    assert main(["verify", str(run)]) == 0
    assert "screen" in capsys.readouterr().out


def test_mistakes_are_one_line(run: Path, tmp_path: Path, capsys: Captured) -> None:
    out = ["--out", str(tmp_path / "screen")]
    for given, said in (
        ([str(tmp_path)], "no result"),
        ([str(run), "--windows", "1", *out], "windows must be 2 or more"),
        ([str(run), "--sites", "q", *QUICK, *out], "is a sweep of mlp_pre"),
        ([str(run), "--layers", "9", *QUICK, *out], "no layer 9"),
        ([str(run), "--seed", "5", *QUICK], "already holds a screen of other options"),
    ):
        if "already" in said:
            assert main(["screen", str(run), *QUICK]) == 0
        assert main(["screen", *given]) == 2
        error = capsys.readouterr().err
        assert said in error, error
        assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "screen").exists()
