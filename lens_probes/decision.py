"""Which p-value decides, over which family: the two presets."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from lens_probes import stats
from lens_probes.errors import InputError, unknown

Preset = Literal["course", "rigorous"]
Scope = Literal["layer", "site", "model"]
Method = Literal["bonferroni", "holm", "bh", "by"]

_NOT_FITTED = ("separated", "quasi_separated", "not_converged")


@dataclass(frozen=True)
class Decision:
    """`p_column` of the units, corrected by `method` over each family, compared with `alpha`.

    `scope="layer"`: a family is one site of one layer (in the course preset q, k and v of a layer
    are one family, as they are fitted together there); `"site"`: one site of all layers;
    `"model"`: everything.
    """

    preset: Preset
    p_column: str
    method: Method
    scope: Scope
    alpha: float
    level: str = "token"

    def __post_init__(self) -> None:
        if self.method not in ("bonferroni", "holm", "bh", "by"):
            raise unknown("method", self.method, ("bonferroni", "holm", "bh", "by"))
        if self.scope not in ("layer", "site", "model"):
            raise unknown("scope", self.scope, ("layer", "site", "model"))
        if not 0 < self.alpha < 1:
            raise InputError(f"alpha must lie between 0 and 1; got {self.alpha}.")


def preset_decision(
    preset: str, *, alpha: float = 0.05, method: Method | None = None, scope: Scope | None = None
) -> Decision:
    """The decision of a preset, with what the user chose instead."""
    if preset == "course":
        return Decision("course", "wald_p", method or "bonferroni", scope or "layer", alpha)
    if preset == "rigorous":
        return Decision("rigorous", "score_p", method or "holm", scope or "model", alpha)
    raise unknown("preset", preset, ("course", "rigorous"))


def decide(units: pd.DataFrame, decision: Decision) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Add `p_corrected`, `log10_p_corrected` and `significant`; say how families were made.

    Constant units have no p-value and are left out of their family. In the course preset a unit
    without a Wald p (separated, not converged) stays in it and counts as not significant.
    """
    p = units[decision.p_column].to_numpy(float)
    log10_p = units[f"log10_{decision.p_column}"].to_numpy(float)
    if decision.preset == "course":
        unfitted = units["status"].isin(_NOT_FITTED).to_numpy() & np.isnan(p)
        p, log10_p = np.where(unfitted, 1.0, p), np.where(unfitted, 0.0, log10_p)
    family = _families(units, decision)
    corrected = stats.adjust(p, method=decision.method, family=family)
    log10_corrected = stats.adjust_log10(log10_p, method=decision.method, family=family)
    table = units.assign(
        p_corrected=corrected,
        log10_p_corrected=log10_corrected,
        significant=log10_corrected < np.log10(decision.alpha),
    )
    sizes = pd.Series(~np.isnan(p)).groupby(family).sum()
    described = asdict(decision) | {
        "n_families": len(sizes),
        "m_smallest": int(sizes.min()),
        "m_largest": int(sizes.max()),
        "left_out": int(np.isnan(p).sum()),
    }
    return table, described


def _families(units: pd.DataFrame, decision: Decision) -> np.ndarray[Any, np.dtype[np.int64]]:
    site = units["site"]
    if decision.scope == "model":
        return np.zeros(len(units), dtype=np.int64)
    if decision.scope == "site":
        return np.asarray(units.groupby(site, sort=False).ngroup(), dtype=np.int64)
    if decision.preset == "course":
        site = site.where(~site.isin(["q", "k", "v"]), "qkv")
    return np.asarray(units.groupby([units["layer"], site], sort=False).ngroup(), dtype=np.int64)
