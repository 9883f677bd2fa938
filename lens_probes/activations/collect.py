"""Activations: Examples -> [example, unit] per layer and site, through TransformerLens caches."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from jaxtyping import Bool, Float, Int
from tqdm.auto import tqdm

from lens_probes.activations.derived import derived, keys_of, read_keys
from lens_probes.activations.forward import Reader, run_hooks
from lens_probes.activations.passes import TOKENS_PER_BATCH as TOKENS_PER_BATCH
from lens_probes.activations.passes import plan_batches, plan_shards
from lens_probes.activations.shard_file import STORE_DTYPES, StoreDtype, stored_type
from lens_probes.activations.store import Stock
from lens_probes.activations.workers import fill, made_from
from lens_probes.errors import InputError, at_least, choice, flag, given_as, place_of, shown
from lens_probes.examples.examples import Examples
from lens_probes.examples.notes import refuse_padding
from lens_probes.model.load import LensModel
from lens_probes.model.own_sites import with_sites
from lens_probes.model.wrap import Model, check_model
from lens_probes.sites import Site, SiteShape, check_layers, unit_name
from lens_probes.storage.paths import user_path

log = logging.getLogger(__name__)

_MEMORY_SHARE = 0.8


@dataclass(frozen=True)
class Activations:
    """Float32 arrays [example, unit], one for each layer and site, in the order of the examples.

    `tokens_computed` went through the model for them: windows that several examples share are run
    once. `names` are those of units that were given with their activations (`given_activations`).
    """

    arrays: Mapping[tuple[int, str], Float[np.ndarray, "example unit"]]
    shapes: Mapping[str, SiteShape]
    tokens_computed: int = 0
    names: Mapping[tuple[int, str], tuple[str, ...]] | None = None

    def __getitem__(self, key: tuple[int, str]) -> Float[np.ndarray, "example unit"]:
        return self.arrays[key]

    def __iter__(self) -> Iterator[tuple[int, str]]:
        return iter(self.arrays)

    def __len__(self) -> int:
        return len(self.arrays)

    def some(self, rows: Bool[np.ndarray, " example"] | Int[np.ndarray, " row"]) -> Activations:
        """The same layers and sites, of some examples (or indices); cut when asked for."""
        return Activations(_SomeRows(self.arrays, rows), self.shapes, names=self.names)

    def unit_names(self, key: tuple[int, str]) -> tuple[str, ...]:
        """[unit] names of the units of one layer and site."""
        if self.names is not None:
            return self.names[key]
        (layer, site), shape = key, self.shapes[key[1]]
        return tuple(unit_name(layer, site, unit, shape) for unit in range(shape.n_units))

    def n_units(self, key: tuple[int, str]) -> int:
        """Units of one layer and site."""
        return self.shapes[key[1]].n_units if self.names is None else len(self.names[key])


@dataclass(frozen=True, eq=False)
class _SomeRows(Mapping[tuple[int, str], Float[np.ndarray, "example unit"]]):
    arrays: Mapping[tuple[int, str], Float[np.ndarray, "example unit"]]
    rows: Bool[np.ndarray, " example"] | Int[np.ndarray, " row"]

    def __getitem__(self, key: tuple[int, str]) -> Float[np.ndarray, "example unit"]:
        chosen: Float[np.ndarray, "example unit"] = self.arrays[key][self.rows]
        return chosen

    def __iter__(self) -> Iterator[tuple[int, str]]:
        return iter(self.arrays)

    def __len__(self) -> int:
        return len(self.arrays)


def collect(
    model: Model,
    examples: Examples,
    *,
    sites: Iterable[str | Site],
    layers: Iterable[int] | int | None = None,
    batch_size: int | None = None,
    progress: bool = False,
    store: str | Path | None = None,
    store_dtype: StoreDtype = "float32",
    executor: Executor | None = None,
) -> Activations:
    """Read every unit of some sites and layers at the target of every example.

    The model is causal, so each window is cut after the token that is read, and only the positions
    that are read are kept. Examples with the same window share one pass (several targets of a
    sentence or of a chunk of a document). Windows of equal length go together: there is no
    padding. The forward pass stops after the last layer asked for and never reaches the
    unembedding.

    With a store, the numbers are kept on disk in shards: a run that was stopped goes on where it
    was, the same tokens under other labels cost nothing, and arrays are read back one at a time.
    The numbers are the same to the bit with and without store, stopped or not, and from workers
    that compute as this process does.

    Parameters
    ----------
    model
        Of `load_model`, or a model in memory (`wrap_model`).
    examples
        What is read: windows and positions.
    sites
        Names of `SITES`, hooks of TransformerLens (`"attn.hook_result"`), sites of one's own
        (`Site.from_function`); a store keeps what these are computed from.
    batch_size
        Windows in one forward pass; by default about 1,500 tokens' worth. Halved where the device
        runs out of memory.
    store
        Folder of the activation store, made if absent.
    store_dtype
        What numbers are stored in: `"float16"` (rounds by 5e-4 of a number at most) and
        `"bfloat16"` (4e-3) take half the disk; `"model"` is the model's own type, which loses
        nothing of a model in half precision. They come back in float32.
    executor
        Who works on the shards (`lens_probes.activations.executors.open_executor`); needs a store.
    layers
        Layer indices, None for all.
    progress
        A bar on standard error.

    Raises
    ------
    InputError
        A site or layer the model lacks, token ids or window lengths outside the model's, or arrays
        that would not fit into memory (with what would); with a store also no room on the disk,
        another run at work in the same folder, a number beyond float16, or shards that failed.
    """
    model, names = with_sites(check_model(model), sites)
    given_as("examples", examples, Examples, "Examples (a probe's, or Examples.from_tokens)")
    wanted = check_layers(layers, model.n_layers)
    check_work(batch_size, progress, store, executor, store_dtype)
    check_tokens(model, examples)
    asked = keys_of(model, wanted, names)
    keys = read_keys(model, asked)
    n_units = sum(model.shapes[site].n_units for _, site in keys)
    batches = plan_batches(examples, batch_size=batch_size, n_units=n_units)
    n_tokens = sum(batch.tokens.size for batch in batches)
    shapes = {site: model.shapes[site] for site in names}
    with tqdm(
        total=len(examples), desc="forward passes", unit="example", disable=not progress
    ) as bar:
        if store is not None:
            root = user_path(store).absolute()
            shards = plan_shards(batches, n_units)
            stored_in = stored_type(store_dtype, model.provenance["dtype"])
            stock = Stock(root, made_from(model), shards, keys, n_units, stored_in)
            stored = fill(stock, model, executor, bar)
            return Activations(derived(model, asked, stored, kept=False), shapes, n_tokens)
        check_memory(len(examples), wanted, shapes | {s: model.shapes[s] for _, s in keys})
        arrays = {
            (layer, site): np.empty((len(examples), model.shapes[site].n_units), np.float32)
            for layer, site in keys
        }
        reader = Reader(model, keys)
        for batch in batches:
            for key, read in reader.read(batch).items():
                arrays[key][batch.rows] = read
            bar.update(len(batch.rows))
    return Activations(derived(model, asked, arrays, kept=True), shapes, n_tokens)


def check_work(
    batch_size: Any, progress: Any, store: Any, executor: Any, store_dtype: Any = "float32"
) -> None:
    """Check who computes activations, in what portions, and where they are kept.

    Raises
    ------
    InputError
        Something of another kind, or workers without a store.
    """
    if batch_size is not None:
        at_least(1, batch_size=batch_size)
    flag("progress", progress)
    if store is not None:
        place_of("store", store)
    choice("store_dtype", store_dtype, STORE_DTYPES)
    if store is None and store_dtype != "float32":
        raise InputError("store_dtype is of the activation store: give a store with it.")
    if executor is not None and not callable(getattr(executor, "submit", None)):
        raise InputError(
            f"executor must have submit(), as concurrent.futures has; got {shown(executor)}: see "
            "lens_probes.activations.executors.open_executor."
        )
    if executor is not None and store is None:
        raise InputError("workers hand over activations as files: give a store with the executor.")


def read_all_positions(
    model: LensModel, tokens: Int[np.ndarray, "example position"], layer: int, site: str
) -> Float[np.ndarray, "example position unit"]:
    """Activations of sequences of equal length at every position, for one layer and site."""
    batch = torch.from_numpy(np.asarray(tokens, np.int64)).to(model.device)
    values = run_hooks(model, batch, [(layer, site)], np.arange(batch.shape[1]))[layer, site]
    return values.flatten(2).float().cpu().numpy()


def check_tokens(model: LensModel, examples: Examples) -> None:
    """An error for tokens or windows that the model does not take."""
    if not examples.knows_tokens:
        raise InputError("these examples are labels alone, without tokens: sweep_activations.")
    n_ctx = int(model.cfg.n_ctx)
    longest = int(examples.position.max()) + 1
    if longest > n_ctx:
        raise InputError(
            f"an example has {longest} tokens up to its target, the model takes {n_ctx}: shorten "
            "the windows."
        )
    check_known(model, int(examples.tokens.max()), "the examples")
    refuse_padding(examples, model.tokenizer)


def check_known(model: LensModel, highest: int, what: str) -> None:
    """An error for a token id that the model has no embedding of."""
    n_vocab = int(model.cfg.d_vocab)
    if highest >= n_vocab:
        raise InputError(
            f"token id {highest} is outside the model's vocabulary (0 to {n_vocab - 1}): were "
            f"{what} made with this model's tokenizer?"
        )


def check_memory(n_examples: int, layers: Sequence[int], shapes: Mapping[str, SiteShape]) -> None:
    """Refuse arrays of all these layers and sites that would not fit into memory together.

    Raises
    ------
    InputError
        With what would fit.
    """
    n_units = len(layers) * sum(shape.n_units for shape in shapes.values())
    size = n_examples * n_units * 4
    free = psutil.virtual_memory().available
    log.info(
        "activations: %d examples x %d units (%d layers, %s) = %.0f MiB; %.0f MiB of memory free",
        n_examples, n_units, len(layers), ", ".join(shapes), size / 2**20, free / 2**20,
    )  # fmt: skip
    if size > _MEMORY_SHARE * free:
        fit = max(1, int(len(layers) * _MEMORY_SHARE * free / size))
        raise InputError(
            f"{n_examples} examples x {n_units} units need {size / 2**30:.1f} GiB and "
            f"{free / 2**30:.1f} GiB are free: about {fit} of the {len(layers)} layers at a time "
            "would fit, or fewer examples or sites."
        )
