"""Layers first, then units: the false discovery rate of units in the layers that were chosen."""

from __future__ import annotations

import numpy as np

from lens_probes.stats.corrections import adjust_log10, families, family_ids
from lens_probes.stats.inputs import Floats, Numbers


def adjust_hierarchical_log10(log10_p: Numbers, *, family: Numbers) -> Floats:
    """Adjusted log10 p [unit] of Benjamini and Bogomolov (2014) for families of units.

    A family (one site of one layer) has Simes' p of its units, the smallest Benjamini-Hochberg
    value among them. Of L families R are chosen at level alpha by Benjamini and Hochberg over
    these; inside a chosen family units are tested by Benjamini and Hochberg at alpha R / L. The
    adjusted p of a unit is the smallest alpha at which it is found; the expected false share,
    averaged over the chosen families, is at most alpha. NaN stays NaN and counts nowhere.

    Raises ValueError for ids of another length than p, and p above 1.
    """
    family = None if family is None else family_ids(family)
    q = adjust_log10(log10_p, method="bh", family=family)
    members = list(families(family, len(q)))
    simes = np.array([np.nanmin(q[m], initial=0.0) if len(m) else 0.0 for m in members])
    simes = np.where([np.isnan(q[m]).all() for m in members], np.nan, simes)
    chosen_at = adjust_log10(simes, method="bh")
    n_families = int((~np.isnan(simes)).sum())
    ordered = np.sort(chosen_at[~np.isnan(chosen_at)])
    adjusted = np.full(len(q), np.nan)
    for k, units in enumerate(members):
        if np.isnan(simes[k]):
            continue
        # With r families chosen a unit needs q <= alpha r / L, and alpha must choose that many.
        options = [
            np.maximum(np.maximum(level, chosen_at[k]), q[units] + np.log10(n_families / r))
            for r, level in enumerate(ordered, start=1)
        ]
        adjusted[units] = np.minimum(np.min(options, axis=0), 0.0)
    return adjusted
