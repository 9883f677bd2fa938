"""The causal scripts of `experiments/`, on a tiny model: a sweep, a card, and its lines."""

from __future__ import annotations

from importlib import util
from pathlib import Path

import pytest
from tiny_models import PROSE

import lens_probes as lp

pytestmark = pytest.mark.model

FOLDER = Path(__file__).parents[2] / "experiments"
NAMES = "We saw Anna in Paris, and then Bob went to Rome with Carl. It was dark in Oslo and Bonn. "
FEW = "--layers 0,1 --top 3 --nulls 20 --windows 8 --max-per-class 30"


@pytest.mark.parametrize("name", ["causal_negation", "causal_proper_nouns"])
def test_a_script_sweeps_ablates_and_goes_on_where_it_was(
    name: str, tiny_folders: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    script = util.module_from_spec(spec)
    spec.loader.exec_module(script)
    (tmp_path / "prose.txt").write_text((PROSE + NAMES) * 30)
    given = [*FEW.split(), "--model", str(tiny_folders["gpt2"]), "--text",
             str(tmp_path / "prose.txt"), "--out", str(tmp_path / "run")]  # fmt: skip
    assert script.main(given) == 0
    said = capsys.readouterr().out
    assert said.count("$ lens-probes ") == 2
    card = lp.SweepResult.load(tmp_path / "run").causal
    assert card is not None
    assert f"* Does the model use these units? {card.verdict}" in said
    assert script.main([*given, "--layers", "9"]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
