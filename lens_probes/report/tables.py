"""Tables of the report: which columns, in which order, how each number is written."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from markupsafe import Markup, escape

from lens_probes.report.numbers import NONE, fixed, general, missing, percent, power, whole
from lens_probes.report.ranking import rank_name, sides, strongest, value_name
from lens_probes.result import SweepResult

TOP = 25


@dataclass(frozen=True)
class Column:
    """One column of a shown table. `needs` are the columns of the data it is made from."""

    header: str
    needs: tuple[str, ...]
    cell: Callable[..., object]
    means: str = ""
    number: bool = True


@dataclass(frozen=True)
class Table:
    """A table ready to be shown: cells are text, or markup where a power of ten needs it."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, caption: str, data: pd.DataFrame, columns: Sequence[Column]) -> Table:
        """The columns whose data exist, in their order."""
        present = tuple(c for c in columns if all(need in data for need in c.needs))
        rows = tuple(
            tuple(escape(c.cell(*(row[need] for need in c.needs))) for c in present)
            for row in data.to_dict("records")
        )
        return cls(caption, present, rows)


def _text(value: Any) -> str:
    return NONE if missing(value) else str(value)


def _auc(value: Any) -> str:
    return fixed(value, 3)


def _auc_and_se(auc: Any, se: Any) -> str:
    return NONE if missing(auc) else f"{fixed(auc, 3)} ± {fixed(se, 3)}"


def _interval(g: Any, low: Any, high: Any) -> str:
    return NONE if missing(g) else f"{fixed(g)} [{fixed(low)}, {fixed(high)}]"


def _yes(value: Any) -> str:
    return "yes" if value else "no"


def _status(value: Any) -> str:
    return _text(value).replace("_", " ")


def top_units(result: SweepResult, n: int = TOP) -> Table:
    """The n units with the strongest evidence, best first."""
    ranked = strongest(result.units, n)
    caption = (
        f"The {len(ranked)} units with the smallest {rank_name(result.units)} of "
        f"{whole(len(result.units))}, smallest first"
    )
    return Table.of(caption, ranked, _unit_columns(result))


def layer_table(result: SweepResult) -> Table:
    """Every row and column of `result.layers`."""
    caption = (
        "Every layer and site: units tested and significant; shares are of the tested units, "
        f"“positive” means {sides(result)[1]}"
    )
    return Table.of(caption, result.layers, [_layer_column(c) for c in result.layers.columns])


def fact_table(caption: str, facts: Mapping[str, object], names: tuple[str, str]) -> Table:
    """Two columns: what, and its value."""
    data = pd.DataFrame({"what": list(facts), "value": list(facts.values())}, dtype=object)
    numbers = all(_is_number(v) for v in facts.values())
    columns = (
        Column(names[0], ("what",), _text, number=False),
        Column(names[1], ("value",), number_or_text, number=numbers),
    )
    return Table.of(caption, data, columns)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def number_or_text(value: Any) -> str | Markup:
    """A value of any kind as a cell."""
    if isinstance(value, bool):
        return _yes(value)
    if isinstance(value, int):
        return whole(value)
    return general(value) if isinstance(value, float) else _text(value)


def _unit_columns(result: SweepResult) -> tuple[Column, ...]:
    if value_name(result) is not None:
        return _value_columns(result)
    class0, class1 = result.provenance["examples"]["class_names"]

    def higher(direction: Any) -> str:
        if missing(direction) or direction == 0:
            return NONE
        return str(class1 if direction > 0 else class0)

    decided = result.provenance["decision"]["p_column"]
    return (
        Column("unit", ("name",), _text, "layer, site, (head,) index", number=False),
        Column("higher for", ("direction",), higher, "the class with the larger mean", False),
        Column("n0", ("n0",), whole, f"examples of {class0}"),
        Column("n1", ("n1",), whole, f"examples of {class1}"),
        Column("mean0", ("mean0",), general, f"mean activation on {class0}"),
        Column("mean1", ("mean1",), general, f"mean activation on {class1}"),
        Column("t", ("t",), fixed, "Student t; positive: class 1 higher"),
        Column("score p", ("log10_score_p",), power, "score test of the logit; ranks this table"),
        Column("corrected p", ("log10_p_corrected",), power, f"{decided} after correction"),
        Column("significant", ("significant",), _yes, "corrected p below alpha", False),
        Column(
            "Hedges' g [95 %]",
            ("hedges_g", "g_low", "g_high"),
            _interval,
            "mean difference in pooled standard deviations, with its interval",
        ),
        Column("beta", ("beta",), general, "slope of the logit per unit of activation"),
        Column("beta std", ("beta_std",), fixed, "beta times the pooled standard deviation"),
        Column("AUC ± se", ("auc", "auc_se"), _auc_and_se, "chance that class 1 is higher"),
        Column("AUC held-out", ("auc_heldout",), _auc, "on words left out"),
        Column("AUC held-out passages", ("auc_heldout_passage",), _auc, "on passages left out"),
        Column("accuracy", ("accuracy",), percent, "in-sample, fitted p > 0.5"),
        Column("accuracy held-out", ("accuracy_heldout",), percent, "on words left out"),
        Column("Firth p", ("log10_firth_p",), power, "penalised; finite where separated"),
        Column("word t", ("word_t",), fixed, "Welch t of word means"),
        Column("word p", ("log10_word_p",), power, "p of word t: counts words, not tokens"),
        Column("ICC", ("icc",), fixed, "share of variance between words within a class"),
        Column("effective n", ("effective_n",), fixed, "examples after allowing for the ICC"),
        Column("r", ("r",), _auc, "Pearson correlation with the label"),
        Column("partial r", ("partial_r",), _auc, "correlation given the confounds"),
        Column("partial r p", ("log10_partial_r_p",), power, "p of the partial r: counts tokens"),
        Column("status", ("status",), _status, "whether the logit could be fitted", number=False),
    )  # fmt: skip


def _value_columns(result: SweepResult) -> tuple[Column, ...]:
    value = value_name(result)

    def runs(direction: Any) -> str:
        if missing(direction) or direction == 0:
            return NONE
        return "rises" if direction > 0 else "falls"

    decided = result.provenance["decision"]["p_column"]
    return (
        Column("unit", ("name",), _text, "layer, site, (head,) index", number=False),
        Column("direction", ("direction",), runs, f"with {value}", number=False),
        Column("r", ("r",), _auc, f"Pearson correlation with {value}, over examples"),
        Column("p of r", ("log10_r_p",), power, "counts examples; ranks this table"),
        Column("corrected p", ("log10_p_corrected",), power, f"{decided} after correction"),
        Column("significant", ("significant",), _yes, "corrected p below alpha", False),
        Column("counting examples", ("significant_token_level",), _yes, "significant if examples, "
               "not words, were the replicates", False),
        Column("r held-out", ("r_heldout",), _auc, "on examples left out"),
        Column("r of words", ("word_r",), _auc, "over the means of word types"),
        Column("partial r", ("partial_r",), _auc, "correlation given the confounds"),
        Column("partial r p", ("log10_partial_r_p",), power, "p of the partial r"),
        Column("n", ("n",), whole, "examples"),
        Column("mean", ("mean",), general, "mean activation"),
        Column("sd", ("sd",), general, "standard deviation of the activation"),
        Column("distinct values", ("n_distinct",), whole, "a unit with few of them sees little "
               "but the token"),
        Column("status", ("status",), _status, "whether the unit could be tested", number=False),
    )  # fmt: skip


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
    "best_unit_auc_heldout": "held-out AUC, best unit",
    "mean_difference_auc_heldout": "held-out AUC, mean difference",
    "logistic_probe_auc_heldout": "held-out AUC, logistic probe",
    "task_auc": "AUC of the task",
    "control_auc": "AUC of the control task",
    "control_auc_low": "control, lowest",
    "control_auc_high": "control, highest",
    "untrained_share_significant": "share significant, untrained",
    "best_unit": "best unit",
    "best_auc": "its AUC",
    "best_accuracy": "its accuracy",
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
    if name == "layer" or name.startswith("n_"):
        return Column(header, (name,), whole)
    if "auc" in name or name == "selectivity" or re.search(r"_r(_|$)", name):
        return Column(header, (name,), _auc)
    if "share" in name or "accuracy" in name:
        return Column(header, (name,), percent)
    if name.startswith("log10_"):
        return Column(header.removeprefix("log10 "), (name,), power)
    return Column(header, (name,), _any, number=name not in ("site", "best_unit"))


def _any(value: Any) -> str | Markup:
    return number_or_text(float(value) if isinstance(value, float) else value)
