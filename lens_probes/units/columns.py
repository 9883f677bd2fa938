"""Columns of the units table by kind of label: title, columns needed, format, what it means."""

from __future__ import annotations

from collections.abc import Sequence

# Formats are those of `lens_probes.report.unit_columns`.
Listed = tuple[tuple[str, tuple[str, ...], str, str], ...]
# Of a screen beside the result: see `lens_probes.report.screen_map.with_use`.
OF_USE: Listed = (
    ("used by the model", ("used",), "status", "does more than units that write as much"),
    ("effect without it", ("use_effect",), "general", "of setting it to its mean, in nats"),
    ("times typical", ("use_ratio",), "general",
     "that effect, over the typical one of units that write as much"),
)  # fmt: skip


def of_two_classes(names: Sequence[str], decided: str) -> Listed:
    """With two classes; `decided`: the column that decides."""
    class0, class1 = names
    return (
        ("unit", ("name",), "text", "layer, site, (head,) index"),
        ("higher for", ("direction",), "side", "the class with the larger mean"),
        ("n0", ("n0",), "whole", f"examples of {class0}"),
        ("n1", ("n1",), "whole", f"examples of {class1}"),
        ("mean0", ("mean0",), "general", f"mean activation on {class0}"),
        ("mean1", ("mean1",), "general", f"mean activation on {class1}"),
        ("t", ("t",), "fixed", "Student t; positive: class 1 higher"),
        ("score p", ("log10_score_p",), "power", "score test of the logit: counts tokens"),
        ("corrected p", ("log10_p_corrected",), "power", f"{decided} after correction"),
        ("significant", ("significant",), "yes", "corrected p below alpha"),
        ("Hedges' g [95 %]", ("hedges_g", "g_low", "g_high"), "interval",
         "mean difference in pooled standard deviations, with its interval"),
        ("beta", ("beta",), "general", "slope of the logit per unit of activation"),
        ("beta std", ("beta_std",), "fixed", "beta times the pooled standard deviation"),
        ("AUC ± se", ("auc", "auc_se"), "plus_minus",
         "chance that class 1 is higher; counts tokens"),
        ("AUC of groups [95 %]", ("auc_group", "auc_group_low", "auc_group_high"), "interval",
         "each replication group counts once"),
        ("g of groups [95 %]", ("g_group", "g_group_low", "g_group_high"), "interval",
         "each replication group counts once"),
        ("g of groups, shrunk [95 %]",
         ("g_group_shrunk", "g_group_shrunk_low", "g_group_shrunk_high"), "interval",
         "g of groups, less what standing out in this sweep owes to luck"),
        ("AUC held-out", ("auc_heldout",), "auc", "on groups of words left out"),
        ("AUC held-out passages", ("auc_heldout_passage",), "auc", "on passages left out"),
        ("AUC v further negatives", ("auc_others",), "auc",
         "in its direction, against a further set of negative examples"),
        ("accuracy", ("accuracy",), "percent", "in-sample, fitted p > 0.5"),
        ("accuracy held-out", ("accuracy_heldout",), "percent", "on groups left out"),
        ("Firth p", ("log10_firth_p",), "power", "penalised; finite where separated"),
        ("paired t", ("paired_t",), "fixed", "differences within pairs; positive: class 1 higher"),
        ("paired p", ("log10_paired_p",), "power", "p of paired t: counts pairs"),
        ("word t", ("word_t",), "fixed", "Welch t of the means of replication groups"),
        ("word p", ("log10_word_p",), "power", "p of word t: counts groups, not tokens"),
        ("p alone", ("log10_pooled_p",), "power", "one unit's p, groups relabelled"),
        ("q", ("q_word",), "auc", "Benjamini-Hochberg over the sweep, of one unit's p over groups"),
        ("p given confounds", ("log10_adjusted_p",), "power",
         "family-wise, given speaker or document, frequency, length and date"),
        ("zero", ("share_zero",), "percent", "examples in which the unit is exactly zero"),
        ("presence q", ("presence_q",), "auc",
         "is it more often not zero in one class? Benjamini-Hochberg over such units"),
        ("value q", ("value_q",), "auc", "where it is not zero, is it larger in one class?"),
        ("ICC", ("icc",), "fixed", "share of variance between groups within a class"),
        ("effective n", ("effective_n",), "fixed", "examples after allowing for the ICC"),
        ("r", ("r",), "auc", "Pearson correlation with the label"),
        ("partial r", ("partial_r",), "auc", "correlation given the confounds"),
        ("partial r p", ("log10_partial_r_p",), "power", "p of the partial r: counts tokens"),
        ("status", ("status",), "status", "whether the logit could be fitted"),
    )  # fmt: skip


def of_values(value: str, decided: str) -> Listed:
    """With a continuous label."""
    return (
        ("unit", ("name",), "text", "layer, site, (head,) index"),
        ("direction", ("direction",), "side", f"with {value}"),
        ("r", ("r",), "auc", f"Pearson correlation with {value}, over examples"),
        ("p of r", ("log10_r_p",), "power", "counts examples, not groups"),
        ("corrected p", ("log10_p_corrected",), "power", f"{decided} after correction"),
        ("significant", ("significant",), "yes", "corrected p below alpha"),
        ("counting examples", ("significant_token_level",), "yes",
         "significant if examples, not words, were the replicates"),
        ("r held-out", ("r_heldout",), "auc",
         "on examples left out, in the direction of the others"),
        ("r of words", ("word_r",), "auc", "over the means of replication groups"),
        ("partial r", ("partial_r",), "auc", "correlation given the confounds"),
        ("partial r p", ("log10_partial_r_p",), "power", "p of the partial r"),
        ("n", ("n",), "whole", "examples"),
        ("mean", ("mean",), "general", "mean activation"),
        ("sd", ("sd",), "general", "standard deviation of the activation"),
        ("distinct values", ("n_distinct",), "whole",
         "a unit with few of them sees little but the token"),
        ("status", ("status",), "status", "whether the unit could be tested"),
    )  # fmt: skip


def of_classes(names: Sequence[str], decided: str) -> Listed:
    """With several classes."""
    classes = tuple(enumerate(names))
    return (
        ("unit", ("name",), "text", "layer, site, (head,) index"),
        ("highest for", ("highest",), "side", "the class with the largest AUC against the rest"),
        ("F", ("F",), "fixed", "between over within mean squares"),
        ("score p", ("log10_score_p",), "power", "score test of the logit: counts tokens"),
        ("corrected p", ("log10_p_corrected",), "power", f"{decided} after correction"),
        ("significant", ("significant",), "yes", "corrected p below alpha"),
        ("counting examples", ("significant_token_level",), "yes",
         "significant if examples, not words, were the replicates"),
        ("eta squared", ("eta_squared",), "auc", "share of the variance between classes"),
        ("Welch F", ("welch_F",), "fixed", "F without equal variances"),
        *((f"AUC ± se, {name}", (f"auc{k}", f"auc_se{k}"), "plus_minus",
           f"chance that {name} is higher than another class; counts tokens")
          for k, name in classes),
        ("AUC held-out", ("auc_heldout",), "auc",
         "of the class highest in training against the rest, on groups of words left out"),
        ("AUC held-out passages", ("auc_heldout_passage",), "auc", "on passages left out"),
        *((f"mean, {name}", (f"mean{k}",), "general", f"mean activation on {name}")
          for k, name in classes),
        *((f"n, {name}", (f"n{k}",), "whole", f"examples of {name}") for k, name in classes),
        ("F of words", ("word_F",), "fixed", "Welch F of the means of replication groups"),
        ("word p", ("log10_word_p",), "power", "p of F of words: counts groups, not tokens"),
        ("eta squared of words", ("word_eta_squared",), "auc",
         "share of the variance of the means of replication groups"),
        ("p alone", ("log10_pooled_p",), "power", "one unit's p, groups relabelled"),
        ("q", ("q_word",), "auc", "Benjamini-Hochberg over the sweep, of one unit's p over groups"),
        ("status", ("status",), "status", "whether the unit could be tested"),
    )  # fmt: skip
