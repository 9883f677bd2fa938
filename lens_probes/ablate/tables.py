"""From measured effects to the tables of a causal card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from numpy.typing import NDArray

from lens_probes.ablate.design import Design
from lens_probes.ablate.effects import Effects
from lens_probes.ablate.sets import Ranking, Sets, Units, match_table
from lens_probes.ablate.verdict import (
    UNDECIDED,
    Resampled,
    Verdict,
    corrected_unit_p,
    decide_use,
    empirical_p,
    excess,
    family_p,
    resample,
)

MEASURES = ("kl", "loss_after", "loss_target", "loss_elsewhere")
DECIDING = ("kl", "loss_after")
_IN_WORDS = {"kl": "the next-token distribution", "loss_after": "the loss after the target"}


@dataclass(frozen=True)
class Candidates:
    """Units and sets of one layer and site, chosen before anything is measured.

    `units` is the evidence for the top units: see `sets.evidence`.
    """

    layer: int
    site: str
    ranking: Ranking
    sets: Sets
    units: pd.DataFrame

    @property
    def all_sets(self) -> list[Units]:
        """Doses (all top units last), single top units, and the null sets, kind by kind."""
        sets = self.sets
        single = [np.array([unit]) for unit in sets.top]
        return [*sets.doses, *single, *sets.matched, *sets.nonsignificant, *sets.shuffled]

    @property
    def places(self) -> dict[str, slice]:
        """Where each kind of set is among all."""
        sizes = {
            "dose": len(self.sets.doses),
            "unit": len(self.sets.top),
            "matched": len(self.sets.matched),
            "nonsignificant": len(self.sets.nonsignificant),
            "shuffled": len(self.sets.shuffled),
        }
        ends = np.cumsum(list(sizes.values())).tolist()
        return {
            kind: slice(end - n, end) for (kind, n), end in zip(sizes.items(), ends, strict=True)
        }

    @property
    def all_top(self) -> int:
        """Where the set of all top units is."""
        return len(self.sets.doses) - 1


@dataclass(frozen=True)
class Measured:
    """Effects of all sets of some candidates, and of the matched single units."""

    of: Candidates
    effects: Effects
    unit_nulls: Effects


@dataclass(frozen=True)
class Plan:
    """What turns effects into tables: passages and labels of the measured examples, the design."""

    passage: NDArray[np.object_]
    label: Int[np.ndarray, " example"]
    design: Design

    def resample(self, values: Float[np.ndarray, "set example"]) -> Resampled:
        """The same passages are drawn for all sets."""
        return resample(values, self.passage, seed=self.design.seed)


def set_table(every: Sequence[Measured], plan: Plan) -> pd.DataFrame:
    """One row a layer and site: effects of all top units, nulls, verdict."""
    drawn = [{m: plan.resample(getattr(one.effects, m)) for m in MEASURES} for one in every]
    pairs = list(zip((one.of for one in every), drawn, strict=True))
    observed = np.array([[d[m].mean[of.all_top] for m in DECIDING] for of, d in pairs])
    nulls = np.array([[d[m].mean[of.places["matched"]] for m in DECIDING] for of, d in pairs])
    alone, corrected, which = family_p(observed, nulls)
    rows = []
    for i, (one, (of, d)) in enumerate(zip(every, pairs, strict=True)):
        row: dict[str, Any] = {"layer": of.layer, "site": of.site, "k": len(of.sets.top)}
        row["n_encoded"] = int(of.units["encoded"].sum())
        row |= _set_effects(one, d, plan)
        row |= {f"p_{m}": empirical_p(observed[i, j], nulls[i, j]) for j, m in enumerate(DECIDING)}
        row |= {"p": alone[i], "p_family": corrected[i]}
        row |= {"p_resolution": 1 / (1 + nulls.shape[-1]), "n_nulls": nulls.shape[-1]}
        for kind in ("nonsignificant", "shuffled"):
            others = d["kl"].mean[of.places[kind]]
            row[f"p_{kind}"] = empirical_p(observed[i, 0], others) if len(others) else np.nan
        row |= match_table(of.ranking, of.sets)
        best = DECIDING[int(which[i])]
        row["verdict"], row["why"] = _set_verdict(of, d, best, float(corrected[i]), plan)
        rows.append(row)
    return pd.DataFrame(rows)


def _set_effects(one: Measured, drawn: Mapping[str, Resampled], plan: Plan) -> dict[str, float]:
    row: dict[str, float] = {}
    top, matched = one.of.all_top, one.of.places["matched"]
    for measure in MEASURES:
        values, found = getattr(one.effects, measure)[top], drawn[measure]
        row[measure] = float(found.mean[top])
        row[f"{measure}_low"], row[f"{measure}_high"] = found.interval(top)
        for label in (0, 1):
            row[f"{measure}_{label}"] = _mean(values[plan.label == label])
        nulls, level = found.mean[matched], 100 * (1 - plan.design.alpha)
        row[f"{measure}_matched"] = _mean(nulls)
        row[f"{measure}_matched_quantile"] = float(np.percentile(nulls, level))
    return row


def _set_verdict(
    of: Candidates, drawn: Mapping[str, Resampled], best: str, p: float, plan: Plan
) -> tuple[Verdict, str]:
    """By the measure that stands out most; unused only where both are within random sets."""
    alpha, matched, beyond = plan.design.alpha, of.places["matched"], {}
    for measure in DECIDING:
        found = drawn[measure]
        if not np.isnan(found.mean[of.all_top]):
            nulls = Resampled(found.mean[matched], found.draws[:, matched])
            beyond[measure] = excess(found, of.all_top, nulls, alpha)
    return decide_use(
        encoded="" if of.units["encoded"].any() else "none of its units is known to be tuned",
        p=p,
        resolution=1 / (1 + len(of.sets.matched)),
        alpha=alpha,
        low=beyond[best][1],
        high=max(high for _, _, high in beyond.values()),
        what="random sets",
        measure=_IN_WORDS[best],
    )


def unit_table(every: Sequence[Measured], plan: Plan) -> pd.DataFrame:
    """One row a top unit: evidence, effects of its own ablation, verdict."""
    return pd.concat([_units_of(one, plan) for one in every], ignore_index=True)


def _units_of(one: Measured, plan: Plan) -> pd.DataFrame:
    of, at = one.of, one.of.places["unit"]
    table = of.units.copy()
    drawn = {measure: plan.resample(getattr(one.effects, measure)[at]) for measure in MEASURES}
    for measure, found in drawn.items():
        table[measure] = found.mean
        intervals = [found.interval(i) for i in range(len(table))]
        table[[f"{measure}_low", f"{measure}_high"]] = intervals
    table["n_nulls"] = n_nulls = len(of.sets.matched_units)
    if not n_nulls:
        why = "no random units were measured"
        return table.assign(p=np.nan, p_corrected=np.nan, verdict=UNDECIDED, why=why)
    deciding = plan.design.unit_measures(of.site)
    nulls = {m: plan.resample(getattr(one.unit_nulls, m)) for m in deciding}
    null_means = np.array([[nulls[m].mean for m in deciding]])
    tests = [
        family_p(np.array([[drawn[m].mean[i] for m in deciding]]), null_means)
        for i in range(len(table))
    ]
    table["p"] = [float(alone[0]) for alone, _, _ in tests]
    table["p_corrected"] = corrected_unit_p(table["p"].to_numpy(float))
    verdicts = []
    for i, (_, _, which) in enumerate(tests):
        best = deciding[int(which[0])]
        beyond = {m: excess(drawn[m], i, nulls[m], plan.design.alpha) for m in deciding}
        verdict = decide_use(
            encoded=str(table["not_encoded"].iloc[i]),
            p=float(table["p_corrected"].iloc[i]),
            resolution=1 / (1 + n_nulls),
            alpha=plan.design.alpha,
            low=beyond[best][1],
            high=max(high for _, _, high in beyond.values()),
            what="random units",
            measure=_IN_WORDS[best],
        )
        verdicts.append(verdict)
    table[["verdict", "why"]] = verdicts
    return table


def dose_table(every: Sequence[Measured], plan: Plan) -> pd.DataFrame:
    """One row a layer, site and number of top units."""
    rows = []
    for one in every:
        of, at = one.of, one.of.places["dose"]
        drawn = {m: plan.resample(getattr(one.effects, m)[at]) for m in MEASURES}
        for i, units in enumerate(of.sets.doses):
            row: dict[str, Any] = {"layer": of.layer, "site": of.site, "k": len(units)}
            for measure, found in drawn.items():
                low, high = found.interval(i)
                row |= {measure: found.mean[i], f"{measure}_low": low, f"{measure}_high": high}
            rows.append(row)
    return pd.DataFrame(rows)


def null_table(every: Sequence[Measured]) -> pd.DataFrame:
    """One row a null set or unit: its kind, its number, its size, its mean effects."""
    parts = []
    for one in every:
        sets, places = one.of.all_sets, one.of.places
        for kind in ("matched", "nonsignificant", "shuffled"):
            at = places[kind]
            sizes = [len(units) for units in sets[at]]
            parts.append(_null_rows(one.of, kind, sizes, one.effects, at))
        sizes = [1] * len(one.of.sets.matched_units)
        parts.append(_null_rows(one.of, "matched unit", sizes, one.unit_nulls, slice(None)))
    return pd.concat(parts, ignore_index=True)


def _null_rows(
    of: Candidates, kind: str, sizes: list[int], effects: Effects, at: slice
) -> pd.DataFrame:
    columns: dict[str, Any] = {"layer": of.layer, "site": of.site, "kind": kind}
    columns |= {"draw": np.arange(len(sizes)), "k": sizes}
    for measure in MEASURES:
        columns[measure] = [_mean(values) for values in getattr(effects, measure)[at]]
    return pd.DataFrame(columns)


def _mean(values: NDArray[np.float64]) -> float:
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else float("nan")
