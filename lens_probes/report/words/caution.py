"""What a reader has to know before quoting an answer, what weighs most first."""

from __future__ import annotations

from collections.abc import Sequence

from lens_probes.checks.level import LIKE_ALPHA
from lens_probes.result.result import SweepData
from lens_probes.units.decision import VARIES

NOT_USED = "a unit that differs need not be used."


def against(counts: Sequence[int]) -> str:
    """Counts of class 1 v class 0, as classes are named; one number for one count."""
    return " v ".join(f"{n:,}" for n in reversed(counts))


def whole_caution(result: SweepData) -> str:
    """All that applies, as sentences."""
    first, *rest = caution(result)
    return f"Caution: {first}" + "".join(f" {part[:1].upper()}{part[1:]}" for part in rest)


def caution(result: SweepData) -> tuple[str, ...]:
    """Sentences, the one that weighs most first, with a small letter at its start."""
    examples, decision = result.provenance["examples"], result.provenance["decision"]
    groups = examples["n_groups_per_class"]
    if not all(groups):
        return (
            "no word types were given: tokens count as independent, and word identity alone can "
            "produce these shares.",
        )
    if decision["level"] == "word":
        return _crossed(result)
    if decision["level"] == "pair":
        return (
            f"each of {decision['n_words_tested'][0]} groups is its own control "
            f"({decision['n_pairs']} pairs): word identity cannot make these differences, position "
            "can.",
            NOT_USED,
        )
    if decision["p_column"] == "paired_p":
        return (
            f"p-values count {sum(examples['n_per_class']) // 2} pairs; who is paired with whom "
            "matters (paired_t_low, paired_t_high).",
        )
    if decision["why"] == VARIES:
        return (
            "p-values count tokens, not the groups of words, since the value varies inside them: "
            "tokens of one word or passage are not independent.",
        )
    why = ", which cannot decide (the report says why)" if decision["why"] else ""
    return (
        f"p-values count tokens, not the {against(groups)} groups of words{why}: few words are no "
        "evidence about a category.",
    )


def _crossed(result: SweepData) -> tuple[str, ...]:
    """What else tells the classes apart, and what the test does in this design."""
    decision = result.provenance["decision"]
    said = []
    confounds = {
        name: max(values["auc"], 1 - values["auc"])
        for name, values in result.validation.get("confounds", {}).items()
    }
    worst = [name for name in sorted(confounds, key=lambda n: -confounds[n])[:2]]
    if worst and confounds[worst[0]] >= 0.6:
        named = " and ".join(
            f"{name.removeprefix('n_').replace('_', ' ')} (AUC {confounds[name]:.2f})"
            for name in worst
        )
        sides = "high and low values" if "r" in result.units else "the classes"
        said.append(f"{sides} also differ in {named}.")
    level = decision.get("level_at_this_design")
    if level is not None and level[1] > LIKE_ALPHA * decision["alpha"] + 1e-9:
        several = decision["n_families"] > 1 and decision["method"] != "hierarchical"
        what = "families of units" if several else "sweeps"
        said.append(
            f"in this design the test errs in {level[0]:.0%} to {level[1]:.0%} of {what} "
            "(simulated)."
        )
    return (*said, NOT_USED)
