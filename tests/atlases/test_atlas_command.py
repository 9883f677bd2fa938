"""`lens-probes atlas`: what it prints and writes, its page, and that a mistake is one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_models import PROSE

import lens_probes as lp
from lens_probes.cli import main

pytestmark = pytest.mark.model

Captured = pytest.CaptureFixture[str]


def arguments(tiny: Path, folder: Path, out: Path) -> list[str]:
    own = folder.parent / "own.toml"
    own.write_text('["second letter e"]\npattern = "[a-z]e.*"\n')
    given = f"--model {tiny} --text {folder} --sites mlp_pre,q --layers 0,2 --max-tokens 3000 "
    given += f"--permutations 50 --quiet --out {out}"
    return ["atlas", *given.split(), "--properties", f"{own},repeated word,after a comma"]


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    folder = tmp_path / "texts"
    folder.mkdir()
    for i in range(4):
        (folder / f"{i}.txt").write_text(PROSE * 12)
    return folder


def test_the_atlas_is_printed_kept_shown_and_verified(
    tiny_folders: dict[str, Path], texts: Path, tmp_path: Path, capsys: Captured
) -> None:
    out = tmp_path / "run"
    given = arguments(tiny_folders["llama"], texts, out)
    assert main(given) == 0
    lines = capsys.readouterr().out.strip().splitlines()
    found = lp.Atlas.load(out)
    assert lines[: len(found.text_lines())] == [f"* {line}" for line in found.text_lines()]
    assert lines[-1] == f"Report: {out / 'report.html'}"
    assert found.provenance["command"].startswith("lens-probes atlas ")
    assert set(found.units["layer"]) == {0, 2}
    page = (out / "report.html").read_text()
    for said in ("Search", "Properties by layer", "Most exclusive units", "second letter e"):
        assert said in page
    assert "https://" not in page.split('<script id="plotly-js">')[0]
    assert main(["verify", str(out)]) == 0
    capsys.readouterr()
    assert main(given) == 2
    assert "already holds" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        (["--properties", "negatoin"], "Did you mean 'negation'"),
        (["--max-tokens", "0"], "max_tokens must be 1 or more"),
        (["--layers", "x"], "not layers"),
        (["--alpha", "1"], "alpha must lie"),
    ],
)
def test_mistakes_are_one_line(
    extra: list[str], said: str, tmp_path: Path, capsys: Captured
) -> None:
    out = tmp_path / "run"
    assert main(["atlas", *extra, "--quiet", "--out", str(out)]) == 2
    error = capsys.readouterr().err.strip()
    assert said in error
    assert len(error.splitlines()) == 1
    assert not out.exists()
