"""A system without `fcntl`, and a cache folder on a full disk."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
from safetensors import SafetensorError
from tiny_gguf import write_tiny_gguf

import lens_probes as lp
from lens_probes.storage.cache import keep, text_cache

WITHOUT = """
import sys
from pathlib import Path
sys.modules["fcntl"] = None  # as on Windows: importing it is a ModuleNotFoundError
sys.path.insert(0, sys.argv[2])
from saved_samples import small_result
from lens_probes.errors import InputError
from lens_probes.storage.folders import hold
from lens_probes.sweep_result import SweepResult
run = small_result().save(sys.argv[1])
assert SweepResult.load(run).units.equals(small_result().units)
with hold(run.parent / "lock", "held"):
    try:
        with hold(run.parent / "lock", "held by another"):
            raise SystemExit("two held it")
    except InputError as error:
        assert str(error) == "held by another"
"""


def test_a_result_is_saved_where_there_is_no_fcntl(tmp_path: Path) -> None:
    given = [sys.executable, "-c", WITHOUT, str(tmp_path / "run"), str(Path(__file__).parents[1])]
    done = subprocess.run(given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert {p.name for p in tmp_path.iterdir()} <= {"run", "lock"}


def full(*_: Any, **__: Any) -> Any:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def full_in_the_middle(weights: Any, path: Path, **_: Any) -> None:
    path.write_bytes(b"half")
    raise SafetensorError("I/O error: No space left on device (os error 28)")


@pytest.mark.model
@pytest.mark.parametrize(
    ("what", "name", "error"),
    [
        (os, "fsync", full),
        (safetensors.torch, "save_file", full_in_the_middle),
        (Path, "write_text", full),
        (Path, "mkdir", full),
    ],
    ids=["flush", "weights", "settings", "folder"],
)
def test_a_model_that_is_converted_onto_a_full_disk(
    what: Any,
    name: str,
    error: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cache = tmp_path / "cache"
    monkeypatch.setenv("LENS_PROBES_CACHE", str(cache))
    path = write_tiny_gguf(tmp_path / "tiny.gguf")
    with monkeypatch.context() as patch:
        patch.setattr(what, name, error)
        with pytest.raises(lp.InputError, match=r"^cannot write the cache folder ") as said:
            lp.load_model(path)
    assert "\n" not in str(said.value)
    assert str(cache) in str(said.value)
    assert "No space left on device" in str(said.value)
    assert not cache.exists() or list(cache.iterdir()) == []
    assert lp.load_model(path).n_layers == 2


@pytest.mark.parametrize(("what", "name"), [(os, "fsync"), (Path, "mkdir"), (Path, "open")])
def test_a_text_that_is_kept_on_a_full_disk(
    what: Any, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LENS_PROBES_CACHE", str(tmp_path / "cache"))
    path = text_cache() / "book.txt"
    with monkeypatch.context() as patch:
        patch.setattr(what, name, full)
        with pytest.raises(lp.InputError, match="cannot write the cache folder") as said:
            keep(path, b"whole")
    assert "No space left on device): free some space there" in str(said.value)
    assert "\n" not in str(said.value)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []
    keep(path, b"whole")
    assert path.read_bytes() == b"whole"
