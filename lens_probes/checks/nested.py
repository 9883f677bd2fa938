"""The best unit and the best layer of a whole sweep, chosen in training and scored held out.

The best of many held-out scores is no held-out score: of units and layers that follow word identity
only, the best has a held-out AUC of 0.7 to 0.8. Whatever is named is chosen without the fold that
it is scored on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from lens_probes import stats
from lens_probes.checks.heldout import FoldScores

Labels = Int[np.ndarray, " example"]
PerFold = Float[np.ndarray, " fold"]


@dataclass(frozen=True)
class HeldoutEstimate:
    """Held-out AUC, the mean over folds, with a 95 % interval over groups.

    The interval is NaN where no groups are known, and where one has both labels or is in several
    folds (folds by passage).
    """

    auc: float
    low: float
    high: float


@dataclass(frozen=True)
class NestedBest:
    """Held-out AUC of what the training folds chose in the whole sweep; NaN where all is constant.

    unit: the unit with the largest contrast of all layers and sites. mean_difference and
    logistic_probe: directions at the layer and site whose mean difference does best inside the
    training folds. In each fold: chosen_unit, the (array, unit), and chosen_array, the layer and
    site, as their places in the sweep.
    """

    unit: HeldoutEstimate
    mean_difference: HeldoutEstimate
    logistic_probe: HeldoutEstimate
    chosen_unit: tuple[tuple[int, int], ...]
    chosen_array: tuple[int, ...]


def nested_best(
    scored: Sequence[FoldScores], y: Labels, fold: Labels, group: Labels | None
) -> NestedBest:
    """What a sweep's best unit and layer are worth where they were not chosen.

    Takes the fold scores of every layer and site, so nothing is fitted again. With groups
    [example] of one class each, whole in their folds, every group counts once in the AUC.
    """
    ids = np.unique(fold)
    contrast = np.array([one.contrast for one in scored])
    inner = np.array([one.inner_auc for one in scored])
    if np.isnan(contrast).all(axis=0).any() or np.isnan(inner).all(axis=0).any():
        nothing = HeldoutEstimate(np.nan, np.nan, np.nan)
        return NestedBest(nothing, nothing, nothing, (), ())
    best, layer = np.nanargmax(contrast, axis=0), np.nanargmax(inner, axis=0)
    chosen = np.empty((len(y), 3))
    for i, k in enumerate(ids):
        rows = fold == k
        chosen[rows, 0] = scored[best[i]].score[rows, 0]
        chosen[rows, 1:] = scored[layer[i]].score[rows, 1:]
    if group is None or not _whole(group, y, fold):
        auc = np.mean([stats.auc(chosen[fold == k], y[fold == k]).auc for k in ids], axis=0)
        low, high = np.full((2, 3), np.nan)
    else:
        over = stats.heldout_auc(chosen, y, group, fold)
        auc, low, high = over.auc_heldout, over.auc_heldout_low, over.auc_heldout_high
    unit, difference, probe = (
        HeldoutEstimate(*row) for row in np.stack([auc, low, high], axis=1).tolist()
    )
    return NestedBest(
        unit,
        difference,
        probe,
        chosen_unit=tuple((int(a), int(scored[a].unit[i])) for i, a in enumerate(best)),
        chosen_array=tuple(layer.tolist()),
    )


def nested_best_r(scored: Sequence[tuple[PerFold, PerFold]]) -> float:
    """Mean held-out r of what each training fold chose in the whole sweep, from `best_unit_r`."""
    inside, outside = (np.stack(part) for part in zip(*scored, strict=True))
    return float(np.take_along_axis(outside, inside.argmax(axis=0)[None], axis=0).mean())


def _whole(group: Labels, y: Labels, fold: Labels) -> bool:
    """Whether every group has one label and one fold, and each class two groups or more."""
    kinds = np.unique(np.stack([group, y, fold], axis=1), axis=0)
    return len(kinds) == len(np.unique(group)) and np.bincount(kinds[:, 1]).min() >= 2
