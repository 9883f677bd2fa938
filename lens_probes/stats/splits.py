"""Is it the category, or any split of the same words? The real split among all the others.

With few word types a token-level test passes in many units for any way of dealing the words into
two classes, because each word has its own activation. The share of units that pass under the
real labels therefore says nothing until it stands beside the same share under other splits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from jaxtyping import Float64, Int64

from lens_probes.stats._options import checked_options
from lens_probes.stats.inputs import (
    Bools,
    InTurn,
    Labels,
    Units,
    check_labels,
    chunks,
    several_arrays,
)
from lens_probes.stats.nulls import check_null, chunk_hits, labelled_words
from lens_probes.stats.relabel import all_relabellings, count_relabellings, sample_relabellings


@dataclass(frozen=True)
class SplitTest:
    """Shares of units that pass the token-level score test at alpha_unit, split by split.

    share: of all n_units units under the real labels; null_shares [relabelling]: under each
    relabelling of the word types; p: share of relabellings whose share is at least the real one.
    The same array by array in share_by_array [array], null_shares_by_array [array, relabelling],
    p_by_array [array] and n_units_by_array [array]. exact: all n distinct relabellings were used,
    the real one among them (each counts its mirror image, which splits alike, where the classes
    have equally many words); otherwise a sample of n, and p = (1 + b) / (1 + n). Constant units
    are not counted; an array without others is NaN.
    """

    share: float
    null_shares: Float64[np.ndarray, " relabelling"]
    p: float
    share_by_array: Float64[np.ndarray, " array"]
    null_shares_by_array: Float64[np.ndarray, "array relabelling"]
    p_by_array: Float64[np.ndarray, " array"]
    n_units: int
    n_units_by_array: Int64[np.ndarray, " array"]
    n_words0: int
    n_words1: int
    alpha_unit: float
    n: int
    exact: bool


@checked_options
def split_test(
    x: Units | Sequence[Units] | InTurn,
    y: Labels,
    word: Any,
    *,
    alpha_unit: float,
    n: int = 1000,
    seed: int = 0,
) -> SplitTest:
    """Where the real labels of word types stand among relabellings of the same words.

    x [example, unit] may be a sequence of arrays over the same examples (layers, sites): all
    share the relabellings. Labels y [example] are constant in each word type [example]; the
    number of words in each class is kept. Every relabelling is used when there are at most n.
    A p that is not small means that word identity alone gives as many significant units: an
    extreme share is evidence of the category, a share like that of other splits is not.

    Parameters
    ----------
    x
        [example, unit] activations, or several such arrays over the same examples (layers, sites),
        whose units follow each other.
    y
        [example] class, 0 or 1, one a word type.
    word
        [example] word type.
    alpha_unit
        Level of one unit's test, between 0 and 1.
    n
        Relabellings that are drawn; all of them where there are no more.
    seed
        Of the draws: the same seed gives the same result.

    Raises
    ------
    ValueError
        As relabel_words_null does, and for arrays of different length.
    """
    arrays = several_arrays(x)
    positive = check_labels(y, arrays.n_examples)
    check_null(alpha_unit, n)
    words, labels = labelled_words(positive, word)
    stratum = np.zeros(len(labels), dtype=np.int64)
    exact = count_relabellings(labels, stratum) <= n
    if exact:
        table = all_relabellings(labels, stratum)
    else:
        table = sample_relabellings(labels, stratum, n=n, seed=seed)
    rows = np.concatenate([labels[None, :], table]).astype(np.float64)
    passes = np.zeros((len(arrays), len(rows)), dtype=np.int64)
    counted = np.zeros(len(arrays), dtype=np.int64)
    for k, array in enumerate(arrays):
        for first, part in chunks(array, max_units=1024):
            hits, varies = chunk_hits(part, first, words, rows, alpha_unit)
            passes[k] += hits.sum(axis=1)
            counted[k] += varies.sum()
    if exact:
        passes[:, 0] = passes[:, 1 + _row_of(labels, table)]
    everything = _shares(passes.sum(axis=0, keepdims=True), counted.sum(keepdims=True))[0]
    by_array = _shares(passes, counted)
    return SplitTest(
        share=float(everything[0]),
        null_shares=everything[1:],
        p=_p(everything, exact=exact),
        share_by_array=by_array[:, 0].copy(),
        null_shares_by_array=by_array[:, 1:].copy(),
        p_by_array=np.array([_p(row, exact=exact) for row in by_array]),
        n_units=int(counted.sum()),
        n_units_by_array=counted,
        n_words0=int((~labels).sum()),
        n_words1=int(labels.sum()),
        alpha_unit=alpha_unit,
        n=len(table),
        exact=exact,
    )


def _row_of(labels: Bools, table: npt.NDArray[Any]) -> int:
    """The row of the real labels, whose own hits are used so that rounding cannot part them."""
    return int(np.flatnonzero((table == labels).all(axis=1))[0])


def _shares(passes: npt.NDArray[np.int64], counted: npt.NDArray[np.int64]) -> Any:
    """Passes [array, row] over units counted [array]; NaN where there are none."""
    return np.where(counted[:, None] > 0, passes / np.maximum(counted, 1)[:, None], np.nan)


def _p(shares: npt.NDArray[np.float64], *, exact: bool) -> float:
    """Empirical p of the first share among the rest."""
    if np.isnan(shares[0]):
        return float("nan")
    reached = int((shares[1:] >= shares[0]).sum())
    return reached / (len(shares) - 1) if exact else (1 + reached) / len(shares)
