"""Sites that are not of the table: any hook of TransformerLens, any function of a site's units."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from lens_probes.errors import InputError, given_as, one_line, unknown
from lens_probes.model.check import hook_tensors, two_rows
from lens_probes.model.load import LensModel
from lens_probes.model.proof import UNPROVED
from lens_probes.sites import (
    SITES,
    Site,
    SiteShape,
    SiteShapes,
    check_sites,
    hook_site,
    listed_sites,
)

_ROWS = 512
_ALIKE = 0.99


def with_sites(
    model: LensModel, sites: Iterable[str | Site] | Site | str
) -> tuple[LensModel, tuple[str, ...]]:
    """The model with what is asked of its hooks, and of one's own sites, among its sites.

    Returns the names of the sites in the order asked, each once; a hook's is without `blocks.`.

    Raises
    ------
    InputError
        A site that the model lacks, a hook that is not [batch, position, (head,) unit] in every
        layer, a function that fails or whose units of an example depend on other examples.
    """
    shapes, own = SiteShapes(model.shapes), dict(model.own_sites)
    names: list[str] = []
    for given in listed_sites(sites, model.shapes):
        given_as("a site", given, str | Site, "a name, or a Site")
        site = _site(given, own)
        names.append(site.name)
        if site.name in SITES or own.get(site.name) == site:
            continue
        if site.name in own:
            raise InputError(f"two sites are called {site.name!r}: give each another name.")
        base = site
        if site.function is not None:
            base = hook_site(site.base) or SITES[site.base]
        if base.name not in SITES and base.name not in shapes:
            shapes[base.name] = _hook_shape(model, base)
            shapes.proof[base.name] = UNPROVED
            own[base.name] = base
        check_sites([base.name], shapes)
        if site.function is not None:
            shapes[site.name] = SiteShape(None, _width(site, shapes[base.name].n_units))
            shapes.proof[site.name] = shapes.proof.get(base.name, UNPROVED)
            own[site.name] = site
    chosen = check_sites(names, shapes)
    return dataclasses.replace(model, shapes=shapes, own_sites=own), chosen


def recorded_sites(model: LensModel, names: Iterable[str]) -> dict[str, Any]:
    """What a result says of its sites that are not of the table; nothing where there are none."""
    own = {name: model.own_sites[name].recorded for name in names if name in model.own_sites}
    return {"own_sites": own} if own else {}


def apply_site(
    site: Site, x: Float[np.ndarray, "example base_unit"]
) -> Float[np.ndarray, "example unit"]:
    """A function's units of all examples, a part of the examples at a time; float32.

    Raises
    ------
    InputError
        The function fails, or gives something else than [example, unit] numbers.
    """
    assert site.function is not None
    parts = []
    for start in range(0, len(x), _ROWS):
        rows = np.array(x[start : start + _ROWS], np.float32)  # a copy: functions may write into it
        parts.append(_called(site, torch.from_numpy(rows)))
    return np.concatenate(parts)


def _called(site: Site, rows: torch.Tensor) -> Float[np.ndarray, "example unit"]:
    assert site.function is not None
    try:
        with torch.inference_mode():
            found: Any = site.function(rows)
    except Exception as error:  # whatever a function of the user's raises
        raise InputError(
            f"the function of site {site.name!r} fails on a tensor {list(rows.shape)}: "
            f"{type(error).__name__}: {one_line(error, 120)}."
        ) from error
    shape = tuple(getattr(found, "shape", ()))
    if len(shape) != 2 or shape[0] != len(rows) or not shape[1]:
        got = list(shape) if shape else type(found).__name__
        raise InputError(
            f"the function of site {site.name!r} must give [example, unit] for {len(rows)} "
            f"examples; it gives {got}."
        )
    try:
        tensor = torch.as_tensor(found)
    except Exception as error:  # texts, objects, a data frame
        raise InputError(
            f"the function of site {site.name!r} must give a tensor of numbers; it gives a "
            f"{type(found).__name__}."
        ) from error
    if tensor.is_complex() or tensor.is_sparse:
        raise InputError(f"the function of site {site.name!r} must give real, dense numbers.")
    values: Float[np.ndarray, "example unit"] = tensor.detach().float().cpu().numpy()
    return values


def _width(site: Site, n_base: int) -> int:
    """Units of a function; an error where an example's units depend on what is beside it."""
    rows = torch.randn(8, n_base, generator=torch.Generator().manual_seed(0))
    together = _called(site, rows)
    alone = np.concatenate([_called(site, row[None]) for row in rows])
    if alone.shape != together.shape:
        raise InputError(
            f"the function of site {site.name!r} gives other widths to other examples."
        )
    alike = np.isclose(alone, together, rtol=1e-3, atol=1e-4, equal_nan=True).mean()
    if alike < _ALIKE:
        raise InputError(
            f"the function of site {site.name!r} gives an example other units when it comes alone: "
            "take means, scales and thresholds from examples of your own beforehand."
        )
    return int(together.shape[1])


def _site(given: str | Site, own: dict[str, Site]) -> Site:
    if isinstance(given, Site):
        return given
    if given in own:
        return own[given]
    found = SITES.get(given) or hook_site(given)
    if found is None:
        raise unknown("site", given, [*SITES, *own])
    return found


def _hook_shape(model: LensModel, site: Site) -> SiteShape:
    """Axes of a hook, the same in all layers and for windows of two lengths."""
    hooks = [site.hook_name(layer) for layer in range(model.n_layers)]
    tokens = two_rows(model.cfg).to(model.device)
    axes = set()
    for rows in (tokens, tokens[:, :-1]):
        with model.computing(gradients=False):
            found = hook_tensors(model.tl, rows, hooks)
        missing = [hook for hook in hooks if not isinstance(found.get(hook), torch.Tensor)]
        if missing:
            what = "layers alone have it" if len(missing) < len(hooks) else "no layer has it"
            raise InputError(
                f"no site at hook {site.hook!r}: {what}, or it is not computed (a setting such as "
                f"use_attn_result); the model's sites are {', '.join(model.shapes)}."
            )
        for hook in hooks:
            shape = tuple(found[hook].shape)
            if shape[:2] != tuple(rows.shape) or len(shape) not in (3, 4):
                raise _refused(site, shape)
            axes.add(shape[2:])
    if len(axes) > 1:
        raise _refused(site, shape)
    return SiteShape(shape[2] if len(shape) == 4 else None, shape[-1])


def _refused(site: Site, shape: tuple[int, ...]) -> InputError:
    return InputError(
        f"hook {site.hook!r} is no site: its shape {list(shape)} is not [batch, position, unit] or "
        "[batch, position, head, unit] with the same units in every layer and window."
    )
