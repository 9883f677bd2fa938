"""Cross-fitted scores of a layer and site: chosen on some folds, scored on the others.

Is it the unit, or the layer? Beside the best unit stand the direction between the class means and
an L2 logistic probe on all units, each trained without the fold it is scored on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from lens_probes import stats
from lens_probes.activations.collect import Activations
from lens_probes.examples.examples import Examples
from lens_probes.examples.folds import make_folds
from lens_probes.stats._layer_probe import layer_probe, standardised_products

Array = Float[np.ndarray, "example unit"]
Labels = Int[np.ndarray, " example"]
Units = Float[np.ndarray, " unit"]
Choose = Callable[[Bool[np.ndarray, " example"]], list[Bool[np.ndarray, " unit"]]]

# A variance below this share of the mean square is rounding: the unit is constant.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Baselines:
    """Mean held-out AUC over folds, of one layer and site, and how firm the choice of a unit is.

    best_unit_refound: share of folds in which training chose the unit that all examples choose.
    """

    best_unit_auc_heldout: float
    mean_difference_auc_heldout: float
    logistic_probe_auc_heldout: float
    best_unit_refound: float


@dataclass(frozen=True)
class FoldScores:
    """One layer and site, fold by fold: chosen in training, scored on the fold left out.

    score [example, 3]: held-out scores by the best unit, the mean difference, the probe; auc
    [fold, 3]: theirs in each fold; unit [fold]: the unit chosen, with contrast [fold], its
    difference of class means in training in sds; inner_auc [fold]: of the mean difference, held
    out inside the training folds: what may choose a layer. NaN (unit -1) where every unit is
    constant. refound: see Baselines.
    """

    score: Float[np.ndarray, "example 3"]
    auc: Float[np.ndarray, "fold 3"]
    unit: Int[np.ndarray, " fold"]
    contrast: Float[np.ndarray, " fold"]
    inner_auc: Float[np.ndarray, " fold"]
    refound: float

    def baselines(self) -> Baselines:
        """Means over the folds."""
        one, two, three = self.auc.mean(axis=0).tolist()
        return Baselines(one, two, three, self.refound)


def baselines(x: Array, y: Labels, fold: Labels) -> Baselines:
    """Held-out AUC of the unit chosen on the training folds, the mean difference, the probe."""
    return fold_scores(x, y, fold).baselines()


def fold_scores(x: Array, y: Labels, fold: Labels) -> FoldScores:
    """Cross-fitted scores of one layer and site by its best unit, mean difference and probe.

    The best unit has the largest difference of class means in sds, as has the one with the
    smallest p of the score test. The probe is a logistic regression with L2 penalty 1 on units
    standardised by the training folds and divided by the square root of their number, so that its
    strength does not depend on the width of the site. One probe is fitted a fold.
    """
    sums = FoldSums.of(x, y, fold)
    centred, n_folds = sums.centred, len(sums.count)
    score = np.full((len(y), 3), np.nan)
    auc = np.full((n_folds, 3), np.nan)
    unit, contrast = np.full(n_folds, -1), np.full(n_folds, np.nan)
    for i in range(n_folds):
        test = sums.fold == i
        mean, sd, gap = sums.without(i)
        if not gap.any():
            continue
        best = int(np.argmax(np.abs(gap)))
        unit[i], contrast[i] = best, abs(gap[best])
        score[test, 0] = np.sign(gap[best]) * centred[test, best]
        score[test, 1] = centred[test] @ (gap / sd)
        score[test, 2] = layer_probe(standardised_products(centred, mean, sd), y, ~test)
        auc[i] = stats.auc(score[test], y[test]).auc
    everything = int(np.argmax(np.abs(sums.without()[2])))
    known = unit >= 0
    refound = float((unit == everything)[known].mean()) if known.any() else np.nan
    return FoldScores(score, auc, unit, contrast, _inner_auc(sums, y), refound)


def _inner_auc(sums: FoldSums, y: Labels) -> Float[np.ndarray, " fold"]:
    """Mean AUC of the mean difference over the other folds, each left out in turn.

    Folds i and j both left out serve i, scored on j, and j, scored on i. With two folds the
    training fold alone is left to choose on.
    """
    n_folds = len(sums.count)
    auc = np.zeros((n_folds, n_folds))
    for j in range(n_folds):
        others = [i for i in range(n_folds) if i != j]
        left = [(i, j) if n_folds > 2 else (i,) for i in others]
        gaps = [gap / sd for _, sd, gap in (sums.without(*out) for out in left)]
        test = sums.fold == j
        auc[others, j] = stats.auc(sums.centred[test] @ np.stack(gaps, axis=1), y[test]).auc
    inner: Float[np.ndarray, " fold"] = auc.sum(axis=1) / (n_folds - 1)
    return inner


@dataclass(frozen=True)
class FoldSums:
    """Units in float64, less their means, and what any training folds need of them.

    fold [example] counts from 0. count [fold, class], total and squares [fold, class, unit] are of
    the centred values: contrasts of any folds follow from them without another look at examples.
    """

    centred: Array
    fold: Labels
    count: Int[np.ndarray, "fold class"]
    total: Float[np.ndarray, "fold class unit"]
    squares: Float[np.ndarray, "fold class unit"]

    @classmethod
    def of(cls, x: Array, y: Labels, fold: Labels) -> Self:
        """Of x [example, unit], labels y, 0 to the number of classes less one, and folds."""
        ids, place = np.unique(fold, return_inverse=True)
        centred, n_classes = x - x.mean(0, dtype=np.float64), max(2, int(y.max()) + 1)
        count = np.zeros((len(ids), n_classes), dtype=np.int64)
        total, squares = np.zeros((2, len(ids), n_classes, x.shape[1]))
        for k in range(len(ids)):
            for label in range(n_classes):
                part = centred[(place == k) & (y == label)]
                count[k, label] = len(part)
                total[k, label] = part.sum(0)
                squares[k, label] = np.einsum("ij,ij->j", part, part)
        return cls(centred, place, count, total, squares)

    def without(self, *left_out: int) -> tuple[Units, Units, Units]:
        """Means, sds and differences of class means in sds, [unit], without some folds.

        The sd of a unit that is constant there is infinite.
        """
        use = ~np.isin(np.arange(len(self.count)), left_out)
        n, total = self.count[use].sum(0), self.total[use].sum(0)
        mean, level = total.sum(0) / n.sum(), self.squares[use].sum((0, 1)) / n.sum()
        variance = level - mean**2
        varies = variance > ROUNDING * level
        sd = np.where(varies, np.sqrt(np.where(varies, variance, 1.0)), np.inf)
        return mean, sd, (total[1] / n[1] - total[0] / n[0]) / sd


def best_unit_r(
    x: Array, value: Float[np.ndarray, " example"], fold: Labels
) -> tuple[Float[np.ndarray, " fold"], Float[np.ndarray, " fold"]]:
    """Largest training |r| of a unit, and that unit's held-out r in its training direction."""
    inside, outside = [], []
    for k in np.unique(fold):
        train, test = fold != k, fold == k
        r = np.nan_to_num(stats.correlation(x[train], value[train]).r)
        best = int(np.abs(r).argmax())
        held_out = stats.correlation(x[test][:, [best]], value[test]).r[0]
        inside.append(abs(r[best]))
        outside.append(np.sign(r[best]) * np.nan_to_num(held_out))
    return np.array(inside), np.array(outside)


def cross_fitted_accuracy(
    arrays: list[Array] | stats.InTurn, y: Labels, fold: Labels, choose: Choose
) -> list[tuple[float, float]]:
    """For each array, mean held-out accuracy of all and of the positive significant units.

    `choose(train)` says which units are significant on the training folds; their accuracy on the
    fold left out uses the direction and the midpoint of the class means of the training folds. In
    sample, the accuracy of units chosen for being accurate is biased upwards.
    """
    sums = np.zeros((len(arrays), 2))
    counts = np.zeros((len(arrays), 2))
    for k in np.unique(fold):
        train, test = fold != k, fold == k
        for i, (x, chosen) in enumerate(zip(arrays, choose(train), strict=True)):
            if not chosen.any():
                continue
            values = x[:, chosen].astype(np.float64)
            mean0, mean1 = (values[train & (y == label)].mean(0) for label in (0, 1))
            above = (values[test] > (mean0 + mean1) / 2) == (mean1 > mean0)
            accuracy = (above == (y[test] == 1)[:, None]).mean(0)
            positive = mean1 > mean0
            sums[i] += accuracy.sum(), accuracy[positive].sum()
            counts[i] += len(accuracy), positive.sum()
    with np.errstate(invalid="ignore"):
        means = sums / counts
    return [(float(every), float(positive)) for every, positive in means]


def heldout_by_layer(
    activations: Activations, examples: Examples, *, alpha: float = 0.05, seed: int = 0
) -> pd.Series:
    """[layer] mean held-out accuracy of units that are significant in training, class 1 higher.

    In each fold that holds groups of words out, the units of a layer and site that pass the score
    test with Bonferroni on the other folds; the sites of a layer count alike. NaN where none pass,
    or where groups are too few for folds.
    """
    keys = list(activations)
    layers = pd.Index([layer for layer, _ in keys], name="layer")
    fold = make_folds(examples, seed=seed).main
    if fold is None:
        return pd.Series(np.nan, index=layers.unique())
    arrays, y = [activations[key] for key in keys], examples.label

    def passing(train: Bool[np.ndarray, " example"]) -> list[Bool[np.ndarray, " unit"]]:
        r = [stats.correlation(x[train], y[train].astype(float)).r for x in arrays]
        p = [stats.chi2_tail(train.sum() * one**2)[0] for one in r]
        return [np.nan_to_num(one, nan=1.0) <= alpha / len(one) for one in p]

    scores = [up for _, up in cross_fitted_accuracy(arrays, y, fold, passing)]
    return pd.Series(scores, index=layers).groupby(level="layer", sort=False).mean()
