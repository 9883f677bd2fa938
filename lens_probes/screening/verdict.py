"""Used, no measured use, or undecided: for every unit, against units that write as much."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.stats import t as student

from lens_probes.ablation.verdict import UNDECIDED, USED
from lens_probes.screening.gradients import Key
from lens_probes.sites import SiteShape, unit_name
from lens_probes.stats.corrections import adjust_log10
from lens_probes.stats.peers import against_peers, typical_effect

UNUSED = "no measured use"
VERDICTS = (USED, UNUSED, UNDECIDED)
INVALID = "screen not valid here"
_INTERVAL = 0.95
_SKEWED = 0.5  # of the degrees of freedom: effects of windows are far from normal


@dataclass(frozen=True)
class Estimates:
    """Of one layer and site: [unit] effect, its [block, unit] parts, size; the blocks' windows."""

    effect: Float[np.ndarray, " unit"]
    by_block: Float[np.ndarray, "block unit"]
    size: Float[np.ndarray, " unit"]
    n_windows: Float[np.ndarray, " block"]


def unit_table(
    found: Mapping[Key, Estimates],
    valid: Mapping[Key, bool],
    shapes: Mapping[str, SiteShape],
    *,
    order: int,
    floor: float,
    alpha: float,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The units table, and one row a layer and site of what units are compared with.

    Parameters
    ----------
    order
        Power of the size that an effect grows with: see `Metric`.
    floor
        Effects below it are rounding.
    """
    parts, nulls = [], []
    for (layer, site), one in found.items():
        slope = float(order)
        # A loss may fall; units are as far from their peers either way, and used if it rises.
        error, n_blocks = standard_error(one)
        peers = against_peers(
            np.abs(one.effect),
            one.size,
            error,
            error_dof=(n_blocks - 1) / 2,
            slope=slope,
            alpha=alpha,
        )  # fmt: skip
        half = error * (float(student.ppf((1 + _INTERVAL) / 2, n_blocks - 1)))
        parts.append(pd.DataFrame({
            "layer": layer, "site": site, "unit": np.arange(len(one.effect)),
            "name": [unit_name(layer, site, i, shapes[site]) for i in range(len(one.effect))],
            "effect": one.effect, "effect_low": one.effect - half,
            "effect_high": one.effect + half, "size": one.size,
            "typical": typical_effect(peers, one.size, slope=slope),
            "quantile": typical_effect(peers, one.size, student.isf(alpha, peers.dof), slope=slope),
            "z": peers.z, "log10_p": np.where(one.effect < 0, 0.0, peers.log10_p),
            "spread": peers.spread, "dof": peers.dof, "valid": valid[layer, site],
        }))  # fmt: skip
        nulls.append({"layer": layer, "site": site, "centre": peers.centre, "scale": peers.scale,
                      "n_units": len(one.effect),
                      "n_with_p": int(np.isfinite(peers.z).sum())})  # fmt: skip
    table = pd.concat(parts, ignore_index=True)
    null = pd.DataFrame(nulls)
    table["p"] = 10 ** table["log10_p"]
    log10 = table["log10_p"].to_numpy()
    table["q"] = 10 ** adjust_log10(log10, method="bh")
    table["p_family"] = 10 ** adjust_log10(log10, method="holm")
    # The effect from which one unit alone would have been called used, at its size.
    one_alone = student.isf(alpha / max(1, np.isfinite(log10).sum()), table["dof"])
    with np.errstate(over="ignore"):
        table["critical"] = table["typical"] * np.exp(table["spread"] * one_alone)
    table = table.drop(columns="dof")
    decided = [_decide(row, floor, alpha) for row in table.to_dict("records")]
    table["used"] = [verdict for verdict, _ in decided]
    table["why"] = [why for _, why in decided]
    columns = ["layer", "site", "unit", "name", "effect", "size", "p", "q", "used"]
    return table[[*columns, *(c for c in table if c not in columns)]], null


def standard_error(one: Estimates) -> tuple[Float[np.ndarray, " unit"], int]:
    """Of each mean effect, by how much it differs between blocks of windows; how many they are."""
    there = one.n_windows > 0
    n = int(there.sum())
    if n < 2:
        return np.full_like(one.effect, np.nan), n
    weight = (one.n_windows[there] / one.n_windows.sum())[:, None]
    apart = weight * (one.by_block[there] - one.effect)
    error: Float[np.ndarray, " unit"] = np.sqrt((apart**2).sum(axis=0) * n / (n - 1))
    return error, n


def _decide(row: Mapping[Any, Any], floor: float, alpha: float) -> tuple[str, str]:
    """The verdict on one unit, and the reason."""
    if not row["valid"]:
        return UNDECIDED, INVALID
    if row["size"] == 0:
        return UNUSED, "it is the same in all windows: setting it to its mean changes nothing"
    if not np.isfinite(row["effect"]):
        return UNDECIDED, "its effect is not finite"
    if max(row["effect"], row["effect_high"]) <= floor:
        return UNUSED, "what the model does without it differs by no more than rounding"
    if not np.isfinite(row["log10_p"]):
        return UNDECIDED, "too few units here to compare it with"
    if row["p_family"] <= alpha:
        if row["effect"] <= floor:
            return UNDECIDED, "its effect may be rounding"
        if row["effect_low"] > row["quantile"]:
            return USED, "it does more than units that write as much"
        return UNDECIDED, "its interval reaches below what units that write as much do"
    if row["effect_high"] < row["critical"]:
        return UNUSED, "it does no more than units that write as much"
    return UNDECIDED, "windows are too few to tell it from units that write as much"
