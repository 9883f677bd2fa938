"""One run at a time: a file that is held for as long as a process lives."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from lens_probes.errors import InputError


@contextlib.contextmanager
def hold(path: Path, refusal: str | None) -> Iterator[None]:
    """Keep other processes from holding the same file; the system lets go when a process dies.

    A file, not a folder: network file systems lock nothing else. Without a refusal it is waited
    for.

    Raises
    ------
    InputError
        `refusal`: another process holds it.
    OSError
        The file cannot be opened or locked.
    """
    import fcntl  # noqa: PLC0415  (not on Windows, where all but locks works)

    while True:
        with path.open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | (fcntl.LOCK_NB if refusal else 0))
            except BlockingIOError as error:
                raise InputError(refusal or str(error)) from error
            if _is_still(path, file.fileno()):
                yield
                return


def is_held(path: Path) -> bool:
    """Whether a process holds a file now. Nothing is changed; what cannot be told counts as no."""
    if not path.is_file():
        return False
    try:
        with hold(path, "held"):
            return False
    except InputError:
        return True
    except OSError:
        return False


def _is_still(path: Path, handle: int) -> bool:
    """Whether a path names the file that was opened: its last holder may have removed it."""
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False
