"""How many units does it take? Probes on the k units that training chooses, scored held out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from lens_probes.arrays import check_scale
from lens_probes.errors import InputError, choice, number, shown, whole
from lens_probes.stats._group_design import GroupDesign
from lens_probes.stats._options import checked_options
from lens_probes.stats._selectors import ALONE, SELECTORS, Selector
from lens_probes.stats._stability import Halves, expected_false
from lens_probes.stats._training_draws import TrainingDraws
from lens_probes.stats.folds import folds_by_word
from lens_probes.stats.group_heldout import heldout_auc
from lens_probes.stats.heldout import check_fold
from lens_probes.stats.inputs import (
    Bools,
    Floats,
    Ints,
    InTurn,
    Labels,
    PerUnit,
    Units,
    check_labels,
    one_each,
    refuse_nonfinite,
    several_arrays,
    to_numpy,
)

KS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


@dataclass(frozen=True)
class SparseProbe:
    """Held-out scores of probes on k units, and how stable the choice of units is.

    k: numbers of units. auc, auc_low, auc_high [k]: held-out AUC, the mean over folds, each group
    counted once, with its 95 % interval over groups (`heldout_auc`); accuracy [k]: held-out
    accuracy at probability 1/2, the mean of both classes. random_auc [k]: the same with k units
    drawn at random; shuffled_auc [k]: chosen and fitted with labels permuted over the training
    groups, the mean of ten draws (three of a joint selector), and shuffled_auc_sd [k], their
    standard deviation. NaN where k is more than the number of units. auc_all, auc_all_se: a probe
    on all units and its standard error. smallest_k: the smallest k whose auc is within that of
    auc_all; None if no k is, or if auc_all is not above 1/2 by two standard errors.

    chosen [fold, unit]: the units that each fold's training took, first the first; -1 where it
    took no more. stability [unit]: the share of random halves of the groups in which the unit is
    among the first `n_stable`. stable [unit]: True for those of the set, with a stability of
    `threshold` or more. expected_false: the most members of the set to be expected that a
    half would choose no more often than a unit drawn at random (Shah and Samworth 2013).
    """

    k: tuple[int, ...]
    auc: Floats
    auc_low: Floats
    auc_high: Floats
    accuracy: Floats
    random_auc: Floats
    shuffled_auc: Floats
    shuffled_auc_sd: Floats
    auc_all: float
    auc_all_se: float
    smallest_k: int | None
    chosen: Ints
    stability: PerUnit
    stable: Bools
    expected_false: float
    n_stable: int
    threshold: float
    n_folds: int


@checked_options
def sparse_probe(
    x: Units | list[Units] | InTurn,
    y: Labels,
    *,
    groups: Any = None,
    k: Iterable[int] = KS,
    selector: Selector = "t",
    n_folds: int = 4,
    seed: int = 0,
    fold: Any = None,
    l2: float = 0.01,
    n_stable: int | None = None,
    threshold: float = 0.9,
) -> SparseProbe:
    """Probes on the k units of x [example, unit] that tell labels y [example] apart best.

    In each fold the training groups alone choose the units, standardise them and fit a logistic
    regression (`ridge_logit`; Gurnee et al. 2023); the groups held out score it.

    Parameters
    ----------
    y
        [example] class, 0 or 1.
    x
        [example, unit], or several such arrays over the same examples, whose units are counted on
        from one array to the next (with selectors t and mean_difference).
    groups
        [example] independent groups of one label each, such as word types; None: each example.
    k
        Numbers of units, from small to large.
    selector
        `"t"`: Welch's t of the group means; `"mean_difference"`: of the class means, as
        TransformerLens 4 takes them; `"forward"`, `"l1"`, `"omp"`: units that say something beside
        those already chosen (see `path_order`), slower.
    n_folds, seed
        Folds hold out whole groups; the seed deals groups to folds, halves and nulls.
    fold
        [example] folds of one's own, in place of `n_folds`.
    l2
        Penalty: l2 / 2 times the sum of squared coefficients beside the mean loss.
    n_stable, threshold
        A unit is in the set if it is among the first `n_stable` in a share `threshold` (above 1/2)
        of 100 random halves of the groups, drawn as 50 pairs that complement each other. None: 16,
        or as many as keep `expected_false` at 1/2 or less.

    Raises
    ------
    ValueError
        Other shapes and labels, a group with both labels or too few groups, an activation that is
        not finite, no increasing k, more units asked for than there are.
    """
    ks = numbers_of_units(k)
    choice("selector", selector, SELECTORS)
    l2 = number("l2", l2, least=1e-9, most=1e9)
    threshold = number("threshold", threshold, least=0.5, most=1.0)
    arrays = several_arrays(x)
    n, width = arrays.n_examples, sum(arrays.widths)
    if len(arrays) > 1 and selector not in ALONE:
        raise InputError(
            f"selector {selector!r} takes one array: of several give t or mean_difference"
        )
    if ks[0] > width:
        raise InputError(f"k is {ks[0]} but x has {width} units: give a k of {width} or less")
    positive = check_labels(one_each(y, "y"), n)
    design = GroupDesign.of(positive, groups, n)
    folds = (
        folds_by_word(positive, design.groups.index, n_folds=n_folds, seed=seed)
        if fold is None
        else check_fold(fold, positive)
    )
    drawn = TrainingDraws(design, folds, seed, width, min(ks[-1], width), alone=selector in ALONE)
    if n_stable is None:
        fit = [q for q in range(1, 17) if expected_false(q, width, threshold) <= 0.5]
        n_stable = max(fit, default=1)
    most_stable = min(whole("n_stable", n_stable, least=1), width)
    stability = Halves(design, selector, most_stable, seed)
    for first, part in _checked(arrays):
        drawn.read(first, part, selector)
        stability.read(part)
    share = stability.shares()
    scored = drawn.scored(ks, l2)
    auc_all = heldout_auc(drawn.all_units[:, None], positive, design.groups.index, folds)
    se = float(auc_all.auc_heldout_high[0] - auc_all.auc_heldout_low[0]) / (2 * 1.96)
    every = float(np.nan_to_num(auc_all.auc_heldout[0], nan=0.5))
    enough = (every - 2 * se > 0.5) & (scored["auc"] >= every - se)
    return SparseProbe(
        k=ks,
        **scored,
        auc_all=every,
        auc_all_se=se,
        smallest_k=ks[int(np.argmax(enough))] if enough.any() else None,
        chosen=drawn.chosen(),
        stability=share,
        stable=share >= threshold,
        expected_false=expected_false(most_stable, width, threshold),
        n_stable=most_stable,
        threshold=threshold,
        n_folds=len(drawn.ids),
    )


def _checked(arrays: InTurn) -> Iterator[tuple[int, Floats]]:
    first = 0
    for array in arrays:
        part = to_numpy(array, "x")
        if not np.isfinite(part).all():
            refuse_nonfinite(part, first)
        values = part.astype(np.float64)
        check_scale("x", values)
        yield first, values - values[:1]
        first += part.shape[1]


def numbers_of_units(k: Any) -> tuple[int, ...]:
    """Numbers of units from small to large, each once, or a ValueError."""
    if isinstance(k, np.ndarray):
        k = k.tolist()
    given = [k] if isinstance(k, int) else list(k) if isinstance(k, Iterable) else None
    if not given or isinstance(k, str | bytes):
        raise InputError(f"k must be numbers of units, such as 1, 4, 16; got {shown(k)}")
    ks = tuple(whole("k", one, least=1) for one in given)
    if list(ks) != sorted(set(ks)):
        raise InputError(f"k must go from small to large, each once; got {shown(k)}")
    return ks
