"""Tests with the group (a word type, or word types read at one token) as the unit of replication.

Examples of one word are not independent evidence about a class of words: the language-as-fixed-
effect fallacy (Clark 1973).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from lens_probes.errors import InputError
from lens_probes.stats._options import checked_options
from lens_probes.stats.groups import Groups, centred_scaled, group_examples, group_labels
from lens_probes.stats.inputs import (
    Bools,
    Floats,
    Ints,
    Labels,
    PerUnit,
    Units,
    check_labels,
    check_units,
    chunks,
    refuse_nonfinite,
)
from lens_probes.stats.ttest import welch


@dataclass(frozen=True)
class WordLevel:
    """Welch's t on word-type means; every array is [unit]. Positive word_t: class 1 is higher.

    icc: share of the within-class variance that lies between words (one-way random-effects
    ANOVA within class, floored at 0). effective_n: number of independent examples that the
    used ones are worth. word_sd0, word_sd1: standard deviation (ddof 1) of the group means of each
    class; word_skew: skewness of their deviations from the class mean, each class scaled by its
    sd. Where skew is large and the sds differ, no test of means holds its level. n_words0 and
    n_words1 count the words used, n_words_dropped and n_examples_dropped those with too few
    examples. note says why the columns are NaN, or "".
    """

    word_t: PerUnit
    word_dof: PerUnit
    word_p: PerUnit
    log10_word_p: PerUnit
    icc: PerUnit
    effective_n: PerUnit
    word_sd0: PerUnit
    word_sd1: PerUnit
    word_skew: PerUnit
    n_words0: int
    n_words1: int
    n_words_dropped: int
    n_examples_dropped: int
    note: str


@checked_options
def word_level(x: Units, y: Labels, word: Any, *, min_per_word: int = 5) -> WordLevel:
    """Word-level tests of x [example, unit], labels y [example] and word types word [example].

    Each word with at least min_per_word examples counts once, by its mean: Welch's t of those
    means assumes that word effects are normal. effective_n = n / (1 + (sum m^2 / sum m - 1) icc)
    over the m examples of each used word. Fewer than 2 used words of a class leave the columns
    NaN with a note, as does word=None; a constant unit is NaN.

    Parameters
    ----------
    x
        [example, unit] activations.
    y
        [example] class, 0 or 1, one a word type.
    word
        [example] word type; None: the columns are NaN.
    min_per_word
        Examples that a word needs to count.

    Raises
    ------
    ValueError
        A word with both labels, a missing word, and whatever ttest refuses.

    Examples
    --------
    >>> import numpy as np
    >>> from lens_probes import stats
    >>> y, word = np.repeat([0, 1], 20), np.arange(40) // 5
    >>> x = np.random.default_rng(0).normal(size=(40, 1)) + 2 * y[:, None]
    >>> stats.word_level(x, y, word).word_t.round(1)
    array([7.6])
    """
    x = check_units(x)
    n = int(x.shape[0])
    positive = check_labels(y, n)
    if min_per_word < 1:
        raise InputError(f"min_per_word is {min_per_word}: it must be at least 1")
    columns = np.full((9, int(x.shape[1])), np.nan)
    if word is None:
        return _result(columns, Counts(0, 0, 0, 0), "no word types were given")
    everything = group_examples(word, n, what="word")
    labels = group_labels(everything, positive)
    used = everything.sizes >= min_per_word
    keep = used[everything.index]
    counts = Counts(*(int(m.sum()) for m in (used & ~labels, used & labels, ~used, ~keep)))
    if min(counts.words0, counts.words1) < 2:
        note = (
            f"{counts.words0} words of class 0 and {counts.words1} of class 1 have {min_per_word} "
            "or more examples: at least 2 of each are needed"
        )
        return _result(columns, counts, note)
    words = group_examples(everything.index[keep], int(keep.sum()), what="word")
    for first, part in chunks(x, max_units=512):
        if not np.isfinite(part).all():
            refuse_nonfinite(part, first)
        units = slice(first, first + part.shape[1])
        values, scale = centred_scaled(part[keep]), _scale(part[keep])
        columns[:, units] = _word_columns(values, words, labels[used])
        columns[6:8, units] /= scale
    return _result(columns, counts, "")


class Counts(NamedTuple):
    """Words used in each class; words and examples left out."""

    words0: int
    words1: int
    words_dropped: int
    examples_dropped: int


def _result(columns: Floats, counts: Counts, note: str) -> WordLevel:
    t, dof, p, log10_p, icc, effective_n, sd0, sd1, skew = columns.copy()
    return WordLevel(
        word_t=t,
        word_dof=dof,
        word_p=p,
        log10_word_p=log10_p,
        icc=icc,
        effective_n=effective_n,
        word_sd0=sd0,
        word_sd1=sd1,
        word_skew=skew,
        n_words0=counts.words0,
        n_words1=counts.words1,
        n_words_dropped=counts.words_dropped,
        n_examples_dropped=counts.examples_dropped,
        note=note,
    )


def _word_columns(values: Floats, words: Groups, labels: Bools) -> Floats:
    """word_t, its dof, p, log10 p, icc, effective_n, sd0, sd1, skew as [9, unit]."""
    means = words.sums(values) / words.sizes[:, None]
    k0, k1 = int((~labels).sum()), int(labels.sum())
    v0 = means[~labels].var(axis=0, ddof=1) / k0
    v1 = means[labels].var(axis=0, ddof=1) / k1
    tests = welch(means[labels].mean(axis=0) - means[~labels].mean(axis=0), v0, v1, k0, k1)
    icc = intraclass_correlation(values, means, words, labels)
    icc[(values == values[:1]).all(axis=0)] = np.nan
    sizes: Ints = words.sizes
    design = float((sizes**2).sum() / sizes.sum()) - 1
    sd0, sd1 = np.sqrt(v0 * k0), np.sqrt(v1 * k1)
    with np.errstate(divide="ignore", invalid="ignore"):
        cubes = sum(
            (((means[side] - means[side].mean(axis=0)) / sd) ** 3).sum(axis=0)
            for side, sd in ((~labels, sd0), (labels, sd1))
        )
    skew = np.asarray(cubes) / (k0 + k1)
    return np.stack([*tests, icc, len(values) / (1 + design * icc), sd0, sd1, skew])


def _scale(part: Floats) -> Floats:
    """The power of two [unit] by which `centred_scaled` multiplies."""
    widest = np.abs(part.astype(np.float64) - part[:1]).max(axis=0, initial=0.0)
    scale: Floats = np.ldexp(1.0, -np.frexp(widest)[1].clip(-1000, 1000))
    return scale


def intraclass_correlation(values: Floats, means: Floats, words: Groups, labels: Bools) -> Floats:
    """Share of within-class variance between words [unit], from the mean squares, at least 0."""
    n, n_words = len(values), len(labels)
    within = ((values - means[words.index]) ** 2).sum(axis=0) / max(n - n_words, 1)
    between, imbalance = np.zeros(values.shape[1]), 0.0
    for side in (labels, ~labels):
        sizes = words.sizes[side].astype(np.float64)
        centre = sizes @ means[side] / sizes.sum()
        between += sizes @ (means[side] - centre) ** 2
        imbalance += float((sizes**2).sum() / sizes.sum())
    between /= n_words - 2
    typical = (n - imbalance) / (n_words - 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        icc = (between - within) / (between + (typical - 1) * within)
    return np.where(np.isnan(icc), np.nan, np.clip(icc, 0.0, 1.0))
