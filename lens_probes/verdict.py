"""What the controls of a sweep say in words: category or word identity, specificity, conditions."""

from __future__ import annotations

import math

import pandas as pd
from scipy import special

from lens_probes.result import SweepResult


def verdict(result: SweepResult) -> str:
    """More than word identity, or not shown? What the tests over groups say; or nothing.

    Evidence beyond word identity: some unit passes the max-T test over replication groups and all
    units of the sweep at alpha / 2, or as many units pass the token-level test under at most a
    share alpha / 2 of other splits of the same groups (two looks at the same groups, so half of
    alpha each). Without evidence nothing is shown, which is not that nothing is there: the effect
    that would have been seen stands beside it. No verdict on pairs, values and course sweeps.
    """
    decision, splits = result.provenance["decision"], result.validation.get("splits")
    if decision["preset"] == "course" or splits is None or splits["share"] is None:
        return ""
    half = decision["alpha"] / 2
    w0, w1 = splits["n_words"]
    others = f"{splits['n']} other splits of the same {w1} + {w0} groups"
    evidence = (
        f"the token-level test passes {splits['share']:.2%} of units, and "
        f"{splits['other_splits_median']:.2%} at the median of {others} (p = {splits['p']:.3f}"
    )
    unit_p = 1.0
    if decision["level"] == "word" and decision["method"] == "max_t":
        unit_p = min(1.0, float(result.units["p_corrected"].min()) * decision["n_families"])
        evidence += f"; smallest p of a single unit {unit_p:.3f}"
    evidence += f"; both count at {half:g})"
    if min(unit_p, splits["p"]) <= half:
        return f"Verdict: more than word identity: {evidence}."
    if splits["p_min"] > half:
        return f"Verdict: undecided, {w1} v {w0} groups are too few to tell: {evidence}."
    said = f"Verdict: not shown to be more than word identity: {evidence}."
    if (seen := smallest_effect(result)) is not None:
        said += (
            f" A unit whose classes differ by {seen:.1f} standard deviations of group means "
            "would have been found in 80 % of such sweeps."
        )
    return said


def smallest_effect(result: SweepResult) -> float | None:
    """Difference of class means, in sds of group means, that the max-T test finds in 80 % of cases.

    From the threshold of the largest family, turned back from the normalised scale to Welch's t
    with all degrees of freedom (equal spreads); None where groups did not decide.
    """
    decision = result.provenance["decision"]
    threshold = [t for t in decision.get("threshold", ()) if math.isfinite(t)]
    if decision["level"] != "word" or len(decision["n_words_tested"]) != 2 or not threshold:
        return None
    k0, k1 = decision["n_words_tested"]
    dof = k0 + k1 - 2
    plain = max(threshold) * (8 * dof + 3) / (8 * dof + 1)
    t = math.sqrt(dof * math.expm1(plain**2 / dof))
    return (t + float(special.ndtri(0.8))) * math.sqrt(1 / k0 + 1 / k1)


def conditions(result: SweepResult) -> str:
    """What a further negative set, or the two conditions of a pair, say."""
    layers, validation = result.layers, result.validation
    said = []
    if "others" in validation and "auc_others" in result.units:
        top = result.top(1)
        if len(top):
            said.append(
                f"Specificity: against a further negative set ({validation['others']['what']}; "
                f"{validation['others']['n']} examples) {top.iloc[0]['name']} has AUC "
                f"{top.iloc[0]['auc_others']:.3f} in its direction."
            )
    if "pair_similarity" in layers:
        class0, class1 = result.provenance["examples"]["class_names"]
        said.append(
            f"Activations of one word in the two conditions ({class0}, {class1}) correlate over "
            f"units at {_range(layers['pair_similarity'])}; of two different words at "
            f"{_range(layers['other_pair_similarity'])}."
        )
    return " ".join(said)


def _range(values: pd.Series) -> str:
    return (
        f"{values.median():.2f} (median of layers and sites; {values.min():.2f} to "
        f"{values.max():.2f})"
    )
