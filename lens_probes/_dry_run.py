"""What a sweep would take: examples, passes, memory, disk, and a time measured on two batches."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

from lens_probes._prepare import Prepared, prepare
from lens_probes._request import Request
from lens_probes.activations.collect import check_memory, check_tokens, check_work
from lens_probes.activations.derived import keys_of, read_keys
from lens_probes.activations.forward import Reader
from lens_probes.activations.passes import Batch, plan_batches
from lens_probes.activations.shard_file import StoreDtype, bytes_of, stored_type
from lens_probes.examples.examples import Examples
from lens_probes.model.wrap import Model
from lens_probes.probes.base import Probe
from lens_probes.sites import Site
from lens_probes.storage.paths import user_path

_MIB = 2**20


@dataclass(frozen=True)
class DryRun:
    """What a sweep would take, as far as its activations go; nothing of it has been written.

    Attributes
    ----------
    examples
        The label's classes, with their counts.
    rounds
        What goes through a model, each as (name, windows, tokens, batches).
    n_units
        Units that are read at each example.
    memory, disk
        Bytes of activations that are in memory at once, and in the store; None: no store.
    free_memory, free_disk, process
        Bytes that are free now, and that the process with the model takes.
    tokens_per_second
        Of one process, over two batches.
    """

    examples: str
    rounds: tuple[tuple[str, int, int, int], ...]
    n_units: int
    memory: int
    disk: int | None
    free_memory: int
    free_disk: int | None
    process: int
    tokens_per_second: float

    @property
    def seconds(self) -> float:
        """Of all forward passes."""
        return sum(tokens for _, _, tokens, _ in self.rounds) / self.tokens_per_second

    def text_lines(self) -> tuple[str, ...]:
        """For reading."""
        lines = [f"examples          {self.examples}"]
        for i, (name, windows, tokens, batches) in enumerate(self.rounds):
            head = "" if i else "forward passes"
            lines.append(
                f"{head:<18}{name}: {windows:,} windows, {tokens:,} tokens in {batches:,} batches"
            )
        lines.append(
            f"memory            {self.memory / _MIB:,.1f} MiB of activations "
            f"({self.n_units:,} units an example); the process takes "
            f"{self.process / _MIB:,.0f} MiB now, and {self.free_memory / _MIB:,.0f} MiB are free"
        )
        if self.disk is None or self.free_disk is None:
            lines.append("disk              no store: activations are not kept")
        else:
            lines.append(
                f"disk              {self.disk / _MIB:,.1f} MiB in the store, "
                f"{self.free_disk / _MIB:,.0f} MiB are free"
            )
        lines.append(
            f"time              {_duration(self.seconds)} of forward passes in one process, by two "
            f"batches ({self.tokens_per_second:,.0f} tokens a second); statistics and checks come "
            "on top"
        )
        return tuple(lines)


def dry_run(
    model: Model,
    probe: Probe | Examples,
    request: Request,
    *,
    sites: Iterable[str | Site],
    layers: Iterable[int] | int | None = None,
    untrained: bool = True,
    batch_size: int | None = None,
    store: str | Path | None = None,
    store_dtype: StoreDtype = "float32",
) -> DryRun:
    """Prepare a sweep as `lens_probes.sweep` does, time two of its batches, and stop.

    Nothing is written. Whatever the sweep would refuse before its passes is refused.

    Raises
    ------
    InputError
        As `sweep`.
    """
    check_work(batch_size, False, store, None, store_dtype)
    ready = prepare(model, probe, request, sites=sites, layers=layers, untrained=untrained)
    model, examples = ready.model, ready.design.examples
    asked = keys_of(model, ready.layers, ready.sites)
    keys = read_keys(model, asked)
    n_units = sum(model.shapes[site].n_units for _, site in keys)
    sets = [("examples", examples)]
    sets += [("the same, untrained weights", examples)] if ready.untrained else []
    sets += [] if ready.others is None else [("further negative set", ready.others.examples)]
    rounds = []
    for name, one in sets:
        check_tokens(model, one)
        batches = plan_batches(one, batch_size=batch_size, n_units=n_units)
        windows = sum(len(batch.tokens) for batch in batches)
        rounds.append((name, windows, sum(b.tokens.size for b in batches), len(batches)))
    n_read = sum(len(one) for _, one in sets)
    disk = free_disk = None
    in_memory = 4 * n_read * sum(model.shapes[site].n_units for _, site in {*asked, *keys})
    if store is None:
        check_memory(len(examples), ready.layers, {s: model.shapes[s] for _, s in (*asked, *keys)})
    else:
        stored = stored_type(store_dtype, model.provenance["dtype"])
        disk = bytes_of(stored) * n_read * n_units
        free_disk = shutil.disk_usage(_existing(user_path(store).absolute())).free
        in_memory = 4 * len(examples) * max(model.shapes[site].n_units for _, site in asked)
    return DryRun(
        examples=examples.contrast.describe(),
        rounds=tuple(rounds),
        n_units=n_units,
        memory=in_memory,
        disk=disk,
        free_memory=psutil.virtual_memory().available,
        free_disk=free_disk,
        tokens_per_second=_speed(ready, keys, batch_size, n_units),
        process=psutil.Process().memory_info().rss,
    )


def _speed(
    ready: Prepared, keys: tuple[tuple[int, str], ...], batch_size: int | None, n_units: int
) -> float:
    """Tokens a second over the first batch and the one in the middle, after one window."""
    batches = plan_batches(ready.design.examples, batch_size=batch_size, n_units=n_units)
    reader = Reader(ready.model, keys)
    reader.read(batches[0].part(0, 1))
    timed: list[Batch] = [batches[0], batches[len(batches) // 2]][: len(batches)]
    begin = time.perf_counter()
    for batch in timed:
        reader.read(batch)
    return sum(batch.tokens.size for batch in timed) / (time.perf_counter() - begin)


def _existing(path: Path) -> Path:
    """The path, or the folder above it that is there."""
    return next(one for one in (path, *path.parents) if one.exists())


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"about {max(seconds, 1):.0f} s"
    minutes = seconds / 60
    return f"about {minutes:.0f} min" if minutes < 90 else f"about {minutes / 60:.1f} h"
