"""Encoders of sparse autoencoders and transcoders, from the folders that sae-lens saves."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from lens_probes.errors import InputError, one_line, place_of, shown, whole
from lens_probes.sites import Site
from lens_probes.storage.paths import user_path

CONFIG, WEIGHTS = "cfg.json", "sae_weights.safetensors"
_KINDS = {
    "standard": "relu", "jumprelu": "jumprelu", "topk": "topk", "batchtopk": "jumprelu",
    "gated": "gated", "transcoder": "relu", "skip_transcoder": "relu",
    "jumprelu_transcoder": "jumprelu", "jumprelu_skip_transcoder": "jumprelu",
}  # fmt: skip
_OLD_NAMES = {"hook_point": "hook_name", "hook_point_head_index": "hook_head_index",
              "activation_fn_str": "activation_fn"}  # fmt: skip
_AT_RUN_TIME = ("none", "layer_norm", "constant_norm_rescale")
_FOLDED = ("expected_average_only_in", "covariance_whitening")
_TYPES = {"float32": torch.float32, "float64": torch.float64, "bfloat16": torch.bfloat16,
          "float16": torch.float16}  # fmt: skip
_HOOK = re.compile(r"blocks\.(?P<layer>\d+)\.(?P<hook>.+)")


@dataclass(frozen=True, eq=False)
class Encoder:
    """Features of activations, as sae-lens encodes them (6.54).

    Attributes
    ----------
    kind
        `"relu"`, `"jumprelu"` (a threshold), `"topk"` (the k largest) or `"gated"`.
    weights
        W_enc [base unit, feature], b_enc [feature], and what else encoding needs: b_dec (taken off
        the input; zero where it is not), threshold, W_dec norms, b_gate, b_mag, r_mag.
    normalise
        What is done to an example's activations first.
    k
        Features that stay, of `"topk"`.
    head
        The head whose columns are read; None: all columns.
    note
        What a reader has to know.
    """

    kind: str
    weights: Mapping[str, torch.Tensor]
    normalise: str = "none"
    k: int = 0
    head: int | None = None
    note: str = ""
    _digest: list[str] = field(default_factory=list, repr=False)

    @property
    def digest(self) -> str:
        """sha256 of the weights and of how they are used."""
        if not self._digest:
            said = hashlib.sha256(f"{self.kind} {self.normalise} {self.k} {self.head}".encode())
            for name, weight in sorted(self.weights.items()):
                said.update(f"{name} {weight.dtype} {tuple(weight.shape)}".encode())
                said.update(weight.contiguous().view(torch.uint8).numpy().tobytes())
            self._digest.append(said.hexdigest())
        return self._digest[0]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Encoder) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """[example, base unit] -> [example, feature]."""
        w = self.weights
        x = x.to(w["W_enc"].dtype)
        width = len(w["W_enc"])
        if self.head is not None:
            x = x.reshape(len(x), -1, width)[:, self.head]
        if x.shape[1] != width:
            raise InputError(f"the dictionary is for {width} units, the site has {x.shape[1]}")
        x = _normalised(x, self.normalise) - w["b_dec"]
        if self.kind == "gated":
            there = (x @ w["W_enc"] + w["b_gate"] > 0).to(x.dtype)
            return there * (x @ (w["W_enc"] * w["r_mag"].exp()) + w["b_mag"]).relu()
        hidden = x @ w["W_enc"] + w["b_enc"]
        if "norms" in w:
            hidden = hidden * w["norms"]
        if self.kind == "jumprelu":
            return hidden.relu() * (hidden > w["threshold"]).to(hidden.dtype)
        if self.kind == "topk":
            values, index = hidden.topk(self.k, dim=-1, sorted=False)
            return torch.zeros_like(hidden).scatter_(-1, index, values.relu())
        return hidden.relu()

    def random_twin(self, seed: int) -> Encoder:
        """Random directions of the same lengths, with the same offsets and thresholds."""
        weight = self.weights["W_enc"]
        drawn = torch.randn(weight.shape, generator=torch.Generator().manual_seed(seed))
        drawn = drawn / drawn.norm(dim=0) * weight.float().norm(dim=0)
        weights = {**self.weights, "W_enc": drawn.to(weight.dtype)}
        note = f"random directions, seed {seed}, in place of the learned ones"
        return replace(self, weights=weights, note=note, _digest=[])


def load_sae(
    folder: str | Path,
    *,
    name: str = "sae",
    base: str | None = None,
    layer: int | None = None,
) -> Site:
    """The features of a sparse autoencoder or transcoder as a site, read without its library.

    Parameters
    ----------
    folder
        A folder with cfg.json and safetensors, as sae-lens saves it: standard, JumpReLU, TopK,
        BatchTopK and gated autoencoders, transcoders with ReLU or JumpReLU.
    name
        What the site is called.
    base, layer
        The site and layer that it is for, in place of those its configuration names.

    Raises
    ------
    InputError
        A file is missing or damaged, an architecture that is none of these, weights that do not
        fit, or a place that is not said.
    """
    path = user_path(place_of("folder", folder))
    config = _config(path / CONFIG)
    encoder = _encoder(config, _weights(path), path)
    found = _HOOK.fullmatch(str(config.get("hook_name") or ""))
    if base is None and found is not None:
        base = found["hook"]
    if layer is None and found is not None:
        layer = int(found["layer"])
    if base is None or layer is None:
        raise InputError(
            f"{path / CONFIG} does not name a hook of a block ({shown(config.get('hook_name'))}): "
            "give base and layer, such as load_sae(folder, base='resid_post', layer=8)."
        )
    site = Site.from_function(name, base, encoder, layers=whole("layer", layer, least=0))
    what = f"{len(encoder.weights['W_enc'].T):,} {config['architecture']} features of {site.base}"
    return replace(site, what=what)


def _config(path: Path) -> dict[str, Any]:
    """The configuration by sae-lens's names of today, its metadata among them."""
    try:
        said = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {one_line(error, 120)}.") from error
    if not isinstance(said, dict):
        raise InputError(f"{path} must be a JSON object; got {shown(said)}.")
    metadata = said.get("metadata")
    given = {**(metadata if isinstance(metadata, dict) else {}), **said}
    config = {_OLD_NAMES.get(key, key): value for key, value in given.items()}
    config.setdefault("architecture", "standard")
    kwargs = config.get("activation_fn_kwargs")
    if config.get("activation_fn") == "topk" and isinstance(kwargs, dict) and "k" in kwargs:
        config |= {"architecture": "topk", "k": kwargs["k"]}
    kind = config["architecture"]
    if not isinstance(kind, str) or kind not in _KINDS:
        raise InputError(
            f"{path}: a dictionary of the architecture {shown(kind)} cannot be "
            f"read: {', '.join(_KINDS)} can."
        )
    if config.get("activation_fn", "relu") not in ("relu", "topk"):
        raise InputError(f"{path}: activation {shown(config['activation_fn'])} is not known here.")
    normalise = config.get("normalize_activations")
    if normalise is None or isinstance(normalise, bool):
        normalise = "expected_average_only_in" if normalise else "none"
    if normalise not in (*_AT_RUN_TIME, *_FOLDED):
        raise InputError(f"{path}: normalize_activations {shown(normalise)} is not known here.")
    if config.get("dtype", "float32") not in (*_TYPES, *(f"torch.{name}" for name in _TYPES)):
        raise InputError(f"{path}: dtype {shown(config['dtype'])} is not known here.")
    return config | {"normalize_activations": normalise}


def _weights(path: Path) -> dict[str, torch.Tensor]:
    files = [path / WEIGHTS] if (path / WEIGHTS).exists() else sorted(path.glob("*.safetensors"))
    if len(files) != 1:
        raise InputError(
            f"{path} must have {WEIGHTS}, or one file of safetensors; it has {len(files)}."
        )
    try:
        return load_file(files[0])
    except (OSError, SafetensorError, ValueError) as error:
        raise InputError(f"cannot read {files[0]}: {one_line(error, 120)}.") from error


def _encoder(config: dict[str, Any], given: dict[str, torch.Tensor], path: Path) -> Encoder:
    kind = _KINDS[config["architecture"]]
    dtype = _TYPES[str(config.get("dtype", "float32")).removeprefix("torch.")]
    wanted = {"relu": ["b_enc"], "topk": ["b_enc"], "jumprelu": ["b_enc", "threshold"],
              "gated": ["b_gate", "b_mag", "r_mag"]}[kind]  # fmt: skip
    w = {name: tensor.to(dtype) for name, tensor in given.items()}
    if "topk_threshold" in given and "threshold" not in w and "b_enc" in w:  # before it is exported
        w["threshold"] = torch.ones_like(w["b_enc"]) * float(given["topk_threshold"])
    missing = [name for name in ("W_enc", *wanted) if name not in w]
    if missing or w["W_enc"].ndim != 2:
        raise InputError(f"the weights in {path} have no {', '.join(missing) or 'W_enc matrix'}.")
    n_in, n_features = w["W_enc"].shape
    kept = {name: w[name] for name in ("W_enc", *wanted)}
    transcoder = "transcoder" in config["architecture"]
    if config.get("apply_b_dec_to_input", True) and not transcoder:
        kept["b_dec"] = w.get("b_dec", torch.empty(0))
    else:
        kept["b_dec"] = torch.zeros(n_in, dtype=dtype)
    if config.get("rescale_acts_by_decoder_norm"):
        kept["norms"] = w["W_dec"].norm(dim=-1) if "W_dec" in w else torch.empty(0)
    for name, weight in kept.items():
        size = {"W_enc": (n_in, n_features), "b_dec": (n_in,)}.get(name, (n_features,))
        if tuple(weight.shape) != size:
            raise InputError(
                f"{name} in {path} must be {list(size)} numbers; it is {list(weight.shape)}."
            )
        if n_odd := int((~torch.isfinite(weight)).sum()):
            raise InputError(
                f"{name} in {path} has {n_odd:,} of {weight.numel():,} numbers that are NaN or "
                "infinite: the file is damaged, or was saved from a training that diverged."
            )
    scale = given.get("scaling_factor")
    if scale is not None and not torch.allclose(scale.float(), torch.ones_like(scale.float())):
        raise InputError(f"the weights in {path} have a scaling_factor, which is not known here.")
    k = whole("k in cfg.json", config.get("k"), least=1, most=n_features) if kind == "topk" else 0
    head, normalise = config.get("hook_head_index"), config["normalize_activations"]
    note = ""
    if normalise in _FOLDED:
        note = (
            f"trained with normalize_activations={normalise}, whose numbers the folder does not "
            "have: none are applied, as if they were folded into the weights"
        )
        normalise = "none"
    return Encoder(kind, kept, normalise, k, head, note)


def _normalised(x: torch.Tensor, how: str) -> torch.Tensor:
    if how == "layer_norm":
        x = x - x.mean(dim=-1, keepdim=True)
        return x / (x.std(dim=-1, keepdim=True) + 1e-5)
    if how == "constant_norm_rescale":
        times: torch.Tensor = x.shape[1] ** 0.5 / x.norm(dim=-1, keepdim=True)
        return x * times
    return x
