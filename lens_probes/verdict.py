"""What the controls of a sweep say in words: category or word identity, specificity, conditions."""

from __future__ import annotations

import pandas as pd

from lens_probes.result import SweepResult


def verdict(result: SweepResult) -> str:
    """Word identity or category? What the tests of word types say, in one sentence; or nothing.

    Evidence beyond word identity: some unit passes the max-T test over word types and all units
    of the sweep at alpha / 2, or as many units pass the token-level test under at most a share
    alpha / 2 of other splits of the same words (two looks at the same words, so half of alpha
    each). Without evidence, what the token-level test finds is word identity, unless the words are
    too few for any split to be that rare. No verdict on pairs, values and course sweeps.
    """
    decision, splits = result.provenance["decision"], result.validation.get("splits")
    if decision["preset"] == "course" or splits is None or splits["share"] is None:
        return ""
    half, units = decision["alpha"] / 2, result.units
    n_token = int(units["significant_token_level"].sum())
    w0, w1 = splits["n_words"]
    splits_of = f"all {splits['n']}" if splits["exact"] else f"{splits['n']} random"
    said = (
        f"the token-level test passes {splits['share']:.2%} of units under the real split of the "
        f"words and {splits['other_splits_median']:.2%} (median; 5 to 95 %: "
        f"{splits['other_splits_low']:.2%} to {splits['other_splits_high']:.2%}) under "
        f"{splits_of} splits of the same {w1} + {w0} words (p = {splits['p']:.3f})"
    )
    single = "no single unit could be tested on words"
    unit_p = 1.0
    if decision["level"] == "word":
        unit_p = min(1.0, float(units["p_corrected"].min()) * decision["n_families"])
        n_word = int(units["significant"].sum())
        single = f"{n_word:,} single unit{'' if n_word == 1 else 's'} significant on word types"
        single += f" (smallest p over the whole sweep {unit_p:.3f})"
    if min(unit_p, splits["p"]) <= half:
        return f"Verdict: more than word identity: {said}; {single}."
    if splits["p_min"] > half:
        return (
            f"Verdict: undecided between category and word identity, with {w1} v {w0} word types: "
            f"{said}; {single}."
        )
    if not n_token:
        return f"Verdict: nothing found, counting words or tokens: {said}; {single}."
    return f"Verdict: word identity, not category: {said}; {single}."


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
