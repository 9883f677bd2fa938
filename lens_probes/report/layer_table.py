"""The table of layers: a row for each layer and site, a header and a form for each column."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from lens_probes.drawing.numbers import percent, power, whole
from lens_probes.drawing.tables import Column, Table, auc, number_or_text
from lens_probes.report.ranking import class_names, several_classes, sides
from lens_probes.result.result import SweepData


def layer_table(result: SweepData) -> Table:
    """Every row and column of `result.layers`."""
    said = (
        "“highest” is the class with the largest AUC against the rest"
        if several_classes(result)
        else f"“positive” means {sides(result)[1]}"
    )
    caption = (
        "Every layer and site: units tested and significant; shares are of the tested units, "
        f"{said}"
    )
    names = class_names(result)
    return Table.of(caption, result.layers, [_column(c, names) for c in result.layers.columns])


def _column(name: str, names: Sequence[str]) -> Column:
    if name == "best_highest":
        return Column("it is highest for", (name,), lambda k: names[int(k)], number=False)
    if found := re.fullmatch(r"n_significant_highest(\d+)", name):
        return Column(f"significant, highest for {names[int(found[1])]}", (name,), whole)
    return _layer_column(name)


_LAYER_HEADERS = {
    "n_units": "units",
    "n_tested": "tested",
    "n_constant": "constant",
    "n_separated": "separated",
    "n_quasi_separated": "quasi-separated",
    "n_not_converged": "not converged",
    "n_significant": "significant",
    "share_significant": "share significant",
    "share_significant_token_level": "share significant, counting tokens",
    "n_significant_positive": "significant, positive",
    "share_significant_positive": "share significant, positive",
    "mean_accuracy_significant": "mean accuracy, significant",
    "mean_accuracy_significant_positive": "mean accuracy, significant positive",
    "mean_auc_significant_positive": "mean AUC, significant positive",
    "mean_accuracy_significant_heldout": "held-out mean accuracy, significant",
    "mean_accuracy_significant_positive_heldout": "held-out mean accuracy, significant positive",
    "best_unit_auc_heldout": "held-out AUC, unit chosen in training",
    "mean_difference_auc_heldout": "held-out AUC, mean difference",
    "logistic_probe_auc_heldout": "held-out AUC, logistic probe",
    "best_unit_refound": "share of trainings that choose the best unit",
    "task_auc": "AUC of the task",
    "control_auc": "AUC of the control task",
    "control_auc_low": "control, lowest",
    "control_auc_high": "control, highest",
    "untrained_share_significant": "share significant, untrained",
    "untrained_n_significant": "significant, untrained",
    "untrained_n_tested": "tested, untrained",
    "tuned_at_least": "tuned, at least (95 %)",
    "share_mc_low": "share significant, other draws, low",
    "share_mc_high": "share significant, other draws, high",
    "best_unit": "best unit",
    "best_auc": "its AUC",
    "best_eta_squared": "its eta squared",
    "median_eta_squared": "eta squared, median",
    "mean_eta_squared_significant": "mean eta squared, significant",
    "mean_auc_significant_heldout": "held-out mean AUC, significant",
    "best_unit_balanced_accuracy_heldout": "held-out balanced accuracy, unit chosen in training",
    "probe_balanced_accuracy_heldout": "held-out balanced accuracy, multinomial probe",
    "best_accuracy": "its accuracy",
    "best_auc_others": "its AUC against further negatives",
    "pair_similarity": "r of pairs",
    "other_pair_similarity": "r of other pairs",
    "sd_r": "sd of r",
    "q05_r": "r, 5th percentile",
    "q25_r": "r, 25th percentile",
    "q75_r": "r, 75th percentile",
    "q95_r": "r, 95th percentile",
    "best_r": "its r",
    "best_r_heldout": "its r, held-out",
}


def _layer_column(name: str) -> Column:
    header = _LAYER_HEADERS.get(name, name.replace("_", " "))
    if name in ("layer", "tuned_at_least") or re.search(r"(^|_)n_", name):
        return Column(header, (name,), whole)
    if (
        "auc" in name
        or "eta_squared" in name
        or name == "selectivity"
        or "similarity" in name
        or re.search(r"_r(_|$)", name)
    ):
        return Column(header, (name,), auc)
    if "share" in name or "accuracy" in name:
        return Column(header, (name,), percent)
    if name.startswith("log10_"):
        return Column(header.removeprefix("log10 "), (name,), power)
    return Column(header, (name,), _any, number=name not in ("site", "best_unit"))


def _any(value: Any) -> str | Markup:
    return number_or_text(float(value) if isinstance(value, float) else value)
