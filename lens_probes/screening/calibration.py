"""Does the screen give what ablations give? A sample of units, ablated exactly, on every run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.stats import rankdata

from lens_probes.screening.gradients import Key
from lens_probes.stats.peers import missed_at_most

LEAST_CORRELATION = 0.97
RATIO = (0.8, 1.25)
LEAST_IN_DEPTH = 0.9
_FEWEST = 20
_DEPTHS = 3


def draw_units(
    estimates: Mapping[Key, Float[np.ndarray, " unit"]], n: int, *, seed: int
) -> dict[Key, NDArray[np.int64]]:
    """At least n units in all, evenly over sites and layers, at random within each.

    Random ones, not those of the largest estimates: a correlation over chosen extremes would
    flatter the screen.
    """
    rng = np.random.default_rng(seed)
    each = -(-n // len(estimates))
    return {key: np.sort(rng.permutation(len(values))[:each]) for key, values in estimates.items()}


def calibration_table(
    estimates: Mapping[Key, Float[np.ndarray, " unit"]],
    units: Mapping[Key, NDArray[np.int64]],
    exact: Mapping[Key, Float[np.ndarray, " unit"]],
    floor: float,
    name: Mapping[Key, list[str]],
) -> pd.DataFrame:
    """One row a layer and site: how estimates and exact effects of the same windows agree.

    Parameters
    ----------
    estimates, exact
        [unit] of all units, and of the sampled `units`.
    floor
        Effects below it are rounding, and count as equal.
    name
        Names of the sampled units.
    """
    rows = []
    for site in dict.fromkeys(site for _, site in units):
        keys = [key for key in units if key[1] == site]
        every = [_pairs(estimates, units, exact, [key], floor) for key in keys]
        whole = _agreement(*_pairs(estimates, units, exact, keys, floor), floor)
        for depth in _depths(keys, units):
            near = _agreement(*_pairs(estimates, units, exact, depth, floor), floor)
            valid = bool(
                whole["rank_correlation"] >= LEAST_CORRELATION
                and near["rank_correlation"] >= LEAST_IN_DEPTH
                and RATIO[0] <= near["median_ratio"] <= RATIO[1]
                and RATIO[0] <= whole["ratio_of_medians"] <= RATIO[1]
            )
            for key in depth:
                mine = every[keys.index(key)]
                ratio = _ratio(*mine, floor)
                at = int(np.abs(np.log(ratio)).argmax())
                rows.append({
                    "layer": key[0], "site": site, "n": len(units[key]),
                    "rank_correlation": whole["rank_correlation"],
                    "median_ratio": near["median_ratio"],
                    "valid": valid,
                    "n_site": whole["n"], "ratio_of_medians": whole["ratio_of_medians"],
                    "layers": f"{depth[0][0]}-{depth[-1][0]}", "n_layers": near["n"],
                    "rank_correlation_layers": near["rank_correlation"],
                    "n_above_rounding": whole["n_above"],
                    "largest_miss": name[key][at],
                    "largest_miss_ratio": float(ratio[at]),
                })  # fmt: skip
    return pd.DataFrame(rows).sort_values(["layer", "site"], ignore_index=True)


def missed_bound(
    estimates: Mapping[Key, Float[np.ndarray, " unit"]],
    units: Mapping[Key, NDArray[np.int64]],
    exact: Mapping[Key, Float[np.ndarray, " unit"]],
    threshold: float,
) -> tuple[int, float]:
    """Units above a threshold that the estimate puts below half of it: seen, at most in all.

    Half, since an estimate that is a little below is no miss. A stratum is a layer and site, in
    which units were drawn at random.
    """
    missed, looked, there = [], [], []
    for key, chosen in units.items():
        low = np.abs(estimates[key]) < threshold / 2
        missed.append(int((low[chosen] & (np.abs(exact[key]) >= threshold)).sum()))
        looked.append(int(low[chosen].sum()))
        there.append(int(low.sum()))
    return sum(missed), missed_at_most(np.array(missed), np.array(looked), np.array(there))


def rank_correlation(x: Float[np.ndarray, " unit"], y: Float[np.ndarray, " unit"]) -> float:
    """Spearman's, 1 where both are constant (nothing above rounding on either side)."""
    a, b = rankdata(x), rankdata(y)
    if np.ptp(a) == 0 and np.ptp(b) == 0:
        return 1.0
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def _pairs(
    estimates: Mapping[Key, Float[np.ndarray, " unit"]],
    units: Mapping[Key, NDArray[np.int64]],
    exact: Mapping[Key, Float[np.ndarray, " unit"]],
    keys: list[Key],
    floor: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both, what is below the floor being rounding: 0."""
    x = np.concatenate([estimates[key][units[key]] for key in keys])
    y = np.concatenate([exact[key] for key in keys])
    return np.where(np.abs(x) > floor, x, 0.0), np.where(np.abs(y) > floor, y, 0.0)


def _agreement(x: NDArray[np.float64], y: NDArray[np.float64], floor: float) -> dict[str, float]:
    ratio = _ratio(x, y, floor)[(x != 0) | (y != 0)]
    medians = _ratio(np.median(np.abs(x)), np.median(np.abs(y)), floor)
    return {
        "n": len(x),
        "n_above": len(ratio),
        "rank_correlation": rank_correlation(x, y),
        "median_ratio": float(np.median(ratio)) if len(ratio) else 1.0,
        "ratio_of_medians": float(medians),
    }


def _ratio(x: Any, y: Any, floor: float) -> Any:
    """Of sizes, rounding taken as the floor."""
    return np.maximum(np.abs(x), floor) / np.maximum(np.abs(y), floor)


def _depths(keys: list[Key], units: Mapping[Key, NDArray[np.int64]]) -> list[list[Key]]:
    """Neighbouring layers together, three depths at most, with some units in each."""
    total = sum(len(units[key]) for key in keys)
    n = max(1, min(_DEPTHS, len(keys), total // _FEWEST))
    ordered = sorted(keys)
    return [[ordered[i] for i in part] for part in np.array_split(np.arange(len(keys)), n)]
