"""What PyTorch hooks see on the blocks of a Hugging Face model, to compare sites with.

The one place with raw hooks: they are taken on a few tokens when a model is loaded, by code that
knows nothing of TransformerLens's hook points, and are gone afterwards.
"""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float

from lens_probes.sites import SiteShape

_WHOLE = -1
_PROJECTION = re.compile(r"(q|k|v)(_|$)")
_LAST = 4  # positions that are kept of the first row; of the second, which differs there, the last


@dataclass
class Seen:
    """[sample, unit] of what enters and leaves the modules of each block, by layer and place.

    A place is a module's path in its block and a side, such as `mlp.down_proj input`; the block
    itself is `block`. `linear` are the places at modules that multiply by a matrix.
    """

    values: dict[int, dict[str, Float[torch.Tensor, "sample unit"]]] = field(default_factory=dict)
    linear: set[str] = field(default_factory=set)

    def keep(self, layer: int, place: str, value: Any, rows: tuple[int, int]) -> None:
        """Add what a hook was given, if it is an activation at every position."""
        value = value[0] if isinstance(value, (tuple, list)) and value else value
        if not isinstance(value, torch.Tensor) or not value.is_floating_point():
            return
        if value.shape[:2] != rows:
            if value.ndim != 2 or len(value) != rows[0] * rows[1]:
                return
            value = value.reshape(*rows, -1)
        if value.ndim > 2:
            self.values.setdefault(layer, {})[place] = sample(value)


def sample(value: torch.Tensor) -> Float[torch.Tensor, "sample unit"]:
    """The positions that are compared, of an activation [2 rows, position, ...]: copied."""
    flat = value.detach().flatten(2)
    return torch.cat([flat[0, -_LAST:], flat[1, -1:]])


@contextlib.contextmanager
def recording(hf: Any, rows: tuple[int, int]) -> Iterator[Seen]:
    """Hooks on all modules of all blocks of a Hugging Face model, bridged or not.

    Parameters
    ----------
    rows
        Rows and positions of the pass that runs inside.
    """
    seen, handles = Seen(), []

    def hook(module: Any, inputs: Any, kwargs: Any, output: Any, *, layer: int, place: str) -> None:
        given = inputs or (kwargs.get("hidden_states"),)
        seen.keep(layer, f"{place} input", given, rows)
        seen.keep(layer, f"{place} output", output, rows)

    for layer, block in enumerate(blocks_of(hf)):
        for path, module in _modules(block):
            weight = getattr(module, "weight", None)
            place = path or "block"
            if isinstance(weight, torch.Tensor) and weight.ndim == 2:
                seen.linear |= {f"{place} input", f"{place} output"}
            do = functools.partial(hook, layer=layer, place=place)
            handles.append(module.register_forward_hook(do, with_kwargs=True))
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def places_of(
    sites: Mapping[str, Mapping[int, Float[torch.Tensor, "sample unit"]]],
    shapes: Mapping[str, SiteShape],
    seen: Seen,
    close: float,
) -> dict[str, str]:
    """Where the raw hooks have seen what sites hold, the same place in every layer.

    Parameters
    ----------
    sites
        Site -> layer -> its activations, as `sample` cuts them.
    close
        Largest difference, as a share of the largest number.
    """
    found = {site: _place(site, values, seen, close) for site, values in sites.items()}
    starts = _starts(shapes)
    return {
        site: place
        for site, (place, column) in ((site, one) for site, one in found.items() if one)
        if column is None or column in starts.get(site, {column})
    }


def _starts(shapes: Mapping[str, SiteShape]) -> dict[str, set[int]]:
    """Where q, k and v can begin in one matrix: one after another, all or group by group."""
    if not {"q", "k", "v"} <= set(shapes):
        return {}
    queries, keys = shapes["q"], shapes["k"]
    together, group = queries.n_units, queries.n_units // (keys.heads or 1)
    return {
        "q": {0},
        "k": {together, group},
        "v": {together + keys.n_units, group + keys.d},
    }


def _place(
    site: str, values: Mapping[int, torch.Tensor], seen: Seen, close: float
) -> tuple[str, int | None] | None:
    """A place that holds a site, and the column of its first unit where it holds more."""
    if not values or any(layer not in seen.values for layer in values):
        return None
    entering = [
        _column(value, seen.values[layer].get("block input"), site, close)
        for layer, value in values.items()
    ]
    if site == "resid_mid" and None not in entering:
        return None  # nothing has been added
    places = [place for place in seen.values[min(values)] if _fits(site, place, seen)]
    for place in sorted(places, key=lambda place: (place.count("."), place)):
        columns = [
            _column(value, seen.values[layer].get(place), site, close)
            for layer, value in values.items()
        ]
        if None not in columns and len(set(columns)) == 1:
            return place, columns[0] if columns[0] != _WHOLE else None
    return None


def _fits(site: str, place: str, seen: Seen) -> bool:
    """Whether a site can be found on this side of such a module of such a name."""
    path, _, side = place.rpartition(" ")
    if site in ("resid_pre", "resid_post"):
        return place == ("block input" if site == "resid_pre" else "block output")
    if site == "resid_mid":
        return side == "input"
    if ("att" in path) != (site in ("q", "k", "v", "z", "attn_out")):
        return False
    letter = _PROJECTION.match(path.rpartition(".")[2])
    if letter and site in ("q", "k", "v") and letter[1] != site:
        return False
    right = "input" if site in ("mlp_post", "z") else "output"
    return side == right and (site in ("attn_out", "mlp_out") or place in seen.linear)


def _column(site: torch.Tensor, raw: torch.Tensor | None, name: str, close: float) -> int | None:
    """Where all units of a site are: `_WHOLE`, or the first one's column in a fused matrix."""
    if raw is None:
        return None
    site, raw = site.double(), raw.to(site.device).double()
    allowed = close * float(site.abs().max())
    if site.shape == raw.shape:
        return _WHOLE if float((site - raw).abs().max()) <= allowed else None
    if site.shape[1] < raw.shape[1] and name in ("q", "k", "v", "mlp_pre", "mlp_pre_linear"):
        away = torch.cdist(site.T.contiguous(), raw.T.contiguous(), p=float("inf"))
        nearest = away.min(1)
        return int(nearest.indices[0]) if float(nearest.values.max()) <= allowed else None
    return None


def blocks_of(hf: Any) -> list[Any]:
    """The blocks of a Hugging Face model: its list of as many modules as it has layers."""
    n = hf.config.get_text_config().num_hidden_layers
    lists = [
        (name, module)
        for name, module in hf.named_modules()
        if isinstance(module, torch.nn.ModuleList) and len(module) == n
    ]
    return list(min(lists, key=lambda one: len(one[0]))[1]) if lists else []


def _modules(block: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """A block and its parts that are Hugging Face's, by their paths there.

    A bridge puts a component of its own around a part: the part is its `_original_component`, and
    whatever else the component has is not Hugging Face's.
    """
    original = block._modules.get("_original_component")
    if original is not None:
        yield from _modules(original, path)
        return
    yield path, block
    for name, part in block._modules.items():
        if part is not None:
            yield from _modules(part, f"{path}.{name}" if path else name)
