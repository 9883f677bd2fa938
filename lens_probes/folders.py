"""Output folders: found unusable before any work is done."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from lens_probes.errors import InputError

MANIFEST = "result.json"


def user_path(given: str | Path) -> Path:
    """A path as a user wrote it, with ~ for the home folder; an error if it cannot be one."""
    try:
        path = Path(given).expanduser()
        path.exists()
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{str(given)[:80]!r} is no path ({reason}).") from error
    return path


def check_output_folder(folder: str | Path) -> Path:
    """A folder that a result can be written to: absent or empty, in a place that can be written."""
    path = user_path(folder)
    try:
        if path.is_dir() and any(path.iterdir()):
            held = "a result" if (path / MANIFEST).exists() else "files"
            raise InputError(f"output folder {path} already holds {held}: name another one.")
        if path.exists() and not path.is_dir():
            raise InputError(f"output folder {path} is a file: name another one.")
        parent = next(p for p in path.absolute().parents if p.exists())
        with tempfile.TemporaryDirectory(dir=parent):
            pass
    except OSError as error:
        raise InputError(
            f"cannot write to output folder {path} ({error.strerror}): name another one."
        ) from error
    return path


def write_folder(folder: str | Path, fill: Callable[[Path], None]) -> Path:
    """A new folder with what `fill` writes into the path it gets: all of it, or nothing.

    Raises
    ------
    InputError
        The folder holds something already, or cannot be written.
    """
    target = check_output_folder(folder)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        try:
            fill(work)
            for file in work.iterdir():
                with file.open("rb") as written:
                    os.fsync(written.fileno())
            work.chmod(0o755)
            work.replace(target)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    except OSError as error:
        raise InputError(f"cannot write to folder {target}: {error.strerror}.") from error
    return target


def check_report_path(path: str | Path) -> Path:
    """A path that a report may be written to: absent, or an older HTML page."""
    target = user_path(path)
    try:
        if target.is_dir():
            raise InputError(f"{target} is a folder: name a file, such as report.html.")
        if target.exists():
            with target.open("rb") as file:
                if not file.read(15).lower().startswith(b"<!doctype html"):
                    raise InputError(
                        f"{target} exists and is not a report: name another file, so that nothing "
                        "is lost."
                    )
    except OSError as error:
        raise InputError(f"cannot write {target} ({error.strerror}): name another file.") from error
    return target
