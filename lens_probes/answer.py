"""A sweep's answer in plain sentences: what was asked, where, how well, what it does not show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lens_probes.result import SweepResult


def answer(result: SweepResult) -> tuple[str, ...]:
    """About five sentences for a reader who has not seen the tables."""
    return (
        _what_was_measured(result),
        _where_the_share_is(result),
        _best_unit(result),
        _accuracy(result),
        _caveat(result),
    )


def _what_was_measured(result: SweepResult) -> str:
    examples, model = result.provenance["examples"], result.provenance["model"]
    origin = examples["origin"]
    (n0, n1), (class0, class1) = examples["n_per_class"], examples["class_names"]
    text = f" from {origin['text']['name']!r}" if "text" in origin else ""
    layers, sites = result.provenance["layers"], result.provenance["sites"]
    question = origin.get("question", f"Which units tell {class1} from {class0}?")
    return (
        f"{question} {n1} examples of {class1} against {n0} of {class0}{text}; "
        f"{len(result.units):,} units of model {model['source']!r} in {len(layers)} "
        f"layer{_s(layers)} and {len(sites)} site{_s(sites)} ({', '.join(sites)})."
    )


def _where_the_share_is(result: SweepResult) -> str:
    decision = result.provenance["decision"]
    parts = []
    for site, table in result.layers.groupby("site", sort=False):
        known = table.dropna(subset="share_significant")
        if known.empty:
            parts.append(f"{site}: no unit could be tested")
            continue
        high = known.loc[known["share_significant"].idxmax()]
        low = known.loc[known["share_significant"].idxmin()]
        if high["share_significant"] == low["share_significant"]:
            parts.append(f"{site} {high['share_significant']:.0%} in every layer")
            continue
        parts.append(
            f"{site} highest in layer {high['layer']} ({high['share_significant']:.0%}), lowest "
            f"in layer {low['layer']} ({low['share_significant']:.0%})"
        )
    return (
        f"Share of units significant at {decision['alpha']:g} ({decision['p_column']}, "
        f"{decision['method']} over {_family(decision)}): {'; '.join(parts)}."
    )


def _best_unit(result: SweepResult) -> str:
    top = result.top(1)
    if top.empty:
        return "No unit could be tested: all are constant."
    best = top.iloc[0]
    class0, class1 = result.provenance["examples"]["class_names"]
    higher = class1 if best["direction"] > 0 else class0
    status = "" if best["status"] == "ok" else f"; status {best['status']}"
    auc = max(best["auc"], 1 - best["auc"])
    return (
        f"The strongest single unit is {best['name']}, higher for {higher}: AUC {auc:.3f} in that "
        f"direction (standard error {best['auc_se']:.3f}), in-sample accuracy {best['accuracy']:.0%}{status}."
    )


def _accuracy(result: SweepResult) -> str:
    column = "mean_accuracy_significant_positive"
    known = result.layers.dropna(subset=column)
    class1 = result.provenance["examples"]["class_names"][1]
    if known.empty:
        return f"No unit that is higher for {class1} is significant, so there is no mean accuracy."
    high, low = known.loc[known[column].idxmax()], known.loc[known[column].idxmin()]
    return (
        f"Mean in-sample accuracy of the significant units higher for {class1}: from "
        f"{low[column]:.0%} ({low['site']}, layer {low['layer']}) to {high[column]:.0%} "
        f"({high['site']}, layer {high['layer']}); units were chosen and scored on the same "
        "examples, which flatters them."
    )


def _caveat(result: SweepResult) -> str:
    examples = result.provenance["examples"]
    w0, w1 = examples["n_words_per_class"]
    if not (w0 and w1):
        return (
            "Caution: no word types were given, so tokens count as independent; if few words make "
            "up a class, word identity alone can produce these shares."
        )
    return (
        f"Caution: these p-values count tokens ({sum(examples['n_per_class'])}), not words ({w1} "
        f"v {w0} types): tokens of few word types are no evidence about a category, and the "
        "share of significant units grows with the number of examples."
    )


def _family(decision: Mapping[str, Any]) -> str:
    low, high = decision["m_smallest"], decision["m_largest"]
    size = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    n = decision["n_families"]
    return f"{size} units" if n == 1 else f"each of {n} families of {size} units"


def _s(things: list[Any]) -> str:
    return "" if len(things) == 1 else "s"
