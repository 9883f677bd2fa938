"""Scores of single units on examples that had no part in choosing their direction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lens_probes.errors import InputError
from lens_probes.stats.auc import class_auc
from lens_probes.stats.groups import centred_scaled
from lens_probes.stats.inputs import (
    Bools,
    Floats,
    Ints,
    Labels,
    PerUnit,
    Units,
    check_labels,
    check_units,
    check_values,
    chunks,
    refuse_nonfinite,
    to_numpy,
)


@dataclass(frozen=True)
class Heldout:
    """Means over folds of each unit's scores on the held-out fold; every array is [unit].

    0.5 where the training folds give no direction; NaN for a constant unit.
    """

    accuracy_heldout: PerUnit
    auc_heldout: PerUnit
    n_folds: int


def heldout_direction(x: Units, y: Labels, fold: Any) -> Heldout:
    """Held-out accuracy and AUC of x [example, unit] for labels y and folds [example].

    For each fold the training folds give the direction, sign(mean1 - mean0), and the threshold,
    midway between the class means. AUC takes only the direction from training. Both are computed
    inside the fold and then averaged: pooling scores over folds biases AUC below 0.5.
    `folds_by_word` and `folds_by_passage` make folds.

    Raises ValueError for a fold without both classes, in it or outside it, and whatever ttest
    refuses.
    """
    x = check_units(x)
    positive = check_labels(y, int(x.shape[0]))
    folds = check_fold(fold, positive)
    accuracy, auc = np.empty(x.shape[1]), np.empty(x.shape[1])
    for first, part in chunks(x, max_units=256):
        if not np.isfinite(part).all():
            refuse_nonfinite(part, first)
        values = centred_scaled(part)
        scores = [_score(values, part, positive, folds == k) for k in np.unique(folds)]
        units = slice(first, first + part.shape[1])
        accuracy[units], auc[units] = np.mean(scores, axis=0)
        flat = (part == part[:1]).all(axis=0)
        accuracy[units][flat] = auc[units][flat] = np.nan
    return Heldout(accuracy, auc, len(np.unique(folds)))


@dataclass(frozen=True)
class HeldoutR:
    """r_heldout [unit]: mean over folds of r in the held-out fold, times the training r's sign.

    A fold counts 0 where the unit has no direction in training or does not vary in the fold; a
    constant unit is NaN.
    """

    r_heldout: PerUnit
    n_folds: int


def heldout_r(x: Units, value: Labels, fold: Any) -> HeldoutR:
    """Held-out Pearson r of x [example, unit] with a value [example], for folds [example].

    For each fold the training folds give only the sign. r is computed inside the fold and then
    averaged: a shift of one fold against the rest cannot pass for an effect. Without an effect
    the expectation is 0. `folds_by_value` makes folds.

    Raises ValueError for a fold with fewer than 3 examples, in it or outside it, or in which the
    value is constant, and whatever correlation refuses.
    """
    x = check_units(x)
    values = check_values(value, int(x.shape[0]), what="value")
    folds = fold_ids(fold, len(values))
    for k in np.unique(folds).tolist():
        for side, inside in (("in", folds == k), ("outside", folds != k)):
            if inside.sum() < 3 or np.ptp(values[inside]) == 0:
                raise InputError(
                    f"fold {k}: the {int(inside.sum())} examples {side} it have "
                    f"{len(np.unique(values[inside]))} different values; every fold and the rest "
                    "need at least 3 examples and 2 values, so use fewer folds"
                )
    r = np.empty(x.shape[1])
    for first, part in chunks(x, max_units=256):
        if not np.isfinite(part).all():
            refuse_nonfinite(part, first)
        scaled = centred_scaled(part)
        scores = [
            np.sign(_plain_r(scaled[folds != k], values[folds != k]))
            * _plain_r(scaled[folds == k], values[folds == k])
            for k in np.unique(folds)
        ]
        flat = (part == part[:1]).all(axis=0)
        r[first : first + part.shape[1]] = np.where(flat, np.nan, np.mean(scores, axis=0))
    return HeldoutR(r, len(np.unique(folds)))


def _plain_r(values: Floats, label: Floats) -> Floats:
    """Pearson r [unit] of values [example, unit]; 0 for a unit that is constant here."""
    centred = values - values[:1]
    flat = (centred == 0).all(axis=0)
    centred -= centred.mean(axis=0)
    target = label - label[0]
    target -= target.mean()
    size = np.where(flat, 1.0, np.linalg.norm(centred, axis=0)) * np.linalg.norm(target)
    r: Floats = np.where(flat, 0.0, target @ centred / size)
    return r


def check_fold(fold: Any, positive: Bools) -> Ints:
    """Folds [example] as integers, each with both classes in it and outside it."""
    folds = fold_ids(fold, len(positive))
    for k in np.unique(folds).tolist():
        for label in (0, 1):
            inside = int((positive[folds == k] == label).sum())
            if inside == 0 or inside == int((positive == label).sum()):
                side = "in" if inside == 0 else "outside"
                raise InputError(
                    f"fold {k}: no example of class {label} {side} it; every fold and the rest "
                    "need both classes, so use fewer folds"
                )
    return folds


def fold_ids(fold: Any, n: int) -> Ints:
    """Folds [example] as integers; two or more of them."""
    folds = to_numpy(fold, "fold")
    if folds.shape != (n,) or folds.dtype.kind not in "iu":
        raise InputError(
            f"fold has shape {folds.shape} and dtype {folds.dtype} for {n} examples: "
            "it must be one integer for each"
        )
    if len(np.unique(folds)) < 2:
        raise InputError("there is one fold: at least 2 are needed")
    return folds.astype(np.int64)


def _score(values: Floats, part: npt.NDArray[Any], positive: Bools, test: Bools) -> Floats:
    """Accuracy and AUC [2, unit] of one fold; values are those of part, centred and scaled."""
    mean0 = values[~test & ~positive].mean(axis=0)
    mean1 = values[~test & positive].mean(axis=0)
    direction = np.sign(mean1 - mean0)
    above = (values[test] - 0.5 * (mean0 + mean1)) * direction > 0
    right = (above == positive[test][:, None]).mean(axis=0)
    auc = class_auc(part[test & ~positive], part[test & positive])
    return np.stack(
        [np.where(direction == 0, 0.5, right), 0.5 + direction * (auc - 0.5)],
    )
