"""The kind of label of a result: what it ranks its units by, and what that is called."""

from __future__ import annotations

from collections.abc import Sequence

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
    """Name and unit of a continuous label; None where the label is a class."""
    name = result.provenance["examples"].get("value_name")
    return None if name is None else str(name)


def class_names(result: SweepData) -> tuple[str, ...]:
    """Names of the classes; with a continuous label those of its two sides."""
    return tuple(str(name) for name in result.provenance["examples"]["class_names"])


def several_classes(result: SweepData) -> bool:
    """Whether there are more than two classes."""
    return len(class_names(result)) > 2


def listed(names: Sequence[str], last: str = "and") -> str:
    """As "a, b and c"."""
    return f"{', '.join(names[:-1])} {last} {names[-1]}" if len(names) > 1 else "".join(names)


def sides(result: SweepData) -> tuple[str, ...]:
    """What a unit of negative and of positive direction does, or one of each class, in words."""
    value = value_name(result)
    if value is not None:
        return f"falls with {value}", f"rises with {value}"
    how = "highest" if several_classes(result) else "higher"
    return tuple(f"{how} for {name}" for name in class_names(result))
