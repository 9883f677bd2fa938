"""The same ablations in raw Hugging Face models, by PyTorch hooks on their own modules."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM

Change = Callable[[torch.Tensor], torch.Tensor]

# architecture -> blocks; site -> (module in a block, whether its input or its output is the site)
BLOCKS = {"gpt2": "transformer.h", "gpt_neo": "transformer.h", "llama": "model.layers",
          "pythia": "gpt_neox.layers"}  # fmt: skip
MODULES: dict[str, dict[str, tuple[str, bool]]] = {
    "gpt2": {"mlp_pre": ("mlp.c_fc", False), "mlp_post": ("mlp.c_proj", True),
             "mlp_out": ("mlp", False), "attn_out": ("attn", False), "z": ("attn.c_proj", True),
             "resid_pre": ("", True)},
    "gpt_neo": {"mlp_pre": ("mlp.c_fc", False), "mlp_post": ("mlp.c_proj", True),
                "mlp_out": ("mlp", False), "attn_out": ("attn.attention.out_proj", False),
                "q": ("attn.attention.q_proj", False), "k": ("attn.attention.k_proj", False),
                "v": ("attn.attention.v_proj", False), "z": ("attn.attention.out_proj", True)},
    "llama": {"mlp_pre": ("mlp.gate_proj", False), "mlp_pre_linear": ("mlp.up_proj", False),
              "mlp_post": ("mlp.down_proj", True), "mlp_out": ("mlp", False),
              "attn_out": ("self_attn", False), "q": ("self_attn.q_proj", False),
              "k": ("self_attn.k_proj", False), "v": ("self_attn.v_proj", False),
              "z": ("self_attn.o_proj", True), "resid_pre": ("", True)},
    "pythia": {"mlp_pre": ("mlp.dense_h_to_4h", False), "mlp_post": ("mlp.dense_4h_to_h", True),
               "mlp_out": ("mlp", False), "attn_out": ("attention.dense", False),
               "z": ("attention.dense", True), "resid_pre": ("", True)},
}  # fmt: skip


def raw_model(folder: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").eval()


@contextlib.contextmanager
def changed(model: Any, architecture: str, layer: int, site: str, change: Change) -> Iterator[None]:
    """Apply `change` to a site's [batch, position, unit], in place of what the module has there."""
    name, is_input = MODULES[architecture][site]
    module = model.get_submodule(BLOCKS[architecture])[layer]
    module = module.get_submodule(name) if name else module

    def before(module: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
        return (change(args[0]), *args[1:])

    def after(module: Any, args: Any, output: Any) -> Any:
        if isinstance(output, tuple):
            return (change(output[0]), *output[1:])
        return change(output)

    handle = (
        module.register_forward_pre_hook(before)
        if is_input
        else module.register_forward_hook(after)
    )
    try:
        yield
    finally:
        handle.remove()


def raw_effects(
    intact: torch.Tensor, ablated: torch.Tensor, tokens: torch.Tensor, read: int
) -> dict[str, torch.Tensor]:
    """Effects [example] from logits [example, position, d_vocab], written out one by one."""
    p, q = intact[:, read].double().log_softmax(-1), ablated[:, read].double().log_softmax(-1)
    following = tokens[:, 1:, None]
    loss = [
        -logits[:, :-1].double().log_softmax(-1).gather(-1, following)[..., 0]
        for logits in (intact, ablated)
    ]
    change = loss[1] - loss[0]
    return {
        "kl": (p.exp() * (p - q)).sum(-1),
        "loss_after": change[:, read:].mean(-1),
        "loss_target": change[:, read - 1],
        "loss_elsewhere": change[:, : read - 1].mean(-1),
    }
