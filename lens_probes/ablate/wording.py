"""A causal card in plain sentences, with its numbers."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from lens_probes.ablate.verdict import USED, VERDICTS

if TYPE_CHECKING:
    from lens_probes.ablate.card import CausalCard

Row = Mapping[Hashable, Any]
_MOST = 5


def card_lines(card: CausalCard) -> tuple[str, ...]:
    """The verdict, what was done, a line for each layer and site, and what to be careful about."""
    rows = card.sets.to_dict("records")
    lines = [f"Does the model use these units? {card.verdict}: {card.why}.", _done(card)]
    below = f"{100 * (1 - card.provenance['options']['alpha']):g} % below"
    for row in rows:
        here = (card.units["layer"] == row["layer"]) & (card.units["site"] == row["site"])
        lines += [_set(row, below), _units(card.units[here], row)]
    name = card.provenance["examples"]["class_names"][1]
    lines += [_steered(row, name) for row in rows if isinstance(row.get("steered"), str)]
    return tuple(line for line in (*lines, _notes(card)) if line)


def _done(card: CausalCard) -> str:
    options, examples = card.provenance["options"], card.provenance["examples"]
    kinds = {
        "zero": "set to zero",
        "mean": "set to their mean",
        "resample": "given another window's values",
    }
    where = {"read": "where they are read", "all": "at every token"}[options["positions"]]
    names = examples["class_names"]
    n = examples["n_measured"]
    apart = " and ".join(f"{what}s" for what in examples["apart"])
    kept = f"no {apart} in common" if apart else "windows drawn at random"
    return (
        f"The top {options['top']} units of each layer and site, chosen on {examples['n_chosen']} "
        f"examples, {kinds[options['kind']]} {where} in {sum(n)} windows ({n[1]} of {names[1]}, "
        f"{n[0]} of {names[0]}; {examples['n_passages_measured']} passages) of the others: {kept}."
    )


def _set(row: Row, below: str) -> str:
    return (
        f"L{row['layer']}.{row['site']}, top {row['k']}: {row['verdict']}: {row['why']}. "
        f"{row['n_encoded']} of {row['k']} encoded. "
        f"{_kl(row)[0].upper()}{_kl(row)[1:]}, without {row['n_nulls']} matched random sets "
        f"{row['kl_matched']:.2g} ({below} {row['kl_matched_quantile']:.2g}); {_loss(row)}"
        f"{_random_loss(row, below)}; p = {_p(row['p'])}, against sets of "
        f"non-significant units {_p(row['p_nonsignificant'])}, of shuffled labels "
        f"{_p(row['p_shuffled'])}."
    )


def _kl(row: Row) -> str:
    return (
        f"the next-token distribution changes by {row['kl']:.2g} nats ({row['kl_low']:.2g} to "
        f"{row['kl_high']:.2g})"
    )


def _loss(row: Row) -> str:
    if pd.isna(row["loss_after"]):
        return "no token follows whose loss could change"
    return (
        f"the loss on the tokens after it by {row['loss_after']:+.2g} "
        f"({row['loss_after_low']:+.2g} to {row['loss_after_high']:+.2g})"
    )


def _random_loss(row: Row, below: str) -> str:
    if pd.isna(row["loss_after"]):
        return ""
    return (
        f", random {row['loss_after_matched']:+.2g} ({below} "
        f"{row['loss_after_matched_quantile']:+.2g})"
    )


def _units(table: pd.DataFrame, row: Row) -> str:
    counts = table["verdict"].value_counts()
    said = ", ".join(f"{counts[word]} {word}" for word in VERDICTS if word in counts)
    used = table.loc[table["verdict"] == USED, "name"].tolist()
    names = ", ".join(used[:_MOST]) + (f" and {len(used) - _MOST} more" if used[_MOST:] else "")
    line = f"L{row['layer']}.{row['site']}, its units one by one: {said}"
    return f"{line} ({names})." if used else f"{line}."


def _steered(row: Row, name: str) -> str:
    return (
        f"Steering {row['steered']} up by one standard deviation changes the log-odds of words of "
        f"{name} by {row['steering_slope']:+.2g} (p = {_p(row['steering_p'])} against random "
        "units)."
    )


def _notes(card: CausalCard) -> str:
    notes = card.provenance["notes"]
    return "Notes: " + "; ".join(notes) + "." if notes else ""


def _p(value: float) -> str:
    return "none" if pd.isna(value) else f"{value:.2g}"
