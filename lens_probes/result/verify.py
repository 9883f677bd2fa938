"""Reading back what was written: every byte of a store or a result, checked against its digest."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from safetensors import SafetensorError

from lens_probes.activations.passes import Shard, plan_from_bytes, rows_of
from lens_probes.activations.shard_folder import MANIFEST, SHARD_NAME, ShardFolder
from lens_probes.activations.store import LOCK, PLAN
from lens_probes.errors import InputError, one_line
from lens_probes.result.result import SweepData
from lens_probes.storage.folder_sums import SUMS, check_sums
from lens_probes.storage.folders import ANSWER, REPORT, is_held
from lens_probes.storage.folders import MANIFEST as RESULT
from lens_probes.storage.integrity import TEMPORARY, page_is_whole, read_file, sha256_of
from lens_probes.storage.paths import user_path

_UNITS = "units.parquet"


@dataclass(frozen=True)
class Checked:
    """One folder as `verify` found it: what should be there, what is whole, what is wrong.

    `being_written`: a run is at work there now; what it has not finished is no problem.
    """

    path: Path
    kind: Literal["activations", "result", "files"]
    n_expected: int
    n_whole: int
    problems: tuple[str, ...]
    being_written: bool = False


def verify(root: str | Path) -> list[Checked]:
    """Read every byte of all results, activations and listed files in a folder and below it.

    Nothing is changed. Activations whose run was stopped are no problem: fewer shards are whole
    than expected, and the next run goes on from there.

    Raises
    ------
    InputError
        No such folder, or nothing in it that has digests.
    """
    path = user_path(root)
    if not path.is_dir():
        raise InputError(f"no folder {path}: name a result, a store, or a folder that holds some.")
    files, unreadable = _names_below(path)
    unfinished = sorted(
        folder
        for folder, names in files.items()
        if folder.match(".*.partial") and (LOCK in names or (folder / "folder").is_dir())
    )
    files = {
        folder: names
        for folder, names in sorted(files.items())
        if names and not any(folder.is_relative_to(one) for one in unfinished)
    }
    checked = [_verify_result(folder) for folder, names in files.items() if RESULT in names]
    checked += [
        _without_manifest(folder, names)
        for folder, names in files.items()
        if (names & {_UNITS, REPORT} and not names & {RESULT, SUMS} and _is_ours(folder, names))
    ]
    checked += [
        _verify_store(folder) for folder, names in files.items() if _is_store(folder, names)
    ]
    checked += [_verify_files(folder) for folder, names in files.items() if SUMS in names]
    checked += [_unfinished(folder) for folder in unfinished]
    checked += unreadable
    if not checked:
        raise InputError(f"no result and no activations in {path}: name the folder of a run.")
    return checked


def _names_below(root: Path) -> tuple[dict[Path, set[str]], list[Checked]]:
    """Every folder with the names of its files; and those that cannot be read.

    A link that leads to nothing, and a folder with the name of a shard, stand where a file should.
    """
    unreadable = []

    def note(error: OSError) -> None:
        folder = Path(error.filename or root)
        problem = f"{folder.name} cannot be read ({error.strerror})."
        unreadable.append(Checked(folder, "files", 1, 0, (problem,)))

    files = {}
    for place, folders, names in os.walk(root, onerror=note):
        links = {name for name in folders if (Path(place) / name).is_symlink()}
        shards = {name for name in folders if SHARD_NAME.fullmatch(name)}
        files[Path(place)] = {*names, *links, *shards}
    return files, unreadable


def _is_store(folder: Path, names: set[str]) -> bool:
    """Whether a folder is one of a store: other programs have a manifest.json, too."""
    if PLAN in names or any(SHARD_NAME.fullmatch(name) for name in names):
        return True
    return MANIFEST in names and b'"made_from"' in _bytes(folder / MANIFEST)


def _is_ours(folder: Path, names: set[str]) -> bool:
    return _UNITS in names or b"lens-probes" in _bytes(folder / REPORT)


def _bytes(path: Path) -> bytes:
    try:
        return read_file(path)
    except OSError:
        return b""


def _without_manifest(folder: Path, names: set[str]) -> Checked:
    """Tables or a report whose list of digests is gone; a report alone is one that was sent."""
    if _UNITS not in names and page_is_whole(_bytes(folder / REPORT)):
        return Checked(folder, "files", 1, 1, ())
    return Checked(folder, "result", 1, 0, (f"{RESULT} or {SUMS} is missing.",))


def _unfinished(folder: Path) -> Checked:
    """What a run fills, or has filled, before it is moved to its place."""
    if is_held(folder / LOCK):
        return Checked(folder, "result", 1, 0, (), being_written=True)
    left = f"{folder.name} is left by a run that was stopped: the next one clears it."
    return Checked(folder, "result", 1, 0, (left,))


def _verify_result(folder: Path) -> Checked:
    problems: list[str] = []
    try:
        SweepData.load(folder)
    except (InputError, OSError) as error:
        problems.append(one_line(error, 300))
    for name, again in ((REPORT, "`lens-probes report` anew"), (ANSWER, "delete it")):
        if (folder / name).exists() and not page_is_whole(_bytes(folder / name)):
            problems.append(f"{name} has changed since it was written: {again}.")
    problems += [
        f"{path.name} is left by a run that was stopped."
        for path in sorted(folder.iterdir())
        if path.name.startswith(TEMPORARY)
    ]
    return Checked(folder, "result", 1, int(not problems), tuple(problems))


def _verify_files(folder: Path) -> Checked:
    try:
        state = check_sums(folder)
    except (InputError, OSError) as error:
        return Checked(folder, "files", 1, 0, (one_line(error),))
    problems = tuple(filter(None, state.values()))
    return Checked(folder, "files", len(state), len(state) - len(problems), problems)


def _verify_store(path: Path) -> Checked:
    problems: list[str] = []
    said: dict[str, Any] = {"made_from": {}, "shards": {}}
    try:
        said = ShardFolder(path, None).manifest()
    except InputError as error:
        problems.append(str(error))
    folder = ShardFolder(path, said["made_from"].get("plan_sha256"))
    plan, wrong = _plan_of(folder)
    problems += wrong
    held = is_held(path / LOCK)
    whole: dict[int, list[str]] = {}
    for file in sorted(path.iterdir()):
        name = SHARD_NAME.fullmatch(file.name)
        if name is not None:
            index, digest = int(name["index"]), name["sha256"]
            try:
                folder.check(index, digest, rows_of(plan[index]) if index < len(plan) else None)
                if plan and index >= len(plan):
                    raise InputError(f"{file.name} is not of this plan.")
                if said["shards"] and said["shards"].get(str(index)) != digest:
                    raise InputError(f"{file.name} is not the one that {MANIFEST} names.")
                whole.setdefault(index, []).append(file.name)
            except InputError as error:
                problems.append(str(error))
        elif TEMPORARY in file.name:
            if not held:
                problems.append(f"{file.name} is left by a run that was stopped.")
        elif file.name not in (MANIFEST, PLAN, LOCK):
            problems.append(f"{file.name} is not ours.")
    twice = [f"{' and '.join(names)} are both there." for names in whole.values() if names[1:]]
    missing = [
        f"{folder.shard(int(index), digest).name} is missing."
        for index, digest in said["shards"].items()
        if not folder.shard(int(index), digest).exists()
    ]
    problems += [*twice, *missing]
    return Checked(path, "activations", len(plan), len(whole), tuple(problems), held)


def _plan_of(folder: ShardFolder) -> tuple[list[Shard], list[str]]:
    """The plan of a store's folder, empty if there is none; and what is wrong with it."""
    try:
        data = read_file(folder.path / PLAN)
        shards = plan_from_bytes(data)
    except (OSError, SafetensorError, ValueError, TypeError) as error:
        return [], [f"{PLAN} cannot be read ({one_line(error, 80)})."]
    if sha256_of(data) != folder.plan_sha256:
        return [], [f"{PLAN} is not the one that {MANIFEST} names."]
    return shards, []
