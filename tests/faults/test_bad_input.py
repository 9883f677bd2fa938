"""Whatever comes in: one line, a non-zero exit, no traceback, nothing written, nothing run."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from bad_input import REFUSED, THROUGH_THE_COMMAND, cases, write_files
from tiny_gguf import write_tiny_gguf
from tiny_models import PROSE

import lens_probes as lp
from lens_probes.cli import main
from lens_probes.model import load_model
from lens_probes.texts import load_text

pytestmark = pytest.mark.model
# Minutes each: set BAD_INPUT=1.
in_full = pytest.mark.skipif(not os.environ.get("BAD_INPUT"), reason="BAD_INPUT is not set")


def state(folder: Path) -> dict[Path, bytes | None]:
    return {p: p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


def complaint(code: object, out: str, err: str) -> str:
    """What is wrong with an answer to a bad request; empty if nothing is."""
    said = [line for line in err.splitlines() if line.startswith("lens-probes: ")]
    if code in (0, None) or len(said) != 1 or out or "Traceback" in err:
        return f"exit {code}, {out[-200:]!r}, {err[-500:]!r}"
    return ""


@in_full
def test_every_bad_request_is_one_line(
    tiny_folders: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_files(tmp_path, tiny_folders["gpt2"], PROSE)
    before = state(tmp_path)
    every = list(cases(tmp_path, tiny_folders["gpt2"]))
    assert len(every) >= 100
    problems = []
    for case in every:
        try:
            code: object = main(list(case.arguments))
        except BaseException as error:
            code = f"{type(error).__name__}: {error}"
        printed = capsys.readouterr()
        if wrong := complaint(code, printed.out, printed.err):
            problems.append(f"{case.name}: {wrong}")
    assert not problems, f"{len(problems)} of {len(every)}\n" + "\n".join(problems)
    assert state(tmp_path) == before


@in_full
def test_bad_requests_through_the_real_command(
    tiny_folders: dict[str, Path], tmp_path: Path
) -> None:
    write_files(tmp_path, tiny_folders["gpt2"], PROSE)
    before = state(tmp_path)
    chosen = [f"{option}={value}" for option, value in THROUGH_THE_COMMAND]
    every = [c for c in cases(tmp_path, tiny_folders["gpt2"]) if c.name in chosen]
    assert len(every) == len(REFUSED) >= 15

    def run(arguments: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "lens_probes.cli", *arguments],
            capture_output=True, text=True, check=False,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"},
        )  # fmt: skip

    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(run, [case.arguments for case in every]))
    problems = [
        f"{case.name}: {wrong}"
        for case, one in zip(every, done, strict=True)
        if (wrong := complaint(one.returncode, one.stdout, one.stderr))
    ]
    assert not problems, "\n".join(problems)
    assert state(tmp_path) == before


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """Some bytes changed, a piece cut out, doubled, or the end cut off."""
    changed = bytearray(data)
    kind = rng.integers(4)
    a, b = sorted(rng.integers(0, len(data) + 1, 2).tolist())
    if kind == 0:
        for at in rng.integers(0, len(data), rng.integers(1, 9)):
            changed[at] = rng.integers(256)
    elif kind == 1:
        del changed[a:b]
    elif kind == 2:
        changed[a:a] = data[a : min(b, a + 999)]
    else:
        del changed[a:]
    return bytes(changed)


def test_a_mutated_gguf_file_loads_or_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LENS_PROBES_CACHE", str(tmp_path / "cache"))
    data = write_tiny_gguf(tmp_path / "whole.gguf").read_bytes()
    rng = np.random.default_rng(0)
    refusals = []
    for i in range(int(os.environ.get("FUZZ", "20"))):
        path = tmp_path / f"{i}.gguf"
        path.write_bytes(mutated(data, rng))
        try:
            load_model(path)
        except lp.InputError as error:
            refusals.append(str(error))
    assert refusals
    assert not [said for said in refusals if "\n" in said]
    assert [p.name for p in (tmp_path / "cache").glob(".*")] == []


def test_a_mutated_text_loads_or_is_refused(tmp_path: Path) -> None:
    data = ("Fünf Wörter. " + PROSE).encode()
    rng = np.random.default_rng(0)
    path, refusals = tmp_path / "text.txt", []
    for _ in range(int(os.environ.get("FUZZ", "20")) * 10):
        path.write_bytes(mutated(data, rng))
        try:
            assert load_text(path).n_characters > 0
        except lp.InputError as error:
            refusals.append(str(error))
    assert not [said for said in refusals if "\n" in said]
