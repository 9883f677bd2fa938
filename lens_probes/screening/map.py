"""Tuned by used: what a sweep says of the units that a screen was made of."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from lens_probes.ablation.verdict import UNDECIDED, USED
from lens_probes.errors import InputError
from lens_probes.examples.examples import Examples
from lens_probes.model.load import LensModel
from lens_probes.result.result import SweepData
from lens_probes.screening.verdict import UNUSED

# One unit before and behind its non-linearity: swept at one, it may be screened at the other.
SAME_UNIT = {"mlp_post": "mlp_pre", "mlp_pre": "mlp_post"}
CORNERS = {
    f"{tuned}_{name}": (tuned == "tuned", verdict)
    for tuned in ("tuned", "other")
    for name, verdict in (("used", USED), ("no_measured_use", UNUSED), ("undecided", UNDECIDED))
}


def swept_site(site: str, swept: Sequence[str]) -> str | None:
    """The site of a sweep whose decision is about the units of a screened site, if any."""
    if site in swept:
        return site
    partner = SAME_UNIT.get(site)
    return partner if partner in swept else None


def check_result(
    model: LensModel, examples: Examples, result: SweepData, sites: Sequence[str]
) -> None:
    """Refuse a sweep of other examples, another model, or none of the sites.

    Raises
    ------
    InputError
        With what to give instead.
    """
    said = result.provenance
    if said["examples"]["sha256"] != examples.digest:
        raise InputError(
            "the result is a sweep of other examples: give the probe or examples it was made with, "
            "or leave the result out."
        )
    if said["model"]["weights_sha256"] != model.weights_digest:
        raise InputError(
            f"the result is a sweep of another model ({said['model']['source']}): load that one, "
            "or leave the result out."
        )
    if not any(swept_site(site, said["sites"]) for site in sites):
        raise InputError(
            f"the result is a sweep of {', '.join(said['sites'])}, and {', '.join(sites)} is asked "
            "for: screen sites of the sweep, or leave the result out."
        )


def with_tuned(units: pd.DataFrame, result: SweepData) -> pd.DataFrame:
    """Units of a screen that the sweep tested, with `tuned`: whether it calls them significant."""
    swept = result.units[["layer", "site", "unit", "significant"]]
    names = {site: swept_site(site, result.provenance["sites"]) for site in units["site"].unique()}
    asked = units.assign(swept_site=units["site"].map(names)).dropna(subset=["swept_site"])
    swept = swept.rename(columns={"site": "swept_site", "significant": "tuned"})
    return asked.merge(swept, on=["layer", "swept_site", "unit"], validate="many_to_one")


def tuned_by_used(units: pd.DataFrame, result: SweepData | None) -> pd.DataFrame:
    """One row a layer and site: how many units are in each corner; none without a sweep."""
    columns = ["layer", "site", *CORNERS]
    if result is None:
        return pd.DataFrame(columns=columns)
    both = with_tuned(units, result)
    rows = []
    for (layer, site), here in both.groupby(["layer", "site"], sort=False):
        counts = {
            name: int(((here["tuned"] == tuned) & (here["used"] == verdict)).sum())
            for name, (tuned, verdict) in CORNERS.items()
        }
        rows.append({"layer": layer, "site": site, **counts})
    return pd.DataFrame(rows, columns=columns)
