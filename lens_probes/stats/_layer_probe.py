"""The probe on all units of a layer: L2 logistic regression, scored where it was not trained."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.linalg import block_diag, solve_triangular
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from lens_probes.stats.inputs import Bools, Floats

# Newton's steps at most, and directions of conjugate gradients in each.
_STEPS, _DIRECTIONS = 100, 200
# Done when the squared gradient, in the space of the units, is this share of what it was at first.
_CLOSE = 1e-16


def standardised_products(x: Floats, mean: Floats, sd: Floats) -> Floats:
    """Products [example, example] of standardised units of x [example, unit], over their number.

    mean, sd [unit] are of the training examples, and are taken out of the products rather than of
    x, which is near its mean already: one example a million sds from it would cost half of the
    digits. A unit with an infinite sd counts 0.
    """
    inverse = 1 / (sd * np.sqrt(x.shape[1]))
    scaled, middle = x * inverse, mean * inverse
    along = scaled @ middle
    products: Floats = scaled @ scaled.T
    products -= along[:, None]
    products -= along - middle @ middle
    return products


def layer_probe(gram: Floats, y: npt.NDArray[np.generic], train: Bools) -> Floats:
    """Scores of the examples outside training, from all products gram [example, example].

    The units are standardised by the training examples and divided by the square root of their
    number, so that the strength of the penalty, 1, does not depend on the width of the layer. An
    L2 penalty does not see rotations, so the regression runs in the span of the training examples,
    far smaller than a wide layer. 0 where no unit varies. [example], or of several classes
    [example, class].
    """
    if not gram.any():  # no unit varies
        return np.zeros(int((~train).sum()))
    coefficients, intercept = fitted_probe(gram[np.ix_(train, train)], y[train])
    scores: Floats = gram[np.ix_(~train, train)] @ coefficients + intercept
    return scores


def fitted_probe(gram: Floats, y: npt.NDArray[np.generic]) -> tuple[Floats, Floats]:
    """What the probe's weights take of each example [example(, class)], and the intercept.

    The weights on units are examples' units [unit, example] times these coefficients. Two classes
    are fitted in this form, by Newton's method; several by scikit-learn's multinomial regression.
    """
    classes = np.unique(y)
    if len(classes) == 2:
        return _two_classes(gram, y == classes[1])
    gram[np.diag_indices_from(gram)] += 1e-10 * np.trace(gram) / len(gram)  # singular
    factor: Floats = np.asarray(np.linalg.cholesky(gram), dtype=np.float64)
    model = LogisticRegression(C=1.0, tol=1e-6, max_iter=1000).fit(factor, y)
    return solve_triangular(factor.T, model.coef_.T, lower=False), model.intercept_


def _two_classes(gram: Floats, y: Bools) -> tuple[Floats, Floats]:
    """Minimum of sum log(1 + exp(-+f)) + a'Ka / 2 over z = (a, b), with scores f = Ka + b.

    K [example, example] is near 1 on its diagonal, as standardised units have it. Newton's method,
    with half the step where a whole one raises the sum. A step is solved by conjugate gradients in
    the inner product z'Gz, G = K with 1 for the intercept: in it the second derivative is
    symmetric. Each direction costs one product with K, and few are needed, since all but some
    eigenvalues of a layer's products are small.
    """
    n, metric = len(y), block_diag(gram, 1.0)
    sign, z = np.where(y, -1.0, 1.0), np.zeros(n + 1)
    z[n] = np.log(y.sum() / (~y).sum())
    seen = metric @ z  # Ka, and b
    first, value = 0.0, _loss(z, seen, sign)
    for _ in range(_STEPS):
        p = expit(seen[:n] + seen[n])
        slope = np.append(z[:n] + p - y, (p - y).sum())
        slope_seen = metric @ slope
        size = float(slope @ slope_seen)
        first = max(first, size)
        if size <= _CLOSE * first:
            break
        enough = size * min(0.1, np.sqrt(size / first))
        step = _newton_step(metric, p * (1 - p), slope, slope_seen, enough)
        step_seen, share = metric @ step, 1.0
        while share > 1e-10:
            moved, moved_seen = z - share * step, seen - share * step_seen
            new = _loss(moved, moved_seen, sign)
            if new < value:
                break
            share /= 2
        else:
            break  # rounding: no step improves the sum any more
        z, seen, value = moved, moved_seen, new
    return z[:n], z[n:]


def _loss(z: Floats, seen: Floats, sign: Floats) -> float:
    scores = seen[:-1] + seen[-1]
    return float(np.logaddexp(0.0, sign * scores).sum() + 0.5 * (z[:-1] @ seen[:-1]))


def _newton_step(metric: Floats, w: Floats, rest: Floats, seen: Floats, enough: float) -> Floats:
    """The step whose image under the second derivative is `rest`, up to a squared size `enough`.

    The second derivative takes (a, b) to (a + w f, sum of w f); seen = metric @ rest.
    """
    step, left = np.zeros_like(rest), float(rest @ seen)
    way, way_seen = rest, seen
    for _ in range(_DIRECTIONS):
        moved = w * (way_seen[:-1] + way_seen[-1])
        image = np.append(way[:-1] + moved, moved.sum())
        size = left / float(way_seen @ image)
        step = step + size * way
        rest = rest - size * image
        seen = metric @ rest
        new = float(rest @ seen)
        if new <= enough:
            break
        way, way_seen = rest + new / left * way, seen + new / left * way_seen
        left = new
    return step
