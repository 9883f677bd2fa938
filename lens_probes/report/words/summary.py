"""A sweep's answer in plain sentences: what was asked, where, how well, what it does not show.

A sentence has at most two numbers, or one with its interval; the rest is in the result's tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from lens_probes.report.ranking import class_names, listed, several_classes
from lens_probes.report.words.caution import against, whole_caution
from lens_probes.report.words.strongest_unit import (
    best_correlation,
    best_of_classes,
    best_unit,
)
from lens_probes.report.words.word_identity import conditions, verdict
from lens_probes.result.result import SweepData


def summary(result: SweepData) -> tuple[str, ...]:
    """A few lines for a reader who has not seen the tables."""
    best, across = best_unit, _accuracy
    if "r" in result.units:
        best, across = best_correlation, _correlations
    elif several_classes(result):
        best, across = best_of_classes, _by_class
    lines = (
        _what_was_measured(result),
        _independent(result),
        _significant(result),
        _how_many_are_tuned(result),
        best(result),
        across(result),
        conditions(result),
        verdict(result),
        whole_caution(result),
    )
    return tuple(line for line in lines if line)


def _what_was_measured(result: SweepData) -> str:
    examples, model = result.provenance["examples"], result.provenance["model"]
    units = f"{len(result.units):,} units"
    units += " of given activations" if model is None else f" of model {model['source']!r}"
    origin = examples["origin"]
    counts, names = examples["n_per_class"], class_names(result)
    text = f" from {origin['text']['name']!r}" if "text" in origin else ""
    n_layers, sites = len(result.provenance["layers"]), result.provenance["sites"]
    question = origin.get("question", f"Which units tell {names[1]} from {names[0]}?")
    if "r" in result.units:
        rows = "examples" if model is None else "tokens"
        counted = f"{sum(counts):,} {rows}{text}, label {examples['value_name']}"
    elif several_classes(result):
        question = origin.get("question", f"Which units tell {listed(names)} apart?")
        named = listed([f"{n} of {name}" for n, name in zip(counts, names, strict=True)])
        counted = f"{sum(counts):,} examples{text}: {named}"
    else:
        counted = f"{counts[1]} examples of {names[1]} against {counts[0]} of {names[0]}{text}"
    return f"{question} {counted}. {units} in {n_layers} layer{_s(n_layers)} ({', '.join(sites)})."


def _independent(result: SweepData) -> str:
    """What counts as independent, and which of it is tested."""
    examples, decision = result.provenance["examples"], result.provenance["decision"]
    if not any(examples["n_groups_per_class"]):
        return ""
    groups = against(examples["n_groups_per_class"])
    said = f"Independent groups of words: {groups}."
    if decision["level"] != "token":
        tested = against(decision["n_words_tested"])
        said += f" Tested: {tested}." if tested != groups else ""
    if aside := examples["set_aside"]:
        n = len(aside)
        said += (
            f" {sum(aside.values())} examples of {n} group{_s(n)} with both classes are set aside "
            f"({', '.join(list(aside)[:3])})."
        )
    return said


def _significant(result: SweepData) -> str:
    """How many units pass, where most of them are, by which test, beside what else would pass."""
    decision, units, layers = result.provenance["decision"], result.units, result.layers
    said = f"{how_many(result)} Test: {_test(decision)}, alpha {decision['alpha']:g}."
    if decision["level"] != "token":
        tokens = int(units["significant_token_level"].sum())
        said += f" Counting tokens it would be {_units(tokens)}."
    if "untrained_n_significant" in layers:
        again = int(layers["untrained_n_significant"].sum())
        said += f" With untrained weights: {_units(again)}."
    if "adjusted_p" in units and units["adjusted_p"].notna().any():
        given = int((units["adjusted_p"] <= decision["alpha"]).sum())
        said += f" Given the confounds: {_units(given)}."
    return said


def how_many(result: SweepData) -> str:
    """How many of the tested units are significant, and where most of them are: one sentence."""
    units, layers = result.units, result.layers
    n, n_tested = int(units["significant"].sum()), int(layers["n_tested"].sum())
    said = f"{n:,} of {n_tested:,} tested units {'is' if n == 1 else 'are'} significant"
    if n:
        best = layers.iloc[int(layers["n_significant"].argmax())]
        said += f", most in layer {best['layer']} of {best['site']}"
    return f"{said}."


def _how_many_are_tuned(result: SweepData) -> str:
    """How many: false discovery rate over groups, and the bound that may be quoted."""
    units, tuned = result.units, result.validation.get("tuned")
    if "q_word" not in units or result.provenance["decision"]["preset"] == "course":
        return ""
    alpha = result.provenance["decision"]["alpha"]
    if not units["q_word"].notna().any():
        return ""
    said = f"False discovery rate {alpha:g}: {_units(int((units['q_word'] <= alpha).sum()))}."
    if tuned:
        n = tuned["at_least"]
        more = ", more than can be named one by one" if n > units["significant"].sum() else ""
        said += (
            f" At least {_units(n)} {'is' if n == 1 else 'are'} tuned ({tuned['confidence']:.0%} "
            f"confidence){more}."
        )
    return said


def _units(n: int) -> str:
    return f"{n:,} unit{_s(n)}"


def _by_class(result: SweepData) -> str:
    """Significant units by the class that they are highest for."""
    units = result.units
    if not units["significant"].any():
        return ""
    counts = units.loc[units["significant"], "highest"].value_counts()
    named = [f"{name} {counts.get(k, 0):,}" for k, name in enumerate(class_names(result))]
    return f"Significant units by the class they are highest for: {listed(named)}."


def _accuracy(result: SweepData) -> str:
    held_out = "mean_accuracy_significant_positive_heldout"
    cross_fitted = held_out in result.layers
    known = result.layers[held_out if cross_fitted else held_out.removesuffix("_heldout")].dropna()
    class1 = result.provenance["examples"]["class_names"][1]
    found = "that training folds found" if cross_fitted else "that are significant"
    if known.empty:
        return f"There are no units higher for {class1} {found}."
    how = "held-out accuracy" if cross_fitted else "in-sample accuracy (flattering)"
    return (
        f"Units higher for {class1} {found} have {how} {known.median():.0%} (median over layers "
        "and sites)."
    )


def _correlations(result: SweepData) -> str:
    layers = result.layers.dropna(subset="median_r")
    if layers.empty:
        return ""
    ends = dict.fromkeys((int(layers["median_r"].argmin()), int(layers["median_r"].argmax())))
    rows = [layers.iloc[end] for end in ends]
    shown = " to ".join(f"{row['median_r']:+.3f} ({_place(row)})" for row in rows)
    return f"Median r over units: {shown}."


def _place(row: pd.Series) -> str:
    return f"layer {row['layer']} of {row['site']}"


def _test(decision: Mapping[str, Any]) -> str:
    """The test by name; its families, their sizes and alpha are in the decision."""
    if decision["method"] == "max_t":
        return f"max-T permutation {'within' if decision['level'] == 'pair' else 'of'} groups"
    what = "groups" if decision["level"] != "token" else "tokens"
    return f"{decision['p_column']} of {what}, {decision['method']}"


def _s(n: int) -> str:
    return "" if n == 1 else "s"
