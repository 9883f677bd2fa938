"""What claims read from the layers of a model: the first third, the last sixth, the last."""

from __future__ import annotations

import pandas as pd

from lens_probes.course.measure import Found

EARLY = "early: highest of the first third of the layers; late: the last sixth"
LOW = "low: mean of the first third of the layers; highest: the last layer"


def early_and_late(layers: pd.DataFrame) -> Found:
    """Significant units of the tested ones: in the highest early layer, and in the late ones.

    `layers` has a row a layer, in order, with n_significant and n_tested.
    """
    counts = layers[["n_significant", "n_tested"]]
    early, late = counts.head(max(1, len(layers) // 3)), counts.tail(max(1, len(layers) // 6))
    top = (early["n_significant"] / early["n_tested"]).argmax()
    return {"early": (*early.iloc[int(top)],), "late": (*late.sum(),)}


def low_and_highest(accuracy: pd.Series) -> Found:
    """Accuracy in the low layers, and in the last, of a number a layer in order."""
    low = accuracy.head(max(1, len(accuracy) // 3))
    return {"low_layers": low.mean(), "highest": accuracy.iloc[-1]}
