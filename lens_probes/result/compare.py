"""Two sweeps side by side: the same units under two questions, or two models layer by layer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import numpy as np
import pandas as pd

from lens_probes.errors import InputError, given_as, shown
from lens_probes.result.result import SweepData

_EFFECTS = ("g_group", "hedges_g", "r", "eta_squared")
UNIT = ["layer", "site", "unit", "name"]
_LAYER = ("n_tested", "n_significant", "share_significant", "best_unit", "best_auc", "best_r")


@dataclass(frozen=True)
class Comparison:
    """Two sweeps, or two screens, `a` and `b`.

    Attributes
    ----------
    units
        Units that both have: effect_a, effect_b (the column `effect`), significant_a,
        significant_b (of screens used_a, used_b: the verdicts); empty where the two are of other
        models.
    layers
        One row per site and layer, those of other models by relative depth (0 to 1): counts of
        both, and for the same units n_both, r of the effects, share of equal signs (of screens the
        rank correlation of the effects, and the units that either leaves undecided).
    effect
        Column of the effects: of groups where both have it; "" where they have none in common.
    same_units
        Whether a unit of one is the same unit in the other.
    """

    units: pd.DataFrame
    layers: pd.DataFrame
    effect: str
    same_units: bool


@singledispatch
def compare(a: Any, b: Any) -> Comparison:
    """Compare two sweeps, screens or atlases: of two properties, sets of examples, or models.

    Nothing is tested here: that one is significant and the other not is no evidence of a difference
    between them.

    Raises
    ------
    InputError
        Something that is neither, or one of each.
    """
    raise InputError(f"a must be a SweepResult, a Screen or an Atlas; got {shown(a)}.")


@compare.register(SweepData)
def _(a: SweepData, b: Any) -> Comparison:
    given_as("b", b, SweepData, "a SweepResult, as a is")
    effect = next((c for c in _EFFECTS if c in a.units and c in b.units), "")
    same = _identity(a) == _identity(b)
    columns = [*UNIT, *([effect] if effect else []), "significant"]
    units = pd.merge(a.units[columns], b.units[columns], on=UNIT, suffixes=("_a", "_b"))
    units = units.rename(columns={f"{effect}_{k}": f"effect_{k}" for k in "ab"})
    same = same and not units.empty
    units = units if same else units.iloc[:0]
    layers = _by_layer(a, b, units) if same else _by_depth(a, b)
    return Comparison(units, layers, effect, same)


def _identity(result: SweepData) -> object:
    """What makes a unit the same unit: the weights, or the names of given ones."""
    model = result.provenance["model"]
    return model["weights_sha256"] if model is not None else "given"


def _by_layer(a: SweepData, b: SweepData, units: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for (layer, site), group in units.groupby(["layer", "site"], sort=False):
        one, two = group["significant_a"], group["significant_b"]
        row = {"layer": layer, "site": site, "n_units": len(group), "n_a": int(one.sum()),
               "n_b": int(two.sum()), "n_both": int((one & two).sum())}  # fmt: skip
        if "effect_a" in group:
            effects = group[["effect_a", "effect_b"]].dropna()
            varied = len(effects) > 2 and (effects.nunique() > 1).all()
            row["r_effects"] = effects.corr().iloc[0, 1] if varied else np.nan
            signs = np.sign(effects)
            row["same_sign"] = (signs["effect_a"] == signs["effect_b"]).mean()
        rows.append(row)
    return pd.DataFrame(rows)


def _by_depth(a: SweepData, b: SweepData) -> pd.DataFrame:
    parts = []
    for name, result in (("a", a), ("b", b)):
        model = result.provenance["model"]
        last = (max(result.layers["layer"]) if model is None else model["n_layers"] - 1) or 1
        kept = [column for column in _LAYER if column in result.layers]
        table = result.layers[["site", "layer", *kept]].assign(
            depth=result.layers["layer"] / last, sweep=name
        )
        parts.append(table)
    both = pd.concat(parts, ignore_index=True)
    return both.sort_values(["site", "depth", "sweep"], ignore_index=True)
