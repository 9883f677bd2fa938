"""A flipped bit in any file, or one of another sweep, is refused by every command that reads it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tiny_models import PROSE

import lens_probes as lp
from lens_probes.cli import main

pytestmark = pytest.mark.model

TABLES = [f"{name}.parquet" for name in ("units", "layers", "examples", "evidence")]


@pytest.fixture(scope="module")
def run(tiny_model: lp.LensModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    tokens = np.random.default_rng(0).integers(10, 300, (40, 8))
    examples = lp.Examples.from_tokens(tokens, -1, np.arange(40) % 2)
    result = lp.sweep(tiny_model, examples, sites=["q"], layers=[0], preset="course")
    folder = result.save(tmp_path_factory.mktemp("refused") / "run")
    return folder


def flipped(path: Path) -> Iterator[None]:
    """One bit at the start, inside and at the end of a file in turn; whole again at the end."""
    sound = path.read_bytes()
    try:
        for at in (0, len(sound) // 3, 2 * len(sound) // 3, len(sound) - 1):
            path.write_bytes(sound[:at] + bytes([sound[at] ^ 4]) + sound[at + 1 :])
            yield
    finally:
        path.write_bytes(sound)


def state(folder: Path) -> dict[Path, bytes | None]:
    return {p: p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


def refused(command: list[str], path: Path, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in flipped(path):
        before = state(run.parent)
        assert main(command) == 2
        said = capsys.readouterr()
        lines = [line for line in said.err.splitlines() if line.strip()]
        assert len(lines) == 1, said.err
        assert "damaged" in lines[0]
        assert path.name in lines[0]
        assert said.out == ""
        assert state(run.parent) == before


@pytest.mark.parametrize("name", ["result.json", *TABLES])
@pytest.mark.parametrize("command", ["report", "heatmap", "ablate", "replicate"])
def test_of_a_sweep(
    command: str,
    name: str,
    run: Path,
    prose_file: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "lens_probes.model.load.load_model", lambda *_, **__: pytest.fail("the model was loaded")
    )
    given = {
        "report": ["--out", str(run.parent / "page.html")],
        "heatmap": ["--text", str(prose_file), "--quiet"],
        "ablate": ["--quiet", "--out", str(run.parent / "card")],
        "replicate": ["--text", str(prose_file), "--quiet", "--out", str(run.parent / "again")],
    }
    refused([command, str(run), *given[command]], run / name, run, capsys)


SWEPT = [
    "--words", "course", "--max-per-class", "60", "--before", "9", "--after", "2", "--sites", "k",
    "--layers", "0,1", "--permutations", "19", "--no-untrained", "--quiet",
]  # fmt: skip
ABLATED = ["--top", "2", "--nulls", "19", "--windows", "4", "--after", "2", "--quiet"]


@pytest.fixture(scope="module")
def whole(tiny_folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep with a causal card and a replication beside it, and one of another text."""
    root, rng = tmp_path_factory.mktemp("whole"), np.random.default_rng(0)
    for name, text in (("run", "text"), ("other", "new")):
        (root / f"{text}.txt").write_text(" ".join(rng.permutation((PROSE * 40).split())))
        given = ["--model", str(tiny_folders["gpt2"]), "--text", str(root / f"{text}.txt")]
        assert main(["sweep", "negation", *given, *SWEPT, "--out", str(root / name)]) == 0
    assert main(["ablate", str(root / "run"), *ABLATED]) == 0
    assert main(again(root / "run")) == 0
    return root / "run"


def again(run: Path) -> list[str]:
    text = str(run.parent / "new.txt")
    return ["replicate", str(run), "--text", text, "--permutations", "9", "--quiet"]


def test_of_what_lies_beside_a_sweep(
    whole: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "lens_probes.model.load.load_model", lambda *_, **__: pytest.fail("the model was loaded")
    )
    report = ["report", str(whole), "--out", str(whole.parent / "page.html")]
    commands = {"causal": ["ablate", str(whole), *ABLATED], "replication": again(whole)}
    capsys.readouterr()
    for folder, command in commands.items():
        files = sorted((whole / folder).iterdir())
        assert len(files) == {"causal": 7, "replication": 5}[folder]
        for path in files:
            refused(report, path, whole, capsys)
            refused(command, path, whole, capsys)
    for path in sorted(whole.glob("*.*")):
        if path.name not in ("report.html", "answer.txt"):
            refused(report, path, whole, capsys)
    assert main(report) == 0


def test_what_is_of_another_sweep_is_not_shown(
    whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = whole.parent / "other"
    report = ["report", str(other), "--out", str(whole.parent / "page.html")]
    for folder, said in (
        ("causal", "the causal card beside this result is of other examples: move it out of"),
        ("replication", "replicates a sweep of other examples: move it out of"),
    ):
        shutil.copytree(whole / folder, other / folder)
        before = state(whole.parent)
        capsys.readouterr()
        assert main(report) == 2
        printed = capsys.readouterr()
        assert said in printed.err
        assert len(printed.err.strip().splitlines()) == 1
        assert printed.out == ""
        assert state(whole.parent) == before
        shutil.rmtree(other / folder)
    assert main(report) == 0
