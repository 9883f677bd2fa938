"""The probe on all units of a layer: L2 logistic regression, scored where it was not trained."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.linalg import solve_triangular
from sklearn.linear_model import LogisticRegression

from lens_probes.stats.inputs import Bools, Floats


def layer_probe(gram: Floats, y: npt.NDArray[np.generic], train: Bools) -> Floats:
    """Scores of the examples outside training, from all products gram [example, example].

    The units are standardised by the training examples and divided by the square root of their
    number, so that the strength of the penalty, 1, does not depend on the width of the layer. An
    L2 penalty does not see rotations, so the regression runs in the span of the training examples,
    far smaller than a wide layer. 0 where no unit varies.
    """
    if not gram.any():  # no unit varies
        return np.zeros(int((~train).sum()))
    factor, model = fitted_probe(gram[np.ix_(train, train)], y[train])
    projected = solve_triangular(factor, gram[np.ix_(train, ~train)], lower=True).T
    scores: Floats = model.decision_function(projected)
    return scores


def fitted_probe(gram: Floats, y: npt.NDArray[np.generic]) -> tuple[Floats, LogisticRegression]:
    """Cholesky factor [example, example] of the products of examples, and the probe on its rows."""
    gram[np.diag_indices_from(gram)] += 1e-10 * np.trace(gram) / len(gram)  # singular
    factor: Floats = np.asarray(np.linalg.cholesky(gram), dtype=np.float64)
    return factor, LogisticRegression(C=1.0, tol=1e-6, max_iter=1000).fit(factor, y)
