"""How many units are tuned: a simultaneous lower bound, and how far the draws move the shares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from lens_probes import stats


def tuned_by_layer(
    units: pd.DataFrame, decided: Mapping[str, Any], family: np.ndarray[Any, Any]
) -> pd.DataFrame:
    """One row per layer and site of a max-T decision.

    tuned_at_least: lower bound on the truly tuned units there; all rows, and the sum over the
    sweep, hold together with probability 1 - alpha (`stats.tuned_at_least`); NaN for values and
    pairs, for which it is not calibrated. share_mc_low,
    share_mc_high: the share of significant units under the thresholds that other draws of as many
    relabellings could have set (95 %).
    """
    value = units["permuted_value"].to_numpy(float)
    index = np.searchsorted(decided["families"], family)
    calibrated = np.isfinite(decided["simes_level"])
    far = np.array(decided["threshold_high"])[index], np.array(decided["threshold_low"])[index]
    rows = []
    layers, sites = units["layer"].to_numpy(), units["site"].to_numpy()
    for layer, site in units[["layer", "site"]].drop_duplicates().itertuples(index=False):
        here = (layers == layer) & (sites == site)
        tested = here & ~np.isnan(value)
        n = max(int(tested.sum()), 1)
        low, high = (float((np.abs(value[tested]) > t[tested]).sum() / n) for t in far)
        rows.append(
            {
                "layer": layer,
                "site": site,
                "tuned_at_least": _at_least(value, decided, here) if calibrated else np.nan,
                "share_mc_low": low,
                "share_mc_high": high,
            }
        )
    return pd.DataFrame(rows)


def tuned_in_all(units: pd.DataFrame, decided: Mapping[str, Any]) -> dict[str, Any] | None:
    """The bound over the whole sweep and over each site; plain values, None where there is none."""
    if not np.isfinite(decided["simes_level"]):
        return None
    value = units["permuted_value"].to_numpy(float)
    sites = units["site"].to_numpy()
    return {
        "n_tested": int((~np.isnan(value)).sum()),
        "at_least": _at_least(value, decided, np.ones(len(units), dtype=bool)),
        "by_site": {
            str(site): _at_least(value, decided, sites == site) for site in dict.fromkeys(sites)
        },
        "confidence": 1 - decided["alpha"],
    }


def _at_least(
    value: Float[np.ndarray, " unit"],
    decided: Mapping[str, Any],
    among: Bool[np.ndarray, " unit"],
) -> int:
    return stats.tuned_at_least(value, decided["simes_level"], among=among)
