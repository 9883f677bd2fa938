"""From measured effects to the tables of a causal card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from lens_probes.ablate.matching import match_table, unlike
from lens_probes.ablate.measured import EMPTY, MEASURES, Measured, Plan, mean
from lens_probes.ablate.verdict import (
    Resampled,
    below_precision,
    decide_use,
    empirical_p,
    excess,
    family_p,
)

DECIDING = ("kl", "loss_after")


def set_table(every: Sequence[Measured], plan: Plan) -> pd.DataFrame:
    """One row a layer and site: effects of all top units, nulls, verdict."""
    top = [plan.resampled(one, "dose", MEASURES) for one in every]
    random = [plan.resampled(one, "matched", MEASURES) for one in every]
    observed = np.array([[found[m].mean[-1] for m in DECIDING] for found in top])
    nulls = [np.array([found[m].mean for m in DECIDING]) for found in random]
    alone, corrected, which = family_p(observed, nulls)
    rows = []
    for i, one in enumerate(every):
        row: dict[str, Any] = {"layer": one.of.layer, "site": one.of.site}
        row |= {"k": len(one.of.sets.top), "n_encoded": int(one.of.units["encoded"].sum())}
        row |= _set_effects(one, top[i], random[i], plan)
        row |= {f"p_{m}": empirical_p(observed[i, j], nulls[i][j]) for j, m in enumerate(DECIDING)}
        row |= {"p": alone[i], "p_family": corrected[i]}
        n_nulls, floors = nulls[i].shape[1], {m: one.floor(m) for m in DECIDING}
        row |= {"p_resolution": 1 / (1 + n_nulls), "n_nulls": n_nulls, "kl_floor": floors["kl"]}
        row |= _control_p(one, plan) | match_table(
            one.of.profile, one.of.sets.top, one.of.sets.matched
        )
        there = [m for j, m in enumerate(DECIDING) if not np.isnan(observed[i, j])]
        level = plan.design.alpha
        faint = [below_precision(random[i][m].mean, floors[m], m, level) for m in there]
        verdict = decide_use(
            encoded=_too_few_encoded(row["n_encoded"], row["k"]),
            p=float(corrected[i]),
            resolution=row["p_resolution"],
            alpha=plan.design.alpha,
            what="random sets",
            measure=DECIDING[int(which[i])],
            beyond={m: excess(top[i][m], -1, random[i][m], level) for m in there},
            n_passages=plan.n_passages,
            unlike=unlike(row["size_top"], row["size_matched"]),
            faint=next(filter(None, faint), ""),
            more=n_nulls >= plan.design.n_nulls,
        )
        rows.append(row | dict(zip(("verdict", "why"), verdict, strict=True)))
    return pd.DataFrame(rows)


def _too_few_encoded(n: int, k: int) -> str:
    """Why a set is not encoded: at least half of its units must be; "" where they are."""
    return "" if 2 * n >= k else f"only {n} of its {k} units are known to encode the property"


def _set_effects(
    one: Measured, top: Mapping[str, Resampled], random: Mapping[str, Resampled], plan: Plan
) -> dict[str, float]:
    row: dict[str, float] = {}
    for measure in MEASURES:
        values = one.values("dose", measure)[-1]
        row[measure] = float(top[measure].mean[-1])
        row[f"{measure}_low"], row[f"{measure}_high"] = top[measure].interval(-1)
        for label in (0, 1):
            row[f"{measure}_{label}"] = mean(values[plan.label == label])
        nulls, level = random[measure].mean, 100 * (1 - plan.design.alpha)
        row[f"{measure}_matched"] = mean(nulls)
        row[f"{measure}_matched_quantile"] = float(np.percentile(nulls, level))
    return row


def _control_p(one: Measured, plan: Plan) -> dict[str, float]:
    """p against sets of non-significant units and of shuffled rankings, by what both have."""
    measures = plan.design.unit_measures(one.of.site)
    row = {}
    for kind in ("nonsignificant", "shuffled"):
        nulls = np.array([[mean(v) for v in one.values(kind, m)] for m in measures])
        observed = np.array([[mean(one.values("dose", m)[-1]) for m in measures]])
        row[f"p_{kind}"] = float(family_p(observed, [nulls])[0][0]) if nulls.size else np.nan
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
    """One row a null set or unit: its kind, its number, its size, its mean effects."""
    parts = []
    for one in every:
        for kind in ("matched", *(kind for kind in one.of.short if kind != EMPTY)):
            sets = (one.of.full | one.of.short)[kind]
            columns: dict[str, Any] = {"layer": one.of.layer, "site": one.of.site, "kind": kind}
            columns |= {"draw": np.arange(len(sets)), "k": [len(units) for units in sets]}
            for measure in MEASURES:
                columns[measure] = [mean(values) for values in one.values(kind, measure)]
            parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)
