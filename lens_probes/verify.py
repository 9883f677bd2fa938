"""Reading back what was written: every byte of a store or a result, checked against its digest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from safetensors import SafetensorError

from lens_probes.digests import read_file, sha256, sha256_of
from lens_probes.errors import InputError, one_line
from lens_probes.folder_sums import SUMS, check_sums
from lens_probes.folders import MANIFEST as RESULT
from lens_probes.folders import REPORT, user_path
from lens_probes.lock import is_held
from lens_probes.passes import plan_from_bytes
from lens_probes.result import SweepResult
from lens_probes.sealed import TEMPORARY, page_is_whole
from lens_probes.shard_folder import MANIFEST, SHARD_NAME, ShardFolder
from lens_probes.store import LOCK, PLAN

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
    unfinished = [
        one
        for one in sorted(path.rglob(".*.partial"))
        if (one / LOCK).exists() or (one / "folder").is_dir()
    ]
    files: dict[Path, set[str]] = {}
    for found in sorted(path.rglob("*")):
        if not any(found.is_relative_to(one) for one in unfinished) and _is_name(found):
            files.setdefault(found.parent, set()).add(found.name)
    checked = [_verify_result(folder) for folder, names in files.items() if RESULT in names]
    checked += [
        _without_manifest(folder, names)
        for folder, names in files.items()
        if (names & {_UNITS, REPORT} and not names & {RESULT, SUMS} and _is_ours(folder, names))
    ]
    checked += [
        _verify_folder(ShardFolder(folder))
        for folder, names in files.items()
        if _is_store(folder, names)
    ]
    checked += [_verify_files(folder) for folder, names in files.items() if SUMS in names]
    checked += [_unfinished(folder) for folder in unfinished]
    if not checked:
        raise InputError(f"no result and no activations in {path}: name the folder of a run.")
    return checked


def _is_name(path: Path) -> bool:
    """A file, or a link that leads to none: it stands where a file should."""
    try:
        return path.is_symlink() or path.is_file() or SHARD_NAME.fullmatch(path.name) is not None
    except OSError:
        return True


def _is_store(folder: Path, names: set[str]) -> bool:
    """Whether a folder is one of a store: other programs have a manifest.json, too."""
    if PLAN in names or any(SHARD_NAME.fullmatch(name) for name in names):
        return True
    return MANIFEST in names and b'"made_from"' in _bytes(folder / MANIFEST)


def _is_ours(folder: Path, names: set[str]) -> bool:
    return _UNITS in names or b"lens-probes" in _bytes(folder / REPORT)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
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
        SweepResult.load(folder)
    except (InputError, OSError) as error:
        problems.append(one_line(error, 300))
    report = folder / REPORT
    if report.exists() and not page_is_whole(_bytes(report)):
        problems.append(f"{REPORT} has changed since it was written: `lens-probes report` anew.")
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


def _verify_folder(folder: ShardFolder) -> Checked:
    problems: list[str] = []
    said: dict[str, Any] = {"made_from": {}, "shards": {}}
    try:
        said = folder.manifest()
    except InputError as error:
        problems.append(str(error))
    n_shards, expected = 0, said["made_from"].get("plan_sha256")
    try:
        plan = (folder.path / PLAN).read_bytes()
        if sha256_of(plan) != expected:
            problems.append(f"{PLAN} is not the one that {MANIFEST} names.")
        n_shards = len(plan_from_bytes(plan))
    except (OSError, SafetensorError, ValueError, TypeError) as error:
        problems.append(f"{PLAN} cannot be read ({one_line(error, 80)}).")
    whole: set[str] = set()
    held = is_held(folder.path / LOCK)
    for path in sorted(folder.path.iterdir()):
        name = SHARD_NAME.fullmatch(path.name)
        if name is not None:
            try:
                if sha256(path) == name["sha256"]:
                    whole.add(path.name)
                else:
                    problems.append(f"{path.name} has changed since it was written.")
            except OSError as error:
                problems.append(f"{path.name} cannot be read ({error.strerror}).")
        elif TEMPORARY in path.name:
            if not held:
                problems.append(f"{path.name} is left by a run that was stopped.")
        elif path.name not in (MANIFEST, PLAN, LOCK):
            problems.append(f"{path.name} is not ours.")
    for index, digest in said["shards"].items():
        wanted = folder.shard(int(index), digest)
        if not wanted.exists():
            problems.append(f"{wanted.name} is missing.")
    return Checked(folder.path, "activations", n_shards, len(whole), tuple(problems), held)
