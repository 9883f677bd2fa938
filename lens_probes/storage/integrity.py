"""Files that are whole or absent: written aside, flushed to the disk, then moved into place.

Here is the one digest of bytes and of files, and reading that never waits for a pipe or a device.

A sealed file carries the digest of its own content, so that a single changed bit is noticed: JSON
under `sha256`, a page in a comment at its end.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import os
import re
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lens_probes.errors import InputError, one_line

TEMPORARY = ".tmp-"
_PAGE_SEAL = re.compile(rb"<!-- sha256 ([0-9a-f]{64}) -->\n\Z")


class StorageError(InputError):
    """A disk that is full, or a folder that cannot be written: no use in trying the next file."""


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
            flush_folder(path.parent)
        except BaseException:
            with contextlib.suppress(OSError):
                aside.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise storage_error(path, len(data), error) from error


def storage_error(path: Path, size: int, error: OSError) -> StorageError:
    """One line for a file that could not be written; its size in bytes, 0 where it is unknown."""
    why = error.strerror or one_line(error, 80)
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        much = f"{size / 2**20:.1f} MiB; " if size else ""
        return StorageError(
            f"no room to write {path} ({much}{why}): free some space and run the same command "
            "again, it takes up where it stopped."
        )
    return StorageError(f"cannot write {path} ({why}): name another folder.")


def remove_leftovers(folder: Path, name: str = "") -> int:
    """Remove what an interrupted `write_atomic` left aside (of one file); how many there were."""
    leftovers = [path for path in folder.iterdir() if path.name.startswith(f"{TEMPORARY}{name}")]
    for path in leftovers:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
    return len(leftovers)


def seal(content: Mapping[str, Any], *, apart: str = "") -> bytes:
    """JSON with the digest of everything else in it under `sha256`.

    What is under the key `apart` has a digest of its own: two runs of the same request differ in
    nothing else if that is where the times are.
    """
    whole = json.loads(json.dumps(content, allow_nan=False))
    own = {} if not apart else {apart: {**whole[apart], "sha256": _digest(whole.pop(apart))}}
    return json.dumps({**whole, "sha256": _digest(whole), **own}, indent=1).encode()


def unseal(data: bytes, path: Path, *, apart: str = "") -> dict[str, Any]:
    """The content of a sealed file.

    Raises
    ------
    InputError
        Not JSON, no seal, or a seal that does not fit: the file was cut or changed.
    """
    try:
        content = json.loads(data)
        del content["sha256"]
        if apart:
            del content[apart]["sha256"]
        sealed = seal(content, apart=apart)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{path} is damaged ({one_line(error, 80)}).") from error
    if data != sealed:
        raise InputError(f"{path} is damaged: it has changed since it was written.")
    return dict(content)


def write_page(path: Path, page: str) -> Path:
    """Write a sealed HTML page, making its folder; what killed writers have left is removed.

    Where a link stands in its place, the page that it leads to is written.

    Raises
    ------
    StorageError
        It cannot be written; what was there before is still there.
    """
    place = Path(os.path.realpath(path))
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(place.parent, f"{place.name}-")
    except OSError as error:
        raise storage_error(path, 0, error) from error
    data = seal_page(page)
    with contextlib.suppress(OSError):
        if read_file(place) == data:  # a report of yesterday keeps its date
            return path
    write_atomic(place, data)
    return path


def seal_page(page: str) -> bytes:
    """An HTML page with the digest of its bytes in a comment at the end."""
    data = page.encode("utf-8", "replace").rstrip(b"\n") + b"\n"
    return data + f"<!-- sha256 {sha256_of(data)} -->\n".encode()


def page_is_whole(data: bytes) -> bool:
    """Whether a sealed page is as it was written."""
    return seal_fits(_PAGE_SEAL, data)


def seal_fits(pattern: re.Pattern[bytes], data: bytes) -> bool:
    """Whether data end with a seal, such as `pattern` finds, that holds the digest of the rest."""
    found = pattern.search(data[-200:])
    return found is not None and (sha256_of(data[: -len(found[0])]).encode() == found[1])


def _digest(content: Mapping[str, Any]) -> str:
    canonical = json.dumps(content, sort_keys=True, allow_nan=False, separators=(",", ":"))
    return sha256_of(canonical.encode())


def flush_folder(folder: Path) -> None:
    """The folder's entry for the new name reaches the disk too, where the system can do that."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
