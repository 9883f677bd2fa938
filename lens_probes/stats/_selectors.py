"""Which units a sparse probe takes first, from the examples of training alone."""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy.special import expit
from sklearn.linear_model import lars_path

from lens_probes.stats._ridge_logit import ridge_logit
from lens_probes.stats.inputs import Bools, Floats, Ints
from lens_probes.stats.welch import normal_scale

Selector = Literal["t", "mean_difference", "forward", "l1", "omp"]
SELECTORS: tuple[Selector, ...] = ("t", "mean_difference", "forward", "l1", "omp")
# Those that score each unit alone: units of several arrays can be compared.
ALONE = ("t", "mean_difference")


def scores_alone(selector: str, means: Floats, sizes: Ints, labels: Bools, parts: Bools) -> Floats:
    """Size of each unit's evidence [part, unit] from the means of groups [group, unit].

    `"t"`: Welch's t of the group means on the scale of a normal z; `"mean_difference"`: of the
    examples' class means, as sizes [group] weigh them. parts [part, group]: groups to use, as many
    of a class in each. -1: constant.
    """
    centred = means - means.mean(axis=0)
    if selector == "mean_difference":
        weights = [parts * (labels == label) * sizes for label in (False, True)]
        zero, one = (w @ centred / w.sum(axis=1, keepdims=True) for w in weights)
        size = np.abs(one - zero)
    else:
        squares, moments = centred**2, []
        for label in (False, True):
            use = (parts & (labels == label)).astype(np.float64)
            count = use.sum(axis=1, keepdims=True)
            mean = use @ centred / count
            variance = (use @ squares - count * mean**2) / (count - 1)
            moments.append((mean, np.maximum(variance, 0) / count, count))
        (mean0, v0, n0), (mean1, v1, n1) = moments
        size = np.nan_to_num(np.abs(normal_scale(mean1 - mean0, v0, v1, n0, n1)))
    flat = (means == means[:1]).all(axis=0)
    return np.where(flat, -1.0, size)


def path_order(selector: str, z: Floats, y: Bools, most: int) -> Ints:
    """The first `most` units that enter a joint model of standardised units z [example, unit].

    `"omp"`: orthogonal matching pursuit (Pati et al. 1993), the unit with the largest correlation
    with what the chosen ones leave of the label by least squares; `"forward"`: the same with the
    score test of the logistic regression; `"l1"`: the order in which units enter the lasso path
    (Efron et al. 2004).
    """
    most = min(most, len(z) - 2, int((z != z[:1]).any(axis=0).sum()))
    target = np.where(y, 1.0, -1.0)
    target -= target.mean()
    if selector == "l1":
        # Units that leave the path and come back keep their first place.
        used = lars_path(z, target, method="lasso", max_iter=2 * most)[2] != 0
        ever = used.any(axis=1)
        entered = np.where(ever, used.argmax(axis=1), used.shape[1])
        order: Ints = np.argsort(entered, kind="stable")[: min(most, int(ever.sum()))]
        return order
    chosen: list[int] = []
    basis = np.empty((len(z), 0))
    beta = np.zeros(1)
    rest = target
    for _ in range(most):
        size = np.abs(rest @ z)
        size[chosen] = -1.0
        unit = int(np.argmax(size))
        chosen.append(unit)
        if selector == "omp":
            column = z[:, unit] - basis @ (basis.T @ z[:, unit])
            norm = np.linalg.norm(column)
            if norm > 1e-10:
                basis = np.column_stack([basis, column / norm])
            rest = target - basis @ (basis.T @ target)
        else:
            beta = ridge_logit(z[:, chosen], y, l2=1e-2, start=beta)
            rest = y - expit(z[:, chosen] @ beta[:-1] + beta[-1])
            rest -= rest.mean()
    return np.array(chosen, dtype=np.int64)
