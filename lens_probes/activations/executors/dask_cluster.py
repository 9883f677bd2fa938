"""Dask distributed: a cluster on this machine, a running scheduler, or workers in Slurm jobs."""

from __future__ import annotations

import contextlib
import importlib
import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import Executor

from lens_probes.activations.executors.optional import optional_package
from lens_probes.errors import InputError, one_line


@contextlib.contextmanager
def dask_executor(workers: int, scheduler: str | None) -> Iterator[Executor]:
    """An executor whose calls run on Dask workers; see `open_executor` for `scheduler`.

    Dask tries a call again on another worker when the one that had it dies, three times.
    """
    distributed = optional_package("distributed", "dask")
    with contextlib.ExitStack() as stack:
        try:
            if scheduler is None:
                threads = max(1, (os.cpu_count() or 1) // workers)
                environ = {f"{name}_NUM_THREADS": threads for name in ("OMP", "MKL", "OPENBLAS")}
                environ["HF_HUB_DISABLE_PROGRESS_BARS"] = 1
                dask = importlib.import_module("dask")
                stack.enter_context(
                    dask.config.set({"distributed.nanny.pre-spawn-environ": environ})
                )
                cluster = distributed.LocalCluster(
                    n_workers=workers, threads_per_worker=1, memory_limit=0, dashboard_address=None
                )
                stack.enter_context(cluster)
            elif scheduler == "slurm":
                cluster = optional_package("dask_jobqueue", "dask").SLURMCluster()
                stack.enter_context(cluster)
                _check_jobs(cluster.job_script())
                cluster.scale(jobs=workers)
            else:
                cluster = scheduler
            client = stack.enter_context(distributed.Client(cluster, timeout="30s"))
        except (OSError, ValueError, TimeoutError) as error:
            where = "workers on this machine" if scheduler is None else f"{scheduler!r}"
            hint = "Give --scheduler the address that `dask scheduler` printed, or leave it out."
            if scheduler == "slurm":
                hint = "Run this where sbatch is, with dask-jobqueue's settings for this cluster."
            raise InputError(
                f"cannot start Dask with {where}: {one_line(error)}. {hint}"
            ) from error
        executor: Executor = stack.enter_context(client.get_executor(pure=False))
        yield executor


def _check_jobs(script: str) -> None:
    """Have Slurm look at a worker's job: with refused ones the shards would wait for ever."""
    done = subprocess.run(
        ["sbatch", "--test-only"], input=script, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise ValueError(f"Slurm would take no worker's job ({' '.join(done.stderr.split())})")
