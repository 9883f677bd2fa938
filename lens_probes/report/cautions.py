"""What a reader has to know before quoting a number of a report."""

from __future__ import annotations

from lens_probes.drawing.numbers import whole
from lens_probes.report.ranking import several_classes, value_name
from lens_probes.result.result import SweepData

_RULES = {
    "wald_p": "this preset counts them as not significant",
    "score_p": "they are ranked and decided by the score test, which stays finite",
    "p_family": "the permutation test that decides needs no such fit",
}


def cautions(result: SweepData, *, intervened: bool) -> tuple[str, ...]:
    """What a reader has to know before quoting a number of this report."""
    if several_classes(result):
        return (*_cautions_of_classes(result), _use("differs between the classes", intervened))
    if value_name(result) is not None:
        return (*_cautions_of_values(result), _use("follows the value", intervened))
    decision, units = result.provenance["decision"], result.units
    said = []
    if decision.get("level", "token") == "token":
        said.append(
            "p-values are at the level of tokens: they count tokens, not words. Examples of one "
            "word are not independent, so a difference between a few words, of whatever kind, "
            "passes as a difference between classes."
        )
    else:
        said.append(
            f"Significance is decided at the level of {decision['level']}s. The columns t, score "
            "p, Firth p, Hedges' g and beta describe tokens: their p-values count tokens, not "
            "words."
        )
    said.append(
        "The score test and Student t are functions of each other, not independent confirmation: "
        "where one is small the other is too."
    )
    apart = int(units["status"].isin(["separated", "quasi_separated"]).sum())
    counted = f"{whole(apart)} of {whole(len(units))} units here" if apart else "none here"
    rule = _RULES.get(decision["p_column"], f"they are decided by {decision['p_column']}")
    said.append(
        "Where a unit separates the classes (no overlap, or none but at one value), the logistic "
        f"regression has no finite beta and no Wald p ({counted}); {rule}."
    )
    said.append(
        "Accuracy and AUC are in-sample unless marked held-out, and the units were chosen on the "
        "same examples: new examples will give less."
    )
    return (*said, _use("differs between the classes", intervened))


def _use(what: str, intervened: bool) -> str:
    """That a difference is not its use, and whether use was measured."""
    said = f"A unit that {what} need not be used by the model"
    if intervened:
        return f"{said}: see what happens without it."
    return f"{said}: nothing here intervenes on it."


def _cautions_of_classes(result: SweepData) -> tuple[str, ...]:
    level = result.provenance["decision"].get("level", "token")
    counted = (
        "p-values are at the level of tokens: examples of one word are not independent, so a "
        "difference between a few words passes as a difference between classes."
        if level == "token"
        else f"Significance is decided at the level of {level}s. The columns F, Welch F, score p, "
        "eta squared and AUC describe tokens: their p-values count tokens, not words."
    )
    return (
        counted,
        "A significant F says that some classes differ, not which: a unit's class is the one it is "
        "highest for, chosen on the same examples. A unit that is low for one class and equal for "
        "the others is highest for any of them.",
        "The score test and F are functions of each other, not independent confirmation: where one "
        "is small the other is too.",
        "Eta squared and AUC are in-sample unless marked held-out, and the units were chosen on "
        "the same examples: new examples will give less.",
    )


def _cautions_of_values(result: SweepData) -> tuple[str, ...]:
    value, level = value_name(result), result.provenance["decision"].get("level", "token")
    if level == "token":
        counted = (
            "p-values are at the level of tokens: examples of one word share its value and are "
            "not independent, so a difference between a few words passes as a correlation."
        )
    else:
        counted = (
            f"Significance is decided at the level of {level}s, by means of replication groups. "
            "The columns r, p of r and partial r describe tokens: their p-values count tokens."
        )
    return (
        counted,
        f"r measures a straight line: a unit that answers to one middle value of {value} alone "
        "has r near 0 and is not found here.",
        f"What goes with {value} (frequency, kind of word, position) goes with these units too; "
        "partial r allows for the confounds that were measured, and for no other.",
        "r is in-sample unless marked held-out, and the units were chosen on the same examples: "
        "new examples will give less.",
    )
