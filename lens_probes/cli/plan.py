"""`lens-probes plan sweep ...`: the request of a sweep, written down before anything is read."""

from __future__ import annotations

import dataclasses
import inspect
import json
import shlex
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

from cyclopts import CycloptsError, Parameter

from lens_probes.cli.sweep import sweep_app
from lens_probes.errors import InputError
from lens_probes.storage.folders import MANIFEST
from lens_probes.storage.integrity import read_file, seal, unseal, write_atomic
from lens_probes.storage.paths import output_path

SUFFIX = ".plan.json"
# What may differ from the plan: who computes, how much is printed, where it lies.
FREE = (
    "out", "quiet", "verbose", "json", "dry_run", "store", "executor", "workers", "scheduler",
    "logs", "minutes", "batch_size", "device",
)  # fmt: skip


def plan(*command: Annotated[str, Parameter(allow_leading_hyphen=True)]) -> None:
    """Write down the request of a sweep, with its digest, before anything is read.

    `lens-probes plan sweep negation --layers 0-29 --out runs/x` writes runs/x.plan.json. Then run
    the same command without `plan`: `lens-probes verify runs/x` says whether the result kept to it.

    Parameters
    ----------
    command
        `sweep PROBE`, and all its options; --out among them.
    """
    if command[:1] != ("sweep",):
        raise InputError(
            "a plan is of a sweep: write lens-probes plan sweep PROBE --out FOLDER ..."
        )
    name, request, out = _request(command[1:])
    if out is None:
        raise InputError("a plan needs --out: it is written beside the folder of the result.")
    folder = output_path(out)
    target = plan_of(folder)
    for there in (target, folder / MANIFEST):
        if there.exists():
            raise InputError(f"{there} is there already: a plan comes first, and is written once.")
    written = {
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join(["lens-probes", *command]),
        "probe": name,
        "request": request,
    }
    target.parent.mkdir(parents=True, exist_ok=True)
    data = seal(written)
    write_atomic(target, data)
    print(f"{target}: sha256 {json.loads(data)['sha256']}")


def plan_of(folder: Path) -> Path:
    """Where the plan of a result lies: beside its folder."""
    return folder.with_name(f"{folder.name}{SUFFIX}")


def kept_to_plan(folder: Path) -> tuple[str, ...] | None:
    """What a result did otherwise than its plan; None where there is no plan beside it."""
    place = plan_of(folder.resolve())
    if not place.exists():
        return None
    try:
        written = unseal(read_file(place), place)
        probe, request = written["probe"], written["request"]
    except InputError:
        return ("the plan was changed since it was written",)
    except (OSError, KeyError):
        return ("the plan cannot be read",)
    command = _command(folder)
    if command is None:
        return ("the result does not say by which command it was made",)
    try:
        name, made, _ = _request(shlex.split(command)[2:])
    except (InputError, CycloptsError) as error:
        return (f"its command cannot be read by this version: {' '.join(str(error).split())}",)
    said = [] if name == probe else [f"probe: planned {probe}, made {name}"]
    said += [
        f"--{key.replace('_', '-')}: planned {request.get(key)}, made {made.get(key)}"
        for key in sorted({*request, *made})
        if request.get(key) != made.get(key)
    ]
    earlier = datetime.fromtimestamp((folder / MANIFEST).stat().st_mtime, UTC).isoformat()
    if earlier[:19] < written["written"][:19]:
        said.append("the result is older than the plan")
    return tuple(said)


def _command(folder: Path) -> str | None:
    from lens_probes.sweep_result import SweepResult

    found = SweepResult.load(folder).provenance.get("command")
    return found if isinstance(found, str) else None


def _request(tokens: Sequence[str]) -> tuple[str, dict[str, Any], Path | None]:
    """Probe, all options that decide numbers, defaults among them, and the output folder."""
    function, bound, _ = sweep_app.parse_args(list(tokens), exit_on_error=False, print_error=False)
    options = _flat(function, bound)
    out = options.get("out")
    decided = {key: value for key, value in options.items() if key not in FREE}
    return function.__name__.replace("_", "-"), json.loads(json.dumps(decided, default=str)), out


def _flat(function: Callable[..., Any], bound: inspect.BoundArguments) -> dict[str, Any]:
    """Every option by its name; those of a group that was not given have their defaults."""
    hints, flat = get_type_hints(function), {}
    for name, parameter in inspect.signature(function).parameters.items():
        value = bound.arguments.get(name, parameter.default)
        kinds = [k for k in (hints.get(name), *get_args(hints.get(name))) if inspect.isclass(k)]
        group = next((kind for kind in kinds if dataclasses.is_dataclass(kind)), None)
        if group is None:
            flat[name] = value
        else:
            flat |= dataclasses.asdict(group() if value is None else value)
    return flat
