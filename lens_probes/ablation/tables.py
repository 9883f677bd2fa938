"""From measured effects to the tables of a causal card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from lens_probes.ablation.inference import (
    Resampled,
    below_precision,
    empirical_p,
    excess_low,
    family_test,
    quantile,
    typical_ratio,
)
from lens_probes.ablation.matching import match_table, unlike
from lens_probes.ablation.measured import EMPTY, ITSELF, MEASURES, SWAP, Measured, Plan, mean
from lens_probes.ablation.swap import not_itself
from lens_probes.ablation.verdict import decide_use

DECIDING = ("kl", "loss_after")


def set_table(every: Sequence[Measured], plan: Plan) -> pd.DataFrame:
    """One row a layer and site: effects of all top units, nulls, verdict."""
    top = [plan.resampled(one, "dose", MEASURES) for one in every]
    swaps = [plan.resampled(one, SWAP, DECIDING) for one in every]
    observed = np.array([[found[m].mean[-1] for m in DECIDING] for found in top])
    nulls = [np.array([found[m].mean for m in DECIDING]) for found in swaps]
    test = family_test(observed, nulls, plan.design.alpha)
    rows = []
    for i, one in enumerate(every):
        typical = plan.resampled(one, "matched", ("kl",))["kl"]
        row: dict[str, Any] = {"layer": one.of.layer, "site": one.of.site}
        row |= {"k": len(one.of.sets.top), "n_encoded": int(one.of.units["encoded"].sum())}
        row |= _set_effects(one, top[i], swaps[i], plan)
        row |= {f"p_{m}": empirical_p(observed[i, j], nulls[i][j]) for j, m in enumerate(DECIDING)}
        row |= {"p": test.alone[i], "p_family": test.corrected[i]}
        n_nulls, floor = nulls[i].shape[1], one.floor("kl")
        row |= {"p_resolution": 1 / (1 + n_nulls), "n_nulls": n_nulls, "kl_floor": floor}
        row |= _control_p(one, plan) | match_table(
            one.of.profile, one.of.sets.top, one.of.sets.matched
        )
        ratio = typical_ratio(
            top[i]["kl"], -1, typical, test.limit[i, 0], plan.n_passages, plan.design.alpha
        )
        row |= {"typical_ratio": ratio.point}
        row |= {"typical_low": ratio.low, "typical_high": ratio.high, "typical_seen": ratio.seen}
        deciding = DECIDING[int(test.which[i])]
        verdict = decide_use(
            encoded=_too_few_encoded(row["n_encoded"], row["k"]),
            p=float(test.corrected[i]),
            resolution=row["p_resolution"],
            alpha=plan.design.alpha,
            what="write swaps",
            measure=deciding,
            low=_low(top[i][deciding], swaps[i][deciding], plan),
            ratio=ratio,
            interest=plan.design.interest,
            n_passages=plan.n_passages,
            no_null=_no_null(one, row["kl"], floor),
            unlike=unlike(row["size_top"], row["size_matched"]),
            faint=below_precision(plan.design.interest * row["kl_matched"], floor),
            more=n_nulls >= plan.design.n_nulls,
        )
        rows.append(row | dict(zip(("verdict", "why"), verdict, strict=True)))
    return pd.DataFrame(rows)


def _too_few_encoded(n: int, k: int) -> str:
    """Why a set is not encoded: at least half of its units must be; "" where they are."""
    return "" if 2 * n >= k else f"only {n} of its {k} units are known to encode the property"


def _no_null(one: Measured, kl: float, floor: float) -> str:
    """Why there are no write swaps to compare with, or none that can be trusted."""
    if isinstance(one.of.swaps, str):
        return one.of.swaps
    return not_itself(float(one.values(ITSELF, "kl").mean()), kl, floor)


def _low(top: Resampled, swaps: Resampled, plan: Plan) -> float:
    return excess_low(top, -1, swaps, plan.design.alpha) if len(swaps.mean) else float("nan")


def _set_effects(
    one: Measured, top: Mapping[str, Resampled], swaps: Mapping[str, Resampled], plan: Plan
) -> dict[str, float]:
    row: dict[str, float] = {}
    for measure in MEASURES:
        values = one.values("dose", measure)[-1]
        row[measure] = float(top[measure].mean[-1])
        row[f"{measure}_low"], row[f"{measure}_high"] = top[measure].interval(-1)
        for label in (0, 1):
            row[f"{measure}_{label}"] = mean(values[plan.label == label])
    for measure, found in swaps.items():
        row[f"{measure}_swap"] = mean(found.mean)
        row[f"{measure}_swap_quantile"] = quantile(found.mean, 1 - plan.design.alpha)
    row["kl_matched"] = float(np.median([mean(v) for v in one.values("matched", "kl")]))
    return row


def _control_p(one: Measured, plan: Plan) -> dict[str, float]:
    """p against matched sets, non-significant units and shuffled rankings, by what all have."""
    measures = plan.design.unit_measures(one.of.site)
    row = {}
    for kind in ("matched", "nonsignificant", "shuffled"):
        nulls = np.array([[mean(v) for v in one.values(kind, m)] for m in measures])
        observed = np.array([[mean(one.values("dose", m)[-1]) for m in measures]])
        test = family_test(observed, [nulls], plan.design.alpha)
        row[f"p_{kind}"] = float(test.alone[0]) if nulls.size else np.nan
    return row


def dose_table(every: Sequence[Measured], plan: Plan) -> pd.DataFrame:
    """One row a layer, site and number of top units."""
    rows = []
    for one in every:
        drawn = plan.resampled(one, "dose", MEASURES)
        for i, units in enumerate(one.of.sets.doses):
            row: dict[str, Any] = {"layer": one.of.layer, "site": one.of.site, "k": len(units)}
            for measure, found in drawn.items():
                low, high = found.interval(i)
                row |= {measure: found.mean[i], f"{measure}_low": low, f"{measure}_high": high}
            rows.append(row)
    return pd.DataFrame(rows)


def null_table(every: Sequence[Measured]) -> pd.DataFrame:
    """One row a swap, null set or unit: its kind, its number, its size, its mean effects."""
    parts = []
    for one in every:
        sizes = {kind: [len(units) for units in sets] for kind, sets in one.of.short.items()}
        sizes[SWAP] = [len(one.of.sets.top)] * len(one.values(SWAP, "kl"))
        for kind, k in sizes.items():
            if kind == EMPTY:
                continue
            columns: dict[str, Any] = {"layer": one.of.layer, "site": one.of.site, "kind": kind}
            columns |= {"draw": np.arange(len(k)), "k": k}
            for measure in MEASURES:
                columns[measure] = [mean(values) for values in one.values(kind, measure)]
            parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)
