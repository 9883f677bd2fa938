"""Reading back what was written: every byte of a store or a result, checked against its digest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from lens_probes.errors import InputError, one_line
from lens_probes.model_files import sha256
from lens_probes.passes import plan_from_bytes, sha256_of
from lens_probes.sealed import TEMPORARY
from lens_probes.store import LOCK, MANIFEST, PLAN, SHARD_NAME, ShardFolder


@dataclass(frozen=True)
class Checked:
    """One folder of a store as `verify` found it: no problems, all there or not yet."""

    path: Path
    n_shards: int
    n_whole: int
    problems: tuple[str, ...]


def verify_store(root: str | Path) -> list[Checked]:
    """Read every byte of every folder of a store and say what is missing, changed or left over.

    Nothing is changed. A folder whose run was stopped is not a problem: it has fewer shards.

    Raises
    ------
    InputError
        No store there.
    """
    path = Path(root).expanduser()
    try:
        inside = sorted(path.iterdir())
        folders = [one for one in inside if one.is_dir()]
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror}).") from error
    if any((path / name).is_file() for name in (MANIFEST, PLAN)):
        folders = [path]
    if not folders:
        raise InputError(f"no activation store in {path}: it has no folder with a {MANIFEST}.")
    return [_verify_folder(ShardFolder(folder)) for folder in folders]


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
    return Checked(folder.path, n_shards, len(whole), tuple(problems))
