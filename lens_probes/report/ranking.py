"""Two classes or a continuous label: what a result ranks its units by, and what that is called."""

from __future__ import annotations

import pandas as pd

from lens_probes.result.result import SweepData
from lens_probes.units.decision import rank_column

RANKS = {"rank": "rank in the test over groups", "log10_score_p": "score p", "log10_r_p": "p of r"}


def rank_name(units: pd.DataFrame) -> str:
    """What `rank_column` holds, in the words of the tables."""
    return RANKS[rank_column(units)]


def strongest(units: pd.DataFrame, n: int) -> pd.DataFrame:
    """The n rows with the strongest evidence, best first; units without a p-value are left out."""
    by = rank_column(units)
    return units.dropna(subset=by).sort_values(by, kind="stable").head(n)


def value_name(result: SweepData) -> str | None:
    """Name and unit of a continuous label; None where the label is one of two classes."""
    name = result.provenance["examples"].get("value_name")
    return None if name is None else str(name)


def sides(result: SweepData) -> tuple[str, str]:
    """What a unit of negative and of positive direction does, in words."""
    value = value_name(result)
    if value is not None:
        return f"falls with {value}", f"rises with {value}"
    class0, class1 = result.provenance["examples"]["class_names"]
    return f"higher for {class0}", f"higher for {class1}"
