"""Job arrays of Slurm, through submitit."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from lens_probes.activations.executors.optional import optional_package
from lens_probes.activations.executors.processes import WorkerLostError
from lens_probes.errors import InputError, one_line
from lens_probes.storage.integrity import StorageError

P = ParamSpec("P")
T = TypeVar("T")
Pair = tuple[Any, Future[Any]]
_ARRAY = 1000  # tasks; Slurm's own limit is 1001 unless it is set


class SlurmArrays(Executor):
    """Job arrays of Slurm: the shards are dealt out over the tasks, which work through theirs.

    A task that dies (killed, or at its time limit) has what it finished kept; the shard that it was
    at runs again in a task of its own, so that only what kills it is lost, and the others are dealt
    out anew.
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
        self._closed = False

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """One call in an array of one task."""
        return self.submit_many(lambda _: fn(*args, **kwargs), [None])[0]

    def submit_many(
        self,
        fn: Callable[[Any], T],
        items: Sequence[Any],
        done: Callable[[Any], T | None] = lambda _: None,
    ) -> list[Future[T]]:
        """A call for each item, all in one array.

        `done` tells the value of an item that a task finished before it died; None if it did not.
        """
        pairs: list[Pair] = [(item, Future()) for item in items]
        threading.Thread(target=self._watch, args=(fn, pairs, done), daemon=True).start()
        return [future for _, future in pairs]

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Cancel the tasks that are still in the queue or at work; none is sent after that."""
        self._closed = True
        _cancel(list(self._arrays))

    def _watch(
        self, fn: Callable[[Any], T], pairs: list[Pair], done: Callable[[Any], T | None]
    ) -> None:
        try:
            hands = self._dealt(pairs)
            while hands and not self._closed:
                hands = self._run(fn, hands, done)
        except Exception as error:  # nobody may wait for ever because of a fault in the watching
            for _, future in pairs:
                if not future.done():
                    future.set_exception(error)
        for _, future in pairs:
            if not future.done():  # it was closed before
                future.cancel()
                future.set_running_or_notify_cancel()

    def _dealt(self, pairs: list[Pair]) -> list[list[Pair]]:
        return [pairs[i :: self._tasks] for i in range(min(self._tasks, len(pairs)))]

    def _run(
        self, fn: Callable[[Any], T], hands: list[list[Pair]], done: Callable[[Any], T | None]
    ) -> list[list[Pair]]:
        """Run some hands; those to be run again, since their task died."""
        alone: list[list[Pair]] = []
        others: list[Pair] = []
        for hand, result in self._finished(fn, hands):
            if isinstance(result, list):
                _settle(hand, result)
                continue
            left = []
            for item, future in hand:
                value = done(item)
                if value is None:
                    left.append((item, future))
                else:
                    _settle([(item, future)], [value])
            if len(hand) == 1:
                lost = WorkerLostError(f"its Slurm task ended: {one_line(result)}")
                _settle(left, [lost] * len(left))
            elif left:
                alone.append(left[:1])
                others += left[1:]
        again = [*alone, *self._dealt(others)]
        return [kept for hand in again if (kept := [p for p in hand if not p[1].cancelled()])]

    def _finished(self, fn: Callable[[Any], T], hands: list[list[Pair]]) -> Iterator[Any]:
        """Hands of shards with their outcomes, or the error of a task that died."""
        waiting: dict[int, Any] = {}
        for start in range(0, len(hands), _ARRAY):
            some = hands[start : start + _ARRAY]
            items = [[item for item, _ in hand] for hand in some]
            try:
                tasks = self._engine.map_array(_call_each, [fn] * len(some), items)
            except Exception as error:  # sbatch refuses in its own words
                for hand in some:
                    yield hand, [InputError(f"Slurm took no job: {one_line(error)}")] * len(hand)
                continue
            self._arrays += tasks
            waiting |= dict(enumerate(tasks, start))
        while waiting and not self._closed:
            for i in [i for i, task in waiting.items() if task.done()]:
                try:
                    yield hands[i], waiting.pop(i).result()
                except Exception as error:
                    yield hands[i], error
            unwanted = [i for i in waiting if all(future.cancelled() for _, future in hands[i])]
            _cancel([waiting.pop(i) for i in unwanted])
            time.sleep(0.2)
        _cancel(list(waiting.values()))  # sent while this was being closed


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


def _settle(pairs: Sequence[Pair], outcomes: Sequence[Any]) -> None:
    for (_, future), outcome in zip(pairs, outcomes, strict=True):
        if not future.set_running_or_notify_cancel():
            continue
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)


def _cancel(tasks: Sequence[Any]) -> None:
    for task in tasks:
        with contextlib.suppress(Exception):
            if not task.done():
                task.cancel()
