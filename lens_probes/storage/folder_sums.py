"""The digests of a folder's files in a list that `sha256sum -c` reads, with the list's own last."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from lens_probes.errors import InputError, one_line
from lens_probes.storage.integrity import read_file, seal_fits, sha256, sha256_of

SUMS = "sha256sums.txt"
_SEAL = re.compile(rb"# sha256 ([0-9a-f]{64})\n\Z")
_LINE = re.compile(r"([0-9a-f]{64})  (.+)")


def write_sums(folder: Path) -> None:
    """List the digest of each file of a folder."""
    lines = "".join(
        f"{sha256(path)}  {path.relative_to(folder).as_posix()}\n"
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    )
    (folder / SUMS).write_text(f"{lines}# sha256 {sha256_of(lines.encode())}\n", "utf-8")


def check_sums(folder: Path) -> dict[str, str]:
    """Name -> what is wrong ("" if nothing is) of each file in a folder's list of digests.

    Nothing outside the folder is read, whatever the list names.

    Raises
    ------
    InputError
        The list itself was cut or changed.
    OSError
        The list cannot be read.
    """
    path = folder / SUMS
    data = read_file(path)
    if not seal_fits(_SEAL, data):
        raise InputError(f"{path} is damaged: it has changed since it was written.")
    state = {}
    for line in data.decode("utf-8", "replace").splitlines()[:-1]:
        listed = _LINE.fullmatch(line)
        if listed is None or not _is_inside(folder, listed[2]):
            raise InputError(f"{path} is not ours: it names {one_line(ValueError(line), 80)!r}.")
        digest, name = listed.groups()
        try:
            found = sha256(folder / name)
            state[name] = "" if found == digest else f"{name} has changed since it was written."
        except FileNotFoundError:
            state[name] = f"{name} is missing."
        except OSError as error:
            state[name] = f"{name} cannot be read ({error.strerror})."
    return state


def check_folder(folder: Path, needed: Iterable[str]) -> None:
    """An error unless a folder's files are as they were written, those that are needed among them.

    Raises
    ------
    InputError
        One is missing, changed, not in the list, or cannot be read.
    """
    try:
        state = check_sums(folder)
    except FileNotFoundError as error:
        raise InputError(f"{folder} has no {SUMS}: it is not whole, or not ours.") from error
    except OSError as error:
        raise InputError(f"cannot read {folder / SUMS} ({error.strerror}).") from error
    unlisted = {name: f"{name} is not in {SUMS}." for name in needed if name not in state}
    for wrong in filter(None, (unlisted | state).values()):
        raise InputError(f"{folder} is damaged: {wrong} Move it away, and make it again.")


def _is_inside(folder: Path, name: str) -> bool:
    """Whether a name is of a file below a folder, where links lead too."""
    parts = PurePosixPath(name)
    if parts.is_absolute() or ".." in parts.parts or "\\" in name or ":" in name:
        return False
    return (folder / name).resolve().is_relative_to(folder.resolve())
