"""From measured effects to the tables of a causal card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from numpy.typing import NDArray

from lens_probes import stats
from lens_probes.ablate.design import Design
from lens_probes.ablate.effects import Effects
from lens_probes.ablate.matching import Profile, Units, match_table, unlike
from lens_probes.ablate.sets import Ranking, Sets
from lens_probes.ablate.verdict import (
    UNDECIDED,
    Resampled,
    decide_use,
    empirical_p,
    excess,
    family_p,
    resample,
)

MEASURES = ("kl", "loss_after", "loss_target", "loss_elsewhere")
DECIDING = ("kl", "loss_after")
_FARTHEST = 2.0


@dataclass(frozen=True)
class Candidates:
    """Units and sets of one layer and site, chosen before anything is measured.

    `units` is the evidence for the top units: see `sets.evidence`.
    """

    layer: int
    site: str
    ranking: Ranking
    profile: Profile
    sets: Sets
    units: pd.DataFrame

    @property
    def full(self) -> dict[str, list[Units]]:
        """What is measured on all tokens: doses (all top units last), single ones, random sets."""
        single = [np.array([unit]) for unit in self.sets.top]
        return {"dose": self.sets.doses, "unit": single, "matched": self.sets.matched}

    @property
    def short(self) -> dict[str, list[Units]]:
        """What may do with the read position: other null sets, random single units."""
        single = [np.array([unit]) for unit in self.sets.matched_units]
        return {
            "nonsignificant": self.sets.nonsignificant,
            "shuffled": self.sets.shuffled,
            "matched unit": single,
        }

    @property
    def all_top(self) -> int:
        """Where the set of all top units is."""
        return len(self.sets.doses) - 1


@dataclass(frozen=True)
class Measured:
    """Effects of the sets of some candidates, in the order of their kinds."""

    of: Candidates
    full: Effects
    short: Effects

    def values(self, kind: str, measure: str) -> Float[np.ndarray, "set example"]:
        """Effects of one kind of sets by one measure."""
        kinds, effects = self.of.full, self.full
        if kind not in kinds:
            kinds, effects = self.of.short, self.short
        names = list(kinds)
        start = sum(len(kinds[name]) for name in names[: names.index(kind)])
        array: NDArray[np.float64] = getattr(effects, measure)
        return array[start : start + len(kinds[kind])]


@dataclass(frozen=True)
class Plan:
    """What turns effects into tables: passages and labels of the measured examples, the design."""

    passage: NDArray[np.object_]
    label: Int[np.ndarray, " example"]
    design: Design

    @property
    def n_passages(self) -> int:
        """How many passages the measured windows come from."""
        return len(set(self.passage))

    def resample(self, values: Float[np.ndarray, "set example"]) -> Resampled:
        """The same passages are drawn for all sets."""
        return resample(values, self.passage, seed=self.design.seed)


def set_table(every: Sequence[Measured], plan: Plan) -> pd.DataFrame:
    """One row a layer and site: effects of all top units, nulls, verdict."""
    top = [_resampled(one, "dose", MEASURES, plan) for one in every]
    random = [_resampled(one, "matched", MEASURES, plan) for one in every]
    observed = np.array([[found[m].mean[-1] for m in DECIDING] for found in top])
    nulls = np.array([[found[m].mean for m in DECIDING] for found in random])
    alone, corrected, which = family_p(observed, nulls)
    rows = []
    for i, one in enumerate(every):
        row: dict[str, Any] = {"layer": one.of.layer, "site": one.of.site}
        row |= {"k": len(one.of.sets.top), "n_encoded": int(one.of.units["encoded"].sum())}
        row |= _set_effects(one, top[i], random[i], plan)
        row |= {f"p_{m}": empirical_p(observed[i, j], nulls[i, j]) for j, m in enumerate(DECIDING)}
        row |= {"p": alone[i], "p_family": corrected[i]}
        n_different = len({tuple(units) for units in one.of.sets.matched})
        row |= {"p_resolution": 1 / (1 + n_different), "n_nulls": nulls.shape[-1]}
        row |= _control_p(one, plan) | match_table(
            one.of.profile, one.of.sets.top, one.of.sets.matched
        )
        verdict = decide_use(
            encoded="" if row["n_encoded"] else "none of its units is known to be tuned",
            p=float(corrected[i]),
            resolution=row["p_resolution"],
            alpha=plan.design.alpha,
            what="random sets",
            measure=DECIDING[int(which[i])],
            beyond={
                m: excess(top[i][m], -1, random[i][m], plan.design.alpha)
                for j, m in enumerate(DECIDING)
                if not np.isnan(observed[i, j])
            },
            n_passages=plan.n_passages,
            unlike=unlike(row["size_top"], row["size_matched"]),
        )
        rows.append(row | dict(zip(("verdict", "why"), verdict, strict=True)))
    return pd.DataFrame(rows)


def _resampled(
    one: Measured, kind: str, measures: Sequence[str], plan: Plan
) -> dict[str, Resampled]:
    return {measure: plan.resample(one.values(kind, measure)) for measure in measures}


def _set_effects(
    one: Measured, top: Mapping[str, Resampled], random: Mapping[str, Resampled], plan: Plan
) -> dict[str, float]:
    row: dict[str, float] = {}
    for measure in MEASURES:
        values = one.values("dose", measure)[-1]
        row[measure] = float(top[measure].mean[-1])
        row[f"{measure}_low"], row[f"{measure}_high"] = top[measure].interval(-1)
        for label in (0, 1):
            row[f"{measure}_{label}"] = _mean(values[plan.label == label])
        nulls, level = random[measure].mean, 100 * (1 - plan.design.alpha)
        row[f"{measure}_matched"] = _mean(nulls)
        row[f"{measure}_matched_quantile"] = float(np.percentile(nulls, level))
    return row


def _control_p(one: Measured, plan: Plan) -> dict[str, float]:
    """p against sets of non-significant units and of shuffled rankings, by what both have."""
    measures = plan.design.unit_measures(one.of.site)
    row = {}
    for kind in ("nonsignificant", "shuffled"):
        nulls = np.array([[[_mean(v) for v in one.values(kind, m)] for m in measures]])
        observed = np.array([[_mean(one.values("dose", m)[-1]) for m in measures]])
        row[f"p_{kind}"] = float(family_p(observed, nulls)[0][0]) if nulls.size else np.nan
    return row


def unit_table(every: Sequence[Measured], plan: Plan) -> pd.DataFrame:
    """One row a top unit: evidence, effects of its own ablation, verdict."""
    return pd.concat([_units_of(one, plan) for one in every], ignore_index=True)


def _units_of(one: Measured, plan: Plan) -> pd.DataFrame:
    table, drawn = one.of.units.copy(), _resampled(one, "unit", MEASURES, plan)
    for measure, found in drawn.items():
        table[measure] = found.mean
        intervals = [found.interval(i) for i in range(len(table))]
        table[[f"{measure}_low", f"{measure}_high"]] = intervals
    table["n_nulls"] = n_nulls = len(one.of.sets.matched_units)
    if not n_nulls:
        why = "no random units were measured"
        return table.assign(p=np.nan, p_corrected=np.nan, verdict=UNDECIDED, why=why)
    deciding = plan.design.unit_measures(one.of.site)
    random = _resampled(one, "matched unit", deciding, plan)
    tests, beyond = [], []
    for i, unit in enumerate(one.of.sets.top.tolist()):
        nulls = _as_large(one, unit, random)
        observed = np.array([[drawn[m].mean[i] for m in deciding]])
        tests.append(family_p(observed, np.array([[nulls[m].mean for m in deciding]])))
        beyond.append({m: excess(drawn[m], i, nulls[m], plan.design.alpha) for m in deciding})
    table["p"] = [float(alone[0]) for alone, _, _ in tests]
    table["p_corrected"] = stats.adjust(table["p"].to_numpy(float), method="bh")
    table[["verdict", "why"]] = [
        decide_use(
            encoded=str(table["not_encoded"].iloc[i]),
            p=float(table["p_corrected"].iloc[i]),
            resolution=1 / (1 + n_nulls),
            alpha=plan.design.alpha,
            what="random units",
            measure=deciding[int(which[0])],
            beyond=beyond[i],
            n_passages=plan.n_passages,
        )
        for i, (_, _, which) in enumerate(tests)
    ]
    return table


def _as_large(one: Measured, unit: int, random: Mapping[str, Resampled]) -> dict[str, Resampled]:
    """Effects of random units as if what is taken away were as large as for this unit.

    A small change moves the loss in proportion to its size and the divergence to its square.
    Beyond twice the size it is not followed: what a change does need not grow for ever.
    """
    size = one.of.profile.size
    ratio = (size[unit] / size[one.of.sets.matched_units]).clip(1 / _FARTHEST, _FARTHEST)
    factors = {measure: ratio**2 if measure == "kl" else ratio for measure in random}
    return {
        measure: Resampled(found.mean * factors[measure], found.draws * factors[measure])
        for measure, found in random.items()
    }


def dose_table(every: Sequence[Measured], plan: Plan) -> pd.DataFrame:
    """One row a layer, site and number of top units."""
    rows = []
    for one in every:
        drawn = _resampled(one, "dose", MEASURES, plan)
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
        for kind in ("matched", *one.of.short):
            sets = (one.of.full | one.of.short)[kind]
            columns: dict[str, Any] = {"layer": one.of.layer, "site": one.of.site, "kind": kind}
            columns |= {"draw": np.arange(len(sets)), "k": [len(units) for units in sets]}
            for measure in MEASURES:
                columns[measure] = [_mean(values) for values in one.values(kind, measure)]
            parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


def _mean(values: NDArray[np.float64]) -> float:
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else float("nan")
