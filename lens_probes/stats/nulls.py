"""How often the token-level test passes when nothing is there: two nulls, side by side.

Shuffling labels over tokens breaks everything at once and checks the code only: it looks clean
even where the test is wrong. Shuffling them over word types (or replication groups) keeps the
examples of a word together and shows the real error of a test that counts tokens. What the real
label explains is taken out of every unit first: a true effect is no error.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from jaxtyping import Float64
from scipy import special

from lens_probes.errors import InputError
from lens_probes.stats._options import checked_options
from lens_probes.stats.groups import (
    Groups,
    centred_scaled,
    group_examples,
    group_labels,
    group_values,
)
from lens_probes.stats.inputs import (
    Bools,
    Floats,
    Labels,
    PerUnit,
    Units,
    check_classes,
    check_labels,
    check_units,
    check_values,
    chunks,
    refuse_nonfinite,
)
from lens_probes.stats.relabel import code_values, sample_relabellings
from lens_probes.stats.tails import z_of_chi2


@dataclass(frozen=True)
class NullShares:
    """share [relabelling]: of n_units units, how many pass the score test at alpha_unit.

    Constant units are not counted. passed [unit] is the share of relabellings a unit passes in.
    largest [relabelling]: the largest |z| of a unit, z^2 being the score statistic.
    """

    share: Float64[np.ndarray, " relabelling"]
    largest: Float64[np.ndarray, " relabelling"]
    passed: PerUnit
    alpha_unit: float
    n_units: int

    @property
    def measured(self) -> float:
        """Mean share over relabellings, to set beside the nominal alpha_unit."""
        return float(self.share.mean())

    @property
    def any_passed(self) -> float:
        """Share of relabellings in which at least one unit passes: the family-wise error."""
        return float((self.share > 0).mean())

    def any_beyond(self, alpha_unit: float) -> npt.NDArray[np.bool_]:
        """Relabellings [relabelling] in which at least one unit passes at another level."""
        beyond: npt.NDArray[np.bool_] = self.largest > _critical(alpha_unit)
        return beyond


@checked_options
def relabel_tokens_null(
    x: Units, y: Labels, *, alpha_unit: float, n: int = 200, seed: int = 0
) -> NullShares:
    """Labels shuffled over the examples of x [example, unit], n times.

    A unit passes where the logit's score statistic n r^2 exceeds alpha_unit's chi-square quantile.

    Parameters
    ----------
    x, y
        [example, unit] activations and [example] class, 0 or 1.
    alpha_unit, n, seed
        Level of one unit's test, between 0 and 1; how many relabellings, and what draws them.

    Raises ValueError for whatever ttest refuses and alpha_unit outside (0, 1).
    """
    return relabel_words_null(x, y, _tokens(x), alpha_unit=alpha_unit, n=n, seed=seed)


@checked_options
def relabel_words_null(
    x: Units, y: Labels, word: Any, *, alpha_unit: float, n: int = 200, seed: int = 0
) -> NullShares:
    """Labels shuffled over word types [example], keeping the number of words in each class.

    The examples of a word always share a label, as they do in the data.

    Parameters
    ----------
    x, y, word
        [example, unit] activations, [example] class and word type.
    alpha_unit, n, seed
        Level of one unit's test, between 0 and 1; how many relabellings, and what draws them.

    Raises ValueError for a word with both labels and fewer than 2 words in a class, too.
    """
    x = check_units(x)
    positive = check_labels(y, int(x.shape[0]))
    check_null(alpha_unit, n)
    words, labels = labelled_words(positive, word)
    table = sample_relabellings(labels, np.zeros(len(labels), dtype=np.int64), n=n, seed=seed)
    return _shares(x, words, table.astype(np.float64), alpha_unit, positive.astype(np.float64))


@checked_options
def relabel_tokens_null_r(
    x: Units, value: Labels, *, alpha_unit: float, n: int = 200, seed: int = 0
) -> NullShares:
    """Values of a continuous label shuffled over the examples of x [example, unit], n times.

    A unit passes where n r^2 exceeds the chi-square quantile of alpha_unit.

    Parameters
    ----------
    x, value, alpha_unit, n, seed
        As in `relabel_words_null`; [example] a continuous label.

    Raises ValueError for a value that is constant or not finite, and alpha_unit outside (0, 1).
    """
    return relabel_words_null_r(x, value, _tokens(x), alpha_unit=alpha_unit, n=n, seed=seed)


@checked_options
def relabel_words_null_r(
    x: Units, value: Labels, word: Any, *, alpha_unit: float, n: int = 200, seed: int = 0
) -> NullShares:
    """Values of a continuous label shuffled over word types [example], n times.

    Parameters
    ----------
    x, value, word, alpha_unit, n, seed
        As in `relabel_words_null`; [example] a continuous label.

    Raises ValueError as that does, for a word with different values and for fewer than 3 words.
    """
    x = check_units(x)
    values = check_values(value, int(x.shape[0]), what="value")
    check_null(alpha_unit, n)
    words = group_examples(word, len(values), what="word")
    codes, scaled = code_values(group_values(words, values))
    if len(codes) < 3:
        raise InputError(f"there are {len(codes)} words: at least 3 are needed to shuffle values")
    table = sample_relabellings(codes, np.zeros(len(codes), dtype=np.int64), n=n, seed=seed)
    return _shares(x, words, scaled[table], alpha_unit, values)


@checked_options
def relabel_words_null_f(
    x: Units, y: Labels, word: Any, *, alpha_unit: float, n: int = 200, seed: int = 0
) -> NullShares:
    """Several classes 0, 1, 2 ... shuffled over word types [example], n times.

    A unit passes where n eta squared exceeds the chi-square quantile (k - 1 degrees of freedom) of
    alpha_unit; `largest` is the |z| of the same p.

    Parameters
    ----------
    x, y, word, alpha_unit, n, seed
        As in `relabel_words_null`, of several classes.

    Raises ValueError as that does, for a word of several classes and fewer than 2 words of one.
    """
    x = check_units(x)
    classes = check_classes(y, int(x.shape[0]))
    check_null(alpha_unit, n)
    words = group_examples(word, len(classes), what="word")
    codes = group_values(words, classes.astype(np.float64)).astype(np.int64)
    if np.bincount(codes).min() < 2:
        raise InputError("a class has fewer than 2 words: at least 2 of each are needed")
    table = sample_relabellings(codes, np.zeros(len(codes), dtype=np.int64), n=n, seed=seed)
    k = int(codes.max()) + 1
    real = (classes[:, None] == np.arange(k)).astype(np.float64)

    def sizes(values: Floats) -> Floats:
        without = values - real @ ((real.T @ values) / real.sum(axis=0)[:, None])
        flat = np.linalg.norm(without, axis=0) <= 1e-12 * np.linalg.norm(values, axis=0)
        return z_of_chi2(_class_scores(np.where(flat, 0.0, without), words, table, k), k - 1)

    return _counted(x, sizes, len(table), alpha_unit)


def _class_scores(values: Floats, words: Groups, table: npt.NDArray[Any], k: int) -> Floats:
    """n eta squared under each row of the table [relabelling, unit]; 0 for constant values."""
    size = np.linalg.norm(values, axis=0)
    sums = words.sums(values) / np.where(size > 0, size, 1.0)
    found = np.zeros((len(table), values.shape[1]))
    for c in range(k):
        inside = (table == c).astype(np.float64)
        found += (inside @ sums) ** 2 / (inside @ words.sizes)[:, None]
    return len(values) * found


def check_null(alpha: float, n: int) -> None:
    """A ValueError for a level or a number of relabellings that cannot be."""
    if not 0 < alpha < 1 or n < 1:
        raise InputError(
            f"alpha_unit is {alpha} and n is {n}: the first must lie between 0 and 1, "
            "the second be at least 1"
        )


def labelled_words(positive: Bools, word: Any) -> tuple[Groups, Bools]:
    """Word types and the label of each, or a ValueError unless 2 or more have each label."""
    words = group_examples(word, len(positive), what="word")
    labels = group_labels(words, positive)
    if min(labels.sum(), (~labels).sum()) < 2:
        raise InputError(
            f"there are {int((~labels).sum())} words of class 0 and {int(labels.sum())} of class "
            "1: at least 2 of each are needed to shuffle labels over words"
        )
    return words, labels


def _tokens(x: Any) -> npt.NDArray[np.int64]:
    return np.arange(int(check_units(x).shape[0]))


def _shares(x: Units, words: Groups, table: Floats, alpha: float, label: Floats) -> NullShares:
    """Shares under each row of the table, of what the real label [example] leaves of each unit."""

    def sizes(values: Floats) -> Floats:
        return score_sizes(without_label(values, label), words, table)

    return _counted(x, sizes, len(table), alpha)


def _counted(x: Units, sizes_of: Callable[[Floats], Floats], n: int, alpha: float) -> NullShares:
    """Shares of units whose |z| under each relabelling passes; `sizes_of` centred, scaled units."""
    passes = np.zeros(n, dtype=np.int64)
    largest = np.zeros(n)
    passed = np.full(x.shape[1], np.nan)
    for first, part in chunks(x, max_units=1024):
        if not np.isfinite(part).all():
            refuse_nonfinite(part, first)
        varies: Bools = (part != part[:1]).any(axis=0)
        values = centred_scaled(part)
        sizes = sizes_of(values - values.mean(axis=0)) * varies
        hits = sizes > _critical(alpha)
        passes += hits.sum(axis=1)
        np.maximum(largest, sizes.max(axis=1), out=largest)
        passed[first : first + part.shape[1]] = np.where(varies, hits.mean(axis=0), np.nan)
    n_units = int((~np.isnan(passed)).sum())
    share = passes / n_units if n_units else np.full(n, np.nan)
    return NullShares(share, largest, passed, alpha, n_units)


def _critical(alpha: float) -> float:
    """|z| that the score test needs at alpha."""
    return float(np.sqrt(special.chdtri(1, alpha)))


def chunk_hits(
    part: npt.NDArray[Any], first: int, words: Groups, table: npt.NDArray[Any], alpha: float
) -> tuple[Bools, Bools]:
    """Hits [relabelling, unit] of a run of units at alpha, and which of the units vary [unit]."""
    if not np.isfinite(part).all():
        refuse_nonfinite(part, first)
    varies: Bools = (part != part[:1]).any(axis=0)
    return score_sizes(centred_scaled(part), words, table) * varies > _critical(alpha), varies


def without_label(values: Floats, label: Floats) -> Floats:
    """Centred values without the linear effect of a label [example] (two classes: their means)."""
    before, centred = np.linalg.norm(values, axis=0), label - label.mean()
    rest: Floats = values - np.outer(centred, centred @ values) / (centred @ centred)
    rest[:, np.linalg.norm(rest, axis=0) <= 1e-12 * before] = 0.0
    return rest


def score_sizes(values: Floats, words: Groups, table: npt.NDArray[Any]) -> Floats:
    """|z| of the score test, sqrt(n) |r|, under each relabelling [relabelling, unit].

    table [relabelling, word] holds the label or value of each word type. With sums over words S
    and labels l of words, sum (x - mean) l = l S: one matrix product.
    """
    n = len(values)
    values = values - values.mean(axis=0)
    size = np.linalg.norm(values, axis=0)
    sums = words.sums(values) / np.where(size > 0, size, 1.0)
    labels = table.astype(np.float64, copy=False)
    spread = labels**2 @ words.sizes - (labels @ words.sizes) ** 2 / n
    z = np.abs(labels @ sums)
    z *= np.sqrt(n / np.where(spread > 0, spread, np.inf))[:, None]
    return z
