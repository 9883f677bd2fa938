"""Several classes held out: single units and whole layers, and which classes are taken for which.

As for two classes, whatever is named is chosen without the fold that it is scored on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from lens_probes.checks.heldout import ROUNDING, FoldSums
from lens_probes.stats._layer_probe import layer_probe, standardised_products

Array = Float[np.ndarray, "example unit"]
Labels = Int[np.ndarray, " example"]


@dataclass(frozen=True)
class ClassScores:
    """One layer and site, fold by fold: chosen in training, scored on the fold left out.

    predicted [example, 2]: the class that the best unit and the probe name, held out; accuracy
    [fold, 2]: their balanced accuracy; unit [fold]: the unit with the largest F in training (-1
    where all are constant), f [fold]: that F; inner [fold]: balanced accuracy of the nearest class
    mean over all units, held out inside the training folds: what may choose a layer.
    """

    predicted: Int[np.ndarray, "example 2"]
    accuracy: Float[np.ndarray, "fold 2"]
    unit: Int[np.ndarray, " fold"]
    f: Float[np.ndarray, " fold"]
    inner: Float[np.ndarray, " fold"]


@dataclass(frozen=True)
class NestedClasses:
    """What the training folds chose in the whole sweep, and what it is worth held out.

    unit, probe: mean balanced accuracy over folds of the unit with the largest F, and of a
    multinomial logistic probe on the layer and site that does best inside the training folds;
    chance: 1 / classes. confusion [true][named]: examples by the probe. chosen_unit, chosen_array:
    in each fold, as places in the sweep.
    """

    unit: float
    probe: float
    chance: float
    confusion: tuple[tuple[int, ...], ...]
    chosen_unit: tuple[tuple[int, int], ...]
    chosen_array: tuple[int, ...]


def class_scores(x: Array, y: Labels, fold: Labels) -> ClassScores:
    """Cross-fitted scores of one layer and site by its best unit and by a probe on all units.

    A unit names the class whose training mean is nearest. The probe is a multinomial logistic
    regression with L2 penalty 1 on units standardised by the training folds and divided by the
    square root of their number, as for two classes.
    """
    sums = FoldSums.of(x, y, fold)
    n_folds, n_classes = len(sums.count), sums.count.shape[1]
    predicted = np.zeros((len(y), 2), dtype=np.int64)
    accuracy = np.full((n_folds, 2), np.nan)
    unit, f = np.full(n_folds, -1), np.full(n_folds, np.nan)
    for i in range(n_folds):
        test = sums.fold == i
        mean, sd, ratio = _without(sums, i)
        if not ratio.any():
            continue
        best = int(ratio.argmax())
        unit[i], f[i] = best, ratio[best]
        predicted[test, 0] = _nearest(sums.centred[test][:, [best]], mean[:, [best]], sd[[best]])
        middle = np.average(mean, axis=0, weights=sums.count[np.arange(n_folds) != i].sum(axis=0))
        scores = layer_probe(standardised_products(sums.centred, middle, sd), y, ~test)
        predicted[test, 1] = scores.argmax(axis=1) if scores.ndim == 2 else scores > 0
        for k in (0, 1):
            accuracy[i, k] = balanced_accuracy(y[test], predicted[test, k], n_classes)
    return ClassScores(predicted, accuracy, unit, f, _inner(sums, y))


def balanced_accuracy(y: Labels, named: Labels, n_classes: int) -> float:
    """Mean over classes of the share of a class's examples that are named so; NaN for none."""
    shares = [float((named[y == c] == c).mean()) for c in range(n_classes) if (y == c).any()]
    return float(np.mean(shares)) if shares else float("nan")


def nested_classes(scored: Sequence[ClassScores], y: Labels, fold: Labels) -> NestedClasses | None:
    """What a sweep's best unit and layer are worth where they were not chosen; None if constant."""
    f, inner = (np.array([getattr(one, name) for one in scored]) for name in ("f", "inner"))
    if np.isnan(f).all(axis=0).any() or np.isnan(inner).all(axis=0).any():
        return None
    best, layer = np.nanargmax(f, axis=0), np.nanargmax(inner, axis=0)
    n_classes, ids = int(y.max()) + 1, np.unique(fold)
    confusion = np.zeros((n_classes, n_classes), dtype=np.int64)
    accuracy = np.empty((len(ids), 2))
    for i, one in enumerate(ids):
        rows = fold == one
        np.add.at(confusion, (y[rows], scored[layer[i]].predicted[rows, 1]), 1)
        accuracy[i] = scored[best[i]].accuracy[i, 0], scored[layer[i]].accuracy[i, 1]
    unit, probe = accuracy.mean(axis=0).tolist()
    return NestedClasses(
        unit,
        probe,
        1 / n_classes,
        tuple(map(tuple, confusion.tolist())),
        tuple((int(a), int(scored[a].unit[i])) for i, a in enumerate(best)),
        tuple(layer.tolist()),
    )


def _nearest(x: Array, mean: Float[np.ndarray, "class unit"], sd: Array) -> Labels:
    """The class [example] whose mean is nearest, in standard deviations."""
    z, m = x / sd, mean / sd
    found: Labels = (z @ m.T - 0.5 * np.square(m).sum(axis=1)).argmax(axis=1)
    return found


def _inner(sums: FoldSums, y: Labels) -> Float[np.ndarray, " fold"]:
    """Mean balanced accuracy of the nearest mean over the other folds, each left out in turn."""
    n_folds, n_classes = sums.count.shape
    accuracy = np.full((n_folds, n_folds), np.nan)
    for j in range(n_folds):
        test = sums.fold == j
        for i in range(n_folds):
            if i != j:
                mean, sd, _ = _without(sums, *((i, j) if n_folds > 2 else (i,)))
                named = _nearest(sums.centred[test], mean, sd)
                accuracy[i, j] = balanced_accuracy(y[test], named, n_classes)
    inner: Float[np.ndarray, " fold"] = np.nanmean(accuracy, axis=1)
    return inner


def _without(
    sums: FoldSums, *left_out: int
) -> tuple[Float[np.ndarray, "class unit"], Float[np.ndarray, " unit"], Float[np.ndarray, " unit"]]:
    """Class means, sds inside classes (infinite where constant) and F, without some folds."""
    use = ~np.isin(np.arange(len(sums.count)), left_out)
    count = sums.count[use].sum(axis=0)[:, None].astype(np.float64)
    mean = sums.total[use].sum(axis=0) / count
    n, k = count.sum(), len(count)
    level = sums.squares[use].sum(axis=(0, 1))
    within = np.maximum(level - (count * mean**2).sum(axis=0), 0.0)
    overall = (count * mean).sum(axis=0) / n
    between = (count * (mean - overall) ** 2).sum(axis=0)
    varies = between + within > ROUNDING * level
    inside = np.maximum(within / (n - k), ROUNDING * level / n)
    sd = np.where(varies, np.sqrt(np.where(varies, inside, 1.0)), np.inf)
    ratio = np.where(varies, between / (k - 1) / np.where(varies, inside, 1.0), 0.0)
    return mean, sd, ratio
