"""The windows an ablation is measured on: cut, grouped by shape, with what replaces their units."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray

from lens_probes.activations.collect import read_all_positions
from lens_probes.errors import InputError
from lens_probes.examples.examples import Examples
from lens_probes.model.load import LensModel

Kind = Literal["zero", "mean", "resample"]
Positions = Literal["read", "all"]
KINDS = ("zero", "mean", "resample")
POSITIONS = ("read", "all")
PASS_WINDOWS = 16


@dataclass(frozen=True)
class Group:
    """Windows of one length that are read at one place: they run as one batch.

    Attributes
    ----------
    rows
        Their indices among the examples.
    tokens
        [window, position] up to the last token that is scored.
    target
        First token of the target.
    read
        Token that is read, the target's last.
    """

    rows: Int[np.ndarray, " window"]
    tokens: Int[np.ndarray, "window position"]
    target: int
    read: int

    def part(self, size: int) -> Iterator[Group]:
        """The same group in parts of at most `size` windows."""
        for at in range(0, len(self.rows), size):
            here = slice(at, at + size)
            yield Group(self.rows[here], self.tokens[here], self.target, self.read)

    def where(self, positions: Positions) -> slice:
        """Tokens whose units are replaced: the target's, or all that are run."""
        if positions == "read":
            return slice(self.target, self.read + 1)
        return slice(0, max(self.read + 1, self.tokens.shape[1] - 1))


def grouped(examples: Examples, after: int) -> list[Group]:
    """Windows with up to `after` tokens behind the target, those of one shape together."""
    lengths = (examples.tokens >= 0).sum(axis=1)
    ends = np.minimum(lengths, examples.position + 1 + after)
    target = examples.position - examples.spans + 1
    keys = np.stack([ends, target, examples.position], axis=1)
    shapes, which = np.unique(keys, axis=0, return_inverse=True)
    groups = []
    for i, (end, first, read) in enumerate(shapes.tolist()):
        rows = np.flatnonzero(which.ravel() == i)
        groups.append(Group(rows, examples.tokens[rows, :end], first, read))
    return groups


@dataclass(frozen=True)
class Replacement:
    """What units are set to, one layer and site.

    Attributes
    ----------
    fixed
        [unit], the same everywhere (zero, mean), or None.
    drawn
        One array [position, unit] an example (resample), or None: at the read position only, it
        has one position. Shorter ones start again from their beginning.
    """

    fixed: Float[np.ndarray, " unit"] | None = None
    drawn: tuple[Float[np.ndarray, "position unit"], ...] | None = None

    def values(
        self, rows: NDArray[np.int64], n_positions: int
    ) -> Float[torch.Tensor, "window position unit"]:
        """For some examples; one window and one position stand for all where they are the same."""
        if self.fixed is not None:
            return torch.from_numpy(self.fixed)[None, None]
        assert self.drawn is not None
        places = np.arange(n_positions)
        stacked = [self.drawn[row][places % len(self.drawn[row])] for row in rows]
        return torch.from_numpy(np.stack(stacked))


def replacement(
    model: LensModel,
    key: tuple[int, str],
    kind: Kind,
    positions: Positions,
    *,
    reference: tuple[Examples, Float[np.ndarray, "example unit"]],
    measured: tuple[Examples, Float[np.ndarray, "example unit"]],
    donors: Int[np.ndarray, " example"],
    after: int,
) -> Replacement:
    """Zeros, the mean over the reference examples, or another measured example's own values.

    Parameters
    ----------
    reference, measured
        Examples with their activations at the read position, of this layer and site.
    donors
        [measured example] whose values it gets.

    Raises
    ------
    InputError
        Resampling a target that is read as the mean of several tokens.
    """
    layer, site = key
    n_units = model.shapes[site].n_units
    if kind == "zero":
        return Replacement(np.zeros(n_units, np.float32))
    examples, x = measured
    if positions == "read":
        if kind == "mean":
            return Replacement(reference[1].mean(axis=0, dtype=np.float64).astype(np.float32))
        if (examples.spans > 1).any():
            raise InputError(
                "resampling needs targets that are read at one token, these are averaged over "
                "several: use kind='mean', or read the last token."
            )
        return Replacement(drawn=tuple(x[donor][None] for donor in donors))
    if kind == "mean":
        total, n = np.zeros(n_units), 0
        for values in _everywhere(model, reference[0], layer, site, after):
            total += values.sum(axis=0, dtype=np.float64)
            n += len(values)
        return Replacement((total / n).astype(np.float32))
    own = _everywhere(model, examples, layer, site, after)
    return Replacement(drawn=tuple(own[donor] for donor in donors))


def changes(
    model: LensModel,
    key: tuple[int, str],
    new: Replacement,
    measured: tuple[Examples, Float[np.ndarray, "example unit"]],
    positions: Positions,
    after: int,
) -> Iterator[tuple[Float[np.ndarray, "position unit"], Float[np.ndarray, "position unit"]]]:
    """What each measured window's units are where they are replaced, and what they become.

    The model runs again, once, where that is not what the examples were read at.
    """
    examples, x = measured
    if positions == "read" and (examples.spans == 1).all():
        for row, old in enumerate(x):
            yield old[None], new.values(np.array([row]), 1)[0].numpy()
        return
    for group in grouped(examples, after):
        where = group.where(positions)
        for part in group.part(PASS_WINDOWS):
            values = read_all_positions(model, part.tokens, *key)[:, where]
            fresh = new.values(part.rows, values.shape[1]).numpy()
            yield from zip(values, np.broadcast_to(fresh, values.shape), strict=True)


def draw_donors(n: int, seed: int) -> Int[np.ndarray, " example"]:
    """[example] another example for each, every one once (two or more)."""
    order = np.random.default_rng(seed).permutation(n)
    donors = np.empty(n, dtype=np.int64)
    donors[order] = np.roll(order, 1)
    return donors


def masks(sets: list[NDArray[np.int64]], n_units: int) -> Bool[np.ndarray, "set unit"]:
    """Which units are in which set."""
    found = np.zeros((len(sets), n_units), dtype=bool)
    for row, units in zip(found, sets, strict=True):
        row[units] = True
    return found


def _everywhere(
    model: LensModel, examples: Examples, layer: int, site: str, after: int
) -> list[Float[np.ndarray, "position unit"]]:
    """Activations of each example at every position of its window."""
    found: list[NDArray[np.float32]] = [np.empty((0, 0), np.float32)] * len(examples)
    for group in grouped(examples, after):
        for part in group.part(PASS_WINDOWS):
            values = read_all_positions(model, part.tokens, layer, site)
            for row, own in zip(part.rows, values, strict=True):
                found[row] = own
    return found
