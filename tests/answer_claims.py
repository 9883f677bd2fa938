"""Every sentence an answer may have, and the columns and fields that its numbers are."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from lens_probes import stats
from lens_probes.sweep_result import SweepResult

N = r"([+-]?[\d,]+(?:\.\d+)?(?:e[+-]?\d+)?%?)"
AUC = rf"{N}(?: \({N} to {N}\))?"
NAME = r"L\d+\.\S+?"
PLACE = r"layer \d+ of \w+"
NUMBER = re.compile(r"(?<![\w.])[+\u2212-]?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?%?(?!\w)")
ESTIMATE = re.compile(rf"{NUMBER.pattern} \({NUMBER.pattern} to {NUMBER.pattern}\)")

Said = tuple[str, ...]


def sentences(line: str) -> list[str]:
    """A line of an answer sentence by sentence; only ". " and "? " before a new one end one."""
    return re.split(r"(?<=[.?])\s+(?=[A-Z\d])", line)


def bare(sentence: str, result: SweepResult) -> str:
    """A sentence without its names: of units, layers, classes, values, files, columns."""
    said = result.provenance["examples"]
    names = [*said["class_names"], said["value_name"] or "", *result.provenance["sites"]]
    for name in filter(None, [said["origin"].get("question", ""), *names]):
        sentence = sentence.replace(str(name), "NAME")
    sentence = re.sub(r"'[^']*'", "NAME", sentence)
    return re.sub(rf"{NAME}(?=[,. ])|layer \d+", "NAME", sentence)


def n_numbers(sentence: str) -> int:
    """Numbers in a sentence without names; one with its interval fills a sentence: 2."""
    sentence, n = ESTIMATE.subn("", sentence)
    return 2 * n + len(NUMBER.findall(sentence))


def _best(r: SweepResult, *columns: str) -> list[float]:
    row = r.units.loc[r.units[r.rank_column].idxmin()]
    return [float(row[column]) for column in columns]


def _layer_ends(r: SweepResult, column: str) -> list[float]:
    values = r.layers[column].dropna()
    return [values.min()] if values.idxmin() == values.idxmax() else [values.min(), values.max()]


def _in_direction(auc: float, *ends: float) -> list[float]:
    return [auc, *ends] if auc >= 0.5 else [1 - auc, *sorted(1 - end for end in ends)]


def _auc(values: list[float]) -> Said:
    return (f"{values[0]:.3f}", *(f"{v:.2f}" for v in values[1:] if v is not None))


def _nested(r: SweepResult, what: str) -> Said:
    return _auc([r.validation["nested_best"][what][end] for end in ("auc", "low", "high")])


def _alpha(r: SweepResult) -> float:
    return float(r.provenance["decision"]["alpha"])


def _per_class(r: SweepResult, what: str) -> Said:
    return tuple(f"{n:,}" for n in reversed(r.provenance["examples"][f"n_{what}per_class"]))


def _tested(r: SweepResult) -> Said:
    return tuple(f"{n:,}" for n in reversed(r.provenance["decision"]["n_words_tested"]))


def _aside(r: SweepResult) -> Said:
    aside = r.provenance["examples"]["set_aside"]
    return f"{sum(aside.values())}", f"{len(aside)}"


def _two_p(r: SweepResult) -> Said:
    decision = r.provenance["decision"]
    unit = min(1.0, float(np.nanmin(r.units["p_corrected"])) * decision["n_families"])
    return f"{unit:.2g}", f"{decision['p_beyond']:.2g}"


def _missed(r: SweepResult, said: Said) -> bool:
    """Whether a unit with the printed difference passes in about the printed share of draws."""
    decision = r.provenance["decision"]
    k0, k1 = decision["n_words_tested"]
    high = np.arange(k0 + k1) >= k0
    x = np.random.default_rng(5).normal(size=(k0 + k1, 4000)) + float(said[0]) * high[:, None]
    power = (stats.normalised_welch(x, high) > max(decision["threshold"])).mean()
    return said[1] == "80%" and abs(power - 0.8) < 0.06


def _confounds(r: SweepResult) -> Said:
    known = [max(c["auc"], 1 - c["auc"]) for c in r.validation["confounds"].values()]
    return tuple(f"{value:.2f}" for value in sorted(known, reverse=True)[:2])


MEDIAN = r"\(median over layers and sites\)\."

CLAIMS: dict[str, Callable[[SweepResult], Said] | Callable[[SweepResult, Said], bool]] = {
    rf"{N} examples of .+ against {N} of .+\.": lambda r: _per_class(r, ""),
    rf"{N} tokens.*, label .+\.": lambda r: (f"{len(r.examples):,}",),
    rf"{N} units of model '.+' in {N} layers? \(.+\)\.": lambda r: (
        f"{len(r.units):,}", f"{r.layers['layer'].nunique()}"),
    rf"Independent groups of words: {N} v {N}\.": lambda r: _per_class(r, "groups_"),
    rf"Tested: {N}(?: v {N})?\.": _tested,
    rf"{N} examples of {N} groups? with both classes are set aside \(.+\)\.": _aside,
    rf"{N} of {N} tested units (?:is|are) significant(?:, most in {PLACE})?\.":
        lambda r: (f"{r.units['significant'].sum():,}", f"{r.layers['n_tested'].sum():,}"),
    rf"Test: [\w, -]+, alpha {N}\.": lambda r: (f"{_alpha(r):g}",),
    rf"Counting tokens it would be {N} units?\.": lambda r: (
        f"{r.units['significant_token_level'].sum():,}",),
    rf"With untrained weights: {N} units?\.": lambda r: (
        f"{r.layers['untrained_n_significant'].sum():,}",),
    rf"False discovery rate {N}: {N} units?\.": lambda r: (
        f"{_alpha(r):g}", f"{(r.units['q_word'] <= _alpha(r)).sum():,}"),
    rf"At least {N} units? (?:is|are) tuned \({N} confidence\)"
    r"(?:, more than can be named one by one)?\.": lambda r: (
        f"{r.validation['tuned']['at_least']:,}", f"{1 - _alpha(r):.0%}"),
    rf"Given the confounds: {N} units?\.": lambda r: (
        f"{(r.units['adjusted_p'] <= _alpha(r)).sum():,}",),
    rf"Strongest unit: {NAME}, higher for .+\.": lambda _: (),
    r"No unit could be tested: all are constant\.": lambda _: (),
    rf"Its effect, shrunk, is g = {N} \({N} to {N}\)\.": lambda r: tuple(
        f"{v:.2f}" for v in _best(r, *(f"g_group_shrunk{end}" for end in ("", "_low", "_high")))),
    r"Its effect, shrunk, cannot be told from none\.": lambda r: tuple(
        "0 to 0" for v in _best(r, "g_group_shrunk_low", "g_group_shrunk_high") if v != 0),
    rf"Its in-sample AUC is {N}\.": lambda r: _auc(_in_direction(*_best(r, "auc"))),
    rf"Its in-sample AUC over groups is {AUC}\.": lambda r: _auc(_in_direction(
        *_best(r, "auc_group", "auc_group_low", "auc_group_high"))),
    rf"Whichever unit training folds choose has AUC {AUC} on held-out .+\.":
        lambda r: _nested(r, "unit"),
    rf"A logistic probe on the layer that they choose has {AUC}\.":
        lambda r: _nested(r, "logistic_probe"),
    r"There are no units higher for .+ that (?:training folds found|are significant)\.":
        lambda _: (),
    rf"Units higher for .+ that training folds found have held-out accuracy {N} {MEDIAN}":
        lambda r: (
        f"{r.layers['mean_accuracy_significant_positive_heldout'].median():.0%}",),
    rf"Units higher for .+ that are significant have in-sample accuracy \(flattering\) {N} "
    rf"{MEDIAN}": lambda r: (
        f"{r.layers['mean_accuracy_significant_positive'].median():.0%}",),
    rf"Strongest unit: {NAME}, r = {N} with .+\.": lambda r: (f"{_best(r, 'r')[0]:+.3f}",),
    rf"Strongest unit: {NAME}, r = {N} with .+, {N} given the covariates\.": lambda r: tuple(
        f"{v:+.3f}" for v in _best(r, "r", "partial_r")),
    rf"Whichever unit training folds choose has r = {N} on held-out .+\.": lambda r: (
        f"{r.validation['nested_best_r']:+.3f}",),
    rf"Median r over units: {N} \({PLACE}\)(?: to {N} \({PLACE}\))?\.": lambda r: tuple(
        f"{v:+.3f}" for v in _layer_ends(r, "median_r")),
    rf"Against a further negative set \(.+\) {NAME} has AUC {N}\.": lambda r: (
        f"{_best(r, 'auc_others')[0]:.3f}",),
    rf"Over units, activations .+ conditions correlate at {N}, of two different words at {N} "
    r"\(medians .+\)\.": lambda r: tuple(
        f"{r.layers[c].median():.2f}" for c in ("pair_similarity", "other_pair_similarity")),
    r"Verdict: (?:not shown to be )?more than word identity\.": lambda _: (),
    rf"Verdict: undecided, {N} v {N} groups are too few to tell\.": _tested,
    rf"The smallest p of a unit is {N}, that of so many strong units {N}\.": _two_p,
    rf"Each counts at half of alpha, {N}\.": lambda r: (f"{_alpha(r) / 2:g}",),
    rf"In this design each counts at {N} only \(simulated\)\.": lambda r: (
        f"{r.provenance['decision']['evidence_level']:.2g}",),
    r"In this design sweeps of nothing have such p, too \(simulated\)\.": lambda r: tuple(
        "0" for level in [r.provenance["decision"]["evidence_level"]] if level != 0),
    r"Verdict: undecided\.": lambda _: (),
    r"The bound on tuned units looks once, at alpha\.": lambda _: (),
    rf"Even a difference of {N} standard deviations of group means would not have been significant "
    rf"in {N} of such sweeps\.": lambda r, said: said == ("5.0", "80%") and not _missed(r, said),
    rf"A difference of {N} standard deviations of group means would have been significant in {N} "
    r"of such sweeps\.": _missed,
    r"Caution: no word types were given: .+ alone can produce these shares\.": lambda _: (),
    rf"Caution: (?:the classes|high and low values) also differ in .+? \(AUC {N}\)"
    rf"(?: and .+ \(AUC {N}\))?\.": _confounds,
    rf"(?:Caution: i|I)n this design the test errs in {N} to {N} of (?:sweeps|families of units) "
    r"\(simulated\)\.": lambda r: tuple(
        f"{v:.0%}" for v in r.provenance["decision"]["level_at_this_design"]),
    r"(?:Caution: a|A) unit that differs need not be used\.": lambda _: (),
    rf"Caution: each of {N} groups is its own control \({N} pairs\): .+\.": lambda r: (
        *_tested(r), f"{r.provenance['decision']['n_pairs']}"),
    rf"Caution: p-values count {N} pairs; .+\.": lambda r: (f"{len(r.examples) // 2}",),
    rf"Caution: p-values count tokens, not the {N} v {N} groups of words.*\.":
        lambda r: _per_class(r, "groups_"),
}  # fmt: skip
