"""Reading back what was written: every byte of a store or a result, checked against its digest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from safetensors import SafetensorError

from lens_probes.errors import InputError, one_line
from lens_probes.folders import MANIFEST as RESULT
from lens_probes.folders import REPORT
from lens_probes.model_files import sha256
from lens_probes.passes import plan_from_bytes, sha256_of
from lens_probes.result import SweepResult
from lens_probes.sealed import SUMS, TEMPORARY, check_sums, page_is_whole
from lens_probes.store import LOCK, MANIFEST, PLAN, SHARD_NAME, ShardFolder


@dataclass(frozen=True)
class Checked:
    """One folder as `verify` found it: what should be there, what is whole, what is wrong."""

    path: Path
    kind: Literal["activations", "result", "files"]
    n_expected: int
    n_whole: int
    problems: tuple[str, ...]


def verify(root: str | Path) -> list[Checked]:
    """Read every byte of all results, activations and listed files in a folder and below it.

    Nothing is changed. Activations whose run was stopped are no problem: fewer shards are whole
    than expected, and the next run goes on from there.

    Raises
    ------
    InputError
        No such folder, or nothing in it that has digests.
    """
    path = Path(root).expanduser()
    if not path.is_dir():
        raise InputError(f"no folder {path}: name a result, a store, or a folder that holds some.")
    names = [found for found in sorted(path.rglob("*")) if found.is_file()]
    results = [found.parent for found in names if found.name == RESULT]
    stores = dict.fromkeys(
        found.parent
        for found in names
        if found.name in (MANIFEST, PLAN) or SHARD_NAME.fullmatch(found.name)
    )
    checked = [_verify_result(folder) for folder in results]
    checked += [_verify_folder(ShardFolder(folder)) for folder in stores]
    checked += [_verify_files(found.parent) for found in names if found.name == SUMS]
    if not checked:
        raise InputError(f"no result and no activations in {path}: name the folder of a run.")
    return checked


def _verify_result(folder: Path) -> Checked:
    problems: list[str] = []
    try:
        SweepResult.load(folder)
    except InputError as error:
        problems.append(str(error))
    report = folder / REPORT
    if report.exists() and not page_is_whole(report.read_bytes()):
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
    for path in sorted(folder.path.iterdir()):
        name = SHARD_NAME.fullmatch(path.name)
        if name is None:
            if path.name not in (MANIFEST, PLAN, LOCK):
                kind = "left by a run that was stopped" if TEMPORARY in path.name else "not ours"
                problems.append(f"{path.name} is {kind}.")
        elif sha256(path) != name["sha256"]:
            problems.append(f"{path.name} has changed since it was written.")
        else:
            whole.add(path.name)
    for index, digest in said["shards"].items():
        wanted = folder.shard(int(index), digest)
        if not wanted.exists():
            problems.append(f"{wanted.name} is missing.")
    return Checked(folder.path, "activations", n_shards, len(whole), tuple(problems))
