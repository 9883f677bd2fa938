"""One row per layer and site: how many units were tested and found, and how good the best is."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

from lens_probes.units.decision import rank_column


def summarise_layers(units: pd.DataFrame) -> pd.DataFrame:
    """One row per layer and site; shares are of the tested units, `positive` = class 1 higher."""
    rows = []
    rank = rank_column(units)
    for (layer, site), group in units.groupby(["layer", "site"], sort=False):
        status = group["status"]
        significant = group[group["significant"]]
        positive = significant[significant["direction"] > 0]
        n_constant = int((status == "constant").sum())
        n_tested = len(group) - n_constant
        ranked = group.dropna(subset=rank)
        best = ranked.iloc[int(ranked[rank].argmin())] if len(ranked) else None
        of_side = {
            "n_significant_positive": len(positive),
            "share_significant_positive": _share(len(positive), n_tested),
        }
        counts = {
            "n_units": len(group),
            "n_tested": n_tested,
            "n_constant": n_constant,
            "n_significant": len(significant),
            "share_significant": _share(len(significant), n_tested),
            "share_significant_token_level": _share(
                int(group["significant_token_level"].sum()), n_tested
            ),
            **({} if "highest" in group else of_side),
            "best_unit": None if best is None else best["name"],
        }
        rows.append({"layer": layer, "site": site} | counts | _special(group, best))
    return pd.DataFrame(rows)


def _special(group: pd.DataFrame, best: pd.Series | None) -> dict[str, Any]:
    """What is summarised of one kind of label alone."""
    if "eta_squared" in group:
        return _several_classes(group, best)
    return _two_class(group, best) if "auc" in group else _continuous(group, best)


def _several_classes(group: pd.DataFrame, best: pd.Series | None) -> dict[str, Any]:
    """Significant units by the class that they are highest for, and the best unit's effect."""
    found = group[group["significant"]]
    classes = [str(name)[3:] for name in group if re.fullmatch(r"auc\d+", str(name))]
    said: dict[str, Any] = {
        f"n_significant_highest{k}": int((found["highest"] == int(k)).sum()) for k in classes
    }
    said |= {
        "median_eta_squared": group["eta_squared"].median(),
        "mean_eta_squared_significant": found["eta_squared"].mean(),
        "best_eta_squared": np.nan if best is None else best["eta_squared"],
        "best_highest": np.nan if best is None else best["highest"],
    }
    if "auc_heldout" in group:
        said["mean_auc_significant_heldout"] = found["auc_heldout"].mean()
    return said


def _two_class(group: pd.DataFrame, best: pd.Series | None) -> dict[str, Any]:
    """Accuracy and AUC of one layer and site."""
    status = group["status"]
    significant = group[group["significant"]]
    positive = significant[significant["direction"] > 0]
    said = {
        "n_separated": int((status == "separated").sum()),
        "n_quasi_separated": int((status == "quasi_separated").sum()),
        "n_not_converged": int((status == "not_converged").sum()),
        "mean_accuracy_significant": significant["accuracy"].mean(),
        "mean_accuracy_significant_positive": positive["accuracy"].mean(),
        "mean_auc_significant_positive": positive["auc"].mean(),
        "best_auc": np.nan if best is None else best["auc"],
        "best_accuracy": np.nan if best is None else best["accuracy"],
    }
    if "auc_others" in group:
        said["best_auc_others"] = np.nan if best is None else best["auc_others"]
    return said


def _continuous(group: pd.DataFrame, best: pd.Series | None) -> dict[str, Any]:
    """Distribution of r over the units of one layer and site."""
    low, quarter, median, upper, high = group["r"].quantile([0.05, 0.25, 0.5, 0.75, 0.95])
    return {
        "mean_r": group["r"].mean(),
        "sd_r": group["r"].std(),
        "q05_r": low,
        "q25_r": quarter,
        "median_r": median,
        "q75_r": upper,
        "q95_r": high,
        "mean_partial_r": group["partial_r"].mean(),
        "median_partial_r": group["partial_r"].median(),
        "best_r": np.nan if best is None else best["r"],
    }


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
