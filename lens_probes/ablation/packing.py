"""Many copies of a window's end in one sequence, so that its prefix is attended to only once.

Copies in a batch each need their own row of the prefix's keys and values, and putting them there
costs as much as the blocks themselves. Behind one another in one sequence they share the row; hooks
keep them from seeing each other and give each the positions it would have alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from lens_probes.model.parts import Hook, ModelParts


def can_pack(model: ModelParts) -> bool:
    """Whether the back end has what packing hooks into: a HookedTransformer has."""
    return not hasattr(model.tl, "original_model")


def pack(values: torch.Tensor, copies: int) -> torch.Tensor:
    """[window, position, ...] -> [window, copy position, ...]."""
    return values.repeat(1, copies, *[1] * (values.ndim - 2))


def by_copy(values: torch.Tensor, copies: int) -> torch.Tensor:
    """[window, copy position, ...] -> [copy, window, position, ...]."""
    n_windows, length = values.shape[:2]
    whole = values.reshape(n_windows, copies, length // copies, *values.shape[2:])
    return whole.transpose(0, 1)


def on_copies(hook: Hook, copies: int) -> Hook:
    """A hook for [copy window, position, ...] as one for what packed sequences give."""
    name, function = hook

    def packed(tensor: torch.Tensor, hook: Any) -> torch.Tensor | None:
        apart = by_copy(tensor, copies)
        changed = function(apart.flatten(0, 1), hook=hook)
        if changed is None:
            return None
        together: torch.Tensor = changed.reshape(apart.shape).transpose(0, 1).reshape(tensor.shape)
        # With one position a copy that is a view, and an ungated MLP takes no other order.
        return together.contiguous()

    return name, packed


def packing_hooks(model: ModelParts, layers: Sequence[int], copies: int, first: int) -> list[Hook]:
    """Hooks that make each copy see the `first` tokens before it and itself, at its positions."""
    hooks: list[Hook] = []
    for layer in layers:
        attention = f"blocks.{layer}.attn"
        hooks.append((f"{attention}.hook_attn_scores", _apart(copies, first)))
        if model.cfg.positional_embedding_type == "rotary":
            turn = _Turn(model.tl.blocks[layer].attn, copies, first)
            hooks += [
                (f"{attention}.hook_q", turn.keep_queries),
                (f"{attention}.hook_k", turn.keep_keys),
                (f"{attention}.hook_rot_q", turn.queries),
                (f"{attention}.hook_rot_k", turn.keys),
            ]
    return hooks


def _apart(copies: int, first: int) -> Any:
    def hook(scores: torch.Tensor, hook: object) -> torch.Tensor:
        length = scores.shape[-2] // copies
        copy = torch.arange(copies, device=scores.device).repeat_interleave(length)
        scores[..., first:].masked_fill_(copy[:, None] != copy, float("-inf"))
        return scores

    return hook


class _Turn:
    """Rotary embedding of queries and keys [window, copy position, head, d_head] of one layer."""

    def __init__(self, attention: Any, copies: int, first: int) -> None:
        self._attention, self._copies, self._first = attention, copies, first

    def keep_queries(self, tensor: torch.Tensor, hook: object) -> None:
        self._queries = tensor

    def keep_keys(self, tensor: torch.Tensor, hook: object) -> None:
        self._keys = tensor

    def queries(self, tensor: torch.Tensor, hook: object) -> torch.Tensor:
        return self._turned(self._queries)

    def keys(self, tensor: torch.Tensor, hook: object) -> torch.Tensor:
        tensor[:, self._first :] = self._turned(self._keys)
        return tensor

    def _turned(self, values: torch.Tensor) -> torch.Tensor:
        n_windows, length = values.shape[:2]
        alone = values.reshape(n_windows * self._copies, length // self._copies, *values.shape[2:])
        turned: torch.Tensor = self._attention.apply_rotary(alone, self._first)
        return turned.reshape(values.shape)
