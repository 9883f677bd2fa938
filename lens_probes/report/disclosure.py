"""The disclosure card: what is claimed, causal or not, on what it rests, what would undo it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from lens_probes.drawing.numbers import fixed
from lens_probes.report.ranking import class_names, listed, several_classes, value_name
from lens_probes.report.since import verdict_line
from lens_probes.report.traced import TracedNumbers
from lens_probes.report.words.word_identity import judgement
from lens_probes.result.result import SweepData

if TYPE_CHECKING:
    from lens_probes.ablation.card import CausalCard
    from lens_probes.screening.saved import Screen


def disclosure(
    result: SweepData,
    number: TracedNumbers,
    *,
    causal: CausalCard | None,
    screen: Screen | None,
    replication: object | None,
    made: Mapping[str, bool],
) -> dict[str, str]:
    """Question of the card to its answer, in the order they are read."""
    return {
        "claimed": _claim(result, number),
        "causal": _causal(causal, screen),
        "strategy": _strategy(result, causal=causal, screen=screen),
        "assumptions": " ".join(_assumptions(result)),
        "stressed": _listed([name for name, done in made.items() if done]),
        "not stressed": _listed([name for name, done in made.items() if not done]),
        "would change the conclusion": " ".join(_undone_by(result, number, replication)),
    }


def _claim(result: SweepData, number: TracedNumbers) -> str:
    names, value = class_names(result), value_name(result)
    what = f"tell {names[1]} from {names[0]}" if value is None else f"follow {value}"
    if several_classes(result):
        what = f"tell {listed(names)} apart"
    found = judgement(result)
    verdict = "" if found is None else f" Verdict: {found[0]}."
    n, tested = number("units / sum / significant"), number("layers / sum / n_tested")
    return f"{n} of {tested} single units {what}.{verdict}"


def _causal(causal: CausalCard | None, screen: Screen | None) -> str:
    if causal is not None:
        return f"Tested by ablation of the strongest units. {verdict_line(causal)}"
    if screen is not None:
        return "Tested by ablation of every unit of the sites that were screened."
    return "No. Units differ between classes; none was intervened on, so use is not shown."


def _strategy(result: SweepData, *, causal: object | None, screen: object | None) -> str:
    level = result.provenance["decision"]["level"]
    said = {
        "word": "Comparison of groups of words, each the mean of its examples",
        "pair": "Comparison of a word with itself in two conditions",
        "token": "Comparison of tokens",
    }[level]
    if causal is not None or screen is not None:
        said += ", then ablation of units and its effect on the next-token distribution"
    return f"{said}."


def _assumptions(result: SweepData) -> list[str]:
    level = result.provenance["decision"]["level"]
    independent = {
        "word": "Groups of words are exchangeable between the classes where a unit is not tuned.",
        "pair": "The two conditions of a pair are exchangeable where a unit is not tuned.",
        "token": "Tokens are independent, also those of one word: doubtful for running text.",
    }[level]
    return [
        independent,
        "Labels are right.",
        "Single units of these sites carry it; directions over units are not tested.",
    ]


def _undone_by(result: SweepData, number: TracedNumbers, replication: object | None) -> list[str]:
    said = []
    if replication is None:
        said.append("A replication on new words in which the signs do not agree.")
    if "untrained_n_significant" in result.layers:
        again = number("layers / sum / untrained_n_significant")
        said.append(f"As many units with untrained weights (here {again}).")
    confounds = result.validation.get("confounds") or {}
    if confounds and not several_classes(result):
        worst = max(confounds, key=lambda name: abs((confounds[name]["auc"] or 0.5) - 0.5))
        auc = number(f"validation / confounds / {worst} / auc", lambda value: fixed(value, 2))
        named = worst.removeprefix("n_").replace("_", " ")
        said.append(f"No units where the classes do not differ in {named} (here AUC {auc}).")
    said.append("Labels by another rule under which other units are found.")
    return said


def _listed(names: list[str]) -> str:
    return f"{', '.join(names)}." if names else "nothing."
