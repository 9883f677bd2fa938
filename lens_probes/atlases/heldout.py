"""Rules found on half of the documents and half of the words, scored on the other halves.

The rule of a unit is the property that separates its means best; its score the AUC with which the
unit finds that property among words and documents that the rule was not chosen on. The same search
goes over units whose words are shuffled, and over those of random weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from numpy.typing import NDArray

from lens_probes.atlases.designs import PropertyDesign, Rows
from lens_probes.atlases.reading import Key, RowMeans
from lens_probes.stats.auc import class_auc
from lens_probes.stats.many_labels import RowLabel, z_of_label

FOLDS = (0, 1)
_LEAST, _LEAST_PAIRS = 2, 3


@dataclass(frozen=True, eq=False)
class Search:
    """What a search found.

    Attributes
    ----------
    rule
        [fold, unit] the property chosen in training, by its number; -1 where none can be.
    auc
        [fold, unit] how well the unit finds it in the other half.
    best
        Table of property, layer, site: unit chosen in training, `auc_heldout`, mean of both folds.
    """

    rule: Int[np.ndarray, "fold unit"]
    auc: Float[np.ndarray, "fold unit"]
    best: pd.DataFrame

    @property
    def agreed(self) -> Int[np.ndarray, " unit"]:
        """[unit] the property that both folds choose, or -1."""
        same: Int[np.ndarray, " unit"] = np.where(self.rule[0] == self.rule[1], self.rule[0], -1)
        return same

    @property
    def mean_auc(self) -> Float[np.ndarray, " unit"]:
        """[unit] mean over both folds."""
        mean: Float[np.ndarray, " unit"] = self.auc.mean(axis=0)
        return mean


def search(
    means: RowMeans,
    rows: Rows,
    designs: Sequence[PropertyDesign],
    *,
    shuffled: bool = False,
    seed: int = 0,
) -> Search:
    """The best property of every unit in one half, and its AUC in the other; both ways.

    `shuffled`: each layer and site reads the means of other words, drawn at random, and of pairs
    either side: what the same search finds where there is nothing to find.
    """
    parts = [[_part(one.test, rows, means, fold) for one in designs] for fold in FOLDS]
    tested = [i for i in range(len(designs)) if all(parts[fold][i] is not None for fold in FOLDS)]
    n_units = sum(means.widths)
    rule, auc = np.full((2, n_units), -1), np.full((2, n_units), np.nan)
    table = []
    rng = np.random.default_rng(seed)
    start = 0
    for key, width in zip(means.keys, means.widths, strict=True):
        units = slice(start, start + width)
        moved = _shuffle(rows, means, designs, rng) if shuffled else None
        found = np.full((2, len(designs)), np.nan)
        for fold in FOLDS:
            if not tested:
                break
            train = [_Half(means, key, parts[fold][i], fold, moved) for i in tested]
            score = [_Half(means, key, parts[1 - fold][i], 1 - fold, moved) for i in tested]
            z = np.stack([half.z() for half in train])
            chosen = np.abs(z).argmax(axis=0)
            rule[fold, units] = np.array(tested)[chosen]
            for k, i in enumerate(tested):
                mine = np.flatnonzero(chosen == k)
                top = int(np.abs(z[k]).argmax())
                asked = np.append(mine, top)
                scores = score[k].auc(asked, z[k, asked] > 0)
                auc[fold, start + mine] = scores[:-1]
                found[fold, i] = scores[-1]
        table.append(pd.DataFrame({
            "property": [one.property.name for one in designs],
            "layer": key[0], "site": key[1], "best_auc_heldout": found.mean(axis=0),
        }))  # fmt: skip
        start += width
    return Search(rule, auc, pd.concat(table, ignore_index=True))


def error_rates(real: Search, null: Search) -> Float[np.ndarray, " unit"]:
    """[unit] false discovery rate of calling it and all with as high an AUC, by the null's search.

    Those count whose halves agree on a rule, in the null as well: its number over that of real
    ones, of all rules together or of the unit's own, whichever is larger. 1 where they disagree.
    A rule that the null itself has (a tenth of its agreements, and more units than real ones: the
    place in the window, in random weights) says nothing of the others, and is held against its own.
    """
    found = np.ones(len(real.agreed))
    agree, beside = real.agreed >= 0, null.agreed >= 0
    counts = np.bincount(null.agreed[beside], minlength=1)
    for rule in np.flatnonzero(counts > max(counts.sum() / 10, 1)):
        if counts[rule] > (real.agreed == rule).sum():
            beside &= null.agreed != rule
    found[agree] = _rates(real.mean_auc[agree], null.mean_auc[beside], extra=1)
    for rule in np.unique(real.agreed[agree]):
        mine, theirs = real.agreed == rule, null.agreed == rule
        own = _rates(real.mean_auc[mine], null.mean_auc[theirs], extra=0)
        found[mine] = np.maximum(found[mine], own)
    return found


def _rates(
    real: Float[np.ndarray, " unit"], null: Float[np.ndarray, " unit"], *, extra: int
) -> Float[np.ndarray, " unit"]:
    """Number of the null's scores (and `extra`) that reach each real one, over the real ones."""
    order = np.argsort(real, kind="stable")
    ordered, theirs = real[order], np.sort(null)
    above_null = extra + len(theirs) - np.searchsorted(theirs, ordered, side="left")
    above_real = len(ordered) - np.searchsorted(ordered, ordered, side="left")
    # No threshold below a score's own makes it more surely a find.
    smallest = np.minimum.accumulate(np.minimum(above_null / above_real, 1.0))
    found = np.empty(len(real))
    found[order] = smallest
    return found


@dataclass(frozen=True, eq=False)
class _Half:
    """One property in one half of words and documents, for the units of one layer and site."""

    means: RowMeans
    key: Key
    label: RowLabel | None
    half: int
    moved: NDArray[np.int64] | None

    def values(self, units: NDArray[np.int64] | slice) -> Float[np.ndarray, "row unit"]:
        assert self.label is not None
        rows = self.label.rows
        if self.moved is not None:
            rows = self.moved[self.half][rows]
        found: Float[np.ndarray, "row unit"] = self.means.half_means(self.key, rows, self.half)
        return found[:, units]

    def z(self) -> Float[np.ndarray, " unit"]:
        assert self.label is not None
        return z_of_label(self.values(slice(None)), self.label.label, self.label.pair)

    def auc(self, units: NDArray[np.int64], up: NDArray[np.bool_]) -> Float[np.ndarray, " unit"]:
        """AUC of some units in the direction found in training; of pairs, the share that fits."""
        assert self.label is not None
        values, label = self.values(units).astype(np.float64), self.label.label
        if self.label.pair is None:
            auc = class_auc(values[label == 0], values[label == 1])
        else:
            sides = [np.flatnonzero(label == side) for side in (0, 1)]
            low, high = (s[np.argsort(self.label.pair[s], kind="stable")] for s in sides)
            auc = ((values[high] > values[low]) + 0.5 * (values[high] == values[low])).mean(axis=0)
        return np.where(up, auc, 1 - auc)


def _part(test: RowLabel | None, rows: Rows, means: RowMeans, half: int) -> RowLabel | None:
    """The rows of one half of the words that have examples in that half of the documents."""
    if test is None:
        return None
    n = means.n_first if half == 0 else means.n - means.n_first
    use = (rows.half[rows.group[test.rows]] == half) & (n[test.rows] > 0)
    if test.pair is not None:
        whole = np.bincount(test.pair[use], minlength=int(test.pair.max()) + 1) == 2
        use &= whole[test.pair]
        least = _LEAST_PAIRS
    else:
        least = _LEAST
    label = test.label[use]
    if min((label == 0).sum(), (label == 1).sum()) < least:
        return None
    return RowLabel(test.rows[use], label, None if test.pair is None else test.pair[use])


def _shuffle(
    rows: Rows, means: RowMeans, designs: Sequence[PropertyDesign], rng: np.random.Generator
) -> NDArray[np.int64]:
    """[half, row] another row for each: of any word in that half, or either of its pair."""
    n_rows = len(rows.group)
    moved = np.tile(np.arange(n_rows), (2, 1))
    paired = np.zeros(n_rows, dtype=bool)
    for one in designs:
        if one.test is not None and one.test.pair is not None:
            half = len(one.test.rows) // 2
            low, high = one.test.rows[:half], one.test.rows[half:]
            swap = rng.random(half) < 0.5
            moved[:, low[swap]], moved[:, high[swap]] = high[swap], low[swap]
            paired[one.test.rows] = True
    for half in FOLDS:
        n = means.n_first if half == 0 else means.n - means.n_first
        mine = np.flatnonzero(~paired & (rows.half[rows.group] == half) & (n > 0))
        moved[half, mine] = rng.permutation(mine)
    return moved
