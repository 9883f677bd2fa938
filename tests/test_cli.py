"""The command line: what it prints, and that a mistake is one line, exit code 2, nothing lost."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tiny_models import PROSE

import lens_probes as lp
from lens_probes.cli import main, parse_layers
from lens_probes.report.words.headline import Headline
from lens_probes.report.words.summary import summary


@pytest.mark.model
def test_sweep_report_and_what_they_print(
    tiny_folders: dict[str, Path],
    prose_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "runs" / "negation"
    given = f"--model {tiny_folders['llama']} --text {prose_file} --words course --out {out} "
    given += "--sites mlp_pre,k --layers 0,2 --max-per-class 20 --quiet"
    code = main(["sweep", "negation", *given.split()])
    printed = capsys.readouterr()
    assert code == 0, printed.err
    lines = printed.out.strip().splitlines()
    assert lines[-1] == f"Report: {out / 'report.html'}"
    assert lines[:-2] == list(Headline.of(lp.SweepResult.load(out)).lines())
    assert len(lines) == 6
    assert lines[-2] == f"Details: {out / 'answer.txt'}, or --verbose"
    assert main(["sweep", "negation", *given.split(), "--verbose"]) == 0
    full = capsys.readouterr().out.strip().splitlines()
    kept = (out / "answer.txt").read_text("utf-8").splitlines()
    assert full[:-2] == kept[:-1]
    assert kept[-1].startswith("<!-- sha256 ")
    assert full[-1] == lines[-1]
    said = [line.removeprefix("* ") for line in full if line.startswith("* ")]
    assert said == list(summary(lp.SweepResult.load(out)))
    assert "candidates" in full[0]
    assert full[1].startswith("Sources: 1; most come from prose.txt 40 examples of ")
    result = lp.SweepResult.load(out)
    assert len(result.units) == 2 * (96 + 16)
    assert result.provenance["examples"]["origin"]["balance"] == "natural"
    first = (out / "report.html").read_bytes()
    assert main(["report", str(out), "--out", str(tmp_path / "again.html")]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "again.html")
    assert (tmp_path / "again.html").read_bytes() == first


@pytest.mark.model
def test_every_option_of_a_sweep_reaches_it(
    tiny_folders: dict[str, Path],
    prose_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: dict[str, Any] = {}

    def sweep(model: object, probe: object, **options: Any) -> None:
        seen.update(options)
        raise lp.InputError("seen")

    monkeypatch.setattr(lp, "sweep", sweep)
    asked = {
        "sites": ("k",), "layers": (1,), "preset": "rigorous", "alpha": 0.1, "method": "holm",
        "level": "token", "scope": "site", "min_per_group": 3, "n_permutations": 77,
        "untrained": False, "batch_size": 5, "sets": True, "store_dtype": "float32",
    }  # fmt: skip
    given = f"--model {tiny_folders['llama']} --text {prose_file} --out {tmp_path / 'out'} "
    given += "--sites k --layers 1 --alpha 0.1 --method holm --level token --scope site "
    given += "--min-per-group 3 --permutations 77 --no-untrained --batch-size 5 --sets --quiet"
    assert main(["sweep", "negation", *given.split()]) == 2
    assert {name: seen[name] for name in asked} == asked
    assert set(seen) - set(asked) == {"progress", "store", "executor"}


def test_lists(capsys: pytest.CaptureFixture[str], tiny_folders: dict[str, Path]) -> None:
    assert main(["sites"]) == 0
    assert "blocks.L.mlp.hook_pre" in capsys.readouterr().out
    assert main(["sites", "--model", str(tiny_folders["llama"])]) == 0
    assert "k               2 heads x 8" in capsys.readouterr().out
    assert main(["texts"]) == 0
    assert "237 documents" in capsys.readouterr().out
    assert main(["models"]) == 0
    assert "bundled" in capsys.readouterr().out


def test_layers() -> None:
    assert parse_layers("all") is None
    assert parse_layers("0,4-6, 29") == (0, 4, 5, 6, 29)
    for text in ("", "1-", "a", "3-1", "-1", "1,,2"):
        with pytest.raises(lp.InputError, match="not layers"):
            parse_layers(text)


def test_help_and_argument_errors_load_no_torch(tmp_path: Path) -> None:
    code = (
        "import json, sys; from lens_probes.cli import main\n"
        "for arguments, expected in json.loads(sys.argv[1]):\n"
        "    code = main(arguments)\n"
        "    assert code == expected, (arguments, code)\n"
        "    assert 'torch' not in sys.modules, (arguments, 'heavy import')\n"
    )
    (tmp_path / "held").write_text("x")
    requests = [
        (["--help"], 0),
        (["plan", "sweep", "negation", "--out", str(tmp_path / "planned")], 0),
        (["new", "probe", "mine", "--out", str(tmp_path / "new")], 0),
        (["sweep", "negation", "--config", str(tmp_path / "none.toml")], 2),
        (["sweep", "negation", "--alpha", "2"], 2),
        (["sweep", "negation", "--batch-size", "0"], 2),
        (["sweep", "negation", "--out", str(tmp_path)], 2),
        (["sweep", "negation", "--max-per-class", "1", "--out", str(tmp_path / "new")], 2),
        (["sweep", "labelled", str(tmp_path / "held")], 2),
        (["report", str(tmp_path)], 2),
        (["sweep", "negation", "--help"], 0),
        (["sweep", "negation", "--preset", "cours"], 2),
        (["sweep", "negation", "--sites", "mlp"], 2),
        (["sweep", "negation", "--layers", "x"], 2),
        (["sweep", "negation", "--max-per-class", "many"], 2),
    ]
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(requests)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.model
def test_report_never_overwrites_what_is_no_report(
    tiny_folders: dict[str, Path], prose_file: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    arguments = ["sweep", "negation", "--model", str(tiny_folders["gpt2"]), "--quiet"]
    arguments += ["--text", str(prose_file), "--preset", "course", "--out", str(run)]
    assert main(arguments) == 0
    before = {p: p.read_bytes() for p in run.iterdir()}
    for name in ("units.parquet", "result.json"):
        assert main(["report", str(run), "--out", str(run / name)]) == 2
    assert main(["report", str(run), "--out", str(tmp_path)]) == 2
    assert main(["report", str(run)]) == 0
    assert {p: p.read_bytes() for p in run.iterdir()} == before
    said = lp.SweepResult.load(run).provenance["command"]
    assert said.startswith("lens-probes sweep negation --model")


@pytest.mark.model
def test_a_second_run_overwrites_nothing(
    tiny_folders: dict[str, Path],
    prose_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The very same command shows what is there, another one is refused."""
    run = tmp_path / "run"
    arguments = ["sweep", "negation", "--model", str(tiny_folders["gpt2"]), "--quiet"]
    arguments += ["--text", str(prose_file), "--words", "course", "--out", str(run)]
    arguments += ["--preset", "course"]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    before = {p: p.read_bytes() for p in run.iterdir()}
    assert main(arguments) == 0
    assert capsys.readouterr().out == said
    assert main([*arguments, "--alpha", "0.01"]) == 2
    assert "already holds a result: name another one" in capsys.readouterr().err
    prose_file.write_text(PROSE * 19)
    assert main(arguments) == 2
    assert "from another text, model or version" in capsys.readouterr().err
    assert {p: p.read_bytes() for p in run.iterdir()} == before


@pytest.mark.model
def test_a_store_is_reused_and_verify_sees_a_flipped_bit(
    tiny_folders: dict[str, Path],
    prose_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = f"--model {tiny_folders['gpt2']} --text {prose_file} --words course --layers 1 --quiet"
    given += f" --max-per-class 12 --before 9 --after 2 --no-untrained --store {tmp_path / 'store'}"
    for name in ("one", "two"):
        out = str(tmp_path / name)
        assert main(["sweep", "negation", *given.split(), "--out", out]) == 0
    shards = list((tmp_path / "store").rglob("*.safetensors"))
    assert len({shard.parent for shard in shards}) == 1
    one, two = ((tmp_path / name / "units.parquet").read_bytes() for name in ("one", "two"))
    assert one == two
    assert main(["verify", str(tmp_path)]) == 0
    data = bytearray(shards[0].read_bytes())
    data[-1] ^= 1
    shards[0].write_bytes(data)
    capsys.readouterr()
    assert main(["verify", str(tmp_path)]) == 1
    assert shards[0].name in capsys.readouterr().out
    assert main(["sweep", "negation", "--executor", "dask", "--out", str(tmp_path / "x")]) == 2
    assert "--executor dask needs --store" in capsys.readouterr().err
