"""Gradients of a metric with respect to every unit: one pass forward, a few back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from lens_probes.ablation.rerun import Way, continued, start
from lens_probes.ablation.windows import Group, Positions
from lens_probes.model.load import LensModel
from lens_probes.screening.metrics import Metric
from lens_probes.sites import SITES

Key = tuple[int, str]
_BYTES = 2**29  # what the gradients of a pass may keep
_MOST_TOKENS = 6144


@dataclass(frozen=True)
class Place:
    """Where the gradient for a site's units is taken.

    An MLP unit before its non-linearity acts through one number behind it. The change is made
    there, as large as it is, and the gradient taken there (`at`), so that the non-linearity is not
    taken for a straight line. In a gated MLP the linear half (`factor`) multiplies it.
    """

    site: str
    at: str
    factor: str | None = None


@dataclass(frozen=True)
class Slopes:
    """Some windows at one layer and site, where its units are replaced.

    Attributes
    ----------
    value
        [window, position, unit] of the site.
    written, factor
        [window, position, unit]: a unit set to what makes it `c` behind the non-linearity (`c`
        itself, where there is none) changes what is written by `c * factor - written`.
    gradient
        [draw, window, position, unit] of the metric, with respect to what is written.
    """

    value: Float[torch.Tensor, "window position unit"]
    written: Float[torch.Tensor, "window position unit"]
    factor: Float[torch.Tensor, "window position unit"] | None
    gradient: Float[torch.Tensor, "draw window position unit"]


def place_of(model: LensModel, site: str) -> Place:
    """The place of a site in this model."""
    if site == "mlp_pre" and "mlp_post" in model.shapes:
        factor = "mlp_pre_linear" if "mlp_pre_linear" in model.shapes else None
        return Place(site, "mlp_post", factor)
    return Place(site, site)


def windows_per_pass(model: LensModel, group: Group, first: int) -> int:
    """How many windows share a pass, by what autograd keeps of them."""
    cfg: Any = model.cfg
    n = int(group.tokens.shape[1])
    heads = int(cfg.n_heads) * int(cfg.d_head)
    mlp = model.shapes["mlp_post"].n_units if "mlp_post" in model.shapes else 4 * int(cfg.d_model)
    token = 12 * int(cfg.d_model) + 5 * mlp + 4 * heads + 3 * int(cfg.n_heads) * n
    kept = model.n_layers * (4 * heads * n + (n - first) * token)
    kept += 4 * (n - first) * int(cfg.d_vocab)
    return max(1, min(_MOST_TOKENS // n, _BYTES // (4 * kept)))


def slopes(
    model: LensModel,
    group: Group,
    layers: Sequence[int],
    places: Sequence[Place],
    metric: Metric,
    *,
    positions: Positions,
    way: Way,
    noise: torch.Generator,
) -> Iterator[tuple[Key, Slopes]]:
    """Gradients of the metric for all units of some layers and sites, in windows of one shape.

    At the read position only what follows can change: keys and values of the tokens before are
    kept, without gradients, and the pass that is differentiated is of the tokens from there on.
    """
    first = first_token(group, positions, way)
    tokens = torch.from_numpy(group.tokens.astype(np.int64)).to(model.device)
    last = max(group.read + 1, tokens.shape[1] - 1)
    with torch.no_grad():
        begun = start(model, tokens[:, :last], first, [0])
    replaced = group.where(positions)
    where = slice(replaced.start - first, min(replaced.stop, last) - first)
    tape = _Tape(layers, places)
    gradients: dict[Key, list[torch.Tensor]] = {key: [] for key in tape.written}
    with model.computing(gradients=True):
        entering = begun.residual[0].clone()  # not one of inference mode
        logits = continued(model, begun.prefix).run_from(0, entering, fwd_hooks=tape.hooks)
        following = tokens[:, first + 1 :]
        zeros = [tape.zeros[key] for key in tape.written]
        for scalar in metric.scalars(logits, group, first, following, noise):
            found = torch.autograd.grad(scalar, zeros, retain_graph=True)
            for key, gradient in zip(tape.written, found, strict=True):
                gradients[key].append(gradient.flatten(2)[:, where].clone())
    stacked = {key: torch.stack(draws) for key, draws in gradients.items()}

    def there(layer: int, site: str) -> torch.Tensor:
        return tape.values[layer, site].flatten(2)[:, where]

    for layer in layers:
        for place in places:
            factor = None if place.factor is None else there(layer, place.factor)
            yield (
                (layer, place.site),
                Slopes(
                    there(layer, place.site),
                    there(layer, place.at),
                    factor,
                    stacked[layer, place.at],
                ),
            )


def first_token(group: Group, positions: Positions, way: Way) -> int:
    """The first token that is run again."""
    return group.target if positions == "read" and way != "whole" else 0


class _Tape:
    """Hooks that add a zero to what every site writes, which takes the gradient."""

    def __init__(self, layers: Sequence[int], places: Sequence[Place]) -> None:
        self.zeros: dict[Key, torch.Tensor] = {}
        self.values: dict[Key, torch.Tensor] = {}
        at = sorted({place.at for place in places})
        read = {place.site for place in places} | {one.factor for one in places if one.factor}
        self.written = [(layer, site) for layer in layers for site in at]
        self.hooks: list[tuple[str, Callable[..., Any]]] = []
        for layer in layers:
            for site in sorted(read.union(at)):
                hook = self._write if site in at else self._read
                self.hooks.append((SITES[site].hook_name(layer), hook((layer, site))))

    def _write(self, key: Key) -> Callable[..., torch.Tensor]:
        def add_zero(tensor: torch.Tensor, hook: object) -> torch.Tensor:
            self.values[key] = tensor.detach()
            self.zeros[key] = torch.zeros_like(tensor, requires_grad=True)
            return tensor + self.zeros[key]

        return add_zero

    def _read(self, key: Key) -> Callable[..., None]:
        def keep(tensor: torch.Tensor, hook: object) -> None:
            self.values[key] = tensor.detach()

        return keep
