"""A sweep's answer in plain sentences: what was asked, where, how well, what it does not show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from lens_probes.result import SweepResult
from lens_probes.verdict import conditions, verdict


def answer(result: SweepResult) -> tuple[str, ...]:
    """A few lines for a reader who has not seen the tables."""
    continuous = "r" in result.units
    lines = (
        _what_was_measured(result),
        _where_the_share_is(result),
        _best_correlation(result) if continuous else _best_unit(result),
        _correlations(result) if continuous else _accuracy(result),
        conditions(result),
        verdict(result),
        _caveat(result),
    )
    return tuple(line for line in lines if line)


def _best_correlation(result: SweepResult) -> str:
    top = result.top(1)
    if top.empty:
        return "No unit could be tested: all are constant."
    best = top.iloc[0]
    name = result.provenance["examples"]["value_name"]
    said = f"The strongest single unit is {best['name']}: r = {best['r']:+.3f} with {name}"
    if np.isfinite(best["partial_r"]):
        said += f", {best['partial_r']:+.3f} given the covariates"
    if np.isfinite(best.get("r_heldout", np.nan)):
        said += (
            f"; on held-out {_held_out_by(result)} r = {best['r_heldout']:.3f} in its training "
            "direction"
        )
    if "untrained_share_significant" in result.layers:
        layers = result.layers
        share = np.average(layers["untrained_share_significant"], weights=layers["n_units"])
        said += f". With untrained weights {share:.1%} of all units are significant"
    return said + "."


def _correlations(result: SweepResult) -> str:
    layers = result.layers.dropna(subset="median_r")
    if layers.empty:
        return ""
    low = layers.iloc[int(layers["median_r"].argmin())]
    high = layers.iloc[int(layers["median_r"].argmax())]
    wide = layers.assign(width=layers["q95_r"] - layers["q05_r"])
    narrow = wide.iloc[int(wide["width"].argmin())]
    return (
        f"Median r over units: from {low['median_r']:+.3f} ({low['site']}, layer {low['layer']}; "
        f"partial {low['median_partial_r']:+.3f}) to {high['median_r']:+.3f} ({high['site']}, "
        f"layer {high['layer']}; partial {high['median_partial_r']:+.3f}). The distribution is "
        f"narrowest in layer {narrow['layer']} of {narrow['site']} (90 % of units between "
        f"{narrow['q05_r']:+.2f} and {narrow['q95_r']:+.2f})."
    )


def _what_was_measured(result: SweepResult) -> str:
    examples, model = result.provenance["examples"], result.provenance["model"]
    origin = examples["origin"]
    (n0, n1), (class0, class1) = examples["n_per_class"], examples["class_names"]
    text = f" from {origin['text']['name']!r}" if "text" in origin else ""
    layers, sites = result.provenance["layers"], result.provenance["sites"]
    question = origin.get("question", f"Which units tell {class1} from {class0}?")
    if "r" in result.units:
        counted = f"{n0 + n1:,} tokens{text}, label {examples['value_name']}"
    else:
        counted = f"{n1} examples of {class1} against {n0} of {class0}{text}"
    return (
        f"{question} {counted}; "
        f"{len(result.units):,} units of model {model['source']!r} in {len(layers)} "
        f"layer{_s(layers)} and {len(sites)} site{_s(sites)} ({', '.join(sites)})."
    )


def _where_the_share_is(result: SweepResult) -> str:
    decision = result.provenance["decision"]
    parts = []
    for site, table in result.layers.groupby("site", sort=False):
        span = _highest_and_lowest(table, "share_significant")
        parts.append(f"{site} {span or 'could not be tested'}")
    said = f"Share of units significant at {decision['alpha']:g}, {_test(decision)}: "
    said += f"{'; '.join(parts)}."
    if decision["level"] != "token":
        units = result.units
        said += (
            f" Over all units that is {units['significant'].mean():.1%} counting "
            f"{decision['level']}s; counting "
            f"tokens it would be {units['significant_token_level'].mean():.1%}."
        )
    return said


def _highest_and_lowest(table: pd.DataFrame, column: str) -> str:
    known = table.dropna(subset=column)
    if known.empty:
        return ""
    high = known.iloc[int(known[column].argmax())]
    low = known.iloc[int(known[column].argmin())]
    if high[column] == low[column]:
        return f"{_share(high[column])} in every layer"
    return (
        f"highest in layer {high['layer']} ({_share(high[column])}), lowest in layer "
        f"{low['layer']} ({_share(low[column])})"
    )


def _share(value: float) -> str:
    """A few units of many are not none: two decimals below one percent."""
    return f"{value:.2%}" if 0 < value < 0.01 else f"{value:.0%}"


def _best_unit(result: SweepResult) -> str:
    top = result.top(1)
    if top.empty:
        return "No unit could be tested: all are constant."
    best = top.iloc[0]
    class0, class1 = result.provenance["examples"]["class_names"]
    higher = class1 if best["direction"] > 0 else class0
    status = "" if best["status"] == "ok" else f"; status {best['status']}"
    auc = max(best["auc"], 1 - best["auc"])
    said = (
        f"The strongest single unit is {best['name']}, higher for {higher}: AUC {auc:.3f} in that "
        f"direction (standard error {best['auc_se']:.3f}), in-sample accuracy "
        f"{best['accuracy']:.0%}{status}"
    )
    held_out = best.get("auc_heldout", np.nan)
    if np.isfinite(held_out):
        said += f"; AUC {held_out:.3f} on held-out {_held_out_by(result)}"
    return said + "." + _unit_or_layer(result)


def _accuracy(result: SweepResult) -> str:
    held_out = "mean_accuracy_significant_positive_heldout"
    cross_fitted = held_out in result.layers
    column = held_out if cross_fitted else "mean_accuracy_significant_positive"
    known = result.layers.dropna(subset=column)
    class1 = result.provenance["examples"]["class_names"][1]
    if known.empty:
        return f"No unit that is higher for {class1} is significant, so there is no mean accuracy."
    high = known.iloc[int(known[column].argmax())]
    low = known.iloc[int(known[column].argmin())]
    how = (
        f"units chosen on some {_held_out_by(result)} and scored on others"
        if cross_fitted
        else "units were chosen and scored on the same examples, which flatters them"
    )
    return (
        f"Mean {'held-out' if cross_fitted else 'in-sample'} accuracy of the significant units "
        f"higher for {class1}: from {low[column]:.0%} ({low['site']}, layer {low['layer']}) to "
        f"{high[column]:.0%} ({high['site']}, layer {high['layer']}); {how}."
    )


def _unit_or_layer(result: SweepResult) -> str:
    """Beside the unit, the layer; beside the model, the same model untrained."""
    layers = result.layers
    if "logistic_probe_auc_heldout" not in layers:
        return ""
    best = layers.iloc[int(layers["best_unit_auc_heldout"].argmax())]
    said = (
        f" Unit or layer? Held-out AUC at {best['site']}, layer {best['layer']}: "
        f"{best['best_unit_auc_heldout']:.3f} for the unit chosen on the training folds, "
        f"{best['mean_difference_auc_heldout']:.3f} for the direction between the class means, "
        f"{best['logistic_probe_auc_heldout']:.3f} for a logistic probe on all units"
    )
    if "untrained_share_significant" in layers:
        share = np.average(layers["untrained_share_significant"], weights=layers["n_units"])
        said += f"; with untrained weights {share:.1%} of all units are significant"
    return said + "."


def _caveat(result: SweepResult) -> str:
    examples, decision = result.provenance["examples"], result.provenance["decision"]
    w0, w1 = examples["n_words_per_class"]
    n = sum(examples["n_per_class"])
    if not (w0 and w1):
        return (
            f"Caution: no word types were given, so the {n} tokens count as independent; if few "
            "words make up a class, word identity alone can produce these shares."
        )
    nulls = result.validation.get("nulls", {})
    if decision["level"] == "word" and nulls.get("words", {}).get("unit") is not None:
        null = nulls["words"]
        tested = " v ".join(str(n) for n in reversed(decision["n_words_tested"]))
        return (
            f"Caution: the test counts {tested} word types. A test that counts the {n} tokens "
            f"passes {null['unit']:.0%} of units at a nominal {null['nominal']:.0%} when labels "
            f"are shuffled over word types ({nulls['tokens']['unit']:.0%} over tokens): token "
            "p-values measure word identity too. A unit that differs need not be used."
        )
    if decision["level"] == "pair":
        return (
            f"Caution: each of the {decision['n_words_tested'][0]} words is its own control "
            f"({decision['n_pairs']} pairs; the pairs of a word are swapped together), so word "
            "identity cannot make these differences; position and what the token sees can. A unit "
            "that differs need not be used."
        )
    if decision["p_column"] == "paired_p":
        return (
            f"Caution: these p-values count {n // 2} pairs; paired_t_low and paired_t_high say how "
            "much t depends on who is paired with whom."
        )
    why = f" because {decision['why']}" if decision["why"] else ""
    return (
        f"Caution: these p-values count tokens ({n}), not words ({w1} v {w0} types){why}: tokens "
        "of few word types are no evidence about a category, and the share of significant units "
        "grows with the number of examples."
    )


def _test(decision: Mapping[str, Any]) -> str:
    low, high = decision["m_smallest"], decision["m_largest"]
    size = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    n = decision["n_families"]
    family = f"{size} units" if n == 1 else f"each of {n} families of {size} units"
    if decision["level"] == "word":
        return f"max-T permutation of word types over {family}"
    if decision["level"] == "pair":
        return f"max-T permutation within pairs of the same word over {family}"
    return f"{decision['p_column']} of tokens, {decision['method']} over {family}"


def _held_out_by(result: SweepResult) -> str:
    """What was held out whole; examples, where a result does not say."""
    return f"{result.validation.get('held_out_by') or 'example'}s"


def _s(things: list[Any]) -> str:
    return "" if len(things) == 1 else "s"
