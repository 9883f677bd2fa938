"""Folds that keep together what belongs together: word types, or passages."""

from __future__ import annotations

from typing import Any

import numpy as np

from lens_probes.errors import InputError
from lens_probes.stats._options import checked_options
from lens_probes.stats.groups import group_examples, group_labels, group_values
from lens_probes.stats.inputs import (
    Ints,
    Labels,
    check_classes,
    check_labels,
    check_values,
    one_each,
)


@checked_options
def folds_by_word(y: Labels, word: Any, *, n_folds: int = 5, seed: int = 0) -> Ints:
    """Fold of each example [example]; every fold holds out at least one word of each class.

    Words are dealt in random order, the largest first, each to the fold with the fewest examples
    of its class.

    Parameters
    ----------
    y
        [example] class, 0 or 1.
    word
        [example] word type.
    n_folds
        How many folds.
    seed
        Of the draws: the same seed gives the same result.

    Raises
    ------
    ValueError
        A word with several labels or too few words in a class.

    Examples
    --------
    >>> import numpy as np
    >>> from lens_probes import stats
    >>> y, word = np.repeat([0, 1], 6), np.arange(12) // 2
    >>> np.unique(stats.folds_by_word(y, word, n_folds=3))
    array([0, 1, 2])
    """
    classes = _classes(y)
    words = group_examples(word, len(classes), what="word")
    if classes.max() > 1:
        labels = group_values(words, classes.astype(np.float64)).astype(np.int64)
    else:
        labels = group_labels(words, classes == 1).astype(np.int64)
    _check_folds(n_folds)
    fold = np.empty(len(labels), dtype=np.int64)
    rng = np.random.default_rng(seed)
    for label in range(int(classes.max()) + 1):
        members = rng.permutation(np.flatnonzero(labels == label))
        if len(members) < n_folds:
            raise InputError(
                f"class {label} has {len(members)} word types for {n_folds} folds: each fold "
                f"must hold out one; use n_folds of {len(members)} or fewer (at least 2)"
            )
        members = members[np.argsort(-words.sizes[members], kind="stable")]
        filled = np.zeros(n_folds, dtype=np.int64)
        for k, member in enumerate(members.tolist()):
            chosen = k if k < n_folds else int(np.argmin(filled))
            fold[member] = chosen
            filled[chosen] += words.sizes[member]
    return fold[words.index]


@checked_options
def folds_by_passage(y: Labels, source: Any, *, n_folds: int = 5, seed: int = 0) -> Ints:
    """Fold of each example [example]; a passage (equal source) is never split between folds.

    Passages are dealt in random order, the largest first, each where it evens out the classes.

    Parameters
    ----------
    y
        [example] class, 0 or 1.
    source
        [example] passage.
    n_folds
        How many folds.
    seed
        Of the draws: the same seed gives the same result.

    Raises
    ------
    ValueError
        Where a fold would be without one of the classes.
    """
    classes = _classes(y)
    passages = group_examples(source, len(classes), what="source")
    _check_folds(n_folds)
    of_class = [
        np.bincount(passages.index[classes == c], minlength=len(passages.sizes))
        for c in range(int(classes.max()) + 1)
    ]
    counts = np.stack(of_class, axis=1) / np.bincount(classes)
    members = np.random.default_rng(seed).permutation(len(counts))
    members = members[np.argsort(-counts[members].max(axis=1), kind="stable")]
    filled = np.zeros((n_folds, counts.shape[1]))
    fold = np.empty(len(counts), dtype=np.int64)
    for member in members.tolist():
        chosen = int(np.argmin(filled @ counts[member]))
        fold[member] = chosen
        filled[chosen] += counts[member]
    if (filled == 0).any():
        label = int(np.argwhere(filled == 0)[0][1])
        n_with = int((counts[:, label] > 0).sum())
        raise InputError(
            f"class {label} occurs in {n_with} passages, too few for {n_folds} folds that each "
            f"need {'both' if counts.shape[1] == 2 else 'all'} classes: use fewer folds or more "
            "passages"
        )
    return fold[passages.index]


@checked_options
def folds_by_value(value: Labels, groups: Any, *, n_folds: int = 5, seed: int = 0) -> Ints:
    """Fold of each example [example] for a continuous value; equal groups are never split.

    groups [example] are word types or passages. Ordered by their mean value they are dealt in
    rows of n_folds, each row one to a fold and the largest to the fold with the fewest examples,
    so that every fold spans the range of values.

    Parameters
    ----------
    value
        [example] a continuous label.
    groups
        [example] word types or passages.
    n_folds
        How many folds.
    seed
        Of the draws: the same seed gives the same result.

    Raises
    ------
    ValueError
        Fewer than 2 groups a fold and where the value would be constant inside a fold.
    """
    given = one_each(value, "value")
    n = len(given)
    values = check_values(given, n, what="value")
    items = group_examples(groups, n, what="group")
    _check_folds(n_folds)
    if len(items.sizes) < 2 * n_folds:
        raise InputError(
            f"there are {len(items.sizes)} groups for {n_folds} folds: each fold needs 2 or more; "
            f"use n_folds of {len(items.sizes) // 2} or fewer (at least 2)"
        )
    rng = np.random.default_rng(seed)
    members = rng.permutation(len(items.sizes))
    means = np.bincount(items.index, weights=values) / items.sizes
    members = members[np.argsort(means[members], kind="stable")]
    fold = np.empty(len(members), dtype=np.int64)
    filled = np.zeros(n_folds, dtype=np.int64)
    for first in range(0, len(members), n_folds):
        row = members[first : first + n_folds]
        row = row[np.argsort(-items.sizes[row], kind="stable")]
        places = rng.permutation(n_folds)
        places = places[np.argsort(filled[places], kind="stable")][: len(row)]
        fold[row] = places
        filled[places] += items.sizes[row]
    folds = fold[items.index]
    for k in range(n_folds):
        if np.ptp(values[folds == k]) == 0:
            raise InputError(
                f"the value is constant in one of {n_folds} folds: too few groups differ from the "
                "rest; use fewer folds or more groups"
            )
    return folds


def _classes(y: Labels) -> Ints:
    """Two classes, 0 and 1, or several."""
    given = one_each(y, "y")
    if given.dtype.kind in "iu" and given.max(initial=0) > 1:
        return check_classes(given, len(given))
    return check_labels(given, len(given)).astype(np.int64)


def _check_folds(n_folds: int) -> None:
    if n_folds < 2:
        raise InputError(f"n_folds is {n_folds}: at least 2 are needed")
