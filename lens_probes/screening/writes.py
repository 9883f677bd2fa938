"""How long what a unit writes is; what an MLP unit becomes behind its non-linearity."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from lens_probes.ablation.swap import writes_of
from lens_probes.errors import InputError
from lens_probes.model.load import LensModel
from lens_probes.screening.gradients import Key, place_of
from lens_probes.sites import SITES


def write_lengths(model: LensModel, layer: int, site: str) -> Float[np.ndarray, " unit"]:
    """[unit] length of what each writes to the residual stream at 1.

    Values (`v`) write through the output matrices of the query heads that read them. Queries and
    keys write nothing, nor do units of a layer without one output matrix: 1, so that units are
    compared by their change alone.
    """
    n = model.shapes[site].n_units
    if site != "v":
        writes = writes_of(model, layer, site)
        return np.ones(n) if isinstance(writes, str) else writes.length
    try:
        rows = model.attention_output_weights(layer).double().square().sum(dim=1).cpu().numpy()
    except InputError:
        return np.ones(n)
    shape = model.shapes[site]
    heads = shape.heads or 1
    by_head = rows.reshape(heads, -1, shape.d)  # query heads of one value head stand together
    return np.asarray(np.sqrt(by_head.sum(axis=1)).ravel())


def behind(
    model: LensModel, reference: dict[Key, Float[np.ndarray, " unit"]]
) -> dict[Key, Float[np.ndarray, " unit"]]:
    """What each unit set to its reference is where its gradient is taken.

    The unit itself; for MLP units before their non-linearity the model is asked, with the linear
    half of a gated MLP at 1: one pass over one token for all layers.
    """
    through = [key for key in reference if place_of(model, key[1]).at != key[1]]
    found = {key: reference[key].astype(np.float64) for key in reference}
    if not through:
        return found
    values: dict[Key, torch.Tensor] = {}
    hooks: list[tuple[str, Any]] = []
    for layer, site in through:
        place = place_of(model, site)
        hooks.append((SITES[site].hook_name(layer), _set_to(reference[layer, site])))
        if place.factor is not None:
            hooks.append((SITES[place.factor].hook_name(layer), _set_to(np.ones(1))))
        hooks.append((SITES[place.at].hook_name(layer), _keep(values, (layer, site))))
    token = torch.ones((1, 1), dtype=torch.long, device=model.device)
    with model.computing(gradients=False):
        model.run_with_hooks(token, fwd_hooks=hooks, return_type=None)
    for key in through:
        found[key] = values[key].flatten().double().cpu().numpy()
    return found


def _set_to(values: Float[np.ndarray, " unit"]) -> Any:
    def hook(tensor: torch.Tensor, hook: object) -> torch.Tensor:
        new = torch.from_numpy(values).to(tensor.device, tensor.dtype)
        return new.expand_as(tensor).clone()

    return hook


def _keep(values: dict[Key, torch.Tensor], key: Key) -> Any:
    def hook(tensor: torch.Tensor, hook: object) -> None:
        values[key] = tensor.detach().clone()

    return hook
