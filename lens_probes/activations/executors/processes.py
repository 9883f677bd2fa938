"""Processes of this machine."""

from __future__ import annotations

import multiprocessing
import os
import queue
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection
from typing import Any, ParamSpec, TypeVar

ATTEMPTS = 3
_GUARD = " or a script without `if __name__ == '__main__':`, which every worker runs again?"

P = ParamSpec("P")
T = TypeVar("T")


class WorkerLostError(RuntimeError):
    """A worker's process ended while it was at a shard, time and again."""


class LocalProcesses(Executor):
    """Processes of this machine, each in a pool of its own, so that a death is one shard's.

    Processor threads are shared between them; with CUDA, worker i sees device i modulo their
    number. They end when this process ends, however it ends.
    """

    def __init__(self, workers: int) -> None:
        import torch  # noqa: PLC0415  (checks above need none)

        threads = max(1, torch.get_num_threads() // workers)
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        devices = (visible or "").split(",") if visible else []
        if not devices and torch.cuda.is_available():
            devices = [str(i) for i in range(torch.cuda.device_count())]
        self._idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        self._workers = [
            _Worker(threads, devices[i % len(devices)] if devices else None) for i in range(workers)
        ]
        for worker in self._workers:
            self._idle.put(worker)
        self._waiting = ThreadPoolExecutor(workers, thread_name_prefix="worker")

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have an idle worker call `fn`; tried again where the worker dies."""

        def call() -> T:
            worker = self._idle.get()
            try:
                return worker.call(fn, *args, **kwargs)
            finally:
                self._idle.put(worker)

        return self._waiting.submit(call)

    def __exit__(self, *error: Any) -> bool | None:
        """End the workers; after an error, without what none of them has begun."""
        self.shutdown(cancel_futures=error[0] is not None)
        return None

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the workers, when they have done what waits or it is dropped."""
        self._waiting.shutdown(wait=wait, cancel_futures=cancel_futures)
        for worker in self._workers:
            worker.end()


class _Worker:
    """One process, started at its first call and again after it died."""

    def __init__(self, threads: int, device: str | None) -> None:
        self._settings = (threads, device)
        self._pool: ProcessPoolExecutor | None = None
        self._has_worked = False

    def call(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        last: BaseException | None = None
        for _ in range(ATTEMPTS):
            if self._pool is None:
                self._pool = ProcessPoolExecutor(
                    1, multiprocessing.get_context("spawn"), _start_worker, self._settings
                )
            try:
                result = self._pool.submit(fn, *args, **kwargs).result()
                self._has_worked = True
                return result
            except BrokenProcessPool as error:
                self.end()
                last = error
        hint = "" if self._has_worked else _GUARD
        raise WorkerLostError(
            f"the worker's process ended {ATTEMPTS} times (killed, or out of memory?{hint})"
        ) from last

    def end(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None


def _start_worker(threads: int, device: str | None) -> None:
    if device is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = device
    os.environ["OMP_NUM_THREADS"] = str(threads)
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"  # many bars in one terminal help nobody
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if torch := sys.modules.get("torch"):  # the main script has imported it before its settings
        torch.set_num_threads(threads)


def _end_with_parent() -> None:
    """A parent that was killed cannot tell its workers to stop."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
