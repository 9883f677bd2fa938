"""One line of a replication: a second sweep of some new examples, beside the first."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool
from numpy.typing import NDArray

from lens_probes import stats
from lens_probes.activations.collect import Activations
from lens_probes.examples.examples import Examples
from lens_probes.examples.values import Values
from lens_probes.replication.replication import LINES
from lens_probes.result.result import SweepData
from lens_probes.units.adjustment import Adjustment
from lens_probes.units.decision import (
    Decision,
    course_p,
    groups_tested,
    preset_decision,
    resolve,
    testable_groups,
)
from lens_probes.units.significance import decide
from lens_probes.units.table import covariates_of, in_turn, unit_tables


def line_of(
    result: SweepData,
    read: Activations,
    examples: Examples,
    rows: Bool[np.ndarray, " example"],
    n_permutations: int,
    tokenizer: Any,
) -> tuple[dict[str, Any], pd.DataFrame | None]:
    """A line of `Replication.lines` for some rows, and the second sweep's units (None: too few)."""
    chosen = _whole_pairs(examples.select(np.flatnonzero(rows))) if rows.any() else None
    n0, n1 = (int(np.sum(rows & (examples.label == label))) for label in (0, 1))
    line: dict[str, Any] = dict.fromkeys(LINES, np.nan)
    line |= {"n": f"{n0} v {n1}", "n_words": _words(examples, rows)}
    line |= {"n_groups": "", "level": "", "note": ""}
    if chosen is None or min(n0, n1) < 2:
        return line | {"note": "2 examples of each class or more are needed"}, None
    if isinstance(chosen.contrast, Values) and chosen.contrast.problem():
        return line | {"note": "all values are the same"}, None
    part = read.some(rows)
    decision, _ = resolve(_asked(result, chosen, n_permutations), chosen)
    covariates = covariates_of(chosen, tokenizer)
    least = None if decision.level == "token" else decision.min_per_group
    table = unit_tables(part, chosen, covariates, None, least)
    given = Adjustment.of(chosen, tokenizer) if decision.method == "max_adjusted" else None
    units, _ = decide(table, decision, in_turn(part), chosen, given)
    line |= _compare(result, units) | {"level": decision.level}
    counted, missing = _over_groups(result, units, part, chosen, least or 1, n_permutations)
    note = "; ".join(filter(None, (decision.why, missing)))
    return line | counted | {"note": note}, units


def _asked(result: SweepData, examples: Examples, n_permutations: int) -> Decision:
    said = result.provenance["decision"]
    return preset_decision(
        said["preset"],
        alpha=said["alpha"],
        method=said["method"],
        level="token" if said["preset"] == "rigorous" and said["level"] == "token" else None,
        scope=said["scope"],
        n_permutations=n_permutations,
        seed=said["seed"],
        course_p=course_p(examples),
    )


def _whole_pairs(examples: Examples) -> Examples:
    """Examples without their pairs, if a pair has lost a side."""
    if examples.pair is None:
        return examples
    sides = [sorted(examples.pair[examples.label == label]) for label in (0, 1)]
    return examples if sides[0] == sides[1] else replace(examples, pair=None)


def _compare(result: SweepData, units: pd.DataFrame) -> dict[str, Any]:
    """What both sweeps say of the same units, each example counting as one."""
    first = result.units
    effect, score = ("r", "r") if "r" in first else ("hedges_g", "auc")
    agreement = stats.concordance(
        first[effect].to_numpy(float), first["significant"], units[effect].to_numpy(float),
        units["significant"],
    )  # fmt: skip
    oriented = _oriented(first["direction"].to_numpy(float), units[score].to_numpy(float), score)
    significant = first["significant"].to_numpy(bool) & np.isfinite(oriented)
    best = _best(result)
    return {
        "units_compared": agreement.n_units,
        "n_significant1": agreement.n_significant1,
        "n_significant2": agreement.n_significant2,
        "sign_agreement": agreement.sign_agreement,
        "share_significant_again": agreement.significant_again,
        "auc_heldout": float(oriented[significant].mean()) if significant.any() else np.nan,
        "best_auc_heldout": np.nan if best is None else float(oriented[best]),
        "effect_correlation": agreement.pearson_r,
        "concordance": agreement.concordance,
    }


def _over_groups(
    result: SweepData,
    units: pd.DataFrame,
    part: Activations,
    examples: Examples,
    least: int,
    n_permutations: int,
) -> tuple[dict[str, Any], str]:
    """The numbers that can count groups, with interval and null, or why they cannot."""
    if examples.group is None:
        return {}, "no interval: no groups are known"
    label, group, use = groups_tested(examples, least)
    counted = " v ".join(map(str, label.counts(group)))
    if not testable_groups(examples, least):
        return {"n_groups": counted}, f"no interval: too few groups ({counted})"
    first = result.units
    effect = units["r" if isinstance(label, Values) else "hedges_g"].to_numpy(float)
    direction = first["direction"].to_numpy(float)
    found = first["significant"].to_numpy(bool) & ~np.isnan(effect)
    arrays, y = in_turn(part).rows(use), label.numbers
    drawn: dict[str, Any] = {
        "n_permutations": n_permutations, "seed": result.provenance["decision"]["seed"],
    }  # fmt: skip
    kind = label.relabelled(group)
    signs = stats.sign_agreement(arrays, y, group, direction, found, kind=kind, **drawn)
    said = {"n_groups": counted} | _said("sign_agreement", signs.share, signs)
    if kind != "class":
        return said, ""
    every = stats.mean_auc(arrays, y, group, direction, found, **drawn)
    said |= _said("auc_heldout", every.auc, every)
    again = stats.effect_agreement(arrays, y, group, first["hedges_g"].to_numpy(float), **drawn)
    said |= _said("effect_correlation", again.r, again)
    best = _best(result)
    if best is not None and np.isfinite(effect[best]) and direction[best]:
        row = first.iloc[best]
        x = part[int(row["layer"]), row["site"]][use][:, int(row["unit"]), None]
        one = stats.mean_auc(x, y, group, direction[[best]], [True], n_permutations=1)
        said |= {
            "best_auc_heldout": one.auc,
            "best_auc_heldout_low": one.low,
            "best_auc_heldout_high": one.high,
        }
    return said, ""


def _said(name: str, value: float, found: Any) -> dict[str, float]:
    ends = ("low", "high", "null_low", "null_high", "p")
    return {name: value} | {f"{name}_{end}": getattr(found, end) for end in ends}


def _best(result: SweepData) -> int | None:
    """Row of the first sweep's strongest unit."""
    ranks = result.units[result.rank_column]
    return int(ranks.argmin()) if ranks.notna().any() else None


def _oriented(
    direction: NDArray[np.float64], values: NDArray[np.float64], score: str
) -> NDArray[np.float64]:
    """AUC or r of the second examples, in the direction that the first gave."""
    turned = -values if score == "r" else 1 - values
    return np.where(direction < 0, turned, values)


def _words(examples: Examples, rows: Bool[np.ndarray, " example"]) -> str:
    if examples.word is None:
        return ""
    counts = (len(set(examples.word[rows & (examples.label == label)])) for label in (0, 1))
    return " v ".join(map(str, counts))
