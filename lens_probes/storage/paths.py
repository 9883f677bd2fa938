"""Paths as users write them, and where something may be written: checked before any work."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

from lens_probes.errors import InputError
from lens_probes.storage.integrity import TEMPORARY, open_file, storage_error


def user_path(given: str | Path) -> Path:
    """A path as a user wrote it, with ~ for the home folder; an error if it cannot be one."""
    try:
        path = Path(given).expanduser()
        path.exists()
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{str(given)[:80]!r} is no path ({reason}).") from error
    return path


def output_path(given: str | Path) -> Path:
    """A user's path that something is to be written to: it must lead to a place.

    Raises
    ------
    InputError
        No path, a loop of links, or relative to a working folder that is gone.
    """
    path = user_path(given)
    try:
        if not path.is_absolute():
            Path.cwd()
    except OSError as error:
        raise InputError(
            f"cannot write to {path}: the working folder is gone ({error.strerror}). Change to one "
            "that is there, or name a path that starts with /."
        ) from error
    try:
        path.stat()
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise InputError(f"{path} is a loop of symbolic links: name another path.") from error
    return path


def check_writable(folder: str | Path) -> None:
    """An error if files cannot be written to a folder, or it cannot be made; nothing is left.

    The trial has one name, so that the next one removes what a killed run has left of it.
    """
    path = output_path(folder).absolute()
    try:
        there = next(one for one in (path, *path.parents) if one.exists())
        trial = there / f"{TEMPORARY}trial"
        with contextlib.suppress(FileExistsError):
            trial.mkdir()
        with contextlib.suppress(FileNotFoundError):  # another run has just tried
            trial.rmdir()
    except OSError as error:
        raise storage_error(path, 0, error) from error


def check_outside(out: str | Path, **written: Path | None) -> None:
    """An error if what a run writes to lies in its output folder, which is moved there as a whole.

    Raises
    ------
    InputError
        One of them is the output folder, or inside it.
    """
    folder = Path(os.path.realpath(output_path(out)))
    for option, path in written.items():
        if path is not None and _real(path).is_relative_to(folder):
            raise InputError(
                f"{option} {path} lies in the output folder {out}, which is to be new: name one "
                f"beside it, such as {folder.with_name(f'{folder.name}-{option}')}."
            )


def check_report_path(path: str | Path) -> Path:
    """A path that a report may be written to: absent, or an older HTML page, or a link to one."""
    target = output_path(path)
    try:
        if target.is_dir():
            raise InputError(f"{target} is a folder: name a file, such as report.html.")
        if target.exists():
            with open_file(target) as file:
                if not file.read(15).lower().startswith(b"<!doctype html"):
                    raise InputError(
                        f"{target} exists and is not a report: name another file, so that nothing "
                        "is lost."
                    )
    except OSError as error:
        raise InputError(f"cannot write {target} ({error.strerror}): name another file.") from error
    check_writable(Path(os.path.realpath(target)).parent)
    return target


def _real(path: Path) -> Path:
    return Path(os.path.realpath(output_path(path)))
