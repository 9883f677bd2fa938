"""Job arrays of Slurm, through submitit."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from lens_probes.errors import InputError, one_line
from lens_probes.execute.optional import optional_package
from lens_probes.execute.processes import WorkerLostError
from lens_probes.sealed import StorageError

P = ParamSpec("P")
T = TypeVar("T")


class SlurmArrays(Executor):
    """Job arrays of Slurm: the shards are dealt out over the tasks, which work through theirs.

    A task that dies has its shards run again, one a task, so that only what kills it is lost.
    """

    def __init__(self, tasks: int, *, cluster: str | None, logs: Path, minutes: int) -> None:
        submitit = optional_package("submitit", "slurm")
        try:
            self._engine = submitit.AutoExecutor(folder=str(logs), cluster=cluster)
            self._engine.update_parameters(timeout_min=minutes)
        except (RuntimeError, ValueError, OSError) as error:
            raise InputError(
                f"cannot use Slurm here: {one_line(error)}. Run this where sbatch is."
            ) from error
        self._tasks = tasks
        self._arrays: list[Any] = []

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """One call in an array of one task."""
        return self.submit_many(lambda _: fn(*args, **kwargs), [None])[0]

    def submit_many(self, fn: Callable[[Any], T], items: Sequence[Any]) -> list[Future[T]]:
        """A call for each item, all in one array."""
        futures: list[Future[T]] = [Future() for _ in items]
        pairs = list(zip(items, futures, strict=True))
        hands = [pairs[i :: self._tasks] for i in range(min(self._tasks, len(pairs)))]
        threading.Thread(target=self._watch, args=(fn, hands), daemon=True).start()
        return futures

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Cancel the tasks that are still in the queue or at work."""
        for task in self._arrays:
            if not task.done():
                with contextlib.suppress(Exception):
                    task.cancel()

    def _watch(self, fn: Callable[[Any], T], hands: list[list[tuple[Any, Future[T]]]]) -> None:
        try:
            self._run(fn, hands)
        except Exception as error:  # nobody may wait for ever because of a fault in the watching
            for future in (future for hand in hands for _, future in hand):
                if not future.done():
                    future.set_exception(error)

    def _run(self, fn: Callable[[Any], T], hands: list[list[tuple[Any, Future[T]]]]) -> None:
        again: list[list[tuple[Any, Future[T]]]] = []
        for hand, result in self._finished(fn, hands):
            if isinstance(result, list):
                _settle([future for _, future in hand], result)
            elif len(hand) > 1:
                again += [[pair] for pair in hand]
            else:
                _settle(
                    [hand[0][1]], [WorkerLostError(f"its Slurm task ended: {one_line(result)}")]
                )
        if again:
            self._run(fn, again)

    def _finished(self, fn: Callable[[Any], T], hands: list[Any]) -> Iterator[tuple[Any, Any]]:
        """Hands of shards with their outcomes, or the error of a task that died."""
        try:
            tasks = self._engine.map_array(
                _call_each, [fn] * len(hands), [[item for item, _ in hand] for hand in hands]
            )
        except Exception as error:  # sbatch refuses in its own words
            for hand in hands:
                yield hand, [InputError(f"Slurm took no job: {one_line(error)}")] * len(hand)
            return
        self._arrays += tasks
        waiting = dict(enumerate(tasks))
        while waiting:
            for i in [i for i, task in waiting.items() if task.done()]:
                try:
                    yield hands[i], waiting.pop(i).result()
                except Exception as error:
                    yield hands[i], error
            time.sleep(0.2)


def _call_each(fn: Callable[[Any], T], items: Sequence[Any]) -> list[T | Exception]:
    """In a task: every item's value or error, so that one cannot take the others with it."""
    outcomes: list[T | Exception] = []
    for item in items:
        try:
            outcomes.append(fn(item))
        except (InputError, StorageError) as error:
            outcomes.append(type(error)(str(error)))
        except Exception as error:
            outcomes.append(RuntimeError(f"{type(error).__name__}: {one_line(error)}"))
    return outcomes


def _settle(futures: Sequence[Future[T]], outcomes: Sequence[T | Exception]) -> None:
    for future, outcome in zip(futures, outcomes, strict=True):
        if not future.set_running_or_notify_cancel():
            continue
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
