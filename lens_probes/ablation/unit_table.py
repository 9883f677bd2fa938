"""The table of single units: each beside random units that change about as much."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from lens_probes import stats
from lens_probes.ablation.inference import (
    NO_RATIO,
    Ratio,
    Resampled,
    below_precision,
    excess_low,
    family_test,
    quantile,
    typical_ratio,
)
from lens_probes.ablation.matching import as_large
from lens_probes.ablation.measured import MEASURES, Measured, Plan
from lens_probes.ablation.verdict import UNDECIDED, decide_use


def unit_table(every: Sequence[Measured], plan: Plan) -> pd.DataFrame:
    """One row a top unit: evidence, effects of its own ablation, verdict.

    A unit is compared with the random units that change less than twice as much and more than
    half as much as it does (`n_nulls` of them), their effects as if they changed as much.
    """
    return pd.concat([_units_of(one, plan) for one in every], ignore_index=True)


@dataclass(frozen=True)
class _Test:
    """One unit beside the random units near it; `n` of them were measured, `n_there` exist."""

    p: float
    n: int
    n_there: int
    measure: str = "kl"
    low: float = float("nan")
    ratio: Ratio = NO_RATIO
    faint: str = ""


def _units_of(one: Measured, plan: Plan) -> pd.DataFrame:
    table, drawn = one.of.units.copy(), plan.resampled(one, "unit", MEASURES)
    for measure, found in drawn.items():
        table[measure] = found.mean
        intervals = [found.interval(i) for i in range(len(table))]
        table[[f"{measure}_low", f"{measure}_high"]] = intervals
    deciding = plan.design.unit_measures(one.of.site)
    random = plan.resampled(one, "matched unit", deciding)
    tests = [_test(one, i, drawn, random, plan) for i in range(len(table))]
    table["n_nulls"] = [test.n for test in tests]
    names = ("typical_ratio", "typical_low", "typical_high", "typical_seen")
    table[list(names)] = [test.ratio for test in tests]
    table["p"] = [test.p for test in tests]
    table["p_corrected"] = stats.adjust(table["p"].to_numpy(float), method="bh")
    n_tested = int(table["p"].notna().sum())
    said = [
        _decide(test, str(row["not_encoded"]), float(row["p_corrected"]), n_tested, plan)
        for test, row in zip(tests, table.to_dict("records"), strict=True)
    ]
    return table.assign(verdict=[word for word, _ in said], why=[why for _, why in said])


def _test(
    one: Measured,
    index: int,
    drawn: Mapping[str, Resampled],
    random: Mapping[str, Resampled],
    plan: Plan,
) -> _Test:
    unit, profile, pool = int(one.of.sets.top[index]), one.of.profile, one.of.sets.matched_units
    near = as_large(profile, unit, pool)
    n_there = int(as_large(profile, unit, one.of.others).sum())
    there = [m for m in random if not np.isnan(drawn[m].mean[index])]
    if not near.any() or not there:
        return _Test(float("nan"), int(near.sum()), n_there)
    ratio = profile.size[unit] / profile.size[pool[near]]
    nulls = {m: _as_if(random[m], near, ratio**2 if m == "kl" else ratio) for m in there}
    observed = np.array([[drawn[m].mean[index] for m in there]])
    alpha, interest = plan.design.alpha, plan.design.interest
    test = family_test(observed, [np.array([nulls[m].mean for m in there])], alpha)
    deciding, kl = there[int(test.which[0])], nulls["kl"]
    limit = quantile(kl.mean, 1 - alpha / len(one.of.sets.top))  # one alone, after correction
    return _Test(
        float(test.alone[0]), int(near.sum()), n_there, deciding,
        excess_low(drawn[deciding], index, nulls[deciding], alpha),
        typical_ratio(drawn["kl"], index, kl, limit, plan.n_passages, alpha),
        below_precision(interest * float(np.median(kl.mean)), one.floor("kl")),
    )  # fmt: skip


def _as_if(
    found: Resampled, near: Bool[np.ndarray, " pool"], factor: Float[np.ndarray, " near"]
) -> Resampled:
    """Effects of random units as if what is taken away were as large as for the unit.

    A small change moves the loss in proportion to its size and the divergence to its square.
    """
    return Resampled(found.mean[near] * factor, found.draws[:, near] * factor)


def _decide(test: _Test, not_encoded: str, p: float, n_tested: int, plan: Plan) -> tuple[str, str]:
    if not plan.design.unit_nulls:
        return UNDECIDED, "no random units were measured"
    if np.isnan(test.p):
        return UNDECIDED, not_encoded or "no random unit changes about as much as it does"
    return decide_use(
        encoded=not_encoded,
        p=p,
        resolution=1 / (1 + test.n),
        alpha=plan.design.alpha,
        what="random units",
        measure=test.measure,
        low=test.low,
        ratio=test.ratio,
        interest=plan.design.interest,
        n_passages=plan.n_passages,
        faint=test.faint,
        alone=n_tested / (1 + test.n),
        more=test.n_there > test.n,
    )
