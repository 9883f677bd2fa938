"""Ways to build a TransformerLens model, and to run some of its blocks.

From the hub, a Hugging Face folder, a Llama checkpoint. What differs between TransformerLens 3
(`HookedTransformer` and bridge) and 4 (bridge only) is here.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import importlib.metadata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import huggingface_hub
import torch
import transformer_lens
from transformer_lens.model_bridge import TransformerBridge
from transformers import AutoModelForCausalLM, AutoTokenizer

from lens_probes.errors import InputError, one_line
from lens_probes.model.check import Reference, check_logits, reference_of, refusal
from lens_probes.model.gguf import check_blocks, check_weights
from lens_probes.model.offload import bring_by_block, check_parts, loading_map, take_over
from lens_probes.model.options import Options, Processing
from lens_probes.model.quiet import quiet_hooked_transformer
from lens_probes.model.state import ending_after, weights_dtype

BUNDLED = "bundled"
HAS_HOOKED_TRANSFORMER = importlib.metadata.version("transformer-lens").split(".")[0] == "3"
# transformers types `from_pretrained` without `output_loading_info`, `from_config` not at all.
auto_model: Any = AutoModelForCausalLM
Loaded = tuple[Any, Any, Callable[[int], Any], Reference | None]


def from_hub(name: str, options: Options) -> Loaded:
    """A model by its name on the Hugging Face hub, from there or from the hub's cache."""
    official = _official_name(name)
    try:
        _ask_hub(official or name)
        if official and not _placement(options):
            return _hooked_from_hub(official, options)
        return bridge(name, options)
    except InputError:
        raise
    except Exception as error:  # whatever a hub client, a parser or a converter raises
        raise InputError(
            f"cannot load model {name!r}: it is not {BUNDLED!r}, a folder or a .gguf file "
            f"here, and the model hub did not give it ({one_line(error, 160)})."
        ) from error


def _ask_hub(name: str) -> None:
    """Fail at once for a name that is neither cached nor on the hub (loading retries for 24 s)."""
    if not isinstance(huggingface_hub.try_to_load_from_cache(name, "config.json"), str):
        huggingface_hub.HfApi().model_info(name, timeout=10)


def _official_name(name: str) -> str | None:
    """The hub's name of a model that HookedTransformer knows; None otherwise and on 4.x."""
    if not HAS_HOOKED_TRANSFORMER:
        return None
    from transformer_lens import loading_from_pretrained  # noqa: PLC0415  (absent on 4.x)

    try:
        return str(loading_from_pretrained.get_official_model_name(name))
    except ValueError:
        return None


def _hooked_from_hub(name: str, options: Options) -> Loaded:
    load = transformer_lens.HookedTransformer.from_pretrained
    on = options.processing == "standard"
    with quiet_hooked_transformer():
        tl = load(
            name, device=options.device, dtype=options.dtype, fold_ln=on,
            center_writing_weights=on, center_unembed=on, fold_value_biases=on,
        )  # fmt: skip
    # TransformerLens makes its tokenizer put BOS first, whatever the model was trained with.
    own = AutoTokenizer.from_pretrained(tl.cfg.tokenizer_name or name, trust_remote_code=False)
    return _laid_out(tl), own, functools.partial(fresh_hooked, tl.cfg, tl.tokenizer), None


def _laid_out(tl: Any) -> Any:
    """Weights in the memory order in which HookedTransformer reads them; no value changes.

    Its forward pass transposes the weights of gated MLPs, of attention's output and of the
    unembedding at every call, and copies those that do not lie so: with few tokens that costs
    more than the multiplications.
    """
    for name, weight in tl.named_parameters():
        last = name.rpartition(".")[2]
        if last in ("W_gate", "W_U") or (tl.cfg.gated_mlp and last in ("W_in", "W_out")):
            weight.data = weight.data.T.contiguous().T
        elif last == "W_O":
            weight.data = weight.data.permute(2, 0, 1).contiguous().permute(1, 2, 0)
    return tl


def fresh_hooked(cfg: Any, tokenizer: Any, seed: int) -> Any:
    """A HookedTransformer of a configuration with random weights."""
    cfg = copy.deepcopy(cfg)
    cfg.init_weights, cfg.seed = True, seed
    with quiet_hooked_transformer():
        tl = transformer_lens.HookedTransformer(cfg, tokenizer)
    return _laid_out(tl.eval())


def hooked_llama(folder: Path, options: Options) -> Loaded:
    """HookedTransformer of a Llama folder, with no network: config and weights converted here."""
    from transformer_lens.pretrained.weight_conversions.llama import (  # noqa: PLC0415  (not on 4.x)
        convert_llama_weights,
    )

    hf, tokenizer = _hugging_face(folder, options)
    wanted = reference_of(hf.eval().to(options.device))
    c = hf.config
    cfg = transformer_lens.HookedTransformerConfig(
        model_name=str(c._name_or_path), original_architecture="LlamaForCausalLM",
        n_layers=c.num_hidden_layers, d_model=c.hidden_size, d_head=c.head_dim,
        n_heads=c.num_attention_heads, n_key_value_heads=c.num_key_value_heads,
        d_mlp=c.intermediate_size, gated_mlp=True, act_fn=c.hidden_act,
        n_ctx=c.max_position_embeddings, d_vocab=c.vocab_size, eps=c.rms_norm_eps,
        normalization_type="RMS", final_rms=True, positional_embedding_type="rotary",
        rotary_dim=c.head_dim, rotary_base=c.rope_parameters["rope_theta"],
        rotary_adjacent_pairs=False, init_weights=False, initializer_range=c.initializer_range,
        default_prepend_bos=False, device=options.device, dtype=options.dtype,
    )  # fmt: skip
    with quiet_hooked_transformer():
        tl = transformer_lens.HookedTransformer(cfg, tokenizer)
    weights = convert_llama_weights(hf, cfg)
    if options.processing == "standard":
        # Centring the writing weights is for LayerNorm only; RMSNorm does not subtract the mean.
        tl.load_and_process_state_dict(weights, center_writing_weights=False)
    else:
        # What that does without processing, in one pass instead of one for each weight.
        fill_missing_keys: Any = tl.fill_missing_keys
        tl.load_state_dict(fill_missing_keys(weights), strict=False)
    check_logits(tl.eval(), folder, wanted)
    return _laid_out(tl), tokenizer, functools.partial(fresh_hooked, cfg, tokenizer), wanted


def bridge(source: Path | str, options: Options) -> Loaded:
    """TransformerBridge of a Hugging Face folder (a Path) or of a name on the hub."""
    hf, tokenizer = _hugging_face(source, options)
    check_parts(hf, options.device_map)
    boot = functools.partial(_boot, str(source), tokenizer, options)

    def fresh(seed: int) -> Any:
        if options.device_map is not None:
            raise InputError(
                "a model that is spread over devices or on disk has no untrained twin: give "
                "untrained=False."
            )
        return boot(auto_model.from_config(hf.config, dtype=options.dtype))

    try:
        placed = hf if options.device_map is not None else hf.to(options.device)
        wanted = reference_of(placed.eval())
        offloaded = options.device_map and take_over(hf, options.device_map)
        tl = boot(hf)
        if offloaded:
            bring_by_block(tl, offloaded)
        check_logits(tl, source, wanted)
    except InputError:
        raise
    except Exception as error:  # whatever an adapter raises on what it was not made for
        if "meta device" in str(error):
            raise InputError(
                f"a {type(hf).__name__} cannot be kept on disk or in other memory: its bridge "
                "makes other weights of those; load it whole."
            ) from error
        raise refusal(source, hf, error) from error
    return tl, tokenizer, fresh, wanted


def fresh_bridge(tl: Any) -> Any:
    """A bridge like another one, of its Hugging Face configuration, with random weights."""
    hf, first = tl.original_model, next(tl.parameters())
    processing: Processing = "standard" if getattr(tl, "_weights_processed", False) else "none"
    options = Options(str(first.device), weights_dtype(tl), processing)
    made = type(hf)._from_config(hf.config, dtype=options.dtype, attn_implementation="eager")
    fresh = _boot(str(hf.config._name_or_path), tl.tokenizer, options, made.to(first.device))
    if tl.compatibility_mode and not fresh.compatibility_mode:
        fresh.enable_compatibility_mode(no_processing=True)
    return fresh


def _boot(name: str, tokenizer: Any, options: Options, hf: Any) -> Any:
    device = options.device if options.device_map is None else None
    tl = TransformerBridge.boot_transformers(
        name, hf_model=hf.eval(), tokenizer=tokenizer, device=device, dtype=options.dtype
    )
    if options.processing == "standard":
        tl.enable_compatibility_mode()
    return tl.eval()


def run_blocks(
    tl: Any, layer: int, residual: torch.Tensor, hooks: list[Any], stop: int | None
) -> torch.Tensor:
    """Blocks `layer` to `stop` (None: to the logits) on `residual` [batch, position, d_model].

    HookedTransformer has `start_at_layer`. A bridge has none on 3.9 and on 4.3 one that runs the
    earlier blocks for nothing: here it takes `residual` as input embeddings (so that positions and
    masks are made for its length), the earlier blocks do nothing, and a hook puts `residual` where
    `layer` starts, in place of what position embeddings have made of it.
    """
    if not hasattr(tl, "original_model"):
        out: torch.Tensor = tl.run_with_hooks(
            residual, fwd_hooks=hooks, start_at_layer=layer, stop_at_layer=stop
        )
        return out
    started = []

    def start(tensor: torch.Tensor, hook: object) -> torch.Tensor:
        started.append(layer)
        return residual

    hooks = [(f"blocks.{layer}.hook_resid_pre", start), *hooks]
    with contextlib.ExitStack() as stack:
        stack.enter_context(_skipped(list(tl.blocks)[:layer]))
        if stop is not None:
            stack.enter_context(ending_after(tl, stop - 1))
        out = tl.run_with_hooks(residual.clone(), fwd_hooks=hooks, return_type="logits")
    assert started, "the bridge never reached the layer to start from"
    return out


@contextlib.contextmanager
def _skipped(blocks: list[Any]) -> Iterator[None]:
    """Have some blocks of a bridge do nothing.

    Hugging Face expects a tensor of some blocks and a tuple of others: one axis more in front is
    right as a tuple and harmless as a tensor, since a hook replaces it.
    """

    def skip(hidden_states: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        return hidden_states[None]

    for block in blocks:
        object.__setattr__(block, "forward", skip)  # plain setattr would reach the wrapped block
    try:
        yield
    finally:
        for block in blocks:
            object.__delattr__(block, "forward")


def _placement(options: Options) -> dict[str, Any]:
    """What transformers is told of devices and revision."""
    said: dict[str, Any] = {} if options.revision is None else {"revision": options.revision}
    if options.device_map is not None:
        given = loading_map(options.device_map)
        said["device_map"] = given if isinstance(given, str) else dict(given)
        if options.max_memory is not None:
            said["max_memory"] = dict(options.max_memory)
    return said


def _hugging_face(source: Path | str, options: Options) -> tuple[Any, Any]:
    local = isinstance(source, Path)
    try:
        if local:
            check_blocks(Path(source))
        # The bridge's hooks on attention scores need the eager implementation.
        model, report = auto_model.from_pretrained(
            source, dtype=options.dtype, attn_implementation="eager", output_loading_info=True,
            local_files_only=local, trust_remote_code=False, **_placement(options),
        )  # fmt: skip
        tokenizer = AutoTokenizer.from_pretrained(
            source, local_files_only=local, trust_remote_code=False, revision=options.revision
        )
    except InputError:
        raise
    except Exception as error:
        if "for this kind of AutoModel" in str(error):
            raise InputError(
                f"model {source} is no causal language model (its config.json says another kind): "
                "only those can be swept."
            ) from error
        if not local:
            raise
        raise InputError(
            f"cannot load the model folder {source}: {one_line(error)}. It needs config.json, "
            "weights and a tokenizer, as `save_pretrained` writes them."
        ) from error
    check_weights(source, report)
    return model, tokenizer
