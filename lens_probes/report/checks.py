"""Checks beside the tests: nulls, confounds, notes, and single units against whole layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from lens_probes.drawing.direct_labels import label_ends
from lens_probes.drawing.frame import frame
from lens_probes.drawing.numbers import fixed, percent, whole
from lens_probes.drawing.palette import BLUE, GREEN, VERMILLION
from lens_probes.drawing.tables import Column, Table, number_or_text
from lens_probes.report.ranking import class_names, several_classes, value_name
from lens_probes.report.site_panels import panels_height, site_panels
from lens_probes.result.result import SweepData

HELD_OUT = {
    "best_unit_auc_heldout": ("chosen unit", BLUE, "circle", "solid"),
    "mean_difference_auc_heldout": ("mean difference", VERMILLION, "square", "solid"),
    "logistic_probe_auc_heldout": ("layer probe", GREEN, "diamond", "solid"),
}
CONTROL = ("control_auc_low", "control_auc_high")
_NULLS = {
    "tokens": "{} shuffled over tokens: checks the code only",
    "words": "{} shuffled over groups of words: the real error of the token-level test",
}


def null_table(result: SweepData) -> Table | None:
    """How often the token-level test passes where there is nothing to find."""
    nulls = result.validation.get("nulls") or {}
    shuffled = "classes" if value_name(result) is None else "values"
    rows = [
        {"null": _NULLS[name].format(shuffled) if name in _NULLS else name, **values}
        for name, values in nulls.items()
    ]
    columns = (
        Column("null", ("null",), str, number=False),
        Column("nominal", ("nominal",), percent),
        Column("units that pass", ("unit",), percent),
        Column("sweeps in which a unit passes, after Bonferroni", ("family",), percent),
        Column("relabellings", ("n",), whole),
    )
    test = "score test" if value_name(result) is None else "test of r"
    caption = f"Nulls: error of the {test} at the level of tokens, nominal and measured"
    return Table.of(caption, pd.DataFrame(rows), columns) if rows else None


def split_table(result: SweepData) -> Table | None:
    """The real split of the groups of words into classes beside other splits of them."""
    splits = result.validation.get("splits")
    if not splits:
        return None
    columns = (
        Column("units that pass", ("share",), _share),
        Column("under other splits, median", ("other_splits_median",), _share),
        Column("5th percentile", ("other_splits_low",), _share),
        Column("95th percentile", ("other_splits_high",), _share),
        Column("most", ("other_splits_max",), _share),
        Column("splits", ("n",), whole),
        Column("p", ("p",), lambda value: fixed(value, 3)),
    )
    caption = (
        "Words split otherwise: units that pass the token-level test (Bonferroni over the sweep) "
        "when the same groups of words are divided into classes of the same sizes in other ways"
    )
    return Table.of(caption, pd.DataFrame([splits]), columns)


def _share(value: Any) -> str:
    return percent(value, 2)


def confound_table(result: SweepData) -> Table | None:
    """What else differs between the classes."""
    confounds = result.validation.get("confounds") or {}
    rows = [
        {"confound": name.removeprefix("n_").replace("_", " "), **values}
        for name, values in confounds.items()
    ]
    columns = (
        Column("confound", ("confound",), str, number=False),
        *(
            Column(f"mean, {name}", (f"mean{k}",), number_or_text)
            for k, name in enumerate(class_names(result))
        ),
        Column("AUC by itself", ("auc",), lambda value: fixed(value, 3)),
        Column("not given to partial r: why", ("not_given",), str, number=False),
    )
    caption = "Confounds: what else differs between the classes (AUC 0.5: nothing)"
    if value_name(result) is not None:
        caption = "Confounds: what else differs between the groups of values (AUC 0.5: nothing)"
    if several_classes(result):
        caption = (
            "Confounds: what else differs between the classes (AUC of the class that it tells best "
            "from the rest, 0.5: nothing)"
        )
    return Table.of(caption, pd.DataFrame(rows), columns) if rows else None


def notes(result: SweepData) -> tuple[str, ...]:
    """Resolution of the test, what was held out, what could not be checked."""
    said: Mapping[str, Any] = result.validation
    lines = [str(said["resolution"])] if said.get("resolution") else []
    if said.get("held_out_by", "none") != "none":
        lines.append(f"Held-out scores leave out whole {said['held_out_by']}s.")
    lines += [str(note) for note in said.get("notes") or ()]
    return tuple(line[:1].upper() + line[1:].rstrip(".") + "." for line in lines)


def left_out(result: SweepData, *, replicated: bool, intervened: bool) -> tuple[str, ...]:
    """Checks that were not made for this result, so that their absence is not read as passed."""
    made = checks_made(result, replicated=replicated, intervened=intervened)
    return tuple(name for name, done in made.items() if not done)


def checks_made(result: SweepData, *, replicated: bool, intervened: bool) -> dict[str, bool]:
    """Every check there is, and whether it was made for this result."""
    layers, said = result.layers, result.validation
    held_out = (
        has_held_out(result)
        or said.get("nested_classes")
        or "best_r_heldout" in layers
        or "r_heldout" in result.units
    )
    return {
        "held-out scores": bool(held_out),
        "nulls (shuffled labels)": bool(said.get("nulls")),
        "control task (random classes of words)": all(c in layers for c in CONTROL),
        "the same model with untrained weights": "untrained_share_significant" in layers,
        "confounds": bool(said.get("confounds")),
        "replication on new examples": replicated,
        "intervention on the units (does the model use them?)": intervened,
    }


def has_held_out(result: SweepData) -> bool:
    """Whether layers have held-out AUCs."""
    return any(c in result.layers and result.layers[c].notna().any() for c in HELD_OUT)


def unit_or_layer(result: SweepData) -> go.Figure:
    """Held-out AUC by layer of chosen units, of the mean difference and of a probe on all units.

    The band is the range of the control task: random classes of words, scored on new passages.
    """
    table = result.layers
    banded = all(column in table and table[column].notna().any() for column in CONTROL)
    figure = site_panels(
        table, HELD_OUT, y_title="held-out AUC", y_range=(0.45, 1.02), says="AUC %{y:.3f}",
        band=CONTROL if banded else (),
    )  # fmt: skip
    by = result.validation.get("held_out_by", "part of the examples")
    caption = (
        f"Each score is on examples (whole {by}s) that had no part in choosing the unit or fitting "
        "the direction: each fold chooses a unit of its own, which need not be the strongest one "
        "above. The layer probe is a logistic regression on all units: far above the chosen units, "
        "the property is in the layer, spread over units."
    )
    if banded:
        caption += (
            " Grey band: the control task, lowest to highest: the best unit for random classes of "
            "words, on new passages. Where it is high, knowing the word is enough."
        )
    height = panels_height(table)
    framed = frame(figure, _unit_or_layer_title(result), caption, height=height)
    return label_ends(framed, height=height, panels=table["site"].nunique())


def _unit_or_layer_title(result: SweepData) -> str:
    """What was chosen in training folds over all layers and sites: no best of held-out scores."""
    nested = result.validation.get("nested_best")
    if not nested or nested["unit"]["auc"] is None:
        return "Held-out score of single units and of whole layers"
    unit, probe = nested["unit"]["auc"], nested["logistic_probe"]["auc"]
    return (
        f"Units that training folds choose in the sweep have AUC {fixed(unit, 3)} on the fold left "
        f"out, whichever they are; a probe on the layer that they choose {fixed(probe, 3)}"
    )
