"""Activations: Examples -> [example, unit] per layer and site, through TransformerLens caches."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import psutil
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from tqdm.auto import tqdm
from transformer_lens.model_bridge.exceptions import StopAtLayerException

from lens_probes.errors import InputError
from lens_probes.examples import Examples
from lens_probes.model import LensModel
from lens_probes.sites import SITES, SiteShape, check_layers, check_sites

log = logging.getLogger(__name__)

TOKENS_PER_BATCH = 1536
_CACHE_BYTES = 2**28
_MEMORY_SHARE = 0.8


@dataclass(frozen=True)
class Activations:
    """Float32 arrays [example, unit], one for each layer and site, in the order of the examples.

    `tokens_computed` went through the model for them: windows that several examples share are run
    once.
    """

    arrays: Mapping[tuple[int, str], Float[np.ndarray, "example unit"]]
    shapes: Mapping[str, SiteShape]
    tokens_computed: int = 0

    def __getitem__(self, key: tuple[int, str]) -> Float[np.ndarray, "example unit"]:
        return self.arrays[key]

    def __iter__(self) -> Iterator[tuple[int, str]]:
        return iter(self.arrays)

    def __len__(self) -> int:
        return len(self.arrays)


def collect(
    model: LensModel,
    examples: Examples,
    *,
    sites: Iterable[str],
    layers: Iterable[int] | int | None = None,
    batch_size: int | None = None,
    progress: bool = False,
) -> Activations:
    """Read every unit of some sites and layers at the target of every example.

    The model is causal, so each window is cut after the token that is read, and only the positions
    that are read are kept. Examples with the same window share one pass (several targets of a
    sentence or of a chunk of a document). Windows of equal length go together: there is no
    padding. The forward pass stops after the last layer asked for and never reaches the
    unembedding.

    Parameters
    ----------
    batch_size
        Windows in one forward pass; by default about 1,500 tokens' worth.

    Raises
    ------
    InputError
        A site or layer the model lacks, token ids or window lengths outside the model's, or arrays
        that would not fit into memory (with what would).
    """
    names = check_sites(sites, model.shapes)
    wanted = check_layers(layers, model.n_layers)
    if batch_size is not None and batch_size < 1:
        raise InputError(f"batch_size must be 1 or more; got {batch_size}.")
    _check_tokens(model, examples)
    _check_memory(examples, names, wanted, model.shapes)
    n = len(examples)
    arrays = {
        (layer, site): np.empty((n, model.shapes[site].n_units), np.float32)
        for layer in wanted
        for site in names
    }
    n_units = len(wanted) * sum(model.shapes[site].n_units for site in names)
    passes = _passes(examples)
    with tqdm(total=n, desc="forward passes", unit="example", disable=not progress) as bar:
        for batch in _batches(passes, batch_size, n_units):
            rows, values = _read(model, examples, batch, list(arrays))
            for key, read in values.items():
                arrays[key][rows] = read
            bar.update(len(rows))
    shapes = {site: model.shapes[site] for site in names}
    return Activations(arrays, shapes, sum(one.length for one in passes))


def read_all_positions(
    model: LensModel, tokens: Int[np.ndarray, "example position"], layer: int, site: str
) -> Float[np.ndarray, "example position unit"]:
    """Activations of sequences of equal length at every position, for one layer and site."""
    batch = torch.from_numpy(np.asarray(tokens, np.int64)).to(model.device)
    values = _run(model, batch, [(layer, site)], np.arange(batch.shape[1]))[layer, site]
    return values.flatten(2).float().cpu().numpy()


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
    return [
        _Pass(
            np.array(rows), int(examples.position[rows].max()) + 1, int(examples.spans[rows].sum())
        )
        for rows in shared.values()
    ]


def _batches(passes: list[_Pass], batch_size: int | None, n_units: int) -> Iterator[list[_Pass]]:
    """Passes of equal length together, longest first (memory is at its peak at once)."""
    for length in sorted({one.length for one in passes}, reverse=True):
        same = [one for one in passes if one.length == length]
        most = max(1, _CACHE_BYTES // (4 * n_units * max(one.reads for one in same)))
        size = batch_size or max(1, min(TOKENS_PER_BATCH // length, most))
        for start in range(0, len(same), size):
            yield same[start : start + size]


def _read(
    model: LensModel, examples: Examples, batch: list[_Pass], keys: list[tuple[int, str]]
) -> tuple[NDArray[np.int64], dict[tuple[int, str], Float[np.ndarray, "example unit"]]]:
    """Rows of the examples of some passes, and their activations for each layer and site."""
    length = batch[0].length
    tokens = np.stack([examples.tokens[one.rows[0], :length] for one in batch])
    rows = np.concatenate([one.rows for one in batch])
    sequence = np.repeat(np.arange(len(batch)), [len(one.rows) for one in batch])
    spans = examples.spans[rows]
    # One entry for each position that is read: an example that is averaged has several.
    owner = np.repeat(np.arange(len(rows)), spans)
    back = np.arange(len(owner)) - np.repeat(np.cumsum(spans) - spans, spans)
    where = examples.position[rows][owner] - back
    positions, at = np.unique(where, return_inverse=True)
    cache = _run(model, torch.from_numpy(tokens).to(model.device), keys, positions)
    starts = np.cumsum(spans) - spans
    values = {}
    for key, cached in cache.items():
        read = cached.flatten(2).float().cpu().numpy()[sequence[owner], at]
        values[key] = (
            read
            if len(owner) == len(rows)
            else (np.add.reduceat(read, starts, axis=0) / spans[:, None])
        )
    return rows, values


def _run(
    model: LensModel,
    tokens: torch.Tensor,
    keys: list[tuple[int, str]],
    positions: NDArray[np.int64],
) -> dict[tuple[int, str], torch.Tensor]:
    """One forward pass: exactly the hooks asked for, checked that all came back as declared."""
    hooks = {(layer, site): SITES[site].hook_name(layer) for layer, site in keys}
    stop = max(layer for layer, _ in keys) + 1
    with torch.inference_mode(), _no_unembedding(model, stop):
        _, cache = model.run_with_cache(
            tokens,
            names_filter=list(hooks.values()),
            pos_slice=positions.tolist(),
            stop_at_layer=stop,
            return_type=None,
        )
    for (_, site), hook in hooks.items():
        shape = model.shapes[site]
        axes = (shape.d,) if shape.heads is None else (shape.heads, shape.d)
        want = (len(tokens), len(positions), *axes)
        got = tuple(cache[hook].shape) if hook in cache else None
        if got != want:
            raise RuntimeError(f"{hook}: asked for {want}, the cache holds {got}")
    return {key: cache[hook] for key, hook in hooks.items()}


@contextlib.contextmanager
def _no_unembedding(model: LensModel, stop: int) -> Iterator[None]:
    """Stop a bridge before its final norm; its `stop_at_layer` cannot stop after the last block."""
    if stop < model.n_layers or not hasattr(model.tl, "original_model"):
        yield
        return

    def halt(tensor: torch.Tensor, hook: object) -> None:
        raise StopAtLayerException(tensor)

    with model.tl.hooks(fwd_hooks=[("ln_final.hook_in", halt)]):
        yield


def _check_tokens(model: LensModel, examples: Examples) -> None:
    n_ctx, n_vocab = int(model.cfg.n_ctx), int(model.cfg.d_vocab)
    longest = int(examples.position.max()) + 1
    if longest > n_ctx:
        raise InputError(
            f"an example has {longest} tokens up to its target, the model takes {n_ctx}: shorten "
            "the windows."
        )
    highest = int(examples.tokens.max())
    if highest >= n_vocab:
        raise InputError(
            f"token id {highest} is outside the model's vocabulary (0 to {n_vocab - 1}): were the "
            "examples made with this model's tokenizer?"
        )


def _check_memory(
    examples: Examples,
    sites: tuple[str, ...],
    layers: tuple[int, ...],
    shapes: Mapping[str, SiteShape],
) -> None:
    n_units = len(layers) * sum(shapes[site].n_units for site in sites)
    size = len(examples) * n_units * 4
    free = psutil.virtual_memory().available
    log.info(
        "activations: %d examples x %d units (%d layers, %s) = %.0f MiB; %.0f MiB of memory free",
        len(examples), n_units, len(layers), ", ".join(sites), size / 2**20, free / 2**20,
    )  # fmt: skip
    if size > _MEMORY_SHARE * free:
        fit = max(1, int(len(layers) * _MEMORY_SHARE * free / size))
        raise InputError(
            f"{len(examples)} examples x {n_units} units need {size / 2**30:.1f} GiB and "
            f"{free / 2**30:.1f} GiB are free: about {fit} of the {len(layers)} layers at a time "
            "would fit, or fewer examples or sites."
        )
