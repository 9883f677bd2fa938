"""`lens-probes ablate`: what it prints and writes, and that a mistake is one line."""

from __future__ import annotations

import json
import shutil
from html import escape
from pathlib import Path

import numpy as np
import pytest
from tiny_models import PROSE

import lens_probes as lp
from lens_probes.cli import main
from lens_probes.storage.folder_sums import SUMS, write_sums

pytestmark = pytest.mark.model

QUICK = ["--top", "4", "--nulls", "20", "--windows", "8", "--layers", "0,2", "--quiet"]
Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def swept(tiny_folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep for negation by the command itself."""
    folder = tmp_path_factory.mktemp("swept")
    (folder / "prose.txt").write_text(PROSE * 20)
    out = folder / "run"
    given = f"--model {tiny_folders['llama']} --text {folder / 'prose.txt'} --words course "
    given += f"--max-per-class 30 --layers 0,2 --no-untrained --quiet --out {out}"
    assert main(["sweep", "negation", *given.split()]) == 0
    return out


@pytest.fixture
def run(swept: Path, tmp_path: Path) -> Path:
    """A copy of it, to write to."""
    return Path(shutil.copytree(swept, tmp_path / "run"))


def test_the_card_is_printed_kept_and_shown(run: Path, capsys: Captured) -> None:
    assert lp.SweepResult.load(run).causal is None
    before = (run / "report.html").read_text()
    assert main(["ablate", str(run), *QUICK]) == 0
    lines = capsys.readouterr().out.strip().splitlines()
    card = lp.SweepResult.load(run).causal
    assert card is not None
    assert lines[0] == f"* Does the model use these units? {card.verdict}: {card.why}."
    assert "measured in 4 windows of negation and 4 of affirmation, which share no" in lines[1]
    for layer, row in zip((0, 2), card.sets.to_dict("records"), strict=True):
        said = next(line for line in lines if line.startswith(f"* L{layer}.mlp_pre: "))
        assert f": {row['verdict']}: {row['why']}. " in said
        assert f"changes by {row['kl']:.2g} nats" in said
        assert any(line.startswith(f"* L{layer}.mlp_pre, its units one by one: ") for line in lines)
    assert lines[-2].endswith(f"tables: {run / 'causal'}")
    assert lines[-1] == f"Report: {run / 'report.html'}"
    after = (run / "report.html").read_text()
    assert after != before
    assert escape(f"{card.verdict.capitalize()}: {card.why}.") in after
    shown = lp.SweepResult.load(run).evidence.columns  # units that have a card in the report
    away = card.units[card.units["name"].isin(shown)]
    assert 0 < len(away) < len(shown)
    for row in away.to_dict("records"):
        assert escape(f"{row['verdict'].capitalize()}: {row['why']}.") in after
    for name in set(shown) - set(away["name"]):
        layer, site, _ = name.split(".")
        row = card.sets[card.sets["layer"] == int(layer[1:])].iloc[0]
        said = f"not taken away: it is not among the {row['k']} top units of {layer}.{site} on the"
        assert said in after
        assert escape(f"{row['verdict']}: {row['why']}.") in after
    assert card.provenance["command"].startswith("lens-probes ablate ")
    stamps = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    assert main(["ablate", str(run), *QUICK]) == 0
    again = capsys.readouterr().out.strip().splitlines()
    assert again == lines
    turned = [part.replace("0,2", "2,0") for part in QUICK]
    assert main(["ablate", str(run), *turned]) == 0
    assert capsys.readouterr().out.strip().splitlines() == lines
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == stamps
    assert main(["ablate", str(run), *QUICK, "--seed", "1"]) == 2
    assert "already holds a causal card of other options" in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == stamps


def test_a_card_of_an_older_method_is_not_taken_for_this_one(run: Path, capsys: Captured) -> None:
    assert main(["ablate", str(run), *QUICK]) == 0
    said = json.loads((run / "causal" / "causal.json").read_text())
    said["provenance"]["method"] = 1
    (run / "causal" / "causal.json").write_text(json.dumps(said))
    assert main(["report", str(run)]) == 2
    assert "causal.json has changed since it was written" in capsys.readouterr().err
    (run / "causal" / SUMS).unlink()
    write_sums(run / "causal")
    capsys.readouterr()
    assert main(["ablate", str(run), *QUICK]) == 2
    assert "already holds a causal card of other method" in capsys.readouterr().err


def test_another_folder_leaves_the_run_alone(run: Path, capsys: Captured) -> None:
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    out = run.parent / "card"
    few = [*QUICK, "--kind", "zero", "--sites", "mlp_pre", "--alpha", "0.1"]
    few += ["--interest", "0.5", "--out", str(out)]
    assert main(["ablate", str(run), *few]) == 0
    said = capsys.readouterr().out.strip()
    assert said.splitlines()[-1].endswith(f"tables: {out}")
    options = lp.CausalCard.load(out).provenance["options"]
    assert (options["kind"], options["alpha"], options["interest"]) == ("zero", 0.1, 0.5)
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before


def test_mistakes_are_one_line_and_change_nothing(
    run: Path, tiny_folders: dict[str, Path], capsys: Captured
) -> None:
    (run.parent / "full").mkdir()
    (run.parent / "full" / "mine").touch()
    before = {path: path.stat().st_mtime_ns for path in run.parent.rglob("*")}
    cases = {
        "no run": ([str(run.parent / "full")], "no result in"),
        "no folder": ([str(run / "nothing")], "no result in"),
        "layer": ([str(run), "--layers", "1"], "layer 1 is not in the sweep: it has layers 0, 2"),
        "layers": ([str(run), "--layers", "x"], "not layers: 'x'"),
        "site": ([str(run), "--sites", "q"], "unknown site of this sweep 'q'"),
        "top": ([str(run), "--top", "60"], "units vary here: random sets as large as the top 60"),
        "no top": ([str(run), "--top", "0"], "top must be 1 or more; got 0"),
        "nulls": ([str(run), "--nulls", "0"], "nulls must be 1 or more; got 0"),
        "few nulls": ([str(run), "--nulls", "9"], "p cannot be below 0.1, and alpha is 0.05: ask"),
        "windows": ([str(run), "--windows", "1"], "windows must be 2 or more; got 1"),
        "seed": ([str(run), "--seed", "-1"], "seed must be 0 or more; got -1"),
        "alpha": ([str(run), "--alpha", "2"], "alpha must lie between 0 and 1"),
        "interest": ([str(run), "--interest", "2"], "interest must lie between 1e-06 and 1"),
        "kind": ([str(run), "--kind", "men"], 'Did you mean "mean"'),
        "out": ([str(run), "--out", str(run.parent / "full")], "already holds files"),
    }
    for name, (arguments, expected) in cases.items():
        assert main(["ablate", *arguments, "--quiet"]) == 2, name
        printed = capsys.readouterr()
        assert expected in printed.err, name
        assert len(printed.err.strip().splitlines()) == 1, name
        assert printed.out == "", name
    assert {path: path.stat().st_mtime_ns for path in run.parent.rglob("*")} == before


def test_a_sweep_that_cannot_be_made_again_is_refused(
    run: Path, tiny_folders: dict[str, Path], tiny_models: dict[str, lp.LensModel],
    tmp_path: Path, capsys: Captured,
) -> None:  # fmt: skip
    own = lp.Examples.from_tokens(
        np.random.default_rng(0).integers(1, 400, (24, 9)), 8, np.arange(24) % 2
    )
    lp.sweep(tiny_models["llama"], own, layers=[0], untrained=False).save(tmp_path / "own")
    assert main(["ablate", str(tmp_path / "own"), "--top", "4"]) == 2
    assert "were not drawn by a probe of this package" in capsys.readouterr().err
    (run.parent / "prose.txt").write_text(PROSE * 21)
    given = json.loads((run / "result.json").read_text())["provenance"]["examples"]["origin"]
    text = Path(given["text"]["from"])
    kept = text.read_text()
    try:
        text.write_text(PROSE * 21)
        assert main(["ablate", str(run), *QUICK]) == 2
    finally:
        text.write_text(kept)
    assert "is not what the first sweep read" in capsys.readouterr().err


def test_a_continuous_label_is_refused(
    tiny_models: dict[str, lp.LensModel], tmp_path: Path, capsys: Captured
) -> None:
    tokens = np.random.default_rng(0).integers(1, 400, (24, 9))
    own = lp.Examples.from_tokens(tokens, 8, value=np.arange(24) / 7, value_name="length")
    result = lp.sweep(tiny_models["llama"], own, layers=[0], untrained=False, n_permutations=100)
    result.save(tmp_path / "length")
    assert main(["ablate", str(tmp_path / "length")]) == 2
    assert "continuous label (length), and a causal card compares" in capsys.readouterr().err
