"""The one digest of bytes and of files, and reading that never waits for a pipe or a device."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import stat
from pathlib import Path


def sha256_of(data: bytes) -> str:
    """Hexadecimal digest of some bytes."""
    return hashlib.sha256(data).hexdigest()


def sha256(path: Path) -> str:
    """Digest of a file's bytes.

    Raises
    ------
    OSError
        It cannot be read, or is no regular file.
    """
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_file(path: Path) -> bytes:
    """All bytes of a regular file; OSError as for `sha256`."""
    with open_file(path) as file:
        return file.read()


def open_file(path: Path) -> io.BufferedReader:
    """A regular file, open for reading: a pipe in its place would be waited for without end."""
    # A pipe that nobody writes to is opened at once, and seen to be one.
    flags = getattr(os, "O_NONBLOCK", 0)
    file = open(path, "rb", opener=lambda name, given: os.open(name, given | flags))  # noqa: SIM115
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return file
