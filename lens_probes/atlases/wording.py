"""An atlas in plain sentences, with its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import pandas as pd

from lens_probes.drawing.numbers import fixed, percent, whole

_MOST = 5


class Facts(Protocol):
    """What of an `Atlas` is put into words."""

    @property
    def units(self) -> pd.DataFrame:
        """One row a unit."""

    @property
    def properties(self) -> pd.DataFrame:
        """One row a property, layer and site."""

    @property
    def designs(self) -> pd.DataFrame:
        """One row a property."""

    @property
    def values(self) -> pd.DataFrame:
        """One row a unit, one column a property."""

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Model, text, options."""

    @property
    def timings(self) -> Mapping[str, float]:
        """Seconds of each stage."""


def atlas_lines(atlas: Facts) -> tuple[str, ...]:
    """The atlas in sentences."""
    units, said = atlas.units, atlas.provenance
    tested = atlas.designs[atlas.designs["problem"] == ""]
    n = len(units)
    tuned = units["p_best"] <= said["options"]["alpha"]
    lines = [
        f"{whole(n)} units and {len(tested)} properties, from {whole(said['text']['n_read'])} "
        f"tokens of {said['text']['name']}.",
        f"{percent(tuned.mean(), 0)} of the units are tuned to one property or more "
        f"(error over all units and properties at most {said['options']['alpha']:g}).",
        _named(units, said),
    ]
    untested = atlas.designs[atlas.designs["problem"] != ""]
    if len(untested):
        names = ", ".join(untested["property"].head(_MOST))
        more = f" and {len(untested) - _MOST} more" if len(untested) > _MOST else ""
        lines.append(f"Not testable in this text: {names}{more}.")
    totals = atlas.properties.groupby("property", sort=False)[["n_significant", "n_tested"]].sum()
    share = (totals["n_significant"] / totals["n_tested"]).sort_values(ascending=False)
    if len(share):
        lines.append(
            "Most units follow "
            + ", ".join(f"{name} ({percent(value, 0)})" for name, value in share.head(3).items())
            + "."
        )
    return tuple(lines)


def _named(units: pd.DataFrame, said: Mapping[str, Any]) -> str:
    named = units["named"]
    against = "shuffled units" + (
        " and random weights" if said["options"]["untrained"] else ", without random weights"
    )
    return (
        f"{whole(int(named.sum()))} units ({percent(named.mean())}) find their property among new "
        f"words in new documents better than {against} do."
    )


def unit_sentence(atlas: Facts, name: str) -> str:
    """One sentence for a unit that beats its nulls; "" for any other."""
    found = atlas.units[atlas.units["name"] == name]
    if found.empty:
        raise KeyError(name)
    row = found.iloc[0]
    if not row["named"]:
        return ""
    means = dict(zip(atlas.designs["property"], atlas.designs["means"], strict=True))
    way = "higher" if row["t_best"] > 0 else "lower"
    return (
        f"{name} is {way} on {means[row['best']]}: among words and documents that the rule was not "
        f"found on its AUC is {fixed(row['auc_heldout'])}."
    )
