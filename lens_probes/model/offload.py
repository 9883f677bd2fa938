"""Weights that are not on the device that computes: on disk or in other memory, block by block.

accelerate brings the weights of each smallest module when that module runs. A bridge has components
of its own that read weights before, so here a whole block's are brought when the block begins, and
are gone when it ends.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch

from lens_probes.errors import InputError, unknown
from lens_probes.model.options import DeviceMap
from lens_probes.model.raw_hooks import blocks_of

_NAME = "_lens_probes_offloaded"


@dataclass(frozen=True)
class _Weight:
    """One weight of a module: where it is kept, and what stands for it meanwhile."""

    module: Any
    name: str
    kept: Any
    device: Any
    stand_in: torch.nn.Parameter

    def fetch(self) -> torch.nn.Parameter:
        value = self.kept[self.name].to(self.device, self.stand_in.dtype, copy=True)
        return torch.nn.Parameter(value, requires_grad=False)


@dataclass
class Offloaded:
    """The weights of each block that are elsewhere, and how many blocks' are here just now."""

    blocks: dict[int, list[_Weight]] = field(default_factory=dict)
    here: dict[int, int] = field(default_factory=dict)

    @contextlib.contextmanager
    def block(self, layer: int) -> Iterator[None]:
        """The weights of a block, as long as it is needed."""
        self.bring(layer)
        try:
            yield
        finally:
            self.drop(layer)

    def bring(self, layer: int) -> None:
        """Load the weights of a block, unless they are here."""
        if not self.here.get(layer):
            for one in self.blocks.get(layer, ()):
                one.module._parameters[one.name] = one.fetch()
        self.here[layer] = self.here.get(layer, 0) + 1

    def drop(self, layer: int) -> None:
        """Let go of the weights of a block once nobody needs them."""
        self.here[layer] -= 1
        if not self.here[layer]:
            for one in self.blocks.get(layer, ()):
                one.module._parameters[one.name] = one.stand_in


def loading_map(device_map: DeviceMap) -> DeviceMap:
    """The map to load by: all on disk, where a map has parts in memory and parts on disk.

    What transformers leaves in memory holds on to the file, with every page that was looked at; so
    what is to be in memory is read afterwards.
    """
    if isinstance(device_map, str) or set(device_map.values()) != {"cpu", "disk"}:
        return device_map
    return {"": "disk"}


def check_parts(hf: Any, device_map: DeviceMap | None) -> None:
    """Refuse a map that names a part which the model has not."""
    if device_map is None or isinstance(device_map, str):
        return
    parts = {*dict(hf.named_modules()), *dict(hf.named_parameters())}
    for name in device_map:
        if name not in parts:
            raise unknown("part of the model in device_map", name, dict(hf.named_children()))


def _place(path: str, device_map: DeviceMap) -> object:
    """Where a module of this path belongs: what the longest part of it says in a map."""
    assert not isinstance(device_map, str)
    of_path = [name for name in device_map if f"{path}.".startswith(f"{name}." if name else "")]
    return device_map[max(of_path, key=len)] if of_path else "cpu"


def take_over(hf: Any, device_map: DeviceMap) -> Offloaded | None:
    """Take accelerate's hooks off a Hugging Face model whose weights are not all on a device.

    What is elsewhere and in no block (embedding, head) is brought, to stay, as is what a map of
    `loading_map` says is in memory. None where all weights are on devices: accelerate's hooks then
    only move activations, and stay.
    """
    from accelerate.hooks import remove_hook_from_submodules  # noqa: PLC0415  (an extra)

    layer_of = {
        part: layer for layer, block in enumerate(blocks_of(hf)) for part in block.modules()
    }
    found = Offloaded()
    rest: list[_Weight] = []
    for path, module in hf.named_modules():
        stays = loading_map(device_map) != device_map and _place(path, device_map) != "disk"
        for hook in _hooks(module):
            if not getattr(hook, "offload", False):
                continue
            for name, parameter in module.named_parameters(recurse=False):
                device = hook.execution_device
                one = _Weight(module, name, hook.weights_map, device, parameter)
                layer = None if stays else layer_of.get(module)
                (rest if layer is None else found.blocks.setdefault(layer, [])).append(one)
    if not found.blocks and not rest:
        return None
    remove_hook_from_submodules(hf)
    for one in rest:
        one.module._parameters[one.name] = one.fetch()
    hf.tie_weights()
    del hf.hf_device_map  # the bridge would refuse it
    return found


def bring_by_block(tl: Any, offloaded: Offloaded) -> None:
    """Have each block of a bridge bring its weights when it runs.

    Raises
    ------
    InputError
        An architecture whose bridge makes other weights of those (it takes q, k and v out of one).
    """
    known = {id(one.stand_in) for of_block in offloaded.blocks.values() for one in of_block}
    for name, parameter in tl.named_parameters():
        if parameter.is_meta and id(parameter) not in known:
            raise InputError(
                f"this model cannot be kept on disk or in other memory: its bridge makes "
                f"{name.replace('._original_component', '')} out of other weights; load it whole."
            )
    object.__setattr__(tl, _NAME, offloaded)
    for layer in offloaded.blocks:
        block = tl.blocks[layer]
        block.register_forward_pre_hook(functools.partial(_bring, offloaded, layer))
        block.register_forward_hook(functools.partial(_drop, offloaded, layer), always_call=True)


def _bring(offloaded: Offloaded, layer: int, *_: Any) -> None:
    offloaded.bring(layer)


def _drop(offloaded: Offloaded, layer: int, *_: Any) -> None:
    offloaded.drop(layer)


def is_offloaded(tl: Any) -> bool:
    """Whether weights of a model are brought when they are needed."""
    return _NAME in vars(tl)


@contextlib.contextmanager
def block_here(tl: Any, layer: int) -> Iterator[Any]:
    """A block of a model, with its weights."""
    offloaded = vars(tl).get(_NAME)
    with contextlib.nullcontext() if offloaded is None else offloaded.block(layer):
        yield tl.blocks[layer]


def whole_weight(tl: Any, parameter: torch.Tensor) -> torch.Tensor:
    """A weight as it is, wherever it is kept."""
    if not parameter.is_meta or not is_offloaded(tl):
        return parameter
    for of_block in vars(tl)[_NAME].blocks.values():
        for one in of_block:
            if one.stand_in is parameter:
                found: torch.Tensor = one.fetch()
                return found
    return parameter


def _hooks(module: Any) -> list[Any]:
    hook = getattr(module, "_hf_hook", None)
    return list(getattr(hook, "hooks", [hook])) if hook is not None else []
