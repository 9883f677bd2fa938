"""A flipped bit in any table or manifest is refused by every command that reads it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

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
