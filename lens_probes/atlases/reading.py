"""Means of word types, summed up while the text is read: nothing of the size of all tokens is kept.

60,000 tokens of 75,000 units are 18 GB; the tests need means over the tokens of a word type, and
the held-out scores the same in two halves of the documents.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from jaxtyping import Float, Int
from numpy.typing import NDArray
from scipy.sparse import csc_array
from tqdm.auto import tqdm

from lens_probes.activations.collect import collect
from lens_probes.activations.derived import keys_of, read_keys
from lens_probes.activations.forward import Reader
from lens_probes.activations.passes import plan_batches
from lens_probes.errors import InputError
from lens_probes.examples.examples import Examples
from lens_probes.model.load import LensModel
from lens_probes.sites import unit_name

Key = tuple[int, str]
_MEMORY_SHARE = 0.8


@dataclass(frozen=True, eq=False)
class RowMeans:
    """Sums over the examples of each row, of all documents and of the first half of them.

    Attributes
    ----------
    sums, first
        For each layer and site [row, unit]: the sum over its examples; of those in the first half.
    n, n_first
        [row] how many examples these are.
    sample
        For each layer and site [example, unit]: a few examples as they are.
    names
        Names of the units of each layer and site.
    """

    sums: dict[Key, Float[np.ndarray, "row unit"]]
    first: dict[Key, Float[np.ndarray, "row unit"]]
    n: Int[np.ndarray, " row"]
    n_first: Int[np.ndarray, " row"]
    sample: dict[Key, Float[np.ndarray, "example unit"]]
    names: dict[Key, tuple[str, ...]]

    @property
    def keys(self) -> list[Key]:
        """Layers and sites, in the order of their units."""
        return list(self.sums)

    @property
    def widths(self) -> tuple[int, ...]:
        """Units of each."""
        return tuple(values.shape[1] for values in self.sums.values())

    def means(self, key: Key, rows: NDArray[np.int64]) -> Float[np.ndarray, "row unit"]:
        """Means of some rows over all documents."""
        found: Float[np.ndarray, "row unit"] = self.sums[key][rows] / self.n[rows, None].astype("f")
        return found

    def half_means(
        self, key: Key, rows: NDArray[np.int64], half: int
    ) -> Float[np.ndarray, "row unit"]:
        """Means of some rows over one half of the documents, in which they must have examples."""
        first = self.first[key][rows]
        sums = first if half == 0 else self.sums[key][rows] - first
        n = self.n_first[rows] if half == 0 else self.n[rows] - self.n_first[rows]
        found: Float[np.ndarray, "row unit"] = sums / n[:, None].astype("f")
        return found


@dataclass(frozen=True, eq=False)
class _Plan:
    """Which examples go into which rows; `place` [example] is that in the sample, or -1."""

    members: csc_array
    inside: NDArray[np.bool_]
    chunk: NDArray[np.int64]
    first_half: NDArray[np.bool_]
    place: NDArray[np.int64]


def read_means(
    model: LensModel,
    examples: Examples,
    members: csc_array,
    inside: NDArray[np.bool_],
    chunk: NDArray[np.int64],
    first_half: NDArray[np.bool_],
    sample: NDArray[np.int64],
    *,
    sites: tuple[str, ...],
    layers: tuple[int, ...],
    batch_size: int | None = None,
    store: str | Path | None = None,
    progress: bool = False,
) -> RowMeans:
    """One pass over the text: sums of the rows `members` [row, example] of every layer and site.

    Parameters
    ----------
    inside
        [row] whether its examples are taken about the mean of their chunk.
    chunk, first_half
        [example] its chunk; whether its document is in the first half.
    sample
        Examples that are kept as they are.
    store
        A folder that keeps all activations: another atlas of the same tokens costs no pass.

    Raises
    ------
    InputError
        Sums that would not fit into memory, or what `collect` refuses.
    """
    asked = keys_of(model, layers, sites)
    widths = {key: model.shapes[key[1]].n_units for key in asked}
    _check_memory(members.shape[0], sum(widths.values()))
    n_rows = members.shape[0]
    means = RowMeans(
        {key: np.zeros((n_rows, width), np.float32) for key, width in widths.items()},
        {key: np.zeros((n_rows, width), np.float32) for key, width in widths.items()},
        np.asarray(members.sum(axis=1), dtype=np.int64),
        np.asarray(members[:, first_half].sum(axis=1), dtype=np.int64),
        {key: np.zeros((len(sample), width), np.float32) for key, width in widths.items()},
        {key: _names(model, key) for key in asked},
    )
    plan = _Plan(members, inside, chunk, first_half, np.full(len(examples), -1))
    place = plan.place
    place[sample] = np.arange(len(sample))
    if store is not None:
        stored = collect(
            model, examples, sites=sites, layers=layers, batch_size=batch_size,
            progress=progress, store=store,
        )  # fmt: skip
        every = np.arange(len(examples))
        for key in asked:
            _add(means, key, stored[key], every, plan)
        return means
    for rows, read in _in_batches(model, examples, asked, batch_size, progress):
        for key in asked:
            _add(means, key, read[key], rows, plan)
    return means


def _names(model: LensModel, key: Key) -> tuple[str, ...]:
    (layer, site), shape = key, model.shapes[key[1]]
    return tuple(unit_name(layer, site, unit, shape) for unit in range(shape.n_units))


def _in_batches(
    model: LensModel,
    examples: Examples,
    asked: tuple[Key, ...],
    batch_size: int | None,
    progress: bool,
) -> Iterator[tuple[NDArray[np.int64], dict[Key, Any]]]:
    """Examples and their activations, a batch at a time."""
    n_units = sum(model.shapes[site].n_units for _, site in read_keys(model, asked))
    reader = Reader(model, asked)
    bar = tqdm(total=len(examples), desc="forward passes", unit="example", disable=not progress)
    with bar:
        for batch in plan_batches(examples, batch_size=batch_size, n_units=n_units):
            yield batch.rows, reader.read(batch)
            bar.update(len(batch.rows))


def _add(
    means: RowMeans,
    key: Key,
    values: NDArray[Any],
    examples: NDArray[np.int64],
    plan: _Plan,
) -> None:
    """Add activations [example, unit] of some examples, whole chunks of them, to their rows."""
    part = plan.members[:, examples].tocsr()
    used = np.diff(part.indptr) > 0
    first = plan.first_half[examples]
    for inside in (False, True):
        touched = np.flatnonzero(used & (plan.inside == inside))
        if not len(touched):
            continue
        about = _about_chunk(values, plan.chunk[examples]) if inside else values
        means.sums[key][touched] += part[touched] @ about
        if first.any():
            means.first[key][touched] += part[touched][:, first] @ about[first]
    kept = plan.place[examples] >= 0
    means.sample[key][plan.place[examples[kept]]] = values[kept]


def _about_chunk(values: NDArray[Any], chunk: NDArray[np.int64]) -> NDArray[Any]:
    """Values [example, unit] less the mean of their chunk."""
    about = np.empty_like(values)
    for one in np.unique(chunk):
        here = chunk == one
        about[here] = values[here] - values[here].mean(axis=0)
    return about


def _check_memory(n_rows: int, n_units: int) -> None:
    size, free = 2 * 4 * n_rows * n_units, psutil.virtual_memory().available
    if size > _MEMORY_SHARE * free:
        raise InputError(
            f"means of {n_rows:,} rows x {n_units:,} units need {size / 2**30:.1f} GiB and "
            f"{free / 2**30:.1f} GiB are free: ask for fewer layers, sites or properties."
        )
