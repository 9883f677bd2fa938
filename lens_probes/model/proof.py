"""What a site must be, by what the model does with it: identities within one pass.

Each is computed from the activations and weights as they are, layer by layer; one that cannot be
computed (experts, latent attention, a norm in between) says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from transformers.activations import ACT2FN

from lens_probes.model.offload import block_here
from lens_probes.model.raw_hooks import sample

PROVED, EQUAL, UNPROVED = "proved", "equal to a hook", "unproved"
# Hooks beside those of the sites that an identity needs.
NEEDED = ("attn.hook_pattern", "attn.hook_attn_scores")
_ACTIVATIONS = ("gelu", "gelu_new", "silu", "relu", "relu2", "quick_gelu", "gelu_fast")
# Largest difference of two ways to compute the same numbers, as a share of the largest.
PRECISE = {torch.float64: 1e-6, torch.float32: 1e-4, torch.bfloat16: 0.03, torch.float16: 5e-3}
_MASKED = 1e4  # scores beyond it are of positions that are not attended to

Cache = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Identity:
    """Some sites are bound by an equation; `error` is its worst, as a share of the largest number.

    None: it cannot be computed here. `decides` are the sites that it says something about; a site
    that breaks one that is `binding` is wrong, whatever lies between its two sides.
    """

    text: str
    decides: tuple[str, ...]
    error: float | None
    layer: int = 0
    binding: bool = True


@dataclass(frozen=True)
class _Layer:
    """One block and the activations of its sites, [2 rows, position, ...]."""

    tl: Any
    block: Any
    values: Mapping[str, torch.Tensor]
    cache: Cache
    number: int

    def __getitem__(self, site: str) -> torch.Tensor:
        return self.values[site]

    def hook(self, name: str) -> torch.Tensor:
        return self.cache[f"blocks.{self.number}.{name}"]


def identities(tl: Any, cache: Cache, hooks: Mapping[str, str], logits: Any) -> list[Identity]:
    """All identities of the sites that a model has.

    Parameters
    ----------
    hooks
        Site -> TransformerLens's name of it within a block.
    logits
        Of the same tokens, [2 rows, position, d_vocab].
    """
    layers = []
    for i, block in enumerate(tl.blocks):
        prefix = f"blocks.{i}."
        values = {site: cache[prefix + hook] for site, hook in hooks.items()}
        layers.append(_Layer(tl, block, values, cache, i))
    found = []
    if "resid_mid" in hooks:
        found += [
            _of(layers, "resid_pre + attn_out = resid_mid", _attention_adds),
            _of(layers, "resid_mid + mlp_out = resid_post", _mlp_adds),
        ]
    else:
        terms = [site for site in ("resid_pre", "attn_out", "mlp_out") if site in hooks]
        found.append(_of(layers, f"{' + '.join(terms)} = resid_post", _all_add))
    known = _is_hooked(tl)  # what comes between: a bridge does not say
    gate = tuple(site for site in ("mlp_pre", "mlp_pre_linear") if site in hooks)
    found += [
        _of(layers, "mlp_post through W_out = mlp_out", _mlp_writes, decides=("mlp_post",)),
        _of(layers, "z through W_O = attn_out", _heads_write, decides=("z",)),
        _of(layers, "the activation of mlp_pre = mlp_post", _activates, gate, binding=known),
        _of(layers, "attention's pattern of v = z", _mixes, decides=("v",)),
        _of(layers, "q times k = attention's scores", _scores, decides=("q", "k"), binding=known),
    ]
    last = _of(layers[-1:], "final norm and unembedding of resid_post = logits",
               lambda one: _reads_out(one, logits), decides=("resid_post",))  # fmt: skip
    return [*found, last]


Two = tuple[torch.Tensor, torch.Tensor]


def _of(
    layers: Iterable[_Layer], text: str, sides: Callable[[_Layer], Two | None],
    decides: tuple[str, ...] | None = None, *, binding: bool = True,
) -> Identity:  # fmt: skip
    """The worst layer of an identity whose two sides a function gives."""
    sites = decides or tuple(word for word in text.split() if word[0] not in "+=")
    worst, where = -1.0, 0
    for number, one in enumerate(layers):
        try:
            with block_here(one.tl, one.number):
                both = sides(one)
        except Exception:  # a part that this block has not, or not in this form
            return Identity(text, sites, None)
        if both is None or both[0].shape != both[1].shape:
            return Identity(text, sites, None)
        error = _off(*both)
        if not error <= worst:
            worst, where = error, number
    return Identity(text, sites, worst, where, binding)


def _off(found: torch.Tensor, said: torch.Tensor) -> float:
    """Largest difference, as a share of the largest number."""
    found, said = found.detach().cpu().double(), said.detach().cpu().double()
    return float((found - said).abs().max() / said.abs().max().clamp_min(1e-30))


def _attention_adds(one: _Layer) -> Two:
    return sample(one["resid_pre"]) + sample(one["attn_out"]), sample(one["resid_mid"])


def _mlp_adds(one: _Layer) -> Two:
    return sample(one["resid_mid"]) + sample(one["mlp_out"]), sample(one["resid_post"])


def _all_add(one: _Layer) -> Two:
    sites = [site for site in ("resid_pre", "attn_out", "mlp_out") if site in one.values]
    return sum(sample(one[site]) for site in sites), sample(one["resid_post"])  # type: ignore[return-value]


def _mlp_writes(one: _Layer) -> Two:
    mlp = one.block.mlp
    return _written(one, "mlp_post", mlp.W_out, mlp.b_out, "mlp_out", "ln2_post")


def _heads_write(one: _Layer) -> Two:
    attn = one.block.attn
    return _written(one, "z", attn.W_O.flatten(0, 1), attn.b_O, "attn_out", "ln1_post")


def _written(
    one: _Layer, site: str, weight: torch.Tensor, bias: torch.Tensor | None, out: str, norm: str
) -> Two:
    """What units write and what is added to the stream: the same, a multiple of it, or its norm."""
    written, added = sample(one[site]).to(weight.dtype) @ weight, sample(one[out])
    written = written if bias is None else written + bias
    if hasattr(one.block, norm):
        return getattr(one.block, norm)(written[None].to(one[out].dtype))[0], added
    return _fitted(written, added), added


def _fitted(found: torch.Tensor, said: torch.Tensor) -> torch.Tensor:
    """A multiple of the one that is nearest to the other: logits and halves may be multiplied."""
    found = found.double()
    return found * ((found * said.double()).sum() / found.square().sum().clamp_min(1e-30))


def _activates(one: _Layer) -> Two | None:
    if getattr(one.block.mlp, "ln", None) is not None:
        return None
    before, after = sample(one["mlp_pre"]), sample(one["mlp_post"])
    if "mlp_pre_linear" not in one.values:
        factor, shift = torch.ones_like(after), torch.zeros_like(after)
    else:
        factor = sample(one["mlp_pre_linear"])
        gated = getattr(one.block.mlp, "b_in", None) if _is_hooked(one.tl) else None
        shift = torch.zeros_like(after) if gated is None else gated.expand_as(after)
    named = [ACT2FN[name] for name in _ACTIVATIONS]
    own = getattr(one.block.mlp, "act_fn", None) if _is_hooked(one.tl) else None
    tried = [(do(before) * factor + shift, after) for do in ([*named, own] if own else named)]
    return min(tried, key=lambda both: _off(*both))


def _mixes(one: _Layer) -> Two:
    pattern, v, z = one.hook("attn.hook_pattern"), one["v"], one["z"]
    v = v.repeat_interleave(z.shape[2] // v.shape[2], dim=2)
    return sample(torch.einsum("bhqk,bkhd->bqhd", pattern.to(v.dtype), v)), sample(z)


def _scores(one: _Layer) -> Two | None:
    """Scores are q times k where nothing comes between; HookedTransformer says what does."""
    q, k, scores = one["q"], one["k"], one.hook("attn.hook_attn_scores")
    cfg, attn = one.tl.cfg, one.block.attn
    if _is_hooked(one.tl):
        if (
            cfg.positional_embedding_type not in ("standard", "rotary")
            or cfg.attn_scores_soft_cap > 0
        ):
            return None
        if cfg.use_qk_norm:
            q, k = attn._apply_qk_norm(q, attn.q_norm), attn._apply_qk_norm(k, attn.k_norm)
        if cfg.positional_embedding_type == "rotary":
            q, k = attn.apply_rotary(q), attn.apply_rotary(k)
    k = k.repeat_interleave(q.shape[2] // k.shape[2], dim=2)
    found = torch.einsum("bqhd,bkhd->bhqk", q.double(), k.double()).cpu()
    said = scores.double().cpu()
    there = torch.ones(said.shape[-2:]).tril().bool().expand_as(said) & (said.abs() < _MASKED)
    return _fitted(found[there], said[there]), said[there]


def _reads_out(one: _Layer, logits: torch.Tensor) -> Two:
    tl, stream = one.tl, one["resid_post"]
    normed = sample(tl.ln_final(stream))
    found = normed.to(tl.W_U.dtype) @ tl.W_U + tl.b_U
    said = sample(logits)
    cap = float(getattr(tl.cfg, "output_logits_soft_cap", 0) or 0)
    if cap > 0:
        return cap * torch.tanh(found / cap), said
    return _fitted(found, said), said


def verdict(
    site: str, known: Iterable[Identity], seen: bool, close: float
) -> tuple[str, Identity | None]:
    """One of `PROVED`, `EQUAL`, `UNPROVED` for a site, and the identity that it fails, if one.

    A site fails when it breaks every identity that decides about it and no hook has `seen` it.
    """
    of_site = [one for one in known if site in one.decides and one.error is not None]
    broken = [one for one in of_site if not (one.error is not None and one.error <= close)]
    if of_site and not broken:
        return PROVED, None
    if seen:
        return EQUAL, None
    fails = [one for one in broken if one.binding]
    return UNPROVED, fails[0] if fails and len(broken) == len(of_site) else None


def _is_hooked(tl: Any) -> bool:
    return not hasattr(tl, "original_model")
