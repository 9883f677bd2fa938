"""Activations of a user's own, as arrays [example, unit] or from a store: no model is needed."""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy.typing import NDArray

from lens_probes.activations.collect import Activations
from lens_probes.activations.passes import plan_from_bytes, rows_of
from lens_probes.activations.shard_folder import MANIFEST, Key, ShardFolder, StoredArrays
from lens_probes.activations.store import PLAN
from lens_probes.arrays import array_of, in_order, name_of
from lens_probes.errors import InputError, place_of, shown, whole
from lens_probes.sites import SiteShape
from lens_probes.storage.integrity import read_file
from lens_probes.storage.paths import user_path

ONE_ARRAY: Key = (0, "units")
_LONGEST_NAME = 100
_PACKAGES = ("lens-probes", "numpy", "scipy")


@dataclass(frozen=True, eq=False)
class Given:
    """Activations with what a result records of them: where they are from, and their digest."""

    activations: Activations
    origin: Mapping[str, Any]
    index: pd.Index | None = None

    @property
    def n_examples(self) -> int:
        """Rows of every array."""
        return len(self.activations[next(iter(self.activations))])


def given_activations(x: Any, names: Any = None) -> Given:
    """Arrays [example, unit] of a user's own, each number checked.

    Parameters
    ----------
    x
        Arrays by (layer, site), or one array: NumPy, torch, a list of rows, a data frame whose
        columns are names of units; what `collect` gave; or the path of a store.
    names
        Names of the units: a list for one array, lists by (layer, site) for several, which then
        read `L3.site.name`. By default those of the columns, else numbers.

    Raises
    ------
    InputError
        A key, shape or name that is wrong or there twice; lengths that differ; a number that is
        not finite, by its layer, site, unit and example.
    """
    if isinstance(x, Activations):
        return _checked(x, x.shapes, names, "activations that were collected")
    if isinstance(x, str | Path):
        stored = _stored(place_of("the store", x))
        return _checked(stored, {}, names, f"the store {x}")
    arrays: Mapping[Key, Any]
    index = x.index if isinstance(x, pd.DataFrame) else None
    if not isinstance(x, Mapping):
        one = _names_of_columns(x) if names is None else in_order("names", names)
        arrays = {ONE_ARRAY: _array("the activations", x)}
        made = None if one is None else {ONE_ARRAY: one}
        return _checked(arrays, {}, made, "one array of the user", index=index, prefixed=False)
    keys = _keys(list(x))
    arrays = {key: _array(_said(key), value) for key, value in zip(keys, x.values(), strict=True)}
    if names is None:
        columns = [_names_of_columns(value) for value in x.values()]
        names = {k: one for k, one in zip(keys, columns, strict=True) if one is not None}
    return _checked(arrays, {}, names, "arrays of the user")


def _keys(given: list[Any]) -> list[Key]:
    if not given:
        raise InputError("no activations given: give one array [example, unit] or more.")
    keys: list[Key] = []
    for key in given:
        if not isinstance(key, tuple) or len(key) != 2:
            raise InputError(
                f"activations must be by (layer, site), such as (3, 'sae'); got {shown(key)}."
            )
        layer, site = whole("a layer", key[0], least=0), name_of("a site", key[1]).strip()
        if not site or len(site) > _LONGEST_NAME:
            raise InputError(f"a site must be a name of 1 to {_LONGEST_NAME} letters.")
        if (layer, site) in keys:
            raise InputError(f"{_said((layer, site))} is given twice: give each another name.")
        keys.append((layer, site))
    return keys


def _checked(
    arrays: Any,
    shapes: Mapping[str, SiteShape],
    names: Any,
    said: str,
    *,
    index: pd.Index | None = None,
    prefixed: bool = True,
) -> Given:
    keys = list(arrays)
    given = names or {}
    if not isinstance(given, Mapping):
        raise InputError("names must be lists by (layer, site), as the activations are.")
    if unknown := [key for key in given if key not in keys]:
        raise InputError(f"names of {shown(unknown[0])}, of which no activations are given.")
    digest, named, dtypes, n = hashlib.sha256(), {}, set(), None
    for key in keys:
        x = arrays[key]
        n = len(x) if n is None else n
        if len(x) != n or not n:
            raise InputError(
                f"{_said(key)} has {len(x)} examples, {_said(keys[0])} {n}: give as many in each."
            )
        digest.update(f"{key} {x.dtype.str} {x.shape} ".encode())
        digest.update(np.ascontiguousarray(x).data)
        dtypes.add(str(x.dtype))
        shape = shapes.get(key[1], SiteShape(None, x.shape[1]))
        start = f"L{key[0]}.{key[1]}." if prefixed else ""
        named[key] = _unit_names(key, given.get(key), x, shape, start)
        _check_finite(key, x, named[key])
    _check_once(named)
    whole_set = {site: SiteShape(None, arrays[layer, site].shape[1]) for layer, site in keys}
    origin = {
        "from": said,
        "sha256": digest.hexdigest(),
        "dtypes": sorted(dtypes),
        "versions": {name: importlib.metadata.version(name) for name in _PACKAGES},
    }
    found = arrays.arrays if isinstance(arrays, Activations) else arrays
    return Given(Activations(found, whole_set, names=named), origin, index)


def _unit_names(
    key: Key, names: Any, x: NDArray[Any], shape: SiteShape, start: str
) -> tuple[str, ...]:
    if names is None:
        own = Activations({}, {key[1]: shape})
        return own.unit_names(key)
    given = [
        name_of(f"the name of unit {i}", one) for i, one in enumerate(in_order("names", names))
    ]
    if len(given) != x.shape[1]:
        raise InputError(
            f"{_said(key)} has {x.shape[1]} units and {len(given)} names: give one a unit."
        )
    return tuple(start + one for one in given)


def _check_once(named: Mapping[Key, tuple[str, ...]]) -> None:
    seen: set[str] = set()
    for names in named.values():
        for name in names:
            if name in seen or not name.strip():
                what = f"two units are called {name!r}" if name.strip() else "a unit has no name"
                raise InputError(f"{what}: give each unit a name of its own.")
            seen.add(name)


def _check_finite(key: Key, x: NDArray[Any], names: tuple[str, ...]) -> None:
    # A sum is not finite where an entry is not; where it is not, overflow is told apart below.
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(x.sum(dtype=np.float64)):
            return
    example, unit = (np.argwhere(~np.isfinite(x)).tolist() or [[-1, -1]])[0]
    if example >= 0:
        raise InputError(
            f"{_said(key)}, unit {unit} ({names[unit]}), example {example}: the activation is "
            f"{x[example, unit]}; every one must be a finite number."
        )


def _array(said: str, value: Any) -> Float[np.ndarray, "example unit"]:
    """Float32 or float64 [example, unit]: halves become float32, whole numbers float64."""
    if hasattr(value, "to_numpy") and not isinstance(value, pd.DataFrame | pd.Series):
        value = value.to_numpy()
    x = array_of(said, value)
    if x.dtype.kind not in "fiub":
        raise InputError(f"{said} must be numbers; got {x.dtype}.")
    if x.ndim != 2 or not x.size:
        hint = " (one unit is x[:, None])" if x.ndim == 1 else ""
        raise InputError(f"{said} must be [example, unit]; got the shape {x.shape}{hint}.")
    if x.dtype in (np.float32, np.float64):
        return x
    return x.astype(np.float32 if x.dtype == np.float16 else np.float64)


def _names_of_columns(value: Any) -> list[str] | None:
    columns = getattr(value, "columns", None)
    return None if columns is None else [str(name) for name in columns]


def _said(key: Key) -> str:
    return f"layer {key[0]}, site {key[1]}"


def _stored(given: Path) -> StoredArrays:
    """All arrays of a store's one key that is whole, each shard checked."""
    root = user_path(given)
    found = (
        [root] if (root / MANIFEST).is_file() else [p.parent for p in root.glob(f"*/{MANIFEST}")]
    )
    if len(found) != 1:
        several = ", ".join(sorted(path.name for path in found)[:4])
        what = (
            f"holds activations of several sets of windows ({several})" if found else "is no store"
        )
        raise InputError(f"{root} {what}: give the folder of one, with its {MANIFEST}.")
    [path] = found
    said = ShardFolder(path, None).manifest()
    folder = ShardFolder(path, said["made_from"]["plan_sha256"])
    try:
        plan = plan_from_bytes(read_file(path / PLAN))
    except (OSError, ValueError) as error:
        raise InputError(f"{path / PLAN} cannot be read: run the sweep again.") from error
    if len(said["shards"]) != len(plan):
        raise InputError(f"{path} is not whole: run the sweep that fills it again.")
    digests = tuple(said["shards"][str(i)] for i in range(len(plan)))
    for i, digest in enumerate(digests):
        folder.check(i, digest, rows_of(plan[i]))
    keys = tuple(_key(name) for name in said["made_from"]["arrays"])
    return StoredArrays(folder, digests, keys, sum(len(rows_of(shard)) for shard in plan))


def _key(name: str) -> Key:
    layer, site = name.split(".", 1)
    return int(layer), site
