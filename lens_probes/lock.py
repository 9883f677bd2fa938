"""One run at a time: a file that is held for as long as a process lives."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from lens_probes.errors import InputError


@contextlib.contextmanager
def hold(path: Path, refusal: str | None) -> Iterator[None]:
    """Keep other processes from holding the same file; the system lets go when a process dies.

    A file, not a folder: network file systems lock nothing else. Without a refusal it is waited
    for. Where the system has no locks, the file says by which process it is held.

    Raises
    ------
    InputError
        `refusal`: another process holds it.
    OSError
        The file cannot be opened or locked.
    """
    lock = FileLock(path)
    try:
        lock.acquire(blocking=refusal is None)
    except Timeout as error:
        raise InputError(refusal or str(error)) from error
    try:
        yield
    finally:
        lock.release()


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
