"""Forward passes: a batch of windows through the model, only what is asked for kept."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray

from lens_probes.activations.derived import read_keys
from lens_probes.activations.passes import Batch
from lens_probes.activations.shard_folder import Key
from lens_probes.errors import InputError
from lens_probes.model.load import LensModel
from lens_probes.model.own_sites import apply_site
from lens_probes.model.state import ending_after

log = logging.getLogger(__name__)


class Reader:
    """Reads some layers and sites of one model, in batches that fit on its device.

    What did not fit once is not tried again: `max_tokens` is the most that a batch may have.
    """

    def __init__(self, model: LensModel, keys: Iterable[Key]) -> None:
        self.model = model
        self.keys = tuple(keys)
        self.max_tokens: int | None = None
        with model.computing():
            _lay_out_weights(model)

    def read(self, batch: Batch) -> dict[Key, Float[np.ndarray, "example unit"]]:
        """Activations of the examples of a batch, in its order.

        Raises
        ------
        InputError
            Not even one window fits into the device's memory.
        """
        n, length = batch.tokens.shape
        if self.max_tokens is None or n * length <= self.max_tokens or n == 1:
            try:
                return self._read(batch)
            except RuntimeError as error:
                if not _is_out_of_memory(error):
                    raise
                if n == 1:
                    raise InputError(
                        f"one window of {length} tokens does not fit into the memory of "
                        f"{self.model.device}: ask for shorter windows or fewer sites or layers, "
                        "or load the model in bfloat16."
                    ) from error
                self.max_tokens = n // 2 * length
                log.warning(
                    "out of memory with %d windows of %d tokens in a batch: %d from here on",
                    n, length, n // 2,
                )  # fmt: skip
            _free_cached_memory(self.model.device)
        most = max(1, (self.max_tokens or 0) // length)
        parts = [batch.part(at, at + most) for at in range(0, n, most)]
        read = [self.read(part) for part in parts]
        return {key: np.concatenate([one[key] for one in read]) for key in self.keys}

    def _read(self, batch: Batch) -> dict[Key, Float[np.ndarray, "example unit"]]:
        # One entry for each position that is read: an example that is averaged has several.
        spans = batch.span
        owner = np.repeat(np.arange(len(spans)), spans)
        starts = np.cumsum(spans) - spans
        back = np.arange(len(owner)) - np.repeat(starts, spans)
        positions, at = np.unique(batch.position[owner] - back, return_inverse=True)
        tokens = torch.from_numpy(batch.tokens).to(self.model.device)
        cache = run_hooks(self.model, tokens, self.keys, positions)
        window = torch.from_numpy(batch.window[owner]).to(self.model.device)
        column = torch.from_numpy(at).to(self.model.device)
        values = {}
        for key in self.keys:
            read = cache.pop(key).flatten(2)[window, column].float().cpu().numpy()
            averaged = len(owner) != len(spans)
            values[key] = (
                np.add.reduceat(read, starts, axis=0) / spans[:, None] if averaged else read
            )
        return values


def _lay_out_weights(model: LensModel) -> None:
    """Keep HookedTransformer's weights in the order in memory in which it multiplies by them.

    It brings these into that order anew at every pass otherwise: a tenth of the time. Values,
    shapes and results stay the same to the bit. A bridge has Hugging Face's own weights.
    """
    for block in model.tl.blocks:
        attention, mlp = getattr(block, "attn", None), getattr(block, "mlp", None)
        _order_in_memory(attention, "W_Q", (0, 2, 1))
        _order_in_memory(attention, "W_O", (2, 0, 1))
        if "W_gate" in getattr(mlp, "_parameters", ()):
            for name in ("W_gate", "W_in", "W_out"):
                _order_in_memory(mlp, name, (1, 0))


def _order_in_memory(module: torch.nn.Module | None, name: str, order: tuple[int, ...]) -> None:
    """Lay a weight out so that its axes in this order are contiguous."""
    weight = None if module is None else module._parameters.get(name)
    if weight is not None and weight.ndim == len(order):
        back = [order.index(axis) for axis in range(len(order))]
        weight.data = weight.data.permute(order).contiguous().permute(back)


def _is_out_of_memory(error: RuntimeError) -> bool:
    """CUDA has a class for it; the allocator of the CPU only says so."""
    return isinstance(error, torch.cuda.OutOfMemoryError) or "allocate memory" in str(error)


def _free_cached_memory(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.empty_cache()


def run_hooks(
    model: LensModel,
    tokens: torch.Tensor,
    keys: Iterable[Key],
    positions: NDArray[np.int64],
) -> dict[Key, torch.Tensor]:
    """One forward pass: exactly the hooks asked for, checked that all came back as declared.

    Functions of a site are computed from it.
    """
    asked = tuple(keys)
    hooks = {
        (layer, site): model.site(site).hook_name(layer) for layer, site in read_keys(model, asked)
    }
    stop = max(layer for layer, _ in hooks) + 1
    with contextlib.ExitStack() as stack:
        stack.enter_context(model.computing(gradients=False))
        if stop == model.n_layers and hasattr(model.tl, "original_model"):
            stack.enter_context(ending_after(model.tl, stop - 1))
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
    found = {key: cache[hook] for key, hook in hooks.items()}
    return {key: _units_of(model, key, found) for key in asked}


def _units_of(model: LensModel, key: Key, found: dict[Key, torch.Tensor]) -> torch.Tensor:
    """[window, position, (head,) unit] of a site that was read, or of a function of it."""
    layer, name = key
    site = model.site(name)
    if not site.base:
        return found[key]
    read = found[layer, site.base]
    rows = read.flatten(2).flatten(0, 1).float().cpu().numpy()
    units = torch.from_numpy(apply_site(site, rows)).to(read.device)
    return units.reshape(*read.shape[:2], -1)
