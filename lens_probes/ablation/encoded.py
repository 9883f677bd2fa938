"""Is the property encoded? What the half that units are chosen on says of each top unit."""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from lens_probes import stats
from lens_probes.ablation.matching import Units
from lens_probes.ablation.sets import Ranking
from lens_probes.examples.examples import Examples
from lens_probes.examples.replication_groups import mixed_examples
from lens_probes.sites import SiteShape, unit_name

NOT_TUNED = "it is not significantly tuned"


def tuned(
    x: Float[np.ndarray, "example unit"], examples: Examples, *, alpha: float, seed: int = 0
) -> tuple[Bool[np.ndarray, " unit"], str]:
    """Which units of a layer and site are tuned, and a note on what that counts as independent.

    The permutation test of the largest statistic over the units, with labels moved over whole
    replication groups: a unit that knows a few words is not one that knows their class. Groups
    with both classes are set aside; where all have both, labels move inside each. Without groups
    the score test of examples, with Holm.
    """
    y, group = examples.label, examples.group
    if group is None:
        r = stats.correlation(x, y).r
        p = stats.adjust(stats.chi2_tail(len(y) * r**2)[0], method="holm")
        return np.nan_to_num(p, nan=1.0) <= alpha, "encoded at token level: no words are known"
    mixed = mixed_examples(examples)
    try:
        if mixed.all():
            cells, cell = np.unique(np.stack([group, y]), axis=1, return_inverse=True)
            member = np.eye(cells.shape[1])[cell.ravel()]
            means = (member.T @ x) / member.sum(axis=0)[:, None]
            found = stats.max_permutation(means, cells[1], within=cells[0], seed=seed)
        else:
            use = ~mixed
            found = stats.max_permutation(x[use], y[use], groups=group[use], seed=seed)
    except ValueError as error:
        return np.zeros(x.shape[1], dtype=bool), f"no unit can be called encoded: {error}"
    note = ""
    if found.n_distinct_relabellings * alpha < 1:
        note = f"no unit can be called encoded: {found.n_distinct_relabellings} relabellings"
    return np.nan_to_num(found.p_family, nan=1.0) <= alpha, note


def evidence(
    ranking: Ranking,
    units: Units,
    significant: Bool[np.ndarray, " unit"],
    x: Float[np.ndarray, "example unit"],
    examples: Examples,
    *,
    names: tuple[int, str, SiteShape],
) -> pd.DataFrame:
    """One row a unit: whether it is encoded, why not, and its AUC on the other half (x, examples).

    The AUC is for the reader: it decides nothing.
    """
    layer, site, shape = names
    return pd.DataFrame(
        {
            "layer": layer,
            "site": site,
            "unit": units,
            "name": [unit_name(layer, site, int(unit), shape) for unit in units],
            "rank": np.arange(1, len(units) + 1),
            "log10_score_p": ranking.log10_p[units],
            "direction": np.sign(ranking.r[units]).astype(np.int64),
            "auc_measured": stats.auc(x[:, units], examples.label).auc,
            "encoded": significant[units],
            "not_encoded": np.where(significant[units], "", NOT_TUNED),
        }
    )
