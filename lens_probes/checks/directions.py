"""Directions of a layer and site: what to read them along, in the unit of each activation."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lens_probes.activations.collect import Activations
from lens_probes.checks.heldout import Array, Labels, Units
from lens_probes.examples.classes import Classes
from lens_probes.examples.examples import Examples
from lens_probes.examples.label import Label
from lens_probes.examples.values import Values
from lens_probes.stats._layer_probe import fitted_probe

COLUMNS = ("layer", "site", "kind", "unit", "weight")


def directions_of(activations: Activations, examples: Examples) -> pd.DataFrame:
    """layer, site, kind, unit, weight: of all examples, so no score on them is held out.

    mean_difference: class 1 less class 0. logistic_probe: weights of the probe that is scored held
    out beside the best unit, fitted to all examples, per unit of activation; only differences
    between scores count, since there is no offset. With a continuous label: slope, the activation
    per unit of the value. With several classes `mean_difference_0`, ..., `logistic_probe_0`, ...:
    of each class, by its number, against the others.
    """
    tables = []
    for (layer, site), x in ((key, activations[key]) for key in activations):
        found = _of(x, examples.contrast)
        tables += [
            pd.DataFrame({"layer": layer, "site": site, "kind": kind,
                          "unit": np.arange(x.shape[1]), "weight": weight})
            for kind, weight in found.items()
        ]  # fmt: skip
    return pd.concat(tables, ignore_index=True)


def _of(x: Array, label: Label) -> dict[str, Units]:
    """Weights [unit] by kind; of several classes one of each class against the rest."""
    if isinstance(label, Values):
        return {"slope": _slope(x, label.value)}
    if not isinstance(label, Classes):
        return {
            "mean_difference": _mean_difference(x, label.numbers),
            "logistic_probe": probe_weights(x, label.numbers),
        }
    classes = range(len(label.names))
    return {
        **{
            f"mean_difference_{k}": _mean_difference(x, (label.y == k).astype(int)) for k in classes
        },
        **{f"logistic_probe_{k}": probe_weights(x, label.y, k) for k in classes},
    }


def probe_weights(x: Array, y: Labels, row: int = 0) -> Units:
    """[unit] weights of the L2 logistic probe on all examples; 0 of a constant unit.

    row: the class of several that they speak for.
    """
    centred = x - x.mean(0, dtype=np.float64)
    sd = centred.std(0)
    scale = np.where(sd > 0, sd, np.inf) * np.sqrt(x.shape[1])
    scaled = centred / scale
    if not scaled.any():
        return np.zeros(x.shape[1])
    of_examples = fitted_probe(scaled @ scaled.T, y)[0].reshape(len(y), -1)[:, row]
    weights: Units = scaled.T @ of_examples / scale
    return weights


def _mean_difference(x: Array, y: Labels) -> Units:
    one, zero = (x[y == k].mean(0, dtype=np.float64) for k in (1, 0))
    difference: Units = one - zero
    return difference


def _slope(x: Array, value: Units) -> Units:
    centred = value - value.mean()
    slope: Units = centred @ (x - x.mean(0, dtype=np.float64)) / (centred @ centred)
    return slope
