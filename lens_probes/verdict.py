"""What the controls of a sweep say in words: category or word identity, specificity, conditions."""

from __future__ import annotations

import pandas as pd

from lens_probes.result import SweepResult


def verdict(result: SweepResult) -> str:
    """Word identity or category? What the tests of word types say, in one sentence; or nothing.

    Rules: a unit that passes the word-level test is evidence beyond word identity. Without one,
    as many units passing as under few other splits of the same words is evidence of the layer.
    With neither, what the token-level test finds is word identity.
    """
    decision, splits = result.provenance["decision"], result.validation.get("splits")
    if decision["preset"] == "course" or "r" in result.units or splits is None:
        return ""
    alpha, units = decision["alpha"], result.units
    n_word, n_token = int(units["significant"].sum()), int(units["significant_token_level"].sum())
    w0, w1 = splits["n_words"]
    splits_of = f"all {splits['n']}" if splits["exact"] else f"{splits['n']} random"
    beside = (
        f"the token-level test passes {splits['share']:.2%} of units under the real split of the "
        f"words and {splits['other_splits_median']:.2%} (median; 5 to 95 %: "
        f"{splits['other_splits_low']:.2%} to {splits['other_splits_high']:.2%}) under "
        f"{splits_of} splits of the same {w1} + {w0} words (p = {splits['p']:.3f})"
    )
    if decision["level"] != "word":
        if splits["p"] > alpha and n_token:
            return f"Verdict: undecided between category and word identity: {beside}."
        return ""
    if n_word:
        units_pass = f"{n_word:,} unit{'' if n_word == 1 else 's'} pass"
        return (
            f"Verdict: more than word identity: {units_pass + 'es' * (n_word == 1)} the test over "
            f"word types; {beside}."
        )
    if not n_token:
        return f"Verdict: nothing found: no unit passes, counting words or tokens; {beside}."
    if splits["p"] <= alpha:
        return (
            f"Verdict: a category in the layers, but no single unit is sure of it: none passes the "
            f"test over word types, yet {beside}."
        )
    return (
        f"Verdict: word identity, not category: {n_token:,} units pass counting tokens, none "
        f"counting words, and {beside}."
    )


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
