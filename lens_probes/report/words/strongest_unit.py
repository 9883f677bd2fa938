"""The strongest unit of a sweep in words: which it is, its effect, what it is worth held out."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from lens_probes.report.ranking import class_names
from lens_probes.result.result import SweepData
from lens_probes.units.decision import own_class

NONE = "No unit could be tested: all are constant."


def strongest_unit(result: SweepData) -> str:
    """Which unit is the strongest, and for what: the first sentence about it."""
    top = result.top(1)
    if top.empty:
        return NONE
    best = top.iloc[0]
    if "r" in result.units:
        name = result.provenance["examples"]["value_name"]
        said = f"Strongest unit: {best['name']}, r = {best['r']:+.3f} with {name}"
        if np.isfinite(best["partial_r"]):
            said += f", {best['partial_r']:+.3f} given the covariates"
        return f"{said}."
    how = "highest" if "highest" in best else "higher"
    return f"Strongest unit: {best['name']}, {how} for {class_names(result)[own_class(best)]}."


def best_unit(result: SweepData) -> str:
    """The strongest unit of two classes, and what units and layers are worth held out."""
    said, top = strongest_unit(result), result.top(1)
    if top.empty:
        return said
    best = top.iloc[0]
    if np.isfinite(best.get("g_group_shrunk", np.nan)):
        g, low, high = (best[f"g_group_shrunk{end}"] for end in ("", "_low", "_high"))
        said += (
            f" Its effect, shrunk, is g = {g:.2f} ({low:.2f} to {high:.2f})."
            if low < high
            else " Its effect, shrunk, cannot be told from none."
        )
    nested = result.validation.get("nested_best")
    if not nested or nested["unit"]["auc"] is None:
        return f"{said} {_in_sample(best)}"
    unit, probe = (_estimate(nested[name]) for name in ("unit", "logistic_probe"))
    return (
        f"{said} Whichever unit training folds choose has AUC {unit} on held-out "
        f"{_held_out_by(result)}. A logistic probe on the layer that they choose has {probe}."
    )


def best_of_classes(result: SweepData) -> str:
    """The strongest unit of several classes, and what units and layers are worth held out."""
    said, top = strongest_unit(result), result.top(1)
    if top.empty:
        return said
    best = top.iloc[0]
    said += (
        f" In sample its eta squared is {best['eta_squared']:.2f}, its AUC against the rest "
        f"{best[f'auc{own_class(best)}']:.3f}."
    )
    nested = result.validation.get("nested_classes")
    if not nested:
        return said
    return (
        f"{said} Whichever unit training folds choose names {nested['unit']:.0%} of examples of "
        f"held-out {_held_out_by(result)} rightly (mean over classes; chance "
        f"{nested['chance']:.0%}). A multinomial probe on the layer that they choose names "
        f"{nested['probe']:.0%}."
    )


def _in_sample(best: pd.Series) -> str:
    if not np.isfinite(best.get("auc_group_low", np.nan)):
        return f"Its in-sample AUC is {max(best['auc'], 1 - best['auc']):.3f}."
    auc, *ends = (best[f"auc_group{end}"] for end in ("", "_low", "_high"))
    low, high = sorted(ends if auc >= 0.5 else (1 - end for end in ends))
    found = _estimate({"auc": max(auc, 1 - auc), "low": low, "high": high})
    return f"Its in-sample AUC over groups is {found}."


def _estimate(found: Mapping[str, float | None]) -> str:
    """An AUC with its interval, where there is one."""
    if found["low"] is None:
        return f"{found['auc']:.3f}"
    return f"{found['auc']:.3f} ({found['low']:.2f} to {found['high']:.2f})"


def best_correlation(result: SweepData) -> str:
    """The unit of largest correlation, and what one chosen in training folds is worth."""
    said = strongest_unit(result)
    if said != NONE and (nested := result.validation.get("nested_best_r")) is not None:
        said += (
            f" Whichever unit training folds choose has r = {nested:+.3f} on held-out "
            f"{_held_out_by(result)}."
        )
    return said


def _held_out_by(result: SweepData) -> str:
    """What was held out whole; examples, where a result does not say."""
    by = result.validation.get("held_out_by") or "example"
    return "groups of words" if by == "word" else f"{by}s"
