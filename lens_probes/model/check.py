"""What is checked when a model is loaded: that it computes what it should, and which sites it has.

Adapters and aliases differ between architectures and TransformerLens versions. A site that is none,
or a model that computes something else, would look like any other array.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int

from lens_probes.errors import InputError, one_line
from lens_probes.model.digest import foreign_hook
from lens_probes.model.proof import NEEDED, PRECISE, identities, verdict
from lens_probes.model.raw_hooks import Seen, places_of, recording, sample
from lens_probes.model.state import computing, ending_after, weights_dtype
from lens_probes.sites import SITES, Site, SiteShape, SiteShapes

_TOKENS, _LONGEST_WINDOW = 12, 256
# Largest difference of two ways to compute the same logits, as a share of the largest logit.
_CLOSE = {torch.float64: 1e-6, torch.float32: 1e-4, torch.bfloat16: 0.1, torch.float16: 0.02}
# What enters and leaves whole parts of a block: a site of units inside equals none of them.
_BOUNDARIES = (
    "mlp.hook_in", "mlp.hook_out", "hook_mlp_out", "hook_resid_pre", "hook_resid_mid",
    "hook_resid_post", "attn.hook_in", "hook_attn_out", "ln2.hook_normalized",
)  # fmt: skip
_INSIDE = ("mlp_pre", "mlp_pre_linear", "mlp_post", "q", "k", "v", "z")

Cache = Mapping[str, torch.Tensor]


def two_rows(config: Any) -> Int[torch.Tensor, "2 position"]:
    """Two rows of tokens that differ in the last one, longer than a short attention window.

    Parameters
    ----------
    config
        Hugging Face's or TransformerLens' configuration.
    """
    said = {name: getattr(config, name, None) for name in ("d_vocab", "vocab_size", "n_ctx",
            "max_position_embeddings", "n_positions", "sliding_window", "window_size")}  # fmt: skip
    window = said["sliding_window"] or said["window_size"] or 0
    length = (
        max(_TOKENS, window + 4) if isinstance(window, int) and window < _LONGEST_WINDOW else 12
    )
    most = said["n_ctx"] or said["max_position_embeddings"] or said["n_positions"] or length
    n_vocab = int(said["d_vocab"] or said["vocab_size"] or 0)
    special = {getattr(config, f"{name}_token_id", None) for name in ("pad", "bos", "eos")}
    plain = [i for i in range(min(n_vocab, 4000)) if i not in special] or [0, 0]
    drawn = torch.randint(
        len(plain), (2, min(length, int(most))), generator=torch.Generator().manual_seed(0)
    )
    rows = torch.tensor(plain)[drawn]
    rows[1, :-1] = rows[0, :-1]
    if rows[0, -1] == rows[1, -1]:
        rows[1, -1] = next((i for i in plain if i != rows[0, -1]), plain[0])
    return rows


@dataclass(frozen=True)
class Reference:
    """What a Hugging Face model does with some tokens before anything is built around it."""

    tokens: Int[torch.Tensor, "2 position"]
    logits: Float[torch.Tensor, "2 position d_vocab"]
    seen: Seen


def reference_of(hf: Any) -> Reference:
    """Run two rows of tokens through a Hugging Face model and keep what hooks see."""
    device = torch.device("cpu") if hf.device.type == "meta" else hf.device  # meta: it is on disk
    tokens = two_rows(hf.config.get_text_config()).to(device)
    rows = (len(tokens), tokens.shape[1])
    with contextlib.ExitStack() as stack:
        seen = stack.enter_context(recording(hf, rows))
        stack.enter_context(torch.inference_mode())
        stack.enter_context(torch.autocast(device.type, enabled=False))
        logits = hf(tokens, use_cache=False).logits
    return Reference(tokens, logits, seen)


def check_logits(tl: Any, source: object, wanted: Reference) -> None:
    """Refuse a model whose logits are not those of its reference, up to a constant.

    Raises
    ------
    InputError
        With both versions, since another one may be right. Logits that are not finite have a line
        of their own.
    """
    tokens, reference = wanted.tokens, wanted.logits
    if not torch.isfinite(reference).all():
        half = weights_dtype(tl) in (torch.float16, torch.bfloat16)
        raise InputError(
            f"model {source} cannot be read: in {weights_dtype(tl)} its logits are not finite; "
            f"{'load it with dtype=float32' if half else 'its weights are damaged'}."
        )
    with computing(tl, gradients=False):
        found = tl.run_with_hooks(tokens, return_type="logits", fwd_hooks=[])
    one, other = (x.double() - x.double().mean(-1, keepdim=True) for x in (found, reference))
    share = float((one - other).abs().max() / other.abs().max().clamp_min(1e-30))
    if not share <= _CLOSE.get(weights_dtype(tl), 1e-4):
        versions = _versions()
        raise InputError(
            f"model {source} cannot be read: through {versions[0]} its logits are off by "
            f"{share:.1e} of their size from {versions[1]}'s own; another version of "
            "transformer-lens may have it right."
        )


def _versions() -> list[str]:
    names = ("transformer-lens", "transformers")
    return [f"{name} {importlib.metadata.version(name)}" for name in names]


def site_shapes(tl: Any, reference: Reference | None = None) -> SiteShapes:
    """Sites that every block has, with their axes, read off one pass that ends as others do.

    Each site is tested in the same pass: by identities of `proof`, else by what hooks have seen.

    The two sequences of the pass differ in their last token: were activations before it to differ,
    the model would not be causal, and windows could not be cut after their targets.

    Parameters
    ----------
    reference
        Of the Hugging Face model that a bridge or a conversion was made of. Of a bridge without
        one, hooks are put on what is in it.

    Raises
    ------
    InputError
        A model that cannot be run, that is not causal, that has no site, or one that is wrong.
    """
    n_layers = int(tl.cfg.n_layers)
    tokens = two_rows(tl.cfg) if reference is None else reference.tokens
    tokens = tokens.to(next(tl.parameters()).device)
    wanted = dict.fromkeys([*(site.hook for site in SITES.values()), *_BOUNDARIES, *NEEDED])
    names = [f"blocks.{i}.{hook}" for i in range(n_layers) for hook in wanted]
    with contextlib.ExitStack() as stack:
        seen = Seen() if reference is None else reference.seen
        if reference is None and hasattr(tl, "original_model"):
            rows = (len(tokens), tokens.shape[1])
            seen = stack.enter_context(recording(tl.original_model, rows))
        cache = hook_tensors(tl, tokens, names)
    found = SiteShapes()
    for site in SITES.values():
        hooks = [site.hook_name(layer) for layer in range(n_layers)]
        why = _left_out(site, hooks, cache, tuple(tokens.shape))
        if why is not None:
            if any(hook in tl.hook_dict for hook in hooks):
                found.left_out[site.name] = why
            continue
        for hook in hooks:
            first, second = cache[hook][:, :-1].float()
            if (first - second).abs().max() > 1e-3 * first.abs().max():
                raise InputError(
                    f"this model is not causal (at {hook} a token depends on the next one): only "
                    "causal language models can be swept."
                )
        shape = cache[hooks[0]].shape
        found[site.name] = SiteShape(shape[2] if site.per_head else None, shape[-1])
    gate, after = found.get("mlp_pre"), found.get("mlp_post")
    if gate is not None and after is not None and gate.d != after.d:
        del found["mlp_pre"]
        found.left_out["mlp_pre"] = f"it has {gate.d} columns for {after.d} units (gate and up?)"
    if set(found) <= {"resid_pre", "resid_post"}:
        raise InputError(
            "this model has no attention or MLP site that can be read: it is of another kind (a "
            "state-space model?), and only transformers can be swept."
        )
    _prove(tl, tokens, cache, found, seen)
    return found


def _prove(tl: Any, tokens: torch.Tensor, cache: Cache, shapes: SiteShapes, seen: Seen) -> None:
    """Set what is known of each site; an error for one that is not what it should be."""
    hooks = {site: SITES[site].hook for site in shapes}
    exact = torch.get_float32_matmul_precision() == "highest"
    close = PRECISE.get(weights_dtype(tl), 1e-4) * (1 if exact else 100)
    with computing(tl, gradients=False):
        logits = tl.run_with_hooks(tokens, return_type="logits", fwd_hooks=[])
        known = identities(tl, cache, hooks, logits)
    changed = foreign_hook(tl) is not None
    values = {
        site: {i: sample(cache[f"blocks.{i}.{hook}"]) for i in range(int(tl.cfg.n_layers))}
        for site, hook in hooks.items()
    }
    shapes.places.update(places_of(values, shapes, seen, close / 10))
    wrong: dict[str, str] = {}
    for site in shapes:
        shapes.proof[site], fails = verdict(site, known, site in shapes.places, close)
        if fails is not None:
            said = f"{fails.text} is off by {fails.error:.0e} of its size in layer {fails.layer}"
            wrong[site] = said
    if wrong and not changed:
        raise InputError(
            f"this model cannot be read through {_versions()[0]}: {' or '.join(wrong)} is not what "
            f"its name says ({'; '.join(dict.fromkeys(wrong.values()))}); another version of "
            "transformer-lens may have it right."
        )


def hook_tensors(tl: Any, tokens: torch.Tensor, names: list[str]) -> Cache:
    """One pass to the end of the last block, as every other that reads activations."""
    there = [name for name in names if name in tl.hook_dict]
    with contextlib.ExitStack() as stack:
        stack.enter_context(computing(tl, gradients=False))
        if hasattr(tl, "original_model"):
            stack.enter_context(ending_after(tl, int(tl.cfg.n_layers) - 1))
        try:
            cache: Cache = tl.run_with_cache(tokens, names_filter=there, return_type=None)[1]
        except Exception as error:  # whatever a model raises that is run as it was not made for
            raise refusal("given", getattr(tl, "original_model", tl), error) from error
    return {name: cache[name] for name in there if name in cache}


def _left_out(site: Site, hooks: list[str], cache: Cache, rows: tuple[int, ...]) -> str | None:
    """Why a site is none that can be read; None if it is one."""
    there = [one for one in map(cache.get, hooks) if isinstance(one, torch.Tensor)]
    if len(there) < len(hooks):
        return f"{len(there)} of {len(hooks)} layers have it"
    shapes = {tuple(one.shape) for one in there}
    if len(shapes) > 1:
        return "its layers differ in shape"
    shape = shapes.pop()
    if shape[:2] != rows or len(shape) != (4 if site.per_head else 3):
        return f"its shape is {list(shape)}, not [batch, position, {'head, ' * site.per_head}unit]"
    if not all(bool(torch.isfinite(one).all()) for one in there):
        return "it holds values that are not finite"
    if site.name in _INSIDE:
        for hook, one in zip(hooks, there, strict=True):
            block = hook.removesuffix(site.hook)
            for name in _BOUNDARIES:
                other = cache.get(block + name)
                if other is not None and torch.equal(one.flatten(2), other):
                    return f"it is {name} of a whole part at {hook} (a mixture of experts?)"
    return None


def mid_is_whole(tl: Any, hooks_for: Callable[..., Any]) -> bool:
    """Whether what is written at `resid_mid` of each block is all that the MLP's output adds to.

    `hooks_for` makes of hooks those that are run. What leaves a block must be what was written plus
    a multiple of `mlp_out`.
    """
    tokens = two_rows(tl.cfg).to(next(tl.parameters()).device)
    drawn = torch.Generator().manual_seed(0)
    found: dict[str, torch.Tensor] = {}

    def write(tensor: torch.Tensor, hook: object, *, name: str) -> torch.Tensor:
        noise = torch.randn(tensor.shape, generator=drawn).to(tensor)
        found[name] = (tensor + tensor.std() * noise).clone()
        return found[name]

    def keep(tensor: torch.Tensor, hook: object, *, name: str) -> None:
        found[name] = tensor.clone()

    layers, hooks = range(int(tl.cfg.n_layers)), []
    for layer in layers:
        for site, do in (("resid_mid", write), ("mlp_out", keep), ("resid_post", keep)):
            name = SITES[site].hook_name(layer)
            hooks.append((name, functools.partial(do, name=f"{layer}.{site}")))
    with computing(tl, gradients=False):
        tl.run_with_hooks(tokens, return_type="logits", fwd_hooks=hooks_for(hooks))
    for layer in layers:
        names = [f"{layer}.{site}" for site in ("resid_mid", "mlp_out", "resid_post")]
        if not all(name in found for name in names):
            return False
        before, added, after = (found[name].double() for name in names)
        times = ((after - before) * added).sum() / added.square().sum()
        error = (after - before - times * added).abs().max() / after.abs().max()
        if not float(error) <= 10 * _CLOSE.get(found[names[0]].dtype, 1e-4):
            return False
    return True


def refusal(source: object, hf: Any, error: Exception) -> InputError:
    """The line for a model that TransformerLens cannot take or run."""
    version = importlib.metadata.version("transformer-lens")
    return InputError(
        f"model {source} is a {type(hf).__name__}, which transformer-lens {version} cannot take "
        f"({type(error).__name__}: {one_line(error, 100)}): give a model of another architecture."
    )
