"""Group-level tests where the label is a number, or where each group is its own control."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lens_probes.errors import InputError
from lens_probes.stats._options import checked_options
from lens_probes.stats.groups import centred_scaled, group_examples, group_values
from lens_probes.stats.inputs import (
    Floats,
    Labels,
    PerUnit,
    Units,
    check_labels,
    check_units,
    check_values,
    chunks,
    refuse_nonfinite,
)
from lens_probes.stats.tails import student_tail


@dataclass(frozen=True)
class WordLevelEffects:
    """One test a unit over groups; every array is [unit].

    word_r: Pearson r of the unweighted group means with the value (NaN for pairs). word_t,
    word_dof, word_p: its slope over a standard error that does not need equal spread (HC3 of
    MacKinnon and White 1985), or the paired t of the groups' mean differences. A unit whose group
    means are constant is NaN. n_words: groups used; n_words_dropped: those with fewer than
    min_per_word examples.
    """

    word_r: PerUnit
    word_t: PerUnit
    word_dof: PerUnit
    word_p: PerUnit
    log10_word_p: PerUnit
    n_words: int
    n_words_dropped: int


@checked_options
def word_level_r(x: Units, value: Labels, word: Any, *, min_per_word: int = 5) -> WordLevelEffects:
    """Group means of x [example, unit] against a value [example] that is constant in each group.

    Parameters
    ----------
    x
        [example, unit] activations.
    value
        [example] a continuous label, one a group.
    word
        [example] word type, or another group.
    min_per_word
        Examples that a word needs to count.

    Raises
    ------
    ValueError
        A value that varies inside a group, fewer than 3 groups with min_per_word examples, and
        whatever correlation refuses.
    """
    x = check_units(x)
    values = check_values(value, int(x.shape[0]), what="value")
    every = group_examples(word, len(values), what="word")
    used = every.sizes >= min_per_word
    keep = used[every.index]
    if used.sum() < 3:
        raise InputError(
            f"{int(used.sum())} groups have {min_per_word} examples or more: 3 are needed"
        )
    groups = group_examples(every.index[keep], int(keep.sum()), what="word")
    label = group_values(every, values)[used]
    centred = label - label.mean()
    squares, k = float(centred @ centred), len(label)
    leverage = 1 / k + centred**2 / squares if squares else np.ones(k)
    r, t = np.full(x.shape[1], np.nan), np.full(x.shape[1], np.nan)
    for first, part in chunks(x, max_units=512):
        if not np.isfinite(part).all():
            refuse_nonfinite(part, first)
        means = groups.sums(centred_scaled(part[keep])) / groups.sizes[:, None]
        means -= means.mean(axis=0)
        size = np.sqrt(np.square(means).sum(axis=0))
        with np.errstate(divide="ignore", invalid="ignore"):
            slope = centred @ means / squares
            rest = (means - centred[:, None] * slope) / (1 - leverage[:, None])
            error = np.sqrt(np.square(centred) @ np.square(rest)) / squares
            units = slice(first, first + part.shape[1])
            r[units] = np.where(size > 0, slope * np.sqrt(squares) / size, np.nan)
            t[units] = np.where(size > 0, slope / error, np.nan)
    return _result(r, t, k - 2, k, int((~used).sum()))


def word_level_paired(x: Units, y: Labels, word: Any) -> WordLevelEffects:
    """One-sample t of class-1 minus class-0 means of each group of x [example, unit].

    Every group has examples of both classes. Raises ValueError where one has not, for fewer than
    2 groups, and whatever ttest refuses.
    """
    x = check_units(x)
    positive = check_labels(y, int(x.shape[0]))
    groups = group_examples(word, len(positive), what="word")
    ones = np.bincount(groups.index, weights=positive)
    lone = np.flatnonzero((ones == 0) | (ones == groups.sizes))
    if len(lone) or len(groups.sizes) < 2:
        raise InputError(
            f"there are {len(groups.sizes)} groups, {len(lone)} of them with one class only: 2 "
            "groups or more are needed, each with examples of both classes"
        )
    weights = np.where(positive, 1 / ones[groups.index], -1 / (groups.sizes - ones)[groups.index])
    k, t = len(groups.sizes), np.full(x.shape[1], np.nan)
    for first, part in chunks(x, max_units=512):
        if not np.isfinite(part).all():
            refuse_nonfinite(part, first)
        values = centred_scaled(part)
        gaps = groups.sums(values * weights[:, None])
        with np.errstate(divide="ignore", invalid="ignore"):
            found = gaps.mean(axis=0) / (gaps.std(axis=0, ddof=1) / np.sqrt(k))
        varies = (part != part[:1]).any(axis=0)
        t[first : first + part.shape[1]] = np.where(varies, found, np.nan)
    return _result(np.full(len(t), np.nan), t, k - 1, k, 0)


def _result(r: Floats, t: Floats, dof: int, n: int, dropped: int) -> WordLevelEffects:
    p, log10_p = student_tail(t, float(dof))
    return WordLevelEffects(r, t, np.where(np.isnan(t), np.nan, float(dof)), p, log10_p, n, dropped)
