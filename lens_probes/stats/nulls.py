"""How often the token-level test passes when nothing is there: two nulls, side by side.

Shuffling labels over tokens breaks everything at once and checks the code only: it looks clean
even where the test is wrong. Shuffling them over word types keeps the examples of a word
together and shows the real error of a test that counts tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from jaxtyping import Float64
from scipy import special

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
from lens_probes.stats.relabel import sample_relabellings


@dataclass(frozen=True)
class NullShares:
    """share [relabelling]: of n_units units, how many pass the score test at alpha_unit.

    Constant units are not counted. passed [unit] is the share of relabellings a unit passes in.
    """

    share: Float64[np.ndarray, " relabelling"]
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


def relabel_tokens_null(
    x: Units, y: Labels, *, alpha_unit: float, n: int = 200, seed: int = 0
) -> NullShares:
    """Labels shuffled over the examples of x [example, unit], n times.

    A unit passes where the score statistic n r^2 of the logit exceeds the chi-square quantile
    of alpha_unit. Raises ValueError for whatever ttest refuses and alpha_unit outside (0, 1).
    """
    return _shares(x, y, np.arange(int(check_units(x).shape[0])), alpha_unit, n, seed)


def relabel_words_null(
    x: Units, y: Labels, word: Any, *, alpha_unit: float, n: int = 200, seed: int = 0
) -> NullShares:
    """Labels shuffled over word types [example], keeping the number of words in each class.

    The examples of a word always share a label, as they do in the data. Raises ValueError also
    for a word with both labels and fewer than 2 words in a class.
    """
    return _shares(x, y, word, alpha_unit, n, seed)


def _shares(x: Units, y: Labels, word: Any, alpha: float, n: int, seed: int) -> NullShares:
    x = check_units(x)
    positive = check_labels(y, int(x.shape[0]))
    if not 0 < alpha < 1 or n < 1:
        raise ValueError(
            f"alpha_unit is {alpha} and n is {n}: the first must lie between 0 and 1, "
            "the second be at least 1"
        )
    words = group_examples(word, len(positive), what="word")
    labels = group_labels(words, positive)
    if min(labels.sum(), (~labels).sum()) < 2:
        raise ValueError(
            f"there are {int((~labels).sum())} words of class 0 and {int(labels.sum())} of class "
            "1: at least 2 of each are needed to shuffle labels over words"
        )
    table = sample_relabellings(labels, np.zeros(len(labels), dtype=np.int64), n=n, seed=seed)
    passes = np.zeros(n, dtype=np.int64)
    passed = np.full(x.shape[1], np.nan)
    for first, part in chunks(x, max_units=1024):
        if not np.isfinite(part).all():
            refuse_nonfinite(part, first)
        units = slice(first, first + part.shape[1])
        hits = score_hits(centred_scaled(part), words, table, alpha)
        varies = (part != part[:1]).any(axis=0)
        passes += hits.sum(axis=1)
        passed[units] = np.where(varies, hits.mean(axis=0), np.nan)
    n_units = int((~np.isnan(passed)).sum())
    share = passes / n_units if n_units else np.full(n, np.nan)
    return NullShares(share, passed, alpha, n_units)


def score_hits(values: Floats, words: Groups, table: npt.NDArray[np.int8], alpha: float) -> Bools:
    """Whether each unit passes the score test under each relabelling [relabelling, unit].

    With sums over words S and labels l of words, sum (x - mean) l = l S: one matrix product.
    """
    n = len(values)
    values = values - values.mean(axis=0)
    size = np.linalg.norm(values, axis=0)
    sums = words.sums(values) / np.where(size > 0, size, 1.0)
    n1: Ints = table @ words.sizes
    needed = np.sqrt(special.chdtri(1, alpha) / n * (n1 * (n - n1) / n))
    hits: Bools = np.abs(table.astype(np.float64) @ sums) > needed[:, None]
    return hits
