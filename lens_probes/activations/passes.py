"""Which windows go through the model together, and which of them are stored together.

The plan follows from the examples and the options alone. Rounding depends on what shares a batch,
so whoever works on a shard, whenever, gets the same bits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Int
from numpy.typing import NDArray
from safetensors.numpy import load, save

from lens_probes.examples.examples import Examples

TOKENS_PER_BATCH = 1536
_CACHE_BYTES = 2**28
# A kill costs at most one shard of work: about a minute for a billion parameters on two cores.
EXAMPLES_PER_SHARD = 200
TOKENS_PER_SHARD = 8192
BYTES_PER_SHARD = 2**27


@dataclass(frozen=True, eq=False)
class Batch:
    """Windows of equal length for one forward pass, and the examples that are read from them.

    Attributes
    ----------
    tokens
        [window, position] token ids.
    rows
        [example] index of each example in the whole set.
    window
        [example] the window it is read from.
    position, span
        [example] last token that is read, and how many tokens are averaged, ending there.
    """

    tokens: Int[np.ndarray, "window position"]
    rows: Int[np.ndarray, " example"]
    window: Int[np.ndarray, " example"]
    position: Int[np.ndarray, " example"]
    span: Int[np.ndarray, " example"]

    def part(self, first: int, end: int) -> Batch:
        """The windows from `first` up to `end`, with their examples."""
        here = (self.window >= first) & (self.window < end)
        return Batch(
            self.tokens[first:end], self.rows[here], self.window[here] - first,
            self.position[here], self.span[here],
        )  # fmt: skip


Shard = tuple[Batch, ...]


def plan_batches(
    examples: Examples, *, batch_size: int | None = None, n_units: int = 1
) -> list[Batch]:
    """Every distinct window once; equal lengths together, longest first.

    Memory is at its peak at once, so that what does not fit fails at the start.

    Parameters
    ----------
    batch_size
        Windows in one forward pass; by default about 1,500 tokens' worth, and fewer where the
        entries that are read, of `n_units` units each, would take more than 256 MiB.
    """
    passes = _passes(examples)
    batches = []
    for length in sorted({one.length for one in passes}, reverse=True):
        same = [one for one in passes if one.length == length]
        most = max(1, _CACHE_BYTES // (4 * n_units * max(one.reads for one in same)))
        size = batch_size or max(1, min(TOKENS_PER_BATCH // length, most))
        for start in range(0, len(same), size):
            batches.append(_batch(examples, same[start : start + size]))
    return batches


def plan_shards(batches: Iterable[Batch], n_units: int) -> list[Shard]:
    """Batches in a row, stored in one file: some 200 examples, 8,192 tokens or 128 MiB."""
    shards: list[Shard] = []
    open_shard: list[Batch] = []
    for batch in batches:
        open_shard.append(batch)
        n = sum(len(one.rows) for one in open_shard)
        n_tokens = sum(one.tokens.size for one in open_shard)
        full = n >= EXAMPLES_PER_SHARD or n_tokens >= TOKENS_PER_SHARD
        if full or 4 * n * n_units >= BYTES_PER_SHARD:
            shards.append(tuple(open_shard))
            open_shard = []
    return shards + ([tuple(open_shard)] if open_shard else [])


def rows_of(shard: Shard) -> Int[np.ndarray, " example"]:
    """[example] index in the whole set of the examples of a shard, in its order."""
    rows: NDArray[np.int64] = np.concatenate([batch.rows for batch in shard])
    return rows


def plan_to_bytes(shards: Sequence[Shard]) -> bytes:
    """A plan as a safetensors file: the same plan is the same bytes."""
    tensors = {
        f"{i:06d}.{j:03d}.{field.name}": np.ascontiguousarray(getattr(batch, field.name), "<i8")
        for i, shard in enumerate(shards)
        for j, batch in enumerate(shard)
        for field in fields(Batch)
    }
    return save(tensors)


def plan_from_bytes(data: bytes) -> list[Shard]:
    """The plan that `plan_to_bytes` wrote."""
    found: dict[int, dict[int, dict[str, NDArray[np.int64]]]] = {}
    for name, tensor in sorted(load(data).items()):
        i, j, field = name.split(".")
        found.setdefault(int(i), {}).setdefault(int(j), {})[field] = tensor
    return [tuple(Batch(**one) for one in batches.values()) for batches in found.values()]


@dataclass(frozen=True)
class _Pass:
    """Examples whose windows are the same: `length` tokens are run once for all of them."""

    rows: NDArray[np.int64]
    length: int
    reads: int


def _passes(examples: Examples) -> list[_Pass]:
    """One pass for each distinct window, in the order of their first examples."""
    shared: dict[bytes, list[int]] = {}
    for row, ids in enumerate(np.ascontiguousarray(examples.tokens)):
        shared.setdefault(ids.tobytes(), []).append(row)
    spans = examples.spans
    return [
        _Pass(np.array(rows), int(examples.position[rows].max()) + 1, int(spans[rows].sum()))
        for rows in shared.values()
    ]


def _batch(examples: Examples, passes: list[_Pass]) -> Batch:
    length = passes[0].length
    rows = np.concatenate([one.rows for one in passes])
    return Batch(
        tokens=np.stack([examples.tokens[one.rows[0], :length] for one in passes]).astype(np.int64),
        rows=rows.astype(np.int64),
        window=np.repeat(np.arange(len(passes)), [len(one.rows) for one in passes]),
        position=examples.position[rows].astype(np.int64),
        span=examples.spans[rows].astype(np.int64),
    )
