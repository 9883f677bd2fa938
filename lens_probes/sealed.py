"""Files that are whole or absent: written aside, flushed to the disk, then moved into place.

A sealed JSON file carries the digest of its own content, so that a single changed bit is noticed.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lens_probes.errors import InputError, one_line

TEMPORARY = ".tmp-"


class StorageError(InputError):
    """A disk that is full, or a folder that cannot be written: no use in trying the next file."""


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file so that a reader, or a run after a crash, sees all of it or nothing.

    Raises
    ------
    StorageError
        The disk is full or the folder cannot be written; what was there before is still there.
    """
    aside = path.with_name(f"{TEMPORARY}{path.name}-{os.getpid()}-{secrets.token_hex(4)}")
    try:
        try:
            with aside.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(path)
            _flush_folder(path.parent)
        except BaseException:
            with contextlib.suppress(OSError):
                aside.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise storage_error(path, len(data), error) from error


def storage_error(path: Path, size: int, error: OSError) -> StorageError:
    """One line for a file that could not be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StorageError(
            f"no room to write {path} ({size / 2**20:.1f} MiB; {error.strerror}): free some space "
            "and run the same command again, it takes up where it stopped."
        )
    return StorageError(f"cannot write {path} ({error.strerror}): name another folder.")


def remove_leftovers(folder: Path) -> int:
    """Remove what an interrupted `write_atomic` left aside; the number of files removed."""
    leftovers = list(folder.glob(f"{TEMPORARY}*"))
    for path in leftovers:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
    return len(leftovers)


def seal(content: Mapping[str, Any]) -> bytes:
    """JSON with the digest of everything else in it under `sha256`."""
    return json.dumps({**content, "sha256": _digest(content)}, indent=1, allow_nan=False).encode()


def unseal(data: bytes, path: Path) -> dict[str, Any]:
    """The content of a sealed file.

    Raises
    ------
    InputError
        Not JSON, no seal, or a seal that does not fit: the file was cut or changed.
    """
    try:
        content = json.loads(data)
        said = content.pop("sha256")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is damaged ({one_line(error, 80)}).") from error
    if said != _digest(content) or data != seal(content):
        raise InputError(f"{path} is damaged: it has changed since it was written.")
    return dict(content)


def _digest(content: Mapping[str, Any]) -> str:
    canonical = json.dumps(content, sort_keys=True, allow_nan=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _flush_folder(folder: Path) -> None:
    """The folder's entry for the new name reaches the disk too, where the system can do that."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
