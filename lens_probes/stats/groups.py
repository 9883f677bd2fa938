"""Examples that belong together: word types, passages, and what a label does inside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lens_probes.errors import InputError, shown
from lens_probes.stats._compile import EXACT, compiled
from lens_probes.stats.inputs import Bools, Floats, Ints, to_numpy


@dataclass(frozen=True)
class Groups:
    """Groups of examples in sorted order of their names.

    names [group], sizes [group], index [example] (the group of each example), and order [example]
    with starts [group]: rows taken in `order` come group by group from `starts`.
    """

    what: str
    names: npt.NDArray[Any]
    index: Ints
    sizes: Ints
    order: Ints
    starts: Ints

    def name(self, group: int) -> str:
        """The name of a group as an error shows it."""
        name = self.names[group]
        return repr(name.item() if isinstance(name, np.generic) else name)

    def sums(self, values: Floats) -> Floats:
        """Sums over each group [group, unit] of values [example, unit]."""
        if len(self.sizes) == len(self.index):
            return values[self.order]
        values = _floats(values)
        total = np.zeros((len(self.sizes), values.shape[1]))
        _add(values, self.index, total)
        return total


def group_examples(ids: Any, n_examples: int, *, what: str) -> Groups:
    """Groups of equal ids [example]: strings, integers or booleans, none of them missing."""
    names = to_numpy(ids, what)
    if names.shape != (n_examples,):
        raise InputError(
            f"{what} has shape {names.shape} but x has {n_examples} examples: "
            f"{what} must be [example], one id for each row of x"
        )
    if names.dtype.kind in "cV":
        raise InputError(f"{what} has dtype {names.dtype}: every id must be a string or an integer")
    if names.dtype == object:
        for example, name in enumerate(names):
            if not isinstance(name, str | int | np.integer):
                raise InputError(
                    f"{what} is {shown(name)} at example {example}: every id must be a string or "
                    "an integer; drop the example or name it"
                )
        if len({isinstance(name, str) for name in names}) > 1:
            names = np.array([str(name) for name in names])
    elif names.dtype.kind == "f" and not np.isfinite(names).all():
        example = int(np.flatnonzero(~np.isfinite(names))[0])
        raise InputError(f"{what} is {names[example]} at example {example}: every id must be given")
    found, index, sizes = np.unique(names, return_inverse=True, return_counts=True)
    order = np.argsort(index, kind="stable").astype(np.int64)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
    return Groups(what, found, index.astype(np.int64), sizes.astype(np.int64), order, starts)


def group_labels(groups: Groups, positive: Bools) -> Bools:
    """The label of each group [group], or a ValueError naming a group where it varies."""
    share = np.bincount(groups.index, weights=positive) / groups.sizes
    mixed = np.flatnonzero((share > 0) & (share < 1))
    if len(mixed):
        raise InputError(
            f"{groups.what} {groups.name(int(mixed[0]))} has examples of both labels: the label "
            f"must be constant in each {groups.what}; where it varies inside passages, permute "
            "with within="
        )
    labels: Bools = share == 1
    return labels


def group_values(groups: Groups, values: Floats) -> Floats:
    """The value of each group [group], or a ValueError naming a group where it varies."""
    first: Floats = values[groups.order[groups.starts]]
    mixed = np.flatnonzero(values != first[groups.index])
    if len(mixed):
        raise InputError(
            f"{groups.what} {groups.name(int(groups.index[mixed[0]]))} has examples of different "
            f"values: the value must be constant in each {groups.what}"
        )
    return first


def centred_scaled(part: npt.NDArray[Any]) -> Floats:
    """Values [example, unit] in float64, less their first row, times an exact power of two.

    Neither a large offset nor an extreme scale then costs precision in sums and squares.
    """
    part = _floats(part)
    values = np.empty(part.shape)
    widest = np.zeros(part.shape[1])
    _shift(part, values, widest)
    values *= np.ldexp(1.0, -np.frexp(widest)[1].clip(-1000, 1000))
    return values


def _floats(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """As the kernels take them: float32 or float64."""
    native = values.dtype in (np.float32, np.float64) and values.dtype.isnative
    return values if native else values.astype(np.float64)


@compiled(EXACT)
def _shift(part: npt.NDArray[Any], values: Floats, widest: Floats) -> None:
    """Values less their first row, in float64, and the largest size of each unit's."""
    for example in range(part.shape[0]):
        for unit in range(part.shape[1]):
            value = np.float64(part[example, unit]) - np.float64(part[0, unit])
            values[example, unit] = value
            widest[unit] = max(widest[unit], abs(value))


@compiled(EXACT)
def _add(values: Floats, index: Ints, total: Floats) -> None:
    """Add each row of values to the row of total that index names."""
    for example in range(values.shape[0]):
        for unit in range(values.shape[1]):
            total[index[example], unit] += values[example, unit]
