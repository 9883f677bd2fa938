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
    """Mean held-out AUC over folds, of one layer and site."""

    best_unit_auc_heldout: float
    mean_difference_auc_heldout: float
    logistic_probe_auc_heldout: float


def baselines(x: Array, y: Labels, fold: Labels) -> Baselines:
    """Held-out AUC of the unit chosen on the training folds, the mean difference, the probe.

    The probe is a logistic regression with L2 penalty 1 on units standardised by the training
    folds and divided by the square root of their number, so that its strength does not depend on
    the width of the site. All NaN where every unit is constant.
    """
    scores: list[tuple[float, float, float]] = []
    for k in np.unique(fold):
        train, test = fold != k, fold == k
        z = _standardised(x, train)
        if not z[train].any():
            return Baselines(np.nan, np.nan, np.nan)
        difference = z[train & (y == 1)].mean(0) - z[train & (y == 0)].mean(0)
        best = int(np.argmax(np.abs(difference)))
        unit = np.sign(difference[best]) * z[test, best]
        probe = _probe(z, y, train, test)
        columns = np.stack([unit, z[test] @ difference, probe], axis=1)
        one, two, three = stats.auc(columns, y[test]).auc
        scores.append((one, two, three))
    return Baselines(*(float(s) for s in np.mean(scores, axis=0)))


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
