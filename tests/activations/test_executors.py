"""Workers: the same bytes as this process, a death costs one shard, and nobody stays behind."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest
from worker_deaths import die, die_once, die_or_double

import lens_probes as lp
from lens_probes.activations import passes
from lens_probes.activations.executors import LocalProcesses, open_executor
from lens_probes.activations.executors.processes import WorkerLostError
from lens_probes.activations.shard_folder import ShardFolder
from lens_probes.model.load import LensModel
from lens_probes.result.verify import verify
from lens_probes.storage.integrity import StorageError

pytestmark = pytest.mark.model
N_SHARDS = 8


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight shards, and workers that are given up after two deaths."""
    monkeypatch.setattr("lens_probes.activations.executors.processes.ATTEMPTS", 2)
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


class Counting(Executor):
    """One thread; every call is counted as it starts."""

    def __init__(self, before: Callable[[Any], None]) -> None:
        self.before, self.started = before, 0
        self.inner = ThreadPoolExecutor(1)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        def call() -> Any:
            self.started += 1
            self.before(args[0])
            return fn(*args, **kwargs)

        return self.inner.submit(call)


@pytest.mark.parametrize("error", [StorageError("no room"), KeyboardInterrupt()])
def test_what_no_worker_has_begun_is_dropped_at_an_error(
    error: BaseException,
    tiny_folders: dict[str, Path],
    examples: lp.Examples,
    tmp_path: Path,
) -> None:
    """At most one more call has started by the time that the error is seen."""

    def fail(_: object) -> None:
        if executor.started == 2:
            raise error
        time.sleep(0.2)

    executor = Counting(fail)
    model = lp.load_model(tiny_folders["gpt2"])
    with executor.inner, pytest.raises(type(error)):
        lp.collect(model, examples, sites=["k"], store=tmp_path, executor=executor)
    assert executor.started <= 3


def test_a_worker_refuses_another_plan(
    tiny_folders: dict[str, Path], examples: lp.Examples, tmp_path: Path
) -> None:
    def flip(job: Any) -> None:
        if executor.started == 1:
            plan = job.folder / "plan.safetensors"
            data = plan.read_bytes()
            plan.write_bytes(data[:-3] + bytes([data[-3] ^ 1]) + data[-2:])

    executor = Counting(flip)
    model = lp.load_model(tiny_folders["gpt2"])
    with executor.inner, pytest.raises(lp.InputError, match=r"plan.safetensors has changed since"):
        lp.collect(model, examples, sites=["k"], store=tmp_path, executor=executor)
    assert verify(tmp_path)[0].n_whole == 0
    executor.before = lambda _: None
    executor.inner = ThreadPoolExecutor(1)
    with executor.inner:
        again = lp.collect(model, examples, sites=["k"], store=tmp_path, executor=executor)
    np.testing.assert_array_equal(again[0, "k"], lp.collect(model, examples, sites=["k"])[0, "k"])


def test_a_shard_of_other_examples_is_not_taken(
    tiny_model: LensModel, examples: lp.Examples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = ShardFolder.add
    with monkeypatch.context() as patch:
        patch.setattr(
            ShardFolder, "add", lambda self, i, rows, *given: add(self, i, rows[::-1], *given)
        )
        with pytest.raises(lp.InputError, match="holds other examples than planned"):
            lp.collect(tiny_model, examples, sites=["k"], store=tmp_path)
    again = lp.collect(tiny_model, examples, sites=["k"], store=tmp_path)
    plain = lp.collect(tiny_model, examples, sites=["k"])
    np.testing.assert_array_equal(again[0, "k"], plain[0, "k"])


class StandIn:
    """A stand-in for submitit: arrays of tasks that end, die or wait as they are told.

    `play` gets a task's items and a call that works on one, and says how the task ended: "well",
    "dead", or "" for one that waits.
    """

    def __init__(self, play: Callable[[list[Any], Callable[[Any], Any]], str]) -> None:
        self.play = play
        self.arrays: list[list[StandInTask]] = []

    def AutoExecutor(self, **_: object) -> StandIn:  # noqa: N802  (submitit's name)
        return self

    def update_parameters(self, **_: object) -> None:
        pass

    def map_array(self, call: Any, functions: list[Any], hands: list[list[Any]]) -> list[Any]:
        self.arrays.append(
            [StandInTask(self.play, call, *one) for one in zip(functions, hands, strict=True)]
        )
        return list(self.arrays[-1])


class StandInTask:
    def __init__(self, play: Any, call: Any, function: Any, items: list[Any]) -> None:
        self.items, self.cancelled, self.outcome = items, False, RuntimeError("the task is gone")
        self.ended = play(items, lambda item: call(function, [item])[0])
        if self.ended == "well":
            self.outcome = call(function, items)

    def done(self) -> bool:
        return bool(self.ended) or self.cancelled

    def cancel(self) -> None:
        self.cancelled = True

    def result(self) -> Any:
        if isinstance(self.outcome, list):
            return self.outcome
        raise self.outcome


def test_closing_slurm_cancels_its_tasks_and_sends_no_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = StandIn(lambda items, work: "")
    monkeypatch.setitem(sys.modules, "submitit", engine)  # type: ignore[arg-type]
    with open_executor("slurm", workers=2) as executor:
        futures = executor.submit_many(abs, range(6))  # type: ignore[union-attr]
        while not engine.arrays:
            time.sleep(0.01)
        other = executor.submit_many(abs, [1])[0]  # type: ignore[union-attr]
        while len(engine.arrays) < 2:
            time.sleep(0.01)
        assert other.cancel()
        while not engine.arrays[1][0].cancelled:  # nobody wants it, so it need not run
            time.sleep(0.01)
    assert all(task.cancelled for array in engine.arrays for task in array)
    for future in futures:
        with pytest.raises(CancelledError):
            future.result(10)
    time.sleep(0.5)
    assert len(engine.arrays) == 2


def test_a_slurm_task_that_dies_keeps_what_it_has_finished(
    tiny_folders: dict[str, Path],
    examples: lp.Examples,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each task dies at shard 4; those before it are not made again, those after it by others."""

    def play(jobs: list[Any], work: Callable[[Any], Any]) -> str:
        for job in jobs:
            if job.index == 4:
                return "dead"
            work(job)
            made.append(job.index)
        return "well"

    made: list[int] = []
    engine = StandIn(play)
    monkeypatch.setitem(sys.modules, "submitit", engine)  # type: ignore[arg-type]
    model = lp.load_model(tiny_folders["gpt2"])
    with (
        open_executor("slurm", workers=2) as executor,
        pytest.raises(lp.InputError, match=r"1 of 8 shards failed, first shard 4 .*WorkerLost"),
    ):
        lp.collect(model, examples, sites=["k"], store=tmp_path, executor=executor)
    assert sorted(made) == [0, 1, 2, 3, 5, 6, 7]
    hands = [[[job.index for job in task.items] for task in array] for array in engine.arrays]
    assert hands == [[[0, 2, 3, 5], [1, 7, 4, 6]], [[4], [6]]]
    assert verify(tmp_path)[0].n_whole == 7


def test_a_script_without_a_guard_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(
        "from lens_probes.activations.executors import LocalProcesses\n"
        "with LocalProcesses(1) as executor:\n"
        "    print(executor.submit(abs, -1).result())\n"
    )
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "a script without `if __name__ == '__main__':`" in done.stderr.splitlines()[-1]


def test_workers_end_when_their_parent_is_killed() -> None:
    code = (
        "import os, time\n"
        "from lens_probes.activations.executors import LocalProcesses\n"
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


@needs_dask
def test_a_whole_sweep_by_workers_of_every_kind_is_the_same_to_the_byte(tmp_path: Path) -> None:
    """Dask with two workers, processes, submitit where it is installed: store, tables, result."""
    done = subprocess.run(
        [
            sys.executable, str(Path(__file__).parents[1] / "slurm" / "compare.py"),
            "--folder", str(tmp_path / "run"), "--without-slurm",
        ],
        env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    for way in ("processes", "Dask, two workers"):
        assert re.search(rf"^{way}: .* [1-9]\d* shards, the same bytes$", done.stdout, re.MULTILINE)


@needs_submitit
def test_submitit_writes_the_same_bytes_and_names_what_kills_a_task(
    tiny_model: LensModel, examples: lp.Examples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
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
