"""What the controls of a sweep say in words: category or word identity, specificity, conditions."""

from __future__ import annotations

import math

import numpy as np

from lens_probes import stats
from lens_probes.checks.level import SHARED_BY, least_p, more_than_identity
from lens_probes.result.result import SweepData

MORE = "more than word identity"
POWER = 0.8
# No unit is expected to differ by more standard deviations of group means than this.
LARGE = 5.0


def verdict(result: SweepData) -> str:
    """The verdict of `judgement` with its evidence, as sentences; or nothing."""
    found = judgement(result)
    return "" if found is None else f"Verdict: {found[0]}. {found[1]}"


def judgement(result: SweepData) -> tuple[str, str] | None:
    """More than word identity, or not shown? What the tests over groups say, and the evidence.

    Evidence beyond word identity: some unit passes the max-T test over replication groups and all
    units of the sweep at alpha / 2, or more units lie beyond |z| = 2 than under all but a share
    alpha / 2 of the same relabellings of groups (two looks at the same groups, so half of alpha
    each; less in a design where more sweeps of nothing would pass, `evidence_level`). Without
    evidence nothing is shown, which is not that nothing is there: the effect that would have been
    seen stands beside it. No verdict where max-T over groups did not decide.
    """
    decision, units = result.provenance["decision"], result.units
    p_beyond = decision.get("p_beyond")
    if decision["level"] != "word" or decision["method"] != "max_t":
        return None
    if p_beyond is None or not math.isfinite(p_beyond):
        return None
    half = decision["alpha"] / SHARED_BY
    needed = decision.get("evidence_level")
    needed = half if needed is None else needed
    unit_p = min(1.0, float(units["p_corrected"].min()) * decision["n_families"])
    evidence = (
        f"The smallest p of a unit is {unit_p:.2g}, that of so many strong units {p_beyond:.2g}. "
    )
    if needed == half:
        evidence += f"Each counts at half of alpha, {half:g}."
    elif needed > 0:
        evidence += f"In this design each counts at {needed:.2g} only (simulated)."
    if more_than_identity(unit_p, p_beyond, needed):
        return MORE, evidence
    if needed == 0 and min(unit_p, p_beyond) <= half:
        return (
            "undecided",
            f"{evidence}In this design sweeps of nothing have such p, too (simulated).",
        )
    n = decision["n_relabellings"] if decision["exact"] else None
    least = least_p(
        *decision["n_words_tested"], n_permutations=decision["n_permutations"], n_relabellings=n
    )
    if least > (needed or half):
        groups = " v ".join(map(str, reversed(decision["n_words_tested"])))
        return f"undecided, {groups} groups are too few to tell", evidence
    said = evidence
    if (result.validation.get("tuned") or {}).get("at_least"):
        said += " The bound on tuned units looks once, at alpha."
    if (seen := smallest_effect(result)) is not None:
        far = seen > LARGE
        said += (
            f" {'Even a' if far else 'A'} difference of {min(seen, LARGE):.1f} standard deviations "
            f"of group means would {'not ' if far else ''}have been significant in {POWER:.0%} of "
            "such sweeps."
        )
    return f"not shown to be {MORE}", said


def smallest_effect(result: SweepData) -> float | None:
    """Difference of class means, in sds of group means, that is significant in `POWER` of sweeps.

    By simulation: 4,000 units with normal group means of equal spread, for as many groups, against
    the largest threshold of a family; None where max-T over groups of two classes did not decide.
    """
    decision = result.provenance["decision"]
    threshold = [t for t in decision.get("threshold", ()) if math.isfinite(t)]
    of_words = decision["level"] == "word" and decision["method"] == "max_t"
    if not of_words or len(decision["n_words_tested"]) != 2 or not threshold:
        return None
    k0, k1 = decision["n_words_tested"]
    high = np.arange(k0 + k1) >= k0
    noise = np.random.default_rng(0).normal(size=(k0 + k1, 4000))

    def missed(difference: float) -> float:
        z = stats.normalised_welch(noise + difference * high[:, None], high)
        return POWER - float((z > max(threshold)).mean())

    low, top = 0.0, 1.0
    while missed(top) > 0 and top < 1000:
        low, top = top, 2 * top
    for _ in range(20):
        middle = (low + top) / 2
        low, top = (middle, top) if missed(middle) > 0 else (low, middle)
    return top


def conditions(result: SweepData) -> str:
    """What a further negative set, or the two conditions of a pair, say."""
    layers, validation = result.layers, result.validation
    said = []
    if "others" in validation and "auc_others" in result.units:
        top = result.top(1)
        if len(top):
            said.append(
                f"Against a further negative set ({validation['others']['what']}) "
                f"{top.iloc[0]['name']} has AUC {top.iloc[0]['auc_others']:.3f}."
            )
    if "pair_similarity" in layers:
        one, two = (layers[name].median() for name in ("pair_similarity", "other_pair_similarity"))
        said.append(
            f"Over units, activations of one word in the two conditions correlate at {one:.2f}, of "
            f"two different words at {two:.2f} (medians of layers and sites)."
        )
    return " ".join(said)
