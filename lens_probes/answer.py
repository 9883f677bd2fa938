"""A sweep's answer in plain sentences: what was asked, where, how well, what it does not show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lens_probes.result import SweepResult
from lens_probes.verdict import conditions, verdict


def answer(result: SweepResult) -> tuple[str, ...]:
    """A few lines for a reader who has not seen the tables."""
    continuous = "r" in result.units
    lines = (
        _what_was_measured(result),
        _independent(result),
        _where_the_share_is(result),
        _how_many_are_tuned(result),
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


def _independent(result: SweepResult) -> str:
    """What counts as independent: word types, the tokens they are read at, groups of both."""
    examples, decision = result.provenance["examples"], result.provenance["decision"]
    if not any(examples["n_groups_per_class"]):
        return ""
    types, tokens, groups = (
        _against(examples[f"n_{what}_per_class"]) for what in ("words", "read_tokens", "groups")
    )
    mean = "read_token" in result.examples and (result.examples["read_token"] < 0).all()
    where = "averaged over their tokens" if mean else f"read at {tokens} tokens"
    said = f"Independent groups: {groups}"
    if any(examples["n_words_per_class"]):
        said = f"Independent groups: {types} word types are {where}, which makes {groups}"
    if decision["level"] != "token":
        said += f"; tested: {_against(decision['n_words_tested'])}"
    if aside := examples["set_aside"]:
        said += (
            f"; {sum(aside.values())} examples of {len(aside)} group{_s(list(aside))} with both "
            f"classes are set aside ({', '.join(list(aside)[:3])})"
        )
    return said + "."


def _against(counts: Sequence[int]) -> str:
    """Counts of class 1 v class 0, as classes are named; one number for one count."""
    return " v ".join(f"{n:,}" for n in reversed(counts))


def _where_the_share_is(result: SweepResult) -> str:
    decision, units, layers = result.provenance["decision"], result.units, result.layers
    n = int(units["significant"].sum())
    said = f"Significant at {decision['alpha']:g}, {_test(decision)}: {_units(n, len(units))}"
    if n:
        best = layers.iloc[int(layers["n_significant"].argmax())]
        said += (
            f", most in layer {best['layer']} of {best['site']} "
            f"({best['n_significant']:,} of {best['n_tested']:,} tested)"
        )
    if decision["level"] != "token":
        tokens = int(units["significant_token_level"].sum())
        said += f". Counting tokens as independent it would be {_units(tokens, len(units))}"
    if "untrained_n_significant" in layers:
        again = int(layers["untrained_n_significant"].sum())
        said += f"; with untrained weights {_units(again)}"
    return said + "."


def _how_many_are_tuned(result: SweepResult) -> str:
    """How many: false discovery rate over groups, and the bound that may be quoted."""
    units, tuned = result.units, result.validation.get("tuned")
    if "q_word" not in units or result.provenance["decision"]["preset"] == "course":
        return ""
    alpha, n_tested = result.provenance["decision"]["alpha"], int(units["q_word"].notna().sum())
    if not n_tested:
        return ""
    n = int((units["q_word"] <= alpha).sum())
    said = f"With a false discovery rate of {alpha:g} over groups: {_units(n, n_tested)}"
    if tuned:
        said += (
            f". Tuned are at least {_units(tuned['at_least'])} "
            f"({tuned['confidence']:.0%} confidence, all layers and sites at once)"
        )
    if "adjusted_p" in units and units["adjusted_p"].notna().any():
        given = result.provenance["decision"]["adjusted"]["given"]
        n = int((units["adjusted_p"] <= alpha).sum())
        named = ", ".join(name.removeprefix("n_").replace("_", " ") for name in given)
        said += f". Given {named}: {_units(n)} in a family-wise test"
    return said + "."


def _units(n: int, of: int = 0) -> str:
    """A count, with its share where that says something; never "0.0 %"."""
    share = f" ({n / of:.1%})" if of and n / of >= 0.001 else ""
    return f"{n:,} unit{'' if n == 1 else 's'}{share}"


def _best_unit(result: SweepResult) -> str:
    top = result.top(1)
    if top.empty:
        return "No unit could be tested: all are constant."
    best = top.iloc[0]
    class0, class1 = result.provenance["examples"]["class_names"]
    higher = class1 if best["direction"] > 0 else class0
    status = "" if best["status"] == "ok" else f"; status {best['status']}"
    said = f"The strongest single unit is {best['name']}, higher for {higher}{status}. In sample "
    if np.isfinite(best.get("auc_group_low", np.nan)):
        auc, *ends = (best[f"auc_group{end}"] for end in ("", "_low", "_high"))
        low, high = sorted(ends if auc >= 0.5 else (1 - end for end in ends))
        said += f"its AUC over groups is {max(auc, 1 - auc):.3f} ({low:.2f} to {high:.2f})"
    else:
        said += f"its AUC over examples is {max(best['auc'], 1 - best['auc']):.3f}"
    return said + "." + _where_not_chosen(result)


def _where_not_chosen(result: SweepResult) -> str:
    """What the best unit and layer are worth on examples that had no part in choosing them."""
    nested = result.validation.get("nested_best")
    if not nested or nested["unit"]["auc"] is None:
        return ""
    unit, difference, probe = (
        _estimate(nested[name]) for name in ("unit", "mean_difference", "logistic_probe")
    )
    return (
        f" Chosen on some {_held_out_by(result)} and scored on others, the best unit of the sweep "
        f"has AUC {unit}. The best layer has {difference} for the direction between the class "
        f"means. A logistic probe on all its units has {probe}."
    )


def _estimate(found: Mapping[str, float | None]) -> str:
    """An AUC with its interval, where there is one."""
    if found["low"] is None:
        return f"{found['auc']:.3f}"
    return f"{found['auc']:.3f} ({found['low']:.2f} to {found['high']:.2f})"


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


def _caveat(result: SweepResult) -> str:
    examples, decision = result.provenance["examples"], result.provenance["decision"]
    w0, w1 = examples["n_groups_per_class"]
    n = sum(examples["n_per_class"])
    if not (w0 and w1):
        return (
            f"Caution: no word types were given, so the {n} tokens count as independent; if few "
            "words make up a class, word identity alone can produce these shares."
        )
    if decision["level"] == "word":
        return _crossed(result)
    if decision["level"] == "pair":
        return (
            f"Caution: each of the {decision['n_words_tested'][0]} groups is its own control "
            f"({decision['n_pairs']} pairs; the pairs of a group are swapped together), so word "
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
        f"Caution: these p-values count tokens ({n}), not groups of words ({w1} v {w0}){why}: "
        "tokens of few words are no evidence about a category, and the share of significant units "
        "grows with the number of examples."
    )


def _crossed(result: SweepResult) -> str:
    """What else tells the classes apart, and what the test does in this design."""
    decision = result.provenance["decision"]
    said = []
    confounds = {
        name: max(values["auc"], 1 - values["auc"])
        for name, values in result.validation.get("confounds", {}).items()
    }
    worst = sorted(confounds, key=lambda name: -confounds[name])[:2]
    if worst and confounds[worst[0]] >= 0.6:
        named = " and ".join(
            f"{name.removeprefix('n_').replace('_', ' ')} (AUC {confounds[name]:.2f})"
            for name in worst
        )
        said.append(f"What else tells the classes apart by itself: {named}")
    level = decision.get("level_at_this_design")
    if level is not None and level[1] > 1.4 * decision["alpha"]:
        said.append(
            f"in this design the test errs in {level[0]:.0%} to {level[1]:.0%} of sweeps of nothing"
        )
    said.append("A unit that differs need not be used")
    return "Caution: " + ". ".join(part[:1].upper() + part[1:] for part in said) + "."


def _test(decision: Mapping[str, Any]) -> str:
    low, high = decision["m_smallest"], decision["m_largest"]
    size = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    n = decision["n_families"]
    family = f"{size} units" if n == 1 else f"each of {n} families of {size} units"
    if decision["method"] == "max_t":
        where = "within groups" if decision["level"] == "pair" else "of groups"
        return f"max-T permutation {where} over {family}"
    what = "groups" if decision["level"] != "token" else "tokens"
    return f"{decision['p_column']} of {what}, {decision['method']} over {family}"


def _held_out_by(result: SweepResult) -> str:
    """What was held out whole; examples, where a result does not say."""
    by = result.validation.get("held_out_by") or "example"
    return "groups of words" if by == "word" else f"{by}s"


def _s(things: list[Any]) -> str:
    return "" if len(things) == 1 else "s"
