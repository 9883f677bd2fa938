"""Two screens side by side: the same units on other examples, or two models layer by layer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from lens_probes.ablation.verdict import UNDECIDED, USED
from lens_probes.errors import given_as
from lens_probes.result.compare import UNIT, Comparison, compare
from lens_probes.screening.calibration import rank_correlation
from lens_probes.screening.saved import Screen


@compare.register(Screen)
def _(a: Screen, b: Any) -> Comparison:
    given_as("b", b, Screen, "a Screen, as a is")
    columns = [*UNIT, "effect", "used"]
    units = pd.merge(a.units[columns], b.units[columns], on=UNIT, suffixes=("_a", "_b"))
    models = (one.provenance["model"]["weights_sha256"] for one in (a, b))
    same = len(set(models)) == 1 and not units.empty
    if same:
        return Comparison(units, _by_layer(units), "effect", True)
    return Comparison(units.iloc[:0], _by_depth(a, b), "effect", False)


def _by_layer(units: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for (layer, site), group in units.groupby(["layer", "site"], sort=False):
        one, two = group["used_a"], group["used_b"]
        effects = group[["effect_a", "effect_b"]].dropna()
        rows.append({
            "layer": layer, "site": site, "n_units": len(group), "n_a": int((one == USED).sum()),
            "n_b": int((two == USED).sum()), "n_both": int(((one == USED) & (two == USED)).sum()),
            "n_undecided": int(((one == UNDECIDED) | (two == UNDECIDED)).sum()),
            "rank_correlation": rank_correlation(*effects.to_numpy().T)
            if len(effects) > 2 else np.nan,
        })  # fmt: skip
    return pd.DataFrame(rows)


def _by_depth(a: Screen, b: Screen) -> pd.DataFrame:
    parts = []
    for name, one in (("a", a), ("b", b)):
        by = one.units.groupby(["site", "layer"], sort=False)
        table = (
            by["used"]
            .agg(n_units="size", n_used=lambda used: int((used == USED).sum()))
            .reset_index()
        )
        table["share_used"] = table["n_used"] / table["n_units"]
        last = one.provenance["model"]["n_layers"] - 1 or 1
        parts.append(table.assign(depth=table["layer"] / last, screen=name))
    both = pd.concat(parts, ignore_index=True)
    return both.sort_values(["site", "depth", "screen"], ignore_index=True)
