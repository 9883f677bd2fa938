"""Cross-fitted scores of a layer and site: chosen on some folds, scored on the others.

Is it the unit, or the layer? Beside the best unit stand the direction between the class means and
an L2 logistic probe on all units, each trained without the fold it is scored on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.linalg import solve_triangular
from sklearn.linear_model import LogisticRegression

from lens_probes import stats

Array = Float[np.ndarray, "example unit"]
Labels = Int[np.ndarray, " example"]
Choose = Callable[[Bool[np.ndarray, " example"]], list[Bool[np.ndarray, " unit"]]]


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
    ids = np.unique(fold)
    centred = x - x.mean(0, dtype=np.float64)
    score = np.full((len(y), 3), np.nan)
    auc = np.full((len(ids), 3), np.nan)
    unit, contrast = np.full(len(ids), -1), np.full(len(ids), np.nan)
    for i, k in enumerate(ids):
        train, test = fold != k, fold == k
        gap, sd = _contrast(centred[train], y[train])
        if not gap.any():
            continue
        best = int(np.argmax(np.abs(gap)))
        unit[i], contrast[i] = best, abs(gap[best])
        score[test, 0] = np.sign(gap[best]) * centred[test, best]
        score[test, 1] = centred[test] @ (gap / sd)
        score[test, 2] = _probe(_standardised(x, train), y, train, test)
        auc[i] = stats.auc(score[test], y[test]).auc
    everything = int(np.argmax(np.abs(_contrast(centred, y)[0])))
    known = unit >= 0
    refound = float((unit == everything)[known].mean()) if known.any() else np.nan
    return FoldScores(score, auc, unit, contrast, _inner_auc(centred, y, fold), refound)


def _inner_auc(centred: Array, y: Labels, fold: Labels) -> Float[np.ndarray, " fold"]:
    """Mean AUC of the mean difference over the other folds, each left out in turn.

    Folds i and j both left out serve i, scored on j, and j, scored on i. With two folds the
    training fold alone is left to choose on.
    """
    ids = np.unique(fold)
    auc = np.full((len(ids), len(ids)), np.nan)
    for i, one in enumerate(ids):
        for j, other in enumerate(ids[:i]):
            left = (fold != one) & (fold != other)
            for row, column, test in ((i, j, fold == other), (j, i, fold == one)):
                auc[row, column] = _scored(centred, y, left if left.any() else test, test)
    np.fill_diagonal(auc, 0.0)
    inner: Float[np.ndarray, " fold"] = auc.sum(axis=1) / (len(ids) - 1)
    return inner


def _scored(
    centred: Array,
    y: Labels,
    train: Bool[np.ndarray, " example"],
    test: Bool[np.ndarray, " example"],
) -> float:
    """AUC on some examples of the difference between the class means of others."""
    gap, sd = _contrast(centred[train], y[train])
    return float(stats.auc(centred[test] @ (gap / sd)[:, None], y[test]).auc[0])


def _contrast(
    values: Array, y: Labels
) -> tuple[Float[np.ndarray, " unit"], Float[np.ndarray, " unit"]]:
    """Difference of class means in sds, and the sd (infinite where a unit is constant)."""
    sd = values.std(0)
    sd = np.where(sd > 0, sd, np.inf)
    return (values[y == 1].mean(0) - values[y == 0].mean(0)) / sd, sd


def best_unit_r(x: Array, value: Float[np.ndarray, " example"], fold: Labels) -> float:
    """Mean held-out r, in its training direction, of the unit with the largest training |r|."""
    scores = []
    for k in np.unique(fold):
        train, test = fold != k, fold == k
        r = np.nan_to_num(stats.correlation(x[train], value[train]).r)
        best = int(np.abs(r).argmax())
        held_out = stats.correlation(x[test][:, [best]], value[test]).r[0]
        scores.append(float(np.sign(r[best]) * np.nan_to_num(held_out)))
    return float(np.mean(scores))


def _standardised(x: Array, train: Bool[np.ndarray, " example"]) -> Array:
    """Units centred and scaled by the training folds; constant ones become 0."""
    centre = x[train].mean(0, dtype=np.float64)
    z: Array = x.astype(np.float64) - centre
    sd = z[train].std(0)
    z /= np.where(sd > 0, sd, np.inf)
    return z


def _probe(
    z: Array, y: Labels, train: Bool[np.ndarray, " example"], test: Bool[np.ndarray, " example"]
) -> Float[np.ndarray, " example"]:
    """Scores of the test fold. An L2 penalty does not see rotations, so the regression runs in
    the span of the training examples, which is far smaller than a wide site."""
    scaled = z / np.sqrt(z.shape[1])
    gram = scaled[train] @ scaled[train].T
    gram[np.diag_indices_from(gram)] += 1e-10 * np.trace(gram) / len(gram)  # centred: singular
    factor = np.linalg.cholesky(gram)
    model = LogisticRegression(C=1.0, tol=1e-6, max_iter=1000).fit(factor, y[train])
    across = scaled[test] @ scaled[train].T
    projected = solve_triangular(factor, across.T, lower=True).T
    decision: Float[np.ndarray, " example"] = model.decision_function(projected)
    return decision


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
