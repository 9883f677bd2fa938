"""Filling a store shard by shard, here or by workers: what a worker needs, and what became of it.

A worker gets a description of the model, a folder and a number; it writes one file and returns its
digest. Activations never travel between processes.
"""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Executor, Future, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import torch

from lens_probes.activations.forward import Reader
from lens_probes.activations.passes import Shard, plan_from_bytes, rows_of
from lens_probes.activations.shard_file import Stored
from lens_probes.activations.shard_folder import Key, ShardFolder, StoredArrays
from lens_probes.activations.store import PLAN, Stock
from lens_probes.errors import InputError, one_line
from lens_probes.model.load import LensModel, load_again
from lens_probes.model.own_sites import with_sites
from lens_probes.model.recipe import ModelRecipe
from lens_probes.storage.integrity import StorageError, read_file, sha256_of

log = logging.getLogger(__name__)

_HOPELESS = 3


@dataclass(frozen=True)
class Job:
    """One shard to be made: everything a worker is told."""

    recipe: ModelRecipe
    folder: Path
    index: int
    keys: tuple[Key, ...]
    plan_sha256: str
    stored: Stored = "float32"


Outcomes = Generator[tuple[int, Callable[[], str]], None, None]


class Progress(Protocol):
    """A progress bar, as far as it is used here."""

    def update(self, n: int) -> Any:
        """`n` more examples are done."""


def made_from(model: LensModel) -> dict[str, Any]:
    """What of a model the numbers depend on, for the key of a store.

    Raises
    ------
    InputError
        A hook of the user's is on the model: the key knows the weights, not what a hook does.
    """
    hooked = model.foreign_hook
    if hooked is not None:
        raise InputError(
            f"the model has a hook of yours at {hooked}, which a store cannot take account of: "
            "remove it (model.tl.reset_hooks(), or the handle's remove()), or use no store."
        )
    said = model.provenance
    names = (
        "class", "weights_sha256", "config_sha256", "processing", "dtype", "device", "versions",
    )  # fmt: skip
    return {
        **{name: said[name] for name in names},
        "matmul_precision": torch.get_float32_matmul_precision(),
    }


def fill(stock: Stock, model: LensModel, executor: Executor | None, bar: Progress) -> StoredArrays:
    """The arrays of a store; what is missing in it is made first, here or by an executor."""
    arrays = stock.finished()
    if arrays is not None:
        bar.update(stock.n_examples)
        return arrays
    with stock.being_filled() as whole:
        missing = _in_turn([i for i in range(len(stock.shards)) if i not in whole])
        bar.update(sum(len(rows_of(stock.shards[i])) for i in whole))
        if executor is None:
            reader = Reader(model, stock.keys)
            outcomes: Outcomes = (
                (
                    i,
                    functools.partial(
                        _write, reader, stock.folder, i, stock.shards[i], stock.stored
                    ),
                )
                for i in missing
            )
        else:
            recipe, plan = model.recipe, stock.parts["plan_sha256"]
            jobs = [
                Job(recipe, stock.folder.path, i, stock.keys, plan, stock.stored) for i in missing
            ]
            outcomes = _made_by(executor, run_shard, jobs)
        with contextlib.closing(outcomes):  # an error here drops what no worker has begun
            _gather(outcomes, missing, stock, whole, bar)
        return stock.finish(whole)


def run_shard(job: Job) -> str:
    """Make one shard in a worker, which keeps one model from job to job; returns its digest.

    A shard that a worker finished before it died is there already.
    """
    shard = _plan_in(job.folder, job.plan_sha256)[job.index]
    stored = stored_shard(job)
    if stored is not None:
        return stored
    folder = ShardFolder(job.folder, job.plan_sha256)
    return _write(_reader_of(job.recipe, job.keys), folder, job.index, shard, job.stored)


def stored_shard(job: Job) -> str | None:
    """Digest of a job's shard if it lies in the folder, whole; None if it has to be made."""
    folder = ShardFolder(job.folder, job.plan_sha256)
    for digest in folder.digests_of(job.index):
        with contextlib.suppress(InputError):
            folder.check(job.index, digest)
            return digest
    return None


def _in_turn(missing: list[int]) -> list[int]:
    """The first shards, then the last one, which says whether all will fail, then the others."""
    return [*missing[:_HOPELESS], *missing[_HOPELESS:][-1:], *missing[_HOPELESS:-1]]


@functools.lru_cache(maxsize=1)
def _model_of(recipe: ModelRecipe) -> LensModel:
    _reader_of.cache_clear()  # the model before it goes first: there is one copy in a worker
    _model_of.cache_clear()
    return load_again(recipe)


@functools.lru_cache(maxsize=1)
def _reader_of(recipe: ModelRecipe, keys: tuple[Key, ...]) -> Reader:
    return Reader(with_sites(_model_of(recipe), {site for _, site in keys})[0], keys)


@functools.lru_cache(maxsize=1)
def _plan_in(folder: Path, digest: str) -> list[Shard]:
    data = read_file(folder / PLAN)
    if sha256_of(data) != digest:
        raise InputError(f"{folder / PLAN} has changed since this run began: run it again.")
    return plan_from_bytes(data)


def _write(reader: Reader, folder: ShardFolder, index: int, shard: Shard, stored: Stored) -> str:
    rows = rows_of(shard)
    arrays = {
        (layer, site): np.empty((len(rows), reader.model.shapes[site].n_units), np.float32)
        for layer, site in reader.keys
    }
    start = 0
    for batch in shard:
        for key, read in reader.read(batch).items():
            arrays[key][start : start + len(batch.rows)] = read
        start += len(batch.rows)
    return folder.add(index, rows, arrays, stored)


def _made_by(executor: Executor, make: Callable[[Job], str], jobs: Sequence[Job]) -> Outcomes:
    """Each job's shard with a call that gives its digest or raises, in the order they finish.

    An executor that hands over many jobs at once (a Slurm array) has `submit_many`, which also
    takes what tells the outcome of a job that is done although its worker could not say so.
    """
    at_once = getattr(executor, "submit_many", None)
    futures: list[Future[str]] = (
        at_once(make, jobs, stored_shard)
        if at_once
        else [executor.submit(make, job) for job in jobs]
    )
    shard_of = {future: job.index for future, job in zip(futures, jobs, strict=True)}
    try:
        for future in as_completed(futures):
            yield shard_of[future], cast("Callable[[], str]", future.result)
    finally:
        for future in futures:
            future.cancel()


def _gather(
    outcomes: Outcomes,
    missing: Sequence[int],
    stock: Stock,
    whole: dict[int, str],
    bar: Progress,
) -> None:
    """Take the digests of finished shards into `whole`; a shard that fails is named at the end.

    When several shards have failed, the last one among them, and none was made, the others are not
    tried: shards differ most in the length of their windows, and the last one's are the shortest.

    Raises
    ------
    InputError
        Shards failed (the others are stored by then), or the store cannot be written.
    """
    failed: dict[int, BaseException] = {}
    made = 0
    for index, result in outcomes:
        try:
            digest = result()
            stock.check_rows(index, digest)
            whole[index] = digest
            made += 1
        except StorageError:
            raise
        except Exception as error:  # whatever a model, a worker or an engine raises
            log.warning("shard %d failed: %s", index, one_line(error))
            failed[index] = error
        bar.update(len(rows_of(stock.shards[index])))
        if len(failed) > _HOPELESS and max(missing) in failed and not made:
            break
    if not failed:
        return
    index = min(failed)
    rows = rows_of(stock.shards[index])
    others = ", ".join(str(i) for i in sorted(failed)[1:6]) + (", ..." if len(failed) > 6 else "")
    untried = len(missing) - len(failed) - made
    raise InputError(
        f"{len(failed)} of {len(stock.shards)} shards failed, first shard {index} ({len(rows)} "
        f"examples: {rows.min()} to {rows.max()}): {type(failed[index]).__name__}: "
        f"{one_line(failed[index])}"
        f"{f'; also {others}' if others else ''}. "
        f"{f'{untried} were not tried. ' if untried else ''}"
        f"{len(whole)} are stored in {stock.folder.path}; the same command takes up from there."
    ) from failed[index]
