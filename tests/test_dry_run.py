"""`sweep --dry-run`: what it says is what the sweep then takes; nothing is written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import lens_probes as lp
from lens_probes.cli import main


def said(folder: Path, prose: Path, out: Path, *more: str) -> list[str]:
    """A request of the tiny model."""
    given = f"--model {folder} --text {prose} --words course --out {out} --sites mlp_pre,k "
    given += "--max-per-class 20 --quiet"
    return ["sweep", "negation", *given.split(), *more]


@pytest.mark.model
@pytest.mark.parametrize("more", [(), ("--no-untrained",)])
def test_a_dry_run_says_what_the_sweep_takes_and_writes_nothing(
    tiny_folders: dict[str, Path], prose_file: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str], more: tuple[str, ...],
) -> None:  # fmt: skip
    out, store = tmp_path / "runs" / "one", tmp_path / "store"
    request = said(tiny_folders["llama"], prose_file, out, "--store", str(store), *more)
    before = sorted(tmp_path.iterdir())
    assert main([*request, "--dry-run"]) == 0
    lines = capsys.readouterr().out.strip().splitlines()
    assert sorted(tmp_path.iterdir()) == before
    assert lines[0].startswith("model ")
    assert "parameters" in lines[0]
    assert ("twice" in lines[0]) == (not more)
    assert sum("untrained weights:" in line for line in lines) == (not more)
    assert lines[-1] == "Nothing was written."
    assert any(re.match(r"time +about .* s of forward passes", line) for line in lines)
    tokens = next(line for line in lines if line.startswith("forward passes"))
    assert main(request) == 0
    result = lp.SweepResult.load(out)
    assert f"{result.provenance['examples']['tokens_computed']:,} tokens" in tokens
    shards = sum(path.stat().st_size for path in store.rglob("0*.safetensors")) / 2**20
    disk = next(line for line in lines if line.startswith("disk"))
    stated = float(re.findall(r"([\d.]+) MiB in the store", disk)[0])
    assert stated == pytest.approx(shards, rel=0.25, abs=0.05)


@pytest.mark.model
def test_a_table_of_ones_own_and_a_store_of_half_precision(
    tiny_folders: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "table.csv"
    rows = [f"we can see the w{i},{i % 2}" for i in range(24)]
    table.write_text("\n".join(["text,label", *rows]) + "\n", encoding="utf-8")
    given = f"--model {tiny_folders['llama']} --out {tmp_path / 'run'} --dry-run --no-untrained"
    assert main(["sweep", "labelled", str(table), *given.split()]) == 0
    out = capsys.readouterr().out
    assert "disk              no store" in out
    half = f"{given} --store {tmp_path / 'store'} --store-dtype bfloat16"
    assert main(["sweep", "labelled", str(table), *half.split()]) == 0
    assert "in the store" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]


@pytest.mark.model
def test_what_a_sweep_would_refuse_is_refused(
    tiny_folders: dict[str, Path], prose_file: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    full = tmp_path / "full"
    full.mkdir()
    (full / "notes.txt").write_text("mine")
    folder = tiny_folders["llama"]
    for request, why in (
        (said(folder, prose_file, full, "--dry-run"), "already holds files"),
        (said(folder, prose_file, tmp_path / "a", "--dry-run", "--layers", "9"), "layer"),
        (said(folder, prose_file, tmp_path / "a", "--dry-run", "--store-dtype", "float16"),
         "needs --store"),
        (said(tmp_path / "none", prose_file, tmp_path / "a", "--dry-run"), "model"),
    ):  # fmt: skip
        assert main(request) == 2
        error = capsys.readouterr().err.strip()
        assert why in error
        assert "\n" not in error
    assert (full / "notes.txt").read_text() == "mine"
