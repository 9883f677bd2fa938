"""Does a unit tell its class from a further negative set, which the sweep did not use?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from lens_probes import stats
from lens_probes.activations.collect import Activations
from lens_probes.errors import InputError
from lens_probes.examples.examples import Examples
from lens_probes.model.load import LensModel
from lens_probes.probes.base import Probe


@dataclass(frozen=True)
class FurtherNegatives:
    """Examples beside the two classes of a probe; `label` is the class they belong to, if any."""

    examples: Examples
    what: str
    label: int | None

    def described(self) -> dict[str, Any]:
        """For the result's validation."""
        return {"what": self.what, "n": len(self.examples), "label": self.label}


def further_negatives(
    model: LensModel, probe: Probe | Examples
) -> tuple[FurtherNegatives | None, list[str]]:
    """The probe's further negative set; where it has one that cannot be had, None and why."""
    if isinstance(probe, Examples):
        return None, []
    try:
        others = probe.others(model)
    except InputError as error:
        return None, [f"no further negative set ({probe.control}): {error}"]
    if others is not None:
        return FurtherNegatives(others, probe.control, probe.others_label), []
    if type(probe).others is not Probe.others:
        return None, [f"no further negative set ({probe.control}): the text has too few"]
    return None, []


def auc_others(
    activations: Activations,
    read: Activations,
    examples: Examples,
    units: pd.DataFrame,
    others_label: int | None,
) -> Float[np.ndarray, " unit"]:
    """`specificity` of every unit of a sweep, in its table's order; `read` holds the others."""
    groups = units.groupby(["layer", "site"], sort=False)["direction"]
    columns = []
    for key, (_, values) in zip(activations, groups, strict=True):
        direction = values.to_numpy(float)
        columns.append(
            specificity(activations[key], read[key], examples.label, direction, others_label)
        )
    return np.concatenate(columns)


def specificity(
    x: Float[np.ndarray, "example unit"],
    others: Float[np.ndarray, "other unit"],
    y: Int[np.ndarray, " example"],
    direction: Float[np.ndarray, " unit"],
    others_label: int | None,
) -> Float[np.ndarray, " unit"]:
    """AUC of each unit, in its direction, with a further negative set; [unit].

    Others that are in neither class: the unit's own class (the higher one) against them. Others
    that belong to class 0 (hard negatives): class 1 against them. Near 0.5, or below, where the
    unit takes the others for what it is tuned to.
    """
    scores = []
    for label in (0, 1):
        own = x[y == label]
        both, mark = np.concatenate([own, others]), np.repeat([1, 0], [len(own), len(others)])
        scores.append(stats.auc(both, mark).auc)
    below = scores[0] if others_label is None else 1 - scores[1]
    auc: Float[np.ndarray, " unit"] = np.where(direction > 0, scores[1], below)
    return np.where(direction == 0, np.nan, auc)
