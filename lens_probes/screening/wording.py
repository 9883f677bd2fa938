"""A screen in plain sentences, with its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import pandas as pd

from lens_probes.ablation.verdict import USED
from lens_probes.screening.verdict import VERDICTS

_MOST = 5


class Facts(Protocol):
    """What of a `Screen` is put into words."""

    @property
    def units(self) -> pd.DataFrame:
        """One row a unit."""

    @property
    def calibration(self) -> pd.DataFrame:
        """One row a layer and site."""

    @property
    def null(self) -> pd.DataFrame:
        """One row a layer and site."""

    @property
    def map(self) -> pd.DataFrame:
        """Counts by layer and site."""

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Options, examples, what may be missed."""


def screen_lines(screen: Facts) -> tuple[str, ...]:
    """Verdicts, the map, calibration, what may have been missed, the untrained model."""
    said = screen.provenance
    n = sum(said["examples"]["n_screened"])
    counts = {verdict: int((screen.units["used"] == verdict).sum()) for verdict in VERDICTS}
    used = screen.units[screen.units["used"] == USED].sort_values("log10_p")
    names = ", ".join(used["name"].head(_MOST)) + (", ..." if len(used) > _MOST else "")
    lines = [
        f"Does the model use them? Of {len(screen.units):,} units in {n} windows, "
        + "; ".join(f"{name} {count:,}" for name, count in counts.items())
        + (f". Those that stand out most: {names}." if names else "."),
        *_mapped(screen.map),
        *_calibrated(screen.calibration),
        _missed(said["missed"]),
    ]
    if "n_used_untrained" in screen.null:
        total = int(screen.null["n_used_untrained"].sum())
        lines.append(f"With untrained weights {total:,} units are called used.")
    lines.append(
        '"Used" means: more than units of the same layer and site that write as much. '
        '"No measured use" does not mean no effect.'
    )
    return tuple(lines)


def _mapped(table: pd.DataFrame) -> list[str]:
    if table.empty:
        return []
    total = table.drop(columns=["layer", "site"]).sum()
    return [
        f"Tuned units by the sweep: {total['tuned_used']:,} used, "
        f"{total['tuned_no_measured_use']:,} without measured use, "
        f"{total['tuned_undecided']:,} undecided. Others: {total['other_used']:,} used, "
        f"{total['other_no_measured_use']:,} without, {total['other_undecided']:,} undecided."
    ]


def _calibrated(table: pd.DataFrame) -> list[str]:
    lines = []
    for site, here in table.groupby("site", sort=False):
        first, invalid = here.iloc[0], here[~here["valid"]]
        ratio = here["median_ratio"]
        line = (
            f"{site}: {first['n_site']} units ablated exactly, rank correlation "
            f"{first['rank_correlation']:.3f}, median ratio by depth {ratio.min():.2f} to "
            f"{ratio.max():.2f}"
        )
        if len(invalid):
            places = ", ".join(dict.fromkeys(invalid["layers"]))
            line += f". Screen not valid here: layers {places}, undecided"
        lines.append(line + ".")
    return lines


def _missed(missed: Mapping[str, Any]) -> str:
    return (
        f"{missed['n_above']:,} units are estimated at {missed['threshold']:.2g} or more. Of the "
        f"{missed['n_exact']} ablated exactly, {missed['seen']} were there and estimated below; of "
        f"all at most {missed['at_most']:,.0f} are (95 % confidence)."
    )
