"""Units that are zero in most examples: presence, and value given presence, beside the mean."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from lens_probes import stats
from lens_probes.activations.collect import Activations
from lens_probes.examples.examples import Examples
from lens_probes.examples.label import Pairs, TwoClasses
from lens_probes.examples.values import Values
from lens_probes.units.decision import Decision, tested_rows

MOST_ZEROS = 0.5
COLUMNS = ("presence0", "presence1", "presence_t", "presence_p", "log10_presence_p",
           "value_t", "value_p", "log10_value_p")  # fmt: skip


def with_presence(
    units: pd.DataFrame, activations: Activations, examples: Examples, decision: Decision
) -> tuple[pd.DataFrame, list[str]]:
    """Units with `stats.zero_inflated` of those that are zero in more than half of the examples.

    Also `share_zero` of every unit, and `presence_q`, `value_q` (Benjamini and Hochberg's over
    them). Where there are none the table stays as it is. Second: what the result says of it.
    """
    zeros = [np.mean(activations[key] == 0, axis=0) for key in activations]
    share = np.concatenate(zeros)
    chosen = share > MOST_ZEROS
    n = int((chosen & (share < 1)).sum())
    if not n:
        return units, []
    said = f"{n:,} units are zero in more than half of the examples, and not in all"
    if type(examples.contrast) is not TwoClasses:
        why = {Values: "a continuous label", Pairs: "pairs"}.get(
            type(examples.contrast), "several classes"
        )
        return units.assign(share_zero=share), [f"{said}: with {why} the mean alone is tested"]
    groups, use = None, np.ones(len(examples), dtype=bool)
    if decision.level == "word":
        use = tested_rows(examples, decision.min_per_group)
        groups = examples.group
    columns: dict[str, Any] = {name: np.full(len(units), np.nan) for name in COLUMNS}
    start = 0
    for key, zero in zip(activations, zeros, strict=True):
        here = np.flatnonzero(zero > MOST_ZEROS)
        if len(here):
            x = activations[key][use][:, here]
            tests = stats.zero_inflated(
                x, examples.label[use], None if groups is None else groups[use]
            )
            for name in COLUMNS:
                columns[name][start + here] = getattr(tests, name)
        start += len(zero)
    for name in ("presence", "value"):
        columns[f"{name}_q"] = stats.adjust(columns[f"{name}_p"], method="bh")
    each = "groups" if decision.level == "word" else "examples"
    said += (
        f": beside the mean, which decides, presence (zero or not) and value where present are "
        f"tested over {each} (presence_p, value_p)"
    )
    return units.assign(share_zero=share, **columns), [said]
