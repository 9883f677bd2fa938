"""Where work runs: this process, processes of this machine, Dask, Slurm.

All of them are `concurrent.futures` executors, so an executor of one's own does as well. What they
are given is small (a recipe of the model, a folder, a number) and so is what they return: workers
write files to a folder that all of them see. A worker that dies costs the shard it was at, which is
tried again; a shard that kills its worker every time is given up and named, and the rest finishes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import Executor
from pathlib import Path
from typing import Literal, get_args

from lens_probes.activations.executors.dask_cluster import dask_executor
from lens_probes.activations.executors.processes import LocalProcesses
from lens_probes.activations.executors.slurm import SlurmArrays
from lens_probes.errors import InputError, unknown

Kind = Literal["here", "processes", "dask", "slurm"]


@contextlib.contextmanager
def open_executor(
    kind: Kind = "here",
    *,
    workers: int = 2,
    scheduler: str | None = None,
    logs: str | Path = "slurm-logs",
    minutes: int = 240,
) -> Iterator[Executor | None]:
    """An executor, closed at the end; None for this process.

    Parameters
    ----------
    kind
        `"processes"`: of this machine, each with its own model, GPUs dealt out in turn. `"dask"`:
        Dask distributed. `"slurm"`: job arrays, through submitit.
    workers
        Processes, Dask workers or array tasks; each holds one copy of the model.
    scheduler
        Dask: the address of a running scheduler (`tcp://...`), `slurm` for workers in Slurm jobs
        as dask-jobqueue's own settings describe them, or None for workers on this machine. Slurm:
        `local` runs the array's tasks on this machine, for a trial.
    logs, minutes
        Slurm: folder of job scripts and logs, which all nodes see, and time limit of a task.

    Raises
    ------
    InputError
        An unknown kind, a package that is not installed, a scheduler that does not answer.
    """
    if kind not in get_args(Kind):
        raise unknown("executor", kind, get_args(Kind))
    if workers < 1:
        raise InputError(f"workers must be 1 or more; got {workers}.")
    if scheduler is not None and kind not in ("dask", "slurm"):
        raise InputError(f"a scheduler goes with the executors dask and slurm, not with {kind}.")
    if kind == "here":
        yield None
    elif kind == "processes":
        with LocalProcesses(workers) as executor:
            yield executor
    elif kind == "dask":
        with dask_executor(workers, scheduler) as executor:
            yield executor
    else:
        with SlurmArrays(workers, cluster=scheduler, logs=Path(logs), minutes=minutes) as executor:
            yield executor
