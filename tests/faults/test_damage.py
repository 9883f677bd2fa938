"""Damaged files, full disks, folders that cannot be written, two runs at once: all noticed."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tiny_models import PROSE

from lens_probes.cli import main
from lens_probes.errors import InputError
from lens_probes.result.verify import verify
from lens_probes.storage.folders import hold, hold_aside, hold_folder, write_folder
from lens_probes.storage.paths import check_writable

pytestmark = pytest.mark.model


@pytest.fixture
def command(tiny_folders: dict[str, Path], prose_file: Path) -> list[str]:
    """A sweep but for where its files go."""
    given = f"--model {tiny_folders['gpt2']} --text {prose_file} --words course --layers 1 --quiet "
    given += "--max-per-class 12 --before 9 --after 2 --sites k --preset course"
    return ["sweep", "negation", *given.split()]


def state(folder: Path) -> dict[Path, bytes | None]:
    return {p: p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


def cut(data: bytes) -> bytes:
    return data[: 2 * len(data) // 3]


def end_cut(data: bytes) -> bytes:
    return data[:-1]


def flip(place: float) -> Callable[[bytes], bytes]:
    def flipped(data: bytes) -> bytes:
        at = int(place * (len(data) - 1))
        return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]

    return flipped


DAMAGES = [cut, end_cut, lambda _: b"", *(flip(k) for k in (0, 0.2, 0.5, 1))]


def test_damage_in_every_kind_of_file_is_noticed(
    command: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    record_property: Callable[[str, object], None],
) -> None:
    root = tmp_path / "runs"
    where = ["--store", str(root / "store"), "--out", str(root / "out")]
    assert main([*command, *where]) == 0
    other = tmp_path / "other.txt"
    other.write_text(" ".join(reversed((PROSE * 20).split())))
    given = ["replicate", str(root / "out"), "--text", str(other), "--quiet", "--permutations", "9"]
    assert main([*given, "--store", str(root / "store")]) == 0
    assert main(["verify", str(root)]) == 0
    files = [path for path in sorted(root.rglob("*")) if path.is_file() and path.name != "lock"]
    assert {path.suffix for path in files} == {
        ".html", ".json", ".parquet", ".safetensors", ".txt"
    }  # fmt: skip
    assert len(files) == 7 + 5 + 2 * 3  # a result, a replication, two stores of one shard each
    n_made, missed = 0, []
    for path in files:
        sound = path.read_bytes()
        for number, damage in enumerate(DAMAGES):
            path.write_bytes(damage(sound))
            said = [problem for one in verify(root) for problem in one.problems]
            n_made += 1
            if not any(path.name in problem for problem in said):
                missed.append(f"{path.name}, damage {number}: {said}")
        path.write_bytes(sound)
        path.unlink()
        # A report and the answer can be written again.
        if path.name not in ("report.html", "answer.txt"):
            assert [one for one in verify(root) if one.problems], f"{path} is missing"
        path.write_bytes(sound)
    assert not missed, "\n".join(missed)
    capsys.readouterr()
    record_property("damages noticed", n_made)


def test_what_verify_takes_for_damage_and_what_not(command: list[str], tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    assert main([*command, "--out", str(runs / "a"), "--store", str(runs / "store")]) == 0
    (store,) = (runs / "store").iterdir()

    def said() -> list[str]:
        return [problem for one in verify(runs) for problem in one.problems]

    for foreign in ("{}", "[1]", "no JSON"):
        (runs / "manifest.json").write_text(foreign)  # of another program
        (runs / "b").mkdir(exist_ok=True)
        (runs / "b" / "report.html").write_text("<!doctype html>of another program")
        assert said() == []
    shutil.copy(runs / "a" / "report.html", runs / "b" / "report.html")
    assert said() == []  # one that was sent
    (runs / "b" / "report.html").write_bytes((runs / "b" / "report.html").read_bytes()[:-9])
    assert said() == ["result.json or sha256sums.txt is missing."]
    shutil.rmtree(runs / "b")
    with hold_aside(runs / "c", "refused") as new, hold(store / "lock", "refused"):
        new.work.mkdir()
        (new.work / "units.parquet").write_text("half")
        (store / ".tmp-000001").write_text("half")
        assert said() == []
        assert sum(one.being_written for one in verify(runs)) == 2
    (runs / ".c.partial" / "lock").touch()  # as a killed run leaves it
    left = [".tmp-000001 is left by a run that was stopped."]
    assert said() == [
        *left,
        ".c.partial is left by a run that was stopped: the next one clears it.",
    ]
    shutil.rmtree(runs / ".c.partial")
    (runs / "store" / "x").mkdir()
    (runs / "store" / "x" / f"000000-{'a' * 64}.safetensors").symlink_to("nowhere")
    (store / f"000009-{'b' * 64}.safetensors").mkdir()
    assert f"000000-{'a' * 64}.safetensors cannot be read (No such file or directory)." in said()
    assert f"000009-{'b' * 64}.safetensors cannot be read (Is a directory)." in said()
    (runs / "a" / "result.json").unlink()
    assert "result.json or sha256sums.txt is missing." in said()


def test_a_disk_that_fills_up_leaves_nothing_half_written(
    command: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    record_property: Callable[[str, object], None],
) -> None:
    """The error comes at every flush in turn: shards, manifests, tables, report, folder."""
    given = [*command, "--store", str(tmp_path / "store"), "--out", str(tmp_path / "runs" / "out")]
    fsync, left = os.fsync, [0]

    def full(handle: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        for n_good in range(100):
            left[0] = n_good
            if (code := main(given)) == 0:
                break
            assert code == 2
            said = capsys.readouterr().err.splitlines()
            assert len(said) == 1
            assert "no room to write" in said[0] or "damaged" in said[0]
            assert not (tmp_path / "runs").exists()
            assert not [p for p in tmp_path.rglob(".*") if p.name != ".gitignore"]
    assert n_good > 5
    assert [one.problems for one in verify(tmp_path)] == [()] * 2
    record_property("writes to a full disk", n_good)


@contextlib.contextmanager
def mounted(folder: Path, options: str) -> Iterator[None]:
    """A file system in memory; where mounting is not allowed the test is skipped."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("file systems cannot be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.parametrize("option", ["--out", "--store"])
def test_a_small_disk(
    option: str, command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    disk = tmp_path / "disk"
    where = {"--out": tmp_path / "out", "--store": tmp_path / "store"} | {option: disk / "new"}
    with mounted(disk, "size=64k"):
        assert main([*command, *(f"{name}={path}" for name, path in where.items())]) == 2
        said = capsys.readouterr().err.splitlines()
        assert len(said) == 1
        assert "No space left on device" in said[0] or "GiB are free at" in said[0]
        assert not (tmp_path / "out").exists()
        assert option == "--store" or list(disk.iterdir()) == []


@pytest.mark.parametrize("option", ["--out", "--store"])
def test_a_folder_that_can_only_be_read(
    option: str, command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    disk = tmp_path / "disk"
    where = {"--out": tmp_path / "out", "--store": tmp_path / "store"} | {option: disk / "new"}
    with mounted(disk, "ro"):
        assert main([*command, *(f"{name}={path}" for name, path in where.items())]) == 2
        said = capsys.readouterr().err.splitlines()
        assert len(said) == 1
        assert "Read-only file system" in said[0]
    assert not (tmp_path / "out").exists()


def test_a_mount_point_is_no_output_folder(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    disk = tmp_path / "disk"
    with mounted(disk, "size=64k"):
        (tmp_path / "link").symlink_to(disk)
        for name in ("disk", "link"):
            assert main([*command, f"--out={tmp_path / name}"]) == 2
            assert "is a mount point" in capsys.readouterr().err
        assert list(disk.iterdir()) == []


def test_what_cannot_be_moved_is_kept(tmp_path: Path) -> None:
    """Somebody puts a file into the empty output folder while the run is at work."""
    out = tmp_path / "out"

    def fill(work: Path) -> None:
        (work / "ours").write_text("whole")
        out.mkdir(exist_ok=True)
        (out / "theirs").write_text("whole too")

    for name in ("out.unmoved", "out.unmoved1"):
        with pytest.raises(InputError, match=rf"cannot move .* it lies whole in .*{name}, move it"):
            write_folder(out, fill)
        (out / "theirs").unlink()
    assert {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()} == {
        f"out.unmoved{i}/{name}" for i in ("", "1") for name in ("ours", "sha256sums.txt")
    }
    assert [one.problems for one in verify(tmp_path)] == [()] * 2


def test_two_runs_cannot_write_one_folder(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "deep" / "out"
    with hold_folder(out) as other:
        assert main([*command, "--out", str(out)]) == 2
        assert "another run is writing to output folder" in capsys.readouterr().err
        other.write(lambda work: (work / "theirs").write_text("whole"))  # type: ignore[arg-type,return-value]
    before = state(tmp_path)
    assert main([*command, "--out", str(out)]) == 2
    assert "already holds files" in capsys.readouterr().err
    assert state(tmp_path) == before


def test_what_is_left_of_a_trial_is_removed_by_the_next(tmp_path: Path) -> None:
    left = tmp_path / ".tmp-trial"
    left.mkdir()
    check_writable(tmp_path / "store" / "deeper")
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_has_left_is_cleared(command: list[str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    left = tmp_path / ".out.partial"
    (left / "folder").mkdir(parents=True)
    (left / "folder" / "units.parquet").write_bytes(b"half")
    (left / "lock").touch()
    assert main([*command, "--out", str(out)]) == 0
    assert not left.exists()
    assert [one.problems for one in verify(out)] == [()]
    left.mkdir()
    assert main([*command, "--out", str(out)]) == 0
    assert not left.exists()
    stray = out / ".tmp-report.html-1-abcd"
    stray.write_text("half a report")
    assert "left by a run that was stopped" in verify(out)[0].problems[0]
    assert main(["report", str(out)]) == 0
    assert not stray.exists()
