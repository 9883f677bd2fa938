"""Digests of what a model computes: its weights, its configuration; and whether hooks change it.

They are taken anew at every call, since weights can be changed in place. A name, a path or a device
is in none of them: the same model gives the same digests in another process and from another place.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from lens_probes.model.offload import whole_weight
from lens_probes.storage.integrity import sha256_of

_NOT_COMPUTED = frozenset({
    "model_name", "tokenizer_name", "_name_or_path", "device", "n_devices", "n_params", "seed",
    "init_mode", "init_weights", "initializer_range", "trust_remote_code", "transformers_version",
    "default_prepend_bos", "default_padding_side", "tokenizer_prepends_bos",
    "tokenizer_appends_eos", "id2label", "label2id", "use_cache", "return_dict",
    "output_attentions", "output_hidden_states",
})  # fmt: skip
# The last one brings weights (`offload`), and has no hooks of its own between passes.
_LIBRARIES = ("transformer_lens", "transformers", "torch", "accelerate", "lens_probes")


def weights_digest(tl: Any) -> str:
    """sha256 over names, types and bytes of all parameters, and of buffers that checkpoints hold.

    A `HookedTransformer`'s buffers are tables that follow from its configuration.
    """
    digest = hashlib.sha256()
    held = _saved_buffers(tl) if hasattr(tl, "original_model") else ()
    for name, tensor in [*sorted(tl.named_parameters()), *sorted(held)]:
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        flat: Any = (
            whole_weight(tl, tensor).detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        )
        digest.update(memoryview(flat.numpy()))
    return digest.hexdigest()


def config_digest(tl: Any) -> str:
    """sha256 over the configuration: what equal weights are multiplied, rotated and normed by.

    All settings but those that are known to change no number, so that an unknown one counts. A
    bridge computes by Hugging Face's configuration as well as by its own.
    """
    settings = {"transformer_lens": vars(tl.cfg)}
    if hasattr(tl, "original_model"):
        settings["hugging_face"] = tl.original_model.config.to_dict()
    canonical = json.dumps(_plain(settings), sort_keys=True, separators=(",", ":"))
    return sha256_of(canonical.encode())


def foreign_hook(tl: Any) -> str | None:
    """Where a hook is that neither TransformerLens nor transformers has put there, if there is one.

    `register_forward_hook` of any part counts, not only TransformerLens's hook points.
    """
    of_all = torch.nn.modules.module
    if of_all._global_forward_hooks or of_all._global_forward_pre_hooks:
        return "all modules"
    for name, point in tl.hook_dict.items():
        if point.fwd_hooks:
            return str(name)
    for name, module in tl.named_modules():
        hooks = [*module._forward_hooks.values(), *module._forward_pre_hooks.values()]
        if any(_module_of(hook).partition(".")[0] not in _LIBRARIES for hook in hooks):
            return str(name).replace("._original_component", "")
    return None


def _saved_buffers(tl: Any) -> Iterator[tuple[str, torch.Tensor]]:
    for path, module in tl.named_modules():
        for name, buffer in module._buffers.items():
            if buffer is not None and name not in module._non_persistent_buffers_set:
                yield f"{path}.{name}", buffer


def _module_of(function: Any) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    return getattr(function, "__module__", None) or type(function).__module__


def _plain(value: Any) -> Any:
    """Settings as JSON has them; what has no value of its own (a function, a class) by its name."""
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items() if name not in _NOT_COMPUTED}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, (set, frozenset)):
        return sorted(map(str, value))
    if value is None or isinstance(value, (bool, int, float, str)):
        return float(value) if isinstance(value, float) else value  # NumPy's float64 is a float
    if isinstance(value, torch.dtype):
        return str(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    if hasattr(value, "to_dict"):
        return _plain(value.to_dict())
    return getattr(value, "__qualname__", type(value).__qualname__)
