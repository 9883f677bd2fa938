"""Output folders: found unusable before any work is done, then there as a whole or not at all.

What is written to is held: one run at a time, for as long as its process lives.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from lens_probes.errors import InputError, one_line
from lens_probes.storage.folder_sums import write_sums
from lens_probes.storage.integrity import flush_folder, storage_error
from lens_probes.storage.paths import output_path

MANIFEST, REPORT, ANSWER = "result.json", "report.html", "answer.txt"


@dataclass(frozen=True)
class NewFolder:
    """A folder to be, held for one run: files are written to `work`, which then becomes `target`.

    What a killed run has left in `work` is removed by the next run that wants the same target. What
    is whole and cannot be moved there is kept beside it as `NAME.unmoved`.
    """

    target: Path
    work: Path

    def write(self, fill: Callable[[Path], None]) -> Path:
        """The folder with what `fill` writes into the path it gets: all of it, or nothing.

        Raises
        ------
        InputError
            It cannot be written.
        """
        try:
            self.work.mkdir()
            fill(self.work)
            for file in self.work.rglob("*"):
                if file.is_file():
                    with file.open("rb") as written:
                        os.fsync(written.fileno())
            flush_folder(self.work)
            self._move()
            flush_folder(self.work.parent.parent)
        except OSError as error:
            raise storage_error(self.target, 0, error) from error
        finally:
            shutil.rmtree(self.work, ignore_errors=True)
        return self.target

    def _move(self) -> None:
        """To its place; where that fails, to a name that no later run clears."""
        place = Path(os.path.realpath(self.target))
        try:
            self.work.replace(place)
        except OSError as error:
            names = (f"{place.name}.unmoved{i or ''}" for i in itertools.count())
            kept = next(path for name in names if not (path := place.with_name(name)).exists())
            self.work.rename(kept)
            raise InputError(
                f"cannot move what was written to {self.target} ({error.strerror}): it lies whole "
                f"in {kept}, move it from there."
            ) from error


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


@contextlib.contextmanager
def hold_folder(folder: str | Path) -> Iterator[NewFolder]:
    """Hold the place of a folder that is absent or empty, and leave no trace unless it is written.

    Raises
    ------
    InputError
        The folder holds something already, cannot be written, or another run holds it.
    """
    target = _usable(folder)
    refusal = f"another run is writing to output folder {target}: wait for it, or name another one."
    with contextlib.ExitStack() as stack:
        try:
            new = stack.enter_context(hold_aside(target, refusal))
        except OSError as error:
            raise InputError(
                f"cannot write to output folder {target} ({error.strerror or one_line(error)}): "
                "name another one."
            ) from error
        _usable(folder)  # the run that held it may have ended since
        yield new


@contextlib.contextmanager
def hold_aside(target: Path, refusal: str | None) -> Iterator[NewFolder]:
    """Hold the place of a folder, whatever is there; without a refusal, wait for who holds it.

    Raises
    ------
    InputError
        `refusal`: another process holds it.
    OSError
        Nothing can be written there.
    """
    place = Path(os.path.realpath(target))
    aside = _aside(place)
    new_parents = [parent for parent in place.parents if not parent.exists()]
    with contextlib.ExitStack() as stack:
        stack.callback(_remove_empty, [aside, *new_parents])
        while True:
            aside.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):  # who held it has just cleared up
                stack.enter_context(hold(aside / "lock", refusal))
                break
        stack.callback((aside / "lock").unlink, missing_ok=True)
        shutil.rmtree(aside / "folder", ignore_errors=True)
        yield NewFolder(target, aside / "folder")


def clear_aside(folder: Path) -> None:
    """Remove what a run has left that was killed between its last file and its end."""
    if _aside(Path(os.path.realpath(folder))).exists():
        with contextlib.suppress(InputError, OSError), hold_aside(folder, "its run clears up"):
            pass


def check_output_folder(folder: str | Path) -> Path:
    """A folder that a result can be written to: absent or empty, in a place that can be written."""
    with hold_folder(folder) as new:
        return new.target


def write_folder(folder: str | Path, fill: Callable[[Path], None]) -> Path:
    """A new folder with what `fill` writes into the path it gets, and a list of its digests.

    Raises
    ------
    InputError
        The folder holds something already, or cannot be written.
    """

    def fill_and_list(work: Path) -> None:
        fill(work)
        write_sums(work)

    with hold_folder(folder) as new:
        return new.write(fill_and_list)


def _aside(place: Path) -> Path:
    return place.with_name(f".{place.name}.partial")


def _usable(folder: str | Path) -> Path:
    path = output_path(folder)
    try:
        if path.is_dir() and any(path.iterdir()):
            held = "a result" if (path / MANIFEST).exists() else "files"
            raise InputError(f"output folder {path} already holds {held}: name another one.")
        if path.exists() and not path.is_dir():
            raise InputError(f"output folder {path} is a file: name another one.")
        if os.path.ismount(os.path.realpath(path)):
            raise InputError(
                f"output folder {path} is a mount point, which no folder can be moved to: name a "
                f"folder inside it, such as {path / 'run'}."
            )
    except OSError as error:
        raise InputError(
            f"cannot write to output folder {path} ({error.strerror}): name another one."
        ) from error
    return path


def _remove_empty(folders: list[Path]) -> None:
    """Remove folders that hold nothing, from the inmost on."""
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()
