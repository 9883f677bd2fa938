"""Parts of a loaded model: embedding, unembedding, final norm, MLP weights, some of its blocks."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray

from lens_probes.errors import InputError
from lens_probes.model.backends import run_blocks
from lens_probes.model.offload import block_here
from lens_probes.model.state import computing, weights_dtype
from lens_probes.sites import SITES, check_layers

Hook = tuple[str, Callable[..., Any]]
_EMBEDDING_HOOKS = ("embed.", "pos_embed.", "hook_embed", "hook_pos_embed", "hook_tokens")


def _in_place(function: Callable[..., Any]) -> Callable[..., torch.Tensor]:
    def hook(tensor: torch.Tensor, hook: Any) -> torch.Tensor:
        changed = function(tensor, hook=hook)
        return tensor if changed is None or changed is tensor else tensor.copy_(changed)

    return hook


@dataclass(frozen=True)
class ModelParts:
    """What a logit lens, an ablation or an added vector needs of a TransformerLens model.

    All of it is of the model AS LOADED: after `processing="standard"` the final norm has no weight
    (it is folded into the unembedding), and what writes to the residual stream is centred. With
    either processing `final_norm(resid_post) @ unembedding() + unembedding_bias()` are the logits
    (of a model that does not cap them).

    Attributes
    ----------
    tl
        The `HookedTransformer` or `TransformerBridge` itself.
    """

    tl: Any

    @property
    def cfg(self) -> Any:
        """TransformerLens configuration."""
        return self.tl.cfg

    @property
    def n_layers(self) -> int:
        """Number of blocks."""
        return int(self.tl.cfg.n_layers)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        device: torch.device = next(self.tl.parameters()).device
        return device

    @property
    def dtype(self) -> torch.dtype:
        """What the model computes in, read off its weights as they are now."""
        return weights_dtype(self.tl)

    def computing(self, *, gradients: bool | None = None) -> AbstractContextManager[None]:
        """The state in which every pass runs, entered for several of them: see `state`."""
        return computing(self.tl, gradients=gradients)

    def continue_tokens(
        self, tokens: Sequence[int] | NDArray[np.int64], n_tokens: int, *, seed: int
    ) -> NDArray[np.int64]:
        """`n_tokens` ids that the model samples after some others (temperature 1).

        Raises
        ------
        InputError
            More tokens in all than the model's context.
        """
        given = np.asarray(tokens, dtype=np.int64)
        if len(given) + n_tokens > int(self.cfg.n_ctx):
            raise InputError(
                f"{len(given)} tokens are given and {n_tokens} asked for; this model takes "
                f"{self.cfg.n_ctx} in all: ask for fewer."
            )
        with self.computing(gradients=False), torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            whole = self.tl.generate(
                torch.from_numpy(given)[None].to(self.device),
                max_new_tokens=n_tokens,
                stop_at_eos=False,
                do_sample=True,
                prepend_bos=False,
                return_type="tokens",
                verbose=False,
            )
        written: NDArray[np.int64] = whole[0, len(given) :].cpu().numpy().astype(np.int64)
        return written

    def embedding(self) -> Float[torch.Tensor, "d_vocab d_model"]:
        """Token embeddings, one row a token: a view of the weights, outside the autograd graph.

        The hook `hook_embed` carries the rows of a text's tokens, before positions are added, on
        all back ends. (A few architectures, such as Gemma, scale them; the rows here are unscaled.)
        """
        weight: torch.Tensor = self.tl.W_E
        return weight.detach()

    def unembedding(self) -> Float[torch.Tensor, "d_model d_vocab"]:
        """What turns the normed residual stream into logits, one column a token: a view."""
        weight: torch.Tensor = self.tl.W_U
        return weight.detach()

    def unembedding_bias(self) -> Float[torch.Tensor, " d_vocab"]:
        """Added to the logits: zeros for most models as trained, not after standard processing."""
        bias: torch.Tensor = self.tl.b_U
        return bias.detach()

    def final_norm(
        self, residual: Float[torch.Tensor, "*batch d_model"]
    ) -> Float[torch.Tensor, "*batch d_model"]:
        """The complete final norm, weight and bias included, of a residual stream.

        TransformerLens' `ln_final.hook_normalized` is before weight and bias; Hugging Face's last
        hidden state is after them, and so is this (lesson L07).
        """
        self._check_width(residual)
        if not hasattr(self.tl, "ln_final"):
            raise InputError("this model has no final norm that can be applied alone.")
        with self.computing():
            normed: torch.Tensor = self.tl.ln_final(residual)
        return normed

    def mlp_output_weights(self, layer: int) -> Float[torch.Tensor, "d_mlp d_model"]:
        """What each MLP unit of a layer writes to the residual stream when it is at 1: its row.

        Row `u` belongs to unit `u` of the site `mlp_post`: `mlp_out` is `mlp_post` times this, plus
        a bias. A view of the weights.

        Raises
        ------
        InputError
            No such layer, or a layer whose MLP has no single output matrix (a mixture of experts).
        """
        (layer,) = check_layers(layer, self.n_layers)
        with block_here(self.tl, layer) as block:
            weight = getattr(block.mlp, "W_out", None)
        if not isinstance(weight, torch.Tensor) or weight.ndim != 2:
            raise InputError(
                f"layer {layer} of this model has no single MLP output matrix (a mixture of "
                "experts?): choose a dense layer or the site mlp_out."
            )
        return weight.detach()

    def attention_output_weights(self, layer: int) -> Float[torch.Tensor, "unit d_model"]:
        """What each unit of the site `z` of a layer writes to the residual stream at 1: its row.

        Row `head * d_head + i`: `attn_out` is `z`, heads one after another, times this, plus a
        bias.

        Raises
        ------
        InputError
            No such layer, or a layer whose attention has no output matrix by heads.
        """
        (layer,) = check_layers(layer, self.n_layers)
        with block_here(self.tl, layer) as block:
            weight = getattr(block.attn, "W_O", None)
        if not isinstance(weight, torch.Tensor) or weight.ndim != 3:
            raise InputError(
                f"layer {layer} of this model has no attention output matrix by heads: choose "
                "another layer or the site attn_out."
            )
        return weight.detach().flatten(0, 1)

    @functools.cached_property
    def has_position_embeddings(self) -> bool:
        """Whether position embeddings are added to the token embeddings (GPT-2; not Llama).

        Measured: whether one token at two positions enters the first block as one vector. The name
        `hook_pos_embed` does not tell: on a bridge, models with rotary positions have it too.
        """
        hook = SITES["resid_pre"].hook_name(0)
        tokens = torch.ones((1, 2), dtype=torch.long, device=self.device)
        with self.computing(gradients=False):
            _, cache = self.tl.run_with_cache(
                tokens, names_filter=[hook], stop_at_layer=1, return_type=None
            )
        first, second = cache[hook][0]
        return not torch.equal(first, second)

    def run_from(
        self,
        layer: int,
        residual: Float[torch.Tensor, "batch position d_model"],
        *,
        fwd_hooks: Sequence[Hook] = (),
        stop_at_layer: int | None = None,
    ) -> Float[torch.Tensor, "batch position d_out"]:
        """Run the blocks from `layer` on, given the residual stream that enters it.

        Blocks before `layer` do not run, on either back end, so a run from the last layer costs one
        block and the unembedding. Gradients flow into `residual` and the weights unless the caller
        turns them off.

        Parameters
        ----------
        residual
            `resid_pre` of `layer`, position 0 first, without padding. It is moved to the model's
            device and type, and copied: a hook that writes in place does not change it.
        fwd_hooks
            (hook name, function) as for `run_with_hooks`, of what this run computes. One on
            `resid_pre` of `layer` sees `residual`.
        stop_at_layer
            Return what enters this layer instead of the logits; `n_layers` is what leaves the last
            block, before the final norm.

        Returns
        -------
        Logits `[batch, position, d_vocab]`, or the residual stream `[batch, position, d_model]`.

        Raises
        ------
        InputError
            No such layer, a residual of another shape or too long, a hook that would never fire.
        """
        (layer,) = check_layers(layer, self.n_layers)
        stops = (None, *range(layer + 1, self.n_layers + 1))
        if stop_at_layer not in stops:
            raise InputError(
                f"stop_at_layer must be None or {layer + 1} to {self.n_layers} for a run from "
                f"layer {layer}; got {stop_at_layer!r}."
            )
        self._check_width(residual)
        if residual.ndim != 3 or not 0 < residual.shape[1] <= int(self.cfg.n_ctx):
            raise InputError(
                f"residual must be [batch, position, d_model] with at most {self.cfg.n_ctx} "
                f"positions; got {list(residual.shape)}."
            )
        for name, _ in fwd_hooks:
            self._check_hook(name, layer, stop_at_layer)
        residual = residual.to(self.device, self.dtype, copy=True)
        with self.computing():
            return run_blocks(self.tl, layer, residual, self.whole(fwd_hooks), stop_at_layer)

    def whole(self, hooks: Sequence[Hook]) -> list[Hook]:
        """Hooks as this back end needs them, so that what is written at a site reaches all of it.

        A bridge's `hook_resid_mid` is where the second norm takes its input: a tensor that is
        given back there would not reach the skip connection around the MLP. Both hold the same
        tensor, so what a hook gives back is written into it.
        """
        if not hasattr(self.tl, "original_model"):
            return list(hooks)
        mid = f".{SITES['resid_mid'].hook}"
        return [(name, _in_place(do) if str(name).endswith(mid) else do) for name, do in hooks]

    def _check_width(self, residual: torch.Tensor) -> None:
        width = int(self.cfg.d_model)
        if residual.ndim < 1 or residual.shape[-1] != width or not residual.is_floating_point():
            raise InputError(
                f"a residual stream of this model has {width} numbers on its last axis; got "
                f"{list(residual.shape)} of {residual.dtype}."
            )

    def _check_hook(self, name: str, layer: int, stop: int | None) -> None:
        """Refuse what would be ignored in silence: unknown names, parts that do not run."""
        if name not in self.tl.hook_dict:
            near = get_close_matches(str(name), self.tl.hook_dict, n=1)
            raise InputError(
                f"unknown hook {name!r}: {f'did you mean {near[0]!r}? A' if near else 'a'}ll names "
                "are in model.tl.hook_dict."
            )
        if name.startswith("blocks."):
            runs = layer <= int(name.split(".")[1]) < (self.n_layers if stop is None else stop)
        else:
            runs = not name.startswith(_EMBEDDING_HOOKS) and (
                stop is None or not name.startswith(("ln_final.", "unembed.", "hook_unembed"))
            )
        if not runs:
            part = f"layers {layer} to {(stop or self.n_layers) - 1}"
            raise InputError(f"hook {name!r} would not fire: only {part} run.")
