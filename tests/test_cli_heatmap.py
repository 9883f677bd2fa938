"""`lens-probes heatmap`: the unit that was asked for, on every token of the text."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import lens_probes as lp
from lens_probes.cli import main
from lens_probes.drawing.token_activations import TokenActivations

pytestmark = pytest.mark.model

TEXT = "They cannot go <b>there</b>.\nשלום, it isn't so.\n"


@pytest.fixture(scope="module")
def model(tiny_folders: dict[str, Path]) -> lp.LensModel:
    return lp.load_model(tiny_folders["llama"])


@pytest.fixture(scope="module")
def run(model: lp.LensModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    tokens = np.random.default_rng(0).integers(10, 300, (40, 8))
    examples = lp.Examples.from_tokens(tokens, -1, np.arange(40) % 2)
    result = lp.sweep(model, examples, sites=["mlp_pre", "q"], layers=[0, 2], preset="course")
    return result.save(tmp_path_factory.mktemp("heat") / "run")


@pytest.fixture
def passage(tmp_path: Path) -> Path:
    path = tmp_path / "passage.txt"
    path.write_text(TEXT, "utf-8")
    return path


def painted(model: lp.LensModel, layer: int, site: str, unit: int) -> TokenActivations:
    ids = model.tokenizer.encode(TEXT, add_special_tokens=False)
    return lp.paint(model, [ids], layer=layer, site=site, unit=unit)[0]


def test_printed_values_are_those_of_the_unit(
    run: Path, passage: Path, model: lp.LensModel, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [str(run), "--text", str(passage), "--quiet", "--scale", "minmax"]
    assert main(["heatmap", *given, "--layer", "2", "--site", "mlp_pre", "--unit", "7"]) == 0
    by_index = capsys.readouterr().out
    assert by_index.startswith("L2.mlp_pre.7: ")
    values = re.findall(r"\[([−\d.]+)\]", by_index)
    expected = painted(model, 2, "mlp_pre", 7).values
    assert [float(v.replace("−", "-")) for v in values] == pytest.approx(expected, abs=5e-3)
    assert main(["heatmap", *given, "--unit", "L2.mlp_pre.7"]) == 0
    assert capsys.readouterr().out == by_index
    best = lp.SweepResult.load(run).top(1, layer=0, site="q")["name"].iloc[0]
    assert main(["heatmap", *given, "--layer", "0", "--site", "q"]) == 0
    assert capsys.readouterr().out.startswith(f"{best}: ")


def test_a_page_holds_the_text_and_says_what_it_leaves_out(
    run: Path, passage: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "heat.html"
    assert main(["heatmap", str(run), "--text", str(passage), "--out", str(out), "--quiet"]) == 0
    assert capsys.readouterr().out.strip() == str(out)
    page = out.read_text("utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert "<b>" not in page
    assert "more characters" not in page
    given = ["--text", str(passage), "--out", str(out), "--quiet", "--tokens", "5"]
    assert main(["heatmap", str(run), *given]) == 0
    (said,) = re.findall(r"<p>(\d+) more characters are not shown", out.read_text("utf-8"))
    shown = "".join(re.findall(r'class="token[^>]*>([^<]*)<', out.read_text("utf-8")))
    assert len(TEXT) - int(said) == len(shown) > 4


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("--unit 7", "is an index: say --layer and --site"),
        ("--unit L2.mlp_pre.7 --layer 2", "names its layer and site"),
        ("--unit L2.mlp_pre.7777", "no unit 'L2.mlp_pre.7777'"),
        ("--unit L7.mlp_pre.7", "layer"),
        ("--unit best", "not a unit's name: 'best'"),
        ("--layer 1", "unknown layer 1: choose from 0, 2"),
        ("--site v", "unknown site 'v'"),
        ("--tokens 0", "tokens must be 1 or more"),
    ],
)
def test_mistakes_are_one_line(
    run: Path, passage: Path, given: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["heatmap", str(run), "--text", str(passage), "--quiet", *given.split()]) == 2
    error = capsys.readouterr().err.strip()
    assert said in error
    assert "\n" not in error
