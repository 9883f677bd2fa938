"""Several classes with the group as the unit of replication, and what units are worth held out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from lens_probes.errors import InputError
from lens_probes.stats.auc import class_auc
from lens_probes.stats.f_test import f_test, scale_of
from lens_probes.stats.groups import centred_scaled, group_examples, group_values
from lens_probes.stats.heldout import fold_ids
from lens_probes.stats.inputs import (
    Floats,
    Labels,
    PerUnit,
    Units,
    check_classes,
    check_units,
    chunks,
    refuse_nonfinite,
)


@dataclass(frozen=True)
class WordLevelF:
    """Welch's F of group means: word_F, word_F_dof, word_p; every array is [unit].

    word_eta_squared: share of the variance of group means between classes. word_sds [class, unit]:
    their standard deviation in each class; word_skew: skewness of their deviations from the class
    mean, each class scaled by its sd.
    """

    word_F: PerUnit
    word_F_dof: PerUnit
    word_p: PerUnit
    log10_word_p: PerUnit
    word_eta_squared: PerUnit
    word_sds: Float64[np.ndarray, "class unit"]
    word_skew: PerUnit


def word_level_f(x: Units, y: Labels, word: Any) -> WordLevelF:
    """Welch's F of the means of groups (words) of x [example, unit] for classes y [example].

    Each group counts once, by its mean. Raises ValueError for a group of several classes, fewer
    than 2 groups of a class, and whatever f_test refuses.
    """
    x = check_units(x)
    classes = check_classes(y, int(x.shape[0]))
    words = group_examples(word, len(classes), what="word")
    labels = group_values(words, classes.astype(np.float64)).astype(np.int64)
    means, scale = np.empty((len(words.sizes), int(x.shape[1]))), np.empty(int(x.shape[1]))
    for first, part in chunks(x, max_units=512):
        if not np.isfinite(part).all():
            refuse_nonfinite(part, first)
        units = slice(first, first + part.shape[1])
        means[:, units] = words.sums(centred_scaled(part)) / words.sizes[:, None]
        scale[units] = scale_of(part)
    found = f_test(means, labels)
    rest = (means - found.means[labels]) / np.where(found.sds > 0, found.sds, np.inf)[labels]
    skew = np.where(np.isnan(found.F), np.nan, (rest**3).mean(axis=0))
    size = np.square(rest).mean(axis=0) ** 1.5
    return WordLevelF(
        word_F=found.welch_F,
        word_F_dof=found.welch_F_dof,
        word_p=found.welch_F_p,
        log10_word_p=found.log10_welch_F_p,
        word_eta_squared=found.eta_squared,
        word_sds=found.sds * scale,
        word_skew=skew / np.where(size > 0, size, np.nan),
    )


def heldout_highest(x: Units, y: Labels, fold: Any) -> PerUnit:
    """Held-out AUC [unit] of the class that each unit is highest for in training, against the rest.

    For each fold the training folds give the class whose mean lies farthest above that of the other
    examples; AUC is computed inside the fold, and then averaged. Without an effect it is 0.5 on
    average. NaN for a constant unit.

    Raises ValueError for a fold without one of the classes, in it or outside it.
    """
    x = check_units(x)
    classes = check_classes(y, int(x.shape[0]))
    folds, k = fold_ids(fold, len(classes)), int(classes.max()) + 1
    auc = np.zeros(int(x.shape[1]))
    ids = np.unique(folds)
    for one in ids.tolist():
        for inside in (folds == one, folds != one):
            if np.bincount(classes[inside], minlength=k).min() == 0:
                raise InputError(f"fold {one}: it or the rest lacks a class; use fewer folds")
    for first, part in chunks(x, max_units=256):
        if not np.isfinite(part).all():
            refuse_nonfinite(part, first)
        values = centred_scaled(part)
        scores = np.mean([_of_fold(values, classes, folds == one, k) for one in ids], axis=0)
        flat = (part == part[:1]).all(axis=0)
        auc[first : first + part.shape[1]] = np.where(flat, np.nan, scores)
    return auc


def _of_fold(values: Floats, classes: Any, test: Any, k: int) -> Floats:
    """AUC [unit] in one fold of the class that is highest outside it."""
    train = ~test
    total = values[train].sum(axis=0)
    above = np.empty((k, values.shape[1]))
    for c in range(k):
        mine = train & (classes == c)
        own = values[mine].sum(axis=0)
        above[c] = own / mine.sum() - (total - own) / (train.sum() - mine.sum())
    best = above.argmax(axis=0)
    auc = np.full(values.shape[1], 0.5)
    for c in np.unique(best).tolist():
        units = best == c
        rest, own = (values[test & inside][:, units] for inside in (classes != c, classes == c))
        auc[units] = class_auc(rest, own)
    return auc
