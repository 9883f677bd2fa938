"""Passes that start where an ablation starts: at a layer, and after the tokens it cannot change.

A causal model computes nothing before the first ablated token anew: its keys and values are kept,
and only the tokens from there on run again, from the layer of the ablation on, for many ablations
side by side in one batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from transformers import DynamicCache

from lens_probes.ablation.packing import by_copy, can_pack, on_copies, pack, packing_hooks
from lens_probes.ablation.windows import Group
from lens_probes.model.load import LensModel
from lens_probes.model.parts import Hook, ModelParts
from lens_probes.sites import SITES

_CLOSE = {torch.float64: 1e-6, torch.float32: 1e-3, torch.bfloat16: 0.2, torch.float16: 0.1}

Way = Literal["whole", "prefix", "packed"]
KeysValues = list[tuple[torch.Tensor, torch.Tensor]]


@dataclass(frozen=True)
class Start:
    """What some windows need to run again from a token and a layer on.

    Attributes
    ----------
    prefix
        Keys and values [window, ...] of each layer for the tokens before, None where there are
        none: in the form in which the back end appends to them.
    residual
        Layer -> residual stream entering it, [window, position, d_model], from that token on.
    logits
        Of the model left alone, from that token on: [window, position, d_vocab].
    """

    prefix: KeysValues | None
    residual: Mapping[int, Float[torch.Tensor, "window position d_model"]]
    logits: Float[torch.Tensor, "window position d_vocab"]


def start(
    model: LensModel,
    tokens: Int[torch.Tensor, "window position"],
    first: int,
    layers: Iterable[int],
) -> Start:
    """Run windows once: keys and values before token `first`, the stream entering some layers."""
    embedded = _entering_first_block(model, tokens)
    prefix = None
    if first > 0:
        recorder: _Recorder | DynamicCache
        recorder = DynamicCache() if _is_bridge(model) else _Recorder()
        _after(model, recorder).run_from(0, embedded[:, :first], stop_at_layer=model.n_layers)
        prefix = _recorded(recorder)
    residual: dict[int, torch.Tensor] = {}

    def record(layer: int) -> Hook:
        def keep(tensor: torch.Tensor, hook: object) -> None:
            residual[layer] = tensor.clone()

        return SITES["resid_pre"].hook_name(layer), keep

    hooks = [record(layer) for layer in dict.fromkeys(layers)]
    logits = continued(model, prefix).run_from(0, embedded[:, first:], fwd_hooks=hooks)
    return Start(prefix, residual, logits)


def rerun(
    model: LensModel,
    begun: Start,
    layer: int,
    copies: int,
    *,
    fwd_hooks: Sequence[Hook] = (),
    n_positions: int | None = None,
    packed: bool = False,
) -> Float[torch.Tensor, "copy window position d_vocab"]:
    """Logits of copies of the windows, run from `layer` on.

    Parameters
    ----------
    fwd_hooks
        They see rows [copy window, position, ...]: row `copy * n_windows + window`.
    n_positions
        Stop after so many tokens.
    packed
        Copies behind one another instead of in the batch: see `packing`.
    """
    residual = begun.residual[layer][:, :n_positions]
    after = continued(model, begun.prefix)
    if not packed:
        rows = after.run_from(layer, residual.repeat(copies, 1, 1), fwd_hooks=fwd_hooks)
        return rows.view(copies, len(residual), *rows.shape[1:])
    first = 0 if begun.prefix is None else begun.prefix[0][0].shape[1]
    hooks = [on_copies(hook, copies) for hook in fwd_hooks]
    hooks += packing_hooks(model, range(layer, model.n_layers), copies, first)
    return by_copy(after.run_from(layer, pack(residual, copies), fwd_hooks=hooks), copies)


def exact_way(model: LensModel, tokens: Int[torch.Tensor, "window position"]) -> Way:
    """The fastest way to run copies that gives what whole windows give, for this model.

    Measured on some windows: back ends and architectures differ in what they keep, in how they
    number the positions after it, and in which tokens see each other.
    """
    first = tokens.shape[1] // 2
    if first == 0:
        return "whole"
    whole = model.run_with_hooks(tokens, fwd_hooks=[], return_type="logits")[:, first:]
    wanted = whole.float().log_softmax(-1)
    tolerance = _CLOSE.get(model.dtype, 1e-3)

    def close(logits: torch.Tensor) -> bool:
        return bool((logits.float().log_softmax(-1) - wanted).abs().max() <= tolerance)

    try:
        begun = start(model, tokens, first, [0])
        if not close(begun.logits):
            return "whole"
        if can_pack(model) and close(rerun(model, begun, 0, 3, packed=True)):
            return "packed"
        return "prefix"
    except (ValueError, RuntimeError, TypeError, AttributeError, IndexError):
        return "whole"


def way_of(model: LensModel, groups: Sequence[Group]) -> Way:
    """`exact_way` for the longest of some windows."""
    longest = max(groups, key=lambda group: group.tokens.shape[1])
    with torch.inference_mode():
        tokens = torch.from_numpy(longest.tokens[:2].astype(np.int64)).to(model.device)
        return exact_way(model, tokens)


def continued(model: ModelParts, prefix: KeysValues | None) -> ModelParts:
    """The model with kept keys and values in front of whatever it runs, repeated for its rows."""
    if prefix is None:
        return model
    return _after(model, _BridgePrefix(prefix) if _is_bridge(model) else _HookedPrefix(prefix))


def _is_bridge(model: ModelParts) -> bool:
    return hasattr(model.tl, "original_model")


def _after(model: ModelParts, cache: Any) -> ModelParts:
    name = "past_key_values" if _is_bridge(model) else "past_kv_cache"
    return ModelParts(_WithCache(model.tl, {name: cache}))


def _entering_first_block(model: LensModel, tokens: torch.Tensor) -> torch.Tensor:
    hook = SITES["resid_pre"].hook_name(0)
    _, cache = model.run_with_cache(tokens, names_filter=[hook], stop_at_layer=1, return_type=None)
    entering: torch.Tensor = cache[hook]
    return entering


class _WithCache:
    """A TransformerLens model that gets a cache of keys and values with every run."""

    def __init__(self, tl: Any, options: dict[str, Any]) -> None:
        self._tl = tl
        self._options = options

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tl, name)

    def run_with_hooks(self, *args: Any, **kwargs: Any) -> Any:
        return self._tl.run_with_hooks(*args, **kwargs, **self._options)


class _Recorder:
    """Cache of a HookedTransformer, empty at first, that notes what each layer appends."""

    def __init__(self) -> None:
        self.layers: dict[int, _RecorderEntry] = {}

    def __getitem__(self, layer: int) -> _RecorderEntry:
        return self.layers.setdefault(layer, _RecorderEntry())


class _RecorderEntry:
    past_keys = torch.empty(1, 0)

    def append(self, keys: torch.Tensor, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        self.keys, self.values = keys, values
        return keys, values


class _HookedPrefix:
    """Cache of a HookedTransformer that holds a prefix and is not changed by what follows."""

    def __init__(self, prefix: KeysValues) -> None:
        self._entries = [_HookedPrefixEntry(*layer) for layer in prefix]

    def __getitem__(self, layer: int) -> _HookedPrefixEntry:
        return self._entries[layer]


@dataclass(frozen=True)
class _HookedPrefixEntry:
    """Keys and values [window, position, head, d_head] of one layer."""

    past_keys: torch.Tensor
    past_values: torch.Tensor

    def append(self, keys: torch.Tensor, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return _behind(self.past_keys, keys, 1), _behind(self.past_values, values, 1)


class _BridgePrefix(DynamicCache):
    """Cache of a bridge, [window, head, position, d_head], that is not changed by what follows."""

    def __init__(self, prefix: KeysValues) -> None:
        super().__init__()
        for layer, (keys, values) in enumerate(prefix):
            super().update(keys, values, layer)

    def update(
        self,
        key_states: torch.Tensor,
        value_states: torch.Tensor,
        layer_idx: int,
        *args: Any,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        kept: Any = self.layers[layer_idx]
        return _behind(kept.keys, key_states, 2), _behind(kept.values, value_states, 2)


def _behind(prefix: torch.Tensor, new: torch.Tensor, axis: int) -> torch.Tensor:
    """`new` [copy_window, ...] with the prefix [window, ...] of its window in front, on an axis."""
    n_windows, length = prefix.shape[0], prefix.shape[axis]
    shape = list(new.shape)
    shape[axis] += length
    whole = new.new_empty(shape)
    whole.narrow(axis, length, new.shape[axis]).copy_(new)
    copies = whole.view(-1, n_windows, *shape[1:])
    copies.narrow(axis + 1, 0, length).copy_(prefix[None].expand(len(copies), *prefix.shape))
    return whole


def _recorded(recorder: _Recorder | DynamicCache) -> KeysValues:
    if isinstance(recorder, _Recorder):
        return [(entry.keys, entry.values) for _, entry in sorted(recorder.layers.items())]
    layers: Any = recorder.layers
    return [(layer.keys, layer.values) for layer in layers]
