"""A smallest set on disk, its curves, and the command that measures it."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tokenizers.pre_tokenizers import WhitespaceSplit

import lens_probes as lp
from lens_probes.checks.toy_use import toy_of_use
from lens_probes.cli import main
from lens_probes.model.load import LensModel
from lens_probes.report.set_curves import set_curves
from lens_probes.screening.saved_set import MANIFEST

pytestmark = pytest.mark.model

OWN = """
name = "own"
question = "Which class has the word?"
contrast = [["w1", "w21"], ["w2", "w22"], ["w3", "w23"], ["w4", "w24"], ["w5", "w25"],
            ["w6", "w26"], ["w7", "w27"], ["w8", "w28"]]
continuation = [["w50", "w51"]]
[[construction]]
name = "short"
template = "w70 {contrast}"
"""


@pytest.fixture(scope="module")
def toy() -> LensModel:
    model = toy_of_use(0).model
    model.tokenizer.backend_tokenizer.pre_tokenizer = WhitespaceSplit()
    return model


@pytest.fixture
def template(tmp_path: Path) -> Path:
    path = tmp_path / "own.toml"
    path.write_text(OWN)
    return path


def test_it_comes_back_as_it_was(toy: LensModel, template: Path, tmp_path: Path) -> None:
    found = lp.smallest_set(toy, template, n_nulls=9)
    folder = found.save(tmp_path / "set")
    again = lp.SmallestSet.load(folder)
    for name in ("units", "curve", "nulls"):
        pd.testing.assert_frame_equal(getattr(again, name), getattr(found, name))
    assert (again.size, again.size_low) == (found.size, found.size_low)
    assert again.text_lines() == found.text_lines()
    endless = replace(found, size=np.inf, size_high=np.inf).save(tmp_path / "endless")
    assert np.isinf(lp.SmallestSet.load(endless).size)
    with pytest.raises(lp.InputError, match="already holds"):
        found.save(folder)
    damaged = (folder / "curve.parquet").read_bytes()
    (folder / "curve.parquet").write_bytes(damaged[:-1] + b"x")
    with pytest.raises(lp.InputError, match="curve"):
        lp.SmallestSet.load(folder)
    (folder / MANIFEST).unlink()
    with pytest.raises(lp.InputError, match="no set of units in"):
        lp.SmallestSet.load(folder)


def test_curves_have_two_lines_a_rank(toy: LensModel, template: Path) -> None:
    found = {
        rank: lp.smallest_set(toy, template, rank=rank, n_nulls=0)  # type: ignore[arg-type]
        for rank in ("screen", "random")
    }
    figure = set_curves(found)
    assert [trace.name for trace in figure.data] == [
        "kept, ranked by the screen", "left, ranked by the screen",
        "kept, ranked at random", "left, ranked at random",
    ]  # fmt: skip
    kept = found["screen"].curve["faithfulness"].iloc[1:]
    np.testing.assert_array_equal(figure.data[0].y, kept)
    assert "Which class has the word?" in figure.layout.title.text


def test_the_command_measures_saves_and_takes_up_what_is_there(
    toy: LensModel, template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    command = importlib.import_module("lens_probes.cli.smallest_set")
    monkeypatch.setattr(command, "load", lambda options: toy)
    monkeypatch.setenv("LENS_PROBES_BROWSER", str(tmp_path / "none"))
    out = tmp_path / "out"
    request = ["smallest-set", str(template), "--nulls", "5", "--quiet", "--out", str(out)]
    assert main([*request, "--ranks", "screen"]) == 0
    one = capsys.readouterr().out
    assert "| units | screen: kept | screen: left |" in one
    assert "no picture" in one
    when = (out / "screen" / MANIFEST).stat().st_mtime_ns
    assert main([*request, "--ranks", "screen,t"]) == 0
    assert "t: kept" in capsys.readouterr().out
    assert (out / "screen" / MANIFEST).stat().st_mtime_ns == when
    assert {path.name for path in out.iterdir()} == {"screen", "t", "curves.html"}
    assert lp.SmallestSet.load(out / "t").provenance["options"]["n_nulls"] == 0
    assert main([*request, "--ranks", "screen", "--level", "0.5"]) == 2
    error = capsys.readouterr().err.strip()
    assert "a set of another request" in error
    assert "\n" not in error
    for wrong, said in (("best", "unknown rank"), ("t,t", "each rank once")):
        assert main(["smallest-set", str(template), "--quiet", "--ranks", wrong]) == 2
        assert said in capsys.readouterr().err
