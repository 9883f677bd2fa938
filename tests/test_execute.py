"""Workers: the same bytes as this process, a death costs one shard, and nobody stays behind."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest
from worker_deaths import die, die_once, die_or_double

import lens_probes as lp
from lens_probes import passes
from lens_probes.execute import LocalProcesses, open_executor
from lens_probes.execute.processes import WorkerLostError
from lens_probes.model import LensModel
from lens_probes.verify import verify

pytestmark = pytest.mark.model
N_SHARDS = 8


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight shards, and workers that are given up after two deaths."""
    monkeypatch.setattr("lens_probes.execute.processes.ATTEMPTS", 2)
    monkeypatch.setattr(passes, "EXAMPLES_PER_SHARD", 3)
    monkeypatch.setattr(passes, "TOKENS_PER_BATCH", 100)


@pytest.fixture(scope="module")
def examples() -> lp.Examples:
    rng = np.random.default_rng(0)
    rows = [rng.integers(0, 400, 30 - 5 * (i % 3)).tolist() for i in range(32)]
    return lp.Examples.from_tokens(rows, -1, np.arange(32) % 2)


@pytest.fixture(scope="module")
def processes() -> Iterator[LocalProcesses]:
    """Two workers for all tests here: each takes seconds to start."""
    with LocalProcesses(2) as executor:
        yield executor


def stored(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*.*")}


class Poisoned(Executor):
    """Another executor, but the worker that gets shard 2 dies of it."""

    def __init__(self, inner: Executor) -> None:
        self.inner = inner

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if args[0].index == 2:
            return self.inner.submit(die)
        return self.inner.submit(fn, *args, **kwargs)


def test_processes_write_the_same_bytes(
    tiny_model: LensModel, examples: lp.Examples, tmp_path: Path, processes: LocalProcesses
) -> None:
    for name, model in [("trained", tiny_model), ("untrained", tiny_model.reinitialised(3))]:
        here, there = tmp_path / name / "here", tmp_path / name / "there"
        a = lp.collect(model, examples, sites=["mlp_pre", "k"], store=here)
        b = lp.collect(model, examples, sites=["mlp_pre", "k"], store=there, executor=processes)
        assert stored(here) == stored(there)
        assert len(stored(here)) == 2 + N_SHARDS
        for key in a:
            np.testing.assert_array_equal(a[key], b[key])


def test_a_worker_that_dies_is_replaced(tmp_path: Path, processes: LocalProcesses) -> None:
    first = processes.submit(die_once, str(tmp_path / "marker"))
    others = [processes.submit(abs, -i) for i in range(10)]
    assert first.result(60) != os.getpid()
    assert [future.result(60) for future in others] == list(range(10))
    with pytest.raises(WorkerLostError, match="ended 2 times"):
        processes.submit(die).result(60)
    assert processes.submit(abs, -1).result(60) == 1


def test_a_shard_that_kills_its_worker_is_named_and_the_rest_finishes(
    tiny_model: LensModel, examples: lp.Examples, tmp_path: Path, processes: LocalProcesses
) -> None:
    with pytest.raises(lp.InputError, match=r"1 of 8 shards failed, first shard 2 .*WorkerLost"):
        lp.collect(tiny_model, examples, sites=["k"], store=tmp_path, executor=Poisoned(processes))
    (checked,) = verify(tmp_path)
    assert (checked.n_whole, checked.n_expected, checked.problems) == (7, N_SHARDS, ())
    again = lp.collect(tiny_model, examples, sites=["k"], store=tmp_path, executor=processes)
    plain = lp.collect(tiny_model, examples, sites=["k"])
    for key in plain:
        np.testing.assert_array_equal(again[key], plain[key])


def test_a_model_that_workers_cannot_load_is_refused(
    tiny_folders: dict[str, Path], examples: lp.Examples, tmp_path: Path
) -> None:
    """Any executor will do: here a thread, which loads the model as a worker would."""
    model = lp.load_model(tiny_folders["gpt2"])
    with ThreadPoolExecutor(1) as executor:
        given: dict[str, Any] = {"sites": ["k"], "executor": executor}
        a = lp.collect(model, examples, store=tmp_path / "a", **given)
        assert len(a[0, "k"]) == 32
        next(model.tl.parameters()).data.add_(1.0)
        with pytest.raises(lp.InputError, match="gets other weights than are in use here"):
            lp.collect(model, examples, store=tmp_path / "a", **given)
        next(model.tl.parameters()).data.add_(-1.0)
        with pytest.raises(lp.InputError, match="give a store with the executor"):
            lp.collect(model, examples, **given)


def test_workers_end_when_their_parent_is_killed() -> None:
    code = (
        "import os, time\n"
        "from lens_probes.execute import LocalProcesses\n"
        "if __name__ == '__main__':\n"
        "    executor = LocalProcesses(1)\n"
        "    print(executor.submit(os.getpid).result(), flush=True)\n"
        "    executor.submit(time.sleep, 600).result()\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        worker = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    for _ in range(300):
        if not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE:
            break
        time.sleep(0.1)
    else:
        worker.kill()
        pytest.fail("the worker outlived its parent")


def test_refusals() -> None:
    for arguments, message in [
        ({"kind": "ray"}, "unknown executor 'ray': choose from here, processes, dask, slurm"),
        ({"kind": "processes", "workers": 0}, "workers must be 1 or more; got 0"),
        ({"kind": "processes", "scheduler": "tcp://a:1"}, "goes with the executors dask and slurm"),
    ]:
        with pytest.raises(lp.InputError, match=message), open_executor(**arguments):  # type: ignore[arg-type]
            pass
    with open_executor() as executor:
        assert executor is None


@pytest.mark.parametrize(("kind", "package"), [("dask", "distributed"), ("slurm", "submitit")])
def test_a_package_that_is_not_installed_is_named(
    kind: Any, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with (
        pytest.raises(lp.InputError, match=rf"needs the package {package}: run .*\[{kind}\]"),
        open_executor(kind),
    ):
        pass


def test_jobs_that_slurm_would_refuse_are_an_error_and_not_a_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a stand-in for sbatch, and for a cluster whose jobs nobody would take."""
    scaled: list[int] = []

    class Cluster(contextlib.nullcontext[None]):
        def job_script(self) -> str:
            return "#!/bin/sh"

        def scale(self, jobs: int) -> None:
            scaled.append(jobs)

    monkeypatch.setitem(sys.modules, "distributed", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "dask_jobqueue", SimpleNamespace(SLURMCluster=Cluster))
    monkeypatch.setenv("PATH", str(tmp_path))
    for sbatch, message in [
        (None, "cannot start Dask with 'slurm'.*sbatch.* Run this where sbatch is"),
        ("echo 'sbatch: error: no such partition' >&2; exit 1", r"\(sbatch: error: no such part"),
    ]:
        if sbatch:
            (tmp_path / "sbatch").write_text(f"#!/bin/sh\n{sbatch}\n")
            (tmp_path / "sbatch").chmod(0o755)
        with (
            pytest.raises(lp.InputError, match=message),
            open_executor("dask", scheduler="slurm"),
        ):
            pass
    assert not scaled


needs_dask = pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None, reason="Dask is not installed"
)
needs_submitit = pytest.mark.skipif(
    importlib.util.find_spec("submitit") is None, reason="submitit is not installed"
)


@needs_dask
def test_dask_writes_the_same_bytes_and_survives_a_killed_worker(
    tiny_model: LensModel, examples: lp.Examples, tmp_path: Path
) -> None:
    a = lp.collect(tiny_model, examples, sites=["mlp_pre"], store=tmp_path / "here")
    with open_executor("dask", workers=2) as executor:
        assert executor is not None
        assert executor.submit(die_once, str(tmp_path / "marker")).result(120) != os.getpid()
        b = lp.collect(
            tiny_model, examples, sites=["mlp_pre"], store=tmp_path / "there", executor=executor
        )
        with pytest.raises(lp.InputError, match=r"1 of 8 shards failed, first shard 2 .*Killed"):
            lp.collect(
                tiny_model, examples, sites=["k"], store=tmp_path / "poisoned",
                executor=Poisoned(executor),
            )  # fmt: skip
    (checked,) = verify(tmp_path / "poisoned")
    assert (checked.n_whole, checked.n_expected) == (7, N_SHARDS)
    assert stored(tmp_path / "here") == stored(tmp_path / "there")
    for key in a:
        np.testing.assert_array_equal(a[key], b[key])


@needs_dask
def test_dask_by_the_address_of_a_scheduler(
    tiny_model: LensModel, examples: lp.Examples, tmp_path: Path
) -> None:
    distributed = pytest.importorskip("distributed")

    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, dashboard_address=None
        ) as elsewhere,
        open_executor("dask", scheduler=elsewhere.scheduler_address) as executor,
    ):
        lp.collect(tiny_model, examples, sites=["k"], store=tmp_path, executor=executor)
    assert verify(tmp_path)[0].n_whole == N_SHARDS
    with (
        pytest.raises(lp.InputError, match="cannot start Dask with 'tcp"),
        open_executor("dask", scheduler="tcp://127.0.0.1:1"),
    ):
        pass


@needs_submitit
def test_submitit_writes_the_same_bytes_and_names_what_kills_a_task(
    tiny_model: LensModel, examples: lp.Examples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    a = lp.collect(tiny_model, examples, sites=["mlp_pre"], store=tmp_path / "here")
    with open_executor("slurm", workers=2, scheduler="local", logs=tmp_path / "logs") as executor:
        assert executor is not None
        b = lp.collect(
            tiny_model, examples, sites=["mlp_pre"], store=tmp_path / "there", executor=executor
        )
        outcomes = executor.submit_many(die_or_double, [1, 2, 0, 3])  # type: ignore[attr-defined]
        assert [outcomes[i].result(300) for i in (0, 1, 3)] == [2, 4, 6]
        with pytest.raises(WorkerLostError, match="its Slurm task ended"):
            outcomes[2].result(300)
    assert stored(tmp_path / "here") == stored(tmp_path / "there")
    for key in a:
        np.testing.assert_array_equal(a[key], b[key])
