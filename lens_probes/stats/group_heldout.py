"""Held-out AUC with an interval over the groups that were held out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lens_probes.errors import InputError
from lens_probes.stats._group_rows import group_placements, sorting_order
from lens_probes.stats.group_effects import SplitGroups, share_interval, split_groups
from lens_probes.stats.heldout import check_fold
from lens_probes.stats.inputs import (
    Floats,
    Ints,
    Labels,
    PerUnit,
    Units,
    check_labels,
    check_units,
    refuse_nonfinite,
    to_numpy,
)


@dataclass(frozen=True)
class HeldoutAuc:
    """auc_heldout [unit], the mean over folds, with its 95 % interval over groups."""

    auc_heldout: PerUnit
    auc_heldout_low: PerUnit
    auc_heldout_high: PerUnit
    n_groups0: int
    n_groups1: int
    n_folds: int


def heldout_auc(score: Units, y: Labels, groups: Any, fold: Any) -> HeldoutAuc:
    """AUC of held-out scores [example, unit], computed inside each fold [example] and averaged.

    Scores of different folds come from different fits and are never compared. Every group [example]
    has one label, lies whole in its fold and counts once. The interval is `share_interval` of the
    groups' placements among the groups of their own fold, whose variance is taken 1 + K / (K - 1)
    times for K folds: fits share training groups, so folds agree more than independent ones would
    (Nadeau and Bengio 2003). A constant score is NaN.

    Parameters
    ----------
    score
        [example, unit] scores, each from a fit without the example's fold.
    y
        [example] class, 0 or 1.
    groups
        [example] ids of groups, each of one label and in one fold.
    fold
        [example] fold.

    Raises
    ------
    ValueError
        As group_effects does, for a group in two folds and for a fold without both classes.
    """
    values = to_numpy(check_units(score)).astype(np.float64)
    if not np.isfinite(values).all():
        refuse_nonfinite(values, 0)
    positive = check_labels(y, len(values))
    split = split_groups(groups, positive)
    folds = check_fold(fold, positive)
    home = np.empty(split.k0 + split.k1, dtype=np.int64)
    home[split.group] = folds
    if (home[split.group] != folds).any():
        example = int(np.flatnonzero(home[split.group] != folds)[0])
        raise InputError(
            f"the group of example {example} is in more than one fold: hold out whole groups"
        )
    placed = np.empty((values.shape[1], len(home)))
    ids = np.unique(folds)
    for k in ids:
        placed[:, home == k] = _placements(values[folds == k], split, folds == k)
    ones = np.arange(len(home)) >= split.k0
    auc = np.mean([placed[:, ones & (home == k)].mean(axis=1) for k in ids], axis=0)
    auc[(values == values[:1]).all(axis=0)] = np.nan
    shared = 1 + len(ids) / (len(ids) - 1)
    v0, v1 = (
        shared * placed[:, ones == label].var(axis=1, ddof=1) / (ones == label).sum()
        for label in (False, True)
    )
    return HeldoutAuc(
        *share_interval(auc, v0, v1, split.k0, split.k1), split.k0, split.k1, len(ids)
    )


def _placements(values: Floats, split: SplitGroups, rows: Any) -> Floats:
    """Placements [unit, group] of the groups of some rows, in the order of their numbers."""
    present, group = np.unique(split.group[rows], return_inverse=True)
    units = np.ascontiguousarray(values.T)
    out = np.empty((len(units), len(present)))
    numbers: Ints = group.astype(np.int64)
    k0 = int((present < split.k0).sum())
    group_placements(units, sorting_order(units), numbers, split.weight[rows], k0, out)
    return out
