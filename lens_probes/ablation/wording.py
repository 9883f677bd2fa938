"""A causal card in plain sentences, with its numbers."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, Protocol

import pandas as pd

from lens_probes.ablation.verdict import UNDECIDED, UNUSED, USED, VERDICTS

Row = Mapping[Hashable, Any]
_MOST = 5


class Facts(Protocol):
    """What of a `CausalCard` is put into words."""

    @property
    def verdict(self) -> str:
        """Over all sets."""

    @property
    def why(self) -> str:
        """The reason for it."""

    @property
    def sets(self) -> pd.DataFrame:
        """One row a layer and site."""

    @property
    def units(self) -> pd.DataFrame:
        """One row a unit."""

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Options, examples, notes."""


def card_lines(card: Facts) -> tuple[str, ...]:
    """The verdict, what was done, two lines a layer and site, and what to be careful about."""
    rows = card.sets.to_dict("records")
    lines = [f"Does the model use these units? {card.verdict}: {card.why}.", _done(card)]
    for row in rows:
        here = (card.units["layer"] == row["layer"]) & (card.units["site"] == row["site"])
        lines += [_set(row), _units(card.units[here], row)]
    name = card.provenance["examples"]["class_names"][1]
    lines += [_steered(row, name) for row in rows if isinstance(row.get("steered"), str)]
    return tuple(line for line in (*lines, _notes(card)) if line)


def _done(card: Facts) -> str:
    options, examples = card.provenance["options"], card.provenance["examples"]
    kinds = {
        "zero": "set to zero",
        "mean": "set to their mean",
        "resample": "given another window's values",
    }
    where = {"read": "where they are read", "all": "at every token"}[options["positions"]]
    names, n = examples["class_names"], examples["n_measured"]
    apart = " or ".join(examples["apart"])
    kept = f"which share no {apart} with those" if apart else "drawn at random"
    return (
        f"The top {options['top']} units of each layer and site, chosen on {examples['n_chosen']} "
        f"examples, were {kinds[options['kind']]} {where}. It was measured in {n[1]} windows of "
        f"{names[1]} and {n[0]} of {names[0]}, {kept}."
    )


def _set(row: Row) -> str:
    said = [
        f"L{row['layer']}.{row['site']}: {row['verdict']}: {row['why']}",
        f"{row['n_encoded']} of its top {row['k']} units encode the property",
        f"Without them the next-token distribution changes by {row['kl']:.2g} nats"
        + _swapped(row, "kl", ".2g"),
    ]
    if pd.isna(row["loss_after"]):
        said.append("No token follows whose loss could change")
    else:
        after = f"The loss after it changes by {row['loss_after']:+.2g} nats"
        said.append(after + _swapped(row, "loss_after", "+.2g"))
    if row["n_nulls"]:
        said.append(f"Against {row['n_nulls']} write swaps p = {row['p_family']:.2g}, corrected")
    if isinstance(row.get("verdict_untrained"), str):
        beside = "" if pd.isna(row["p_untrained"]) else f" (p = {row['p_untrained']:.2g})"
        said.append(f"The same of the untrained model: {row['verdict_untrained']}{beside}")
    return ". ".join(said) + "."


def _swapped(row: Row, measure: str, form: str) -> str:
    value = row[f"{measure}_swap"]
    return "" if pd.isna(value) else f", the same change in other directions by {value:{form}}"


def _units(table: pd.DataFrame, row: Row) -> str:
    counts = {word: int((table["verdict"] == word).sum()) for word in VERDICTS}
    used = table.loc[table["verdict"] == USED, "name"].tolist()
    names = ", ".join(used[:_MOST]) + (", ..." if used[_MOST:] else "")
    return (
        f"L{row['layer']}.{row['site']}, its units one by one: {counts[USED]} used"
        f"{f' ({names})' if used else ''}. {counts[UNUSED]} no more than a typical unit, "
        f"{counts[UNDECIDED]} undecided."
    )


def _steered(row: Row, name: str) -> str:
    return (
        f"Steering {row['steered']} up by one standard deviation changes the log-odds of words of "
        f"{name} by {row['steering_slope']:+.2g} (p = {_p(row['steering_p'])} against random "
        "units)."
    )


def _notes(card: Facts) -> str:
    notes = card.provenance["notes"]
    return "Notes: " + "; ".join(notes) + "." if notes else ""


def _p(value: float) -> str:
    return "none" if pd.isna(value) else f"{value:.2g}"
