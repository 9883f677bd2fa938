"""Units that are functions of a site's activations: computed from what has been read of it."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float

from lens_probes.activations.shard_folder import Key
from lens_probes.errors import InputError
from lens_probes.model.load import LensModel
from lens_probes.model.own_sites import apply_site

Arrays = Mapping[Key, Float[np.ndarray, "example unit"]]


def keys_of(model: LensModel, layers: Sequence[int], names: Iterable[str]) -> tuple[Key, ...]:
    """Layers and sites, without the layers that a site is not for.

    Raises
    ------
    InputError
        A site of none of these layers.
    """
    keys = tuple((i, name) for i in layers for name in names if model.site(name).at(i))
    for name in names:
        if not any(site == name for _, site in keys):
            at = ", ".join(map(str, model.site(name).layers or ()))
            raise InputError(f"site {name!r} is for layer {at} alone: ask for that layer too.")
    return keys


def read_keys(model: LensModel, keys: Iterable[Key]) -> tuple[Key, ...]:
    """What a forward pass has to read for these, each once."""
    return tuple(dict.fromkeys((layer, model.site(site).base or site) for layer, site in keys))


def derived(model: LensModel, keys: Sequence[Key], arrays: Arrays, *, kept: bool) -> Arrays:
    """The arrays of these keys, from those that were read.

    `kept`: computed now and kept; else when they are asked for, and while they are in use.
    """
    if all(not model.site(site).base for _, site in keys):
        return arrays
    found = DerivedArrays(model, tuple(keys), arrays)
    return {key: found[key] for key in keys} if kept else found


@dataclass(frozen=True, eq=False)
class DerivedArrays(Mapping[Key, Float[np.ndarray, "example unit"]]):
    """Arrays [example, unit], computed when they are asked for."""

    model: LensModel
    keys_in_order: tuple[Key, ...]
    arrays: Arrays
    _in_use: weakref.WeakValueDictionary[Key, Any] = field(
        default_factory=weakref.WeakValueDictionary, repr=False
    )

    def __getitem__(self, key: Key) -> Float[np.ndarray, "example unit"]:
        if key not in self.keys_in_order:
            raise KeyError(key)
        layer, name = key
        site = self.model.site(name)
        if not site.base:
            return self.arrays[key]
        known: Float[np.ndarray, "example unit"] | None = self._in_use.get(key)
        if known is None:
            known = apply_site(site, self.arrays[layer, site.base])
            known.flags.writeable = False  # it is handed out again while it is in use
            self._in_use[key] = known
        return known

    def __iter__(self) -> Iterator[Key]:
        return iter(self.keys_in_order)

    def __len__(self) -> int:
        return len(self.keys_in_order)
