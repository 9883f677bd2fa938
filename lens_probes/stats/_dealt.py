"""A second sample's groups, what each of them says, and its labels dealt out again over them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import special

from lens_probes.errors import InputError
from lens_probes.stats.groups import centred_scaled, group_examples, group_labels, group_values
from lens_probes.stats.inputs import (
    Bools,
    Floats,
    Ints,
    InTurn,
    Numbers,
    check_labels,
    check_values,
    chunks,
    numbers,
    one_each,
    refuse_nonfinite,
    to_numpy,
)
from lens_probes.stats.relabel import (
    all_relabellings,
    code_values,
    count_relabellings,
    sample_relabellings,
)

Kind = Literal["class", "value", "pair"]
KINDS = ("class", "value", "pair")
N_NOISES = 1000  # draws of noise for an interval
_BLOCK = 512  # relabellings, or draws, at a time
_CELLS = 2**22  # values at a time


@dataclass(frozen=True)
class Dealt:
    """Groups of one label each ("class"), of one value each, or with both labels ("pair").

    order [example] and starts [group]: rows taken in `order` come group by group; weight
    [example]: what a row counts in its group's mean, for pairs in the difference of its two means.
    contrast [group] of the real labels gives a unit's effect from these; labels [relabelling,
    group] are the codes dealt out again, none of them the real ones or their mirror image.
    """

    kind: Kind
    order: Ints
    starts: Ints
    weight: Floats
    contrast: Floats
    of_code: Floats
    labels: npt.NDArray[Any]
    exact: bool
    k0: int
    k1: int

    @classmethod
    def of(
        cls, y: Numbers, n_examples: int, groups: Any, kind: Kind, *, n_permutations: int, seed: int
    ) -> Dealt:
        """ValueError for a group of several labels or values, or fewer than 2 groups a class.

        Pairs need both labels in each group; they and values need 3 groups.
        """
        if kind not in KINDS:
            raise InputError(f"kind is {kind!r}: it must be 'class', 'value' or 'pair'")
        if n_permutations < 1:
            raise InputError(f"n_permutations must be 1 or more; got {n_permutations}")
        y, n = one_each(y, "y"), n_examples
        grouped = group_examples(groups, n, what="group")
        k, weight = len(grouped.sizes), 1.0 / grouped.sizes[grouped.index]
        stratum, k0, k1 = np.zeros(k, dtype=np.int64), k, 0
        codes: npt.NDArray[Any]
        if kind == "value":
            codes, of_code = code_values(group_values(grouped, check_values(y, n)))
        elif kind == "pair":
            positive = check_labels(y, n)
            weight = _within_pairs(positive, grouped.index, k)
            codes, of_code = np.tile(np.array([0, 1], dtype=np.int8), k), np.r_[-1.0, 1.0] / k
            stratum = np.repeat(np.arange(k), 2)
        else:
            codes = group_labels(grouped, check_labels(y, n)).astype(np.int8)
            k1 = int(codes.sum())
            k0 = k - k1
            _enough(k0, k1)
            of_code = np.r_[-1.0 / k0, 1.0 / k1]
        if kind != "class" and k < 3:
            raise InputError(f"there are {k} groups: at least 3 are needed")
        exact = count_relabellings(codes, stratum, most=n_permutations + 1) <= n_permutations
        if exact:
            labels = all_relabellings(codes, stratum)
        else:
            labels = sample_relabellings(codes, stratum, n=n_permutations, seed=seed)
        if kind == "pair":  # the class of the second of a group's two places says which way round
            codes, labels = codes[1::2], labels[:, 1::2]
        contrast = of_code[codes]
        # As long as the real contrast and along it: the real labels, or all of them swapped.
        along = np.concatenate(
            [of_code[labels[i : i + _BLOCK]] @ contrast for i in range(0, len(labels), _BLOCK)]
        )
        same = np.abs(along) >= (1 - 1e-9) * (contrast @ contrast)
        return cls(
            kind, grouped.order, grouped.starts, weight, contrast, of_code, labels[~same], exact,
            k0, k1,
        )  # fmt: skip

    @property
    def max_units(self) -> int:
        """Units at a time, so that memory does not grow with examples or relabellings."""
        return max(16, min(1024, _CELLS // max(len(self.weight), _BLOCK)))

    def means(self, part: npt.NDArray[Any]) -> Floats:
        """What each group says of values [example, unit]: [group, unit]."""
        weighted = centred_scaled(part) * self.weight[:, None]
        means: Floats = np.add.reduceat(weighted[self.order], self.starts, axis=0)
        if self.kind == "value":
            means -= means.mean(axis=0)
        return means

    def without_label(self, means: Floats) -> Floats:
        """The same without what the real label explains: else its effect would be in the null."""
        if self.kind == "value":
            slope = self.contrast @ means / (self.contrast @ self.contrast)
            rest: Floats = means - self.contrast[:, None] * slope
            return rest
        rest = means.copy()
        sides = [np.ones(len(means), dtype=bool)]
        if self.kind == "class":
            sides = [self.contrast < 0, self.contrast > 0]
        for side in sides:
            rest[side] -= means[side].mean(axis=0)
        return rest

    def contrasts(self) -> Iterator[tuple[slice, Floats]]:
        """Contrasts [relabelling, group] of the labels dealt out again, a block at a time."""
        for first in range(0, len(self.labels), _BLOCK):
            block = slice(first, first + _BLOCK)
            yield block, self.of_code[self.labels[block]]

    @property
    def dof(self) -> int:
        """Degrees of freedom of what the groups differ beyond their labels."""
        return len(self.contrast) - (1 if self.kind == "pair" else 2)

    @property
    def noise(self) -> Floats:
        """Contrast [group] that gives, of the groups' residuals, an effect's variance.

        Residuals are what `without_label` leaves, which is less than the groups' own noise: by
        (k - 1) / k in a class of k groups. The variance is the sum of the squared products; with
        random signs they are draws of the effect's noise in all units at once (wild bootstrap).
        """
        k = len(self.contrast)
        if self.kind == "class":
            own = np.where(self.contrast > 0, self.k1, self.k0)
            scaled: Floats = self.contrast * np.sqrt(own / (own - 1))
            return scaled
        scaled = self.contrast * math.sqrt(k / self.dof)
        return scaled

    def noises(self, seed: int) -> Iterator[tuple[slice, Floats]]:
        """Contrasts [draw, group] of N_NOISES draws of noise from residuals, a block at a time."""
        rng = np.random.default_rng([seed, 1])
        for first in range(0, N_NOISES, _BLOCK):
            block = slice(first, min(first + _BLOCK, N_NOISES))
            signs = rng.choice([-1.0, 1.0], (block.stop - first, len(self.contrast)))
            yield block, self.noise * signs

    @property
    def quantile(self) -> float:
        """The 97.5 % quantile of t with `dof` degrees of freedom."""
        return float(special.stdtrit(self.dof, 0.975))


def blocks_of(
    arrays: InTurn, of_unit: Floats, use: Bools, max_units: int
) -> Iterator[tuple[npt.NDArray[Any], Floats]]:
    """Units in use, some at a time: their values [example, unit], and of_unit [unit] of them.

    use and of_unit are over the units of all arrays, one array after the other.
    """
    before = 0
    for array in arrays:
        for first, part in chunks(array, max_units=max_units):
            units = slice(before + first, before + first + part.shape[1])
            chosen = use[units]
            if not chosen.any():
                continue
            if not np.isfinite(part).all():
                refuse_nonfinite(part, first)
            yield part[:, chosen], of_unit[units][chosen]
        before += int(array.shape[1])


def against(real: float, null: Floats) -> tuple[float, float, float]:
    """Middle 95 % of a null, and the p of what is as high; NaN and 1 without a relabelling."""
    if not len(null):
        return math.nan, math.nan, 1.0
    low, high = (float(end) for end in np.quantile(null, [0.025, 0.975]))
    return low, high, (1 + float((null >= real).sum())) / (1 + len(null))


def _enough(k0: int, k1: int) -> None:
    if min(k0, k1) < 2:
        raise InputError(
            f"there are {k0} groups of class 0 and {k1} of class 1: at least 2 of each are needed"
        )


def _within_pairs(positive: Bools, index: Ints, k: int) -> Floats:
    """Weights [example] of the difference of a group's two means."""
    n1, n = np.bincount(index, weights=positive, minlength=k), np.bincount(index, minlength=k)
    if ((n1 == 0) | (n1 == n)).any():
        raise InputError("a group has examples of one label only: pairs need both in each group")
    weights: Floats = np.where(positive, 1.0 / n1[index], -1.0 / (n - n1)[index])
    return weights


def over_units(direction: Numbers, selected: Numbers, width: int) -> tuple[Floats, Bools]:
    """Signs, and which units count: selected ones whose direction is known."""
    signs, use = numbers(to_numpy(direction), "direction"), numbers(selected, "selected")
    if signs.shape != (width,) or use.shape != (width,):
        raise InputError(
            f"direction has shape {signs.shape} and selected {use.shape}: both must be [unit] over "
            f"the {width} units of x"
        )
    if not np.isin(use, (0, 1)).all():
        raise InputError("selected must be True or False (or 1 or 0) for each unit")
    known: Bools = (use == 1) & np.isfinite(signs) & (signs != 0)
    return np.sign(signs), known
