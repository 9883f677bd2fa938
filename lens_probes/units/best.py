"""What a result keeps of its best units to show them: activations, and painted windows."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lens_probes.activations.collect import Activations
from lens_probes.drawing.token_activations import TokenActivations
from lens_probes.examples.checks import NO_TOKEN
from lens_probes.examples.examples import Examples
from lens_probes.model.load import LensModel
from lens_probes.units.decision import own_class, rank_column
from lens_probes.units.paint import paint

EVIDENCE_PER_SITE = 2
PAINTED_PER_CLASS = 3


def evidence_of(activations: Activations, units: pd.DataFrame) -> pd.DataFrame:
    """Activations [example, unit] of the best units of every layer and site."""
    rank = rank_column(units)
    ranked = units.dropna(subset=rank).sort_values(rank, kind="stable")
    best = ranked.groupby(["layer", "site"], sort=False).head(EVIDENCE_PER_SITE).sort_index()
    places = zip(best["name"], best["layer"], best["site"], best["unit"], strict=True)
    return pd.DataFrame(
        {name: activations[layer, site][:, u].copy() for name, layer, site, u in places}
    )


def paint_best(
    model: LensModel, examples: Examples, units: pd.DataFrame, evidence: pd.DataFrame
) -> tuple[TokenActivations, ...]:
    """Windows of each class under the unit with the strongest evidence.

    The most telling one of a class, highest in the unit's own and lowest in another, then windows
    that are spread over the text. `evidence` has the unit's activations.
    """
    rank = rank_column(units)
    ranked = units.dropna(subset=rank)
    if ranked.empty or model.tokenizer is None:
        return ()
    best = ranked.iloc[int(ranked[rank].argmin())]
    rows: list[int] = []
    n_ctx = int(model.cfg.n_ctx)
    x = evidence[best["name"]].to_numpy(float)
    for label in range(len(examples.class_names)):
        of_class = np.flatnonzero(examples.label == label)
        most = x[of_class].argmax() if label == own_class(best) else x[of_class].argmin()
        spread = np.linspace(0, len(of_class) - 1, min(PAINTED_PER_CLASS - 1, len(of_class) - 1))
        rows += of_class[list(dict.fromkeys([int(most), *spread.astype(int).tolist()]))].tolist()
    return paint(
        model,
        [examples.tokens[row][examples.tokens[row] != NO_TOKEN][:n_ctx] for row in rows],
        layer=int(best["layer"]),
        site=str(best["site"]),
        unit=int(best["unit"]),
        titles=[examples.class_names[examples.label[row]] for row in rows],
        targets=[int(examples.position[row]) for row in rows],
    )
