"""Used or not: the rule that decides, and its verdicts in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import pandas as pd

from lens_probes.ablation.inference import Ratio

Verdict = Literal["used", "no more than a typical unit", "undecided"]
USED: Verdict = "used"
UNUSED: Verdict = "no more than a typical unit"
UNDECIDED: Verdict = "undecided"
VERDICTS = (USED, UNUSED, UNDECIDED)

FEWEST_PASSAGES = 6
_IN_WORDS = {"kl": "the next-token distribution", "loss_after": "the loss after the target"}


def decide_use(
    *,
    encoded: str,
    p: float,
    resolution: float,
    alpha: float,
    what: Literal["write swaps", "random units"],
    measure: str,
    low: float,
    ratio: Ratio,
    interest: float,
    n_passages: int,
    no_null: str = "",
    unlike: str = "",
    faint: str = "",
    alone: float = 0.0,
    more: bool = True,
) -> tuple[Verdict, str]:
    """The verdict on one set or unit, and its reason in one line.

    Used: the corrected p is at most alpha, and so far beyond the 1 - alpha quantile of the null
    that the interval is. No more than a typical unit: two one-sided tests at alpha find the
    divergence between minus and plus `interest` times that of the median random one (a divergence
    is never negative, so the lower of them always passes). All else is undecided.

    Parameters
    ----------
    encoded
        "" where the property is encoded, else why it is not known to be.
    p, resolution
        Corrected p, and the smallest that could have come out.
    what, measure
        The null, and the measure that stands out most from it.
    low
        `excess_low` of that measure.
    ratio, interest
        `typical_ratio`, and how much of it is of interest.
    n_passages
        Passages that the intervals resample: of a few they are too narrow.
    no_null
        Why there is no null; "" where there is.
    unlike
        Why typical ones cannot be compared in size; "" where they can.
    faint
        Why the smallest effect of interest may be rounding (`below_precision`).
    alone
        Smallest corrected p where no other of the family passes.
    more
        Whether there are more random ones to ask for.
    """
    advice = "ask for more" if more else "there are no more"
    if encoded or no_null:
        return UNDECIDED, encoded or no_null
    if resolution > alpha:
        few = f"too few different {what}: p cannot be below {resolution:.2g}; {advice}"
        return UNDECIDED, few
    if n_passages < FEWEST_PASSAGES:
        return UNDECIDED, (
            f"the measured windows are of {n_passages} passages, too few for an interval: "
            f"{FEWEST_PASSAGES} or more are needed"
        )
    share, said = f"{100 * (1 - alpha):g} % of {what}", f"corrected p = {p:.2g}"
    if p <= alpha and low > 0:
        return USED, f"{_IN_WORDS[measure]} changes more than by {share} ({said})"
    if p <= alpha:
        return UNDECIDED, f"its interval reaches below {share} ({said}): measure more windows"
    if low > 0:
        few = f": one alone cannot pass with so few {what}; {advice}" if alone > alpha else ""
        return UNDECIDED, f"beyond {share}, but not after correction ({said}){few}"
    if unlike or faint:
        return UNDECIDED, unlike or faint
    between = f"between {ratio.low:.2g} and {ratio.high:.2g} times what the median random one does"
    seen = f"{ratio.seen:.2g} times would have been seen"
    if ratio.high < interest:
        return UNUSED, f"{between}. {seen}"
    return UNDECIDED, f"{between}. {seen}: measure more windows"


def overall(sets: pd.DataFrame) -> tuple[Verdict, str]:
    """One verdict over all layers and sites, from their own (columns layer, site, verdict, why)."""
    used = sets[sets["verdict"] == USED]
    if len(used):
        return USED, f"{_names(used)}: {used['why'].iloc[0]}"
    if (sets["verdict"] == UNUSED).all():
        return UNUSED, f"at all of {_names(sets)}: {sets['why'].iloc[0]}"
    open_ = sets[sets["verdict"] == UNDECIDED]
    return UNDECIDED, f"{_names(open_)}: {open_['why'].iloc[0]}"


def _names(sets: pd.DataFrame, most: int = 4) -> str:
    names: Sequence[str] = [
        f"L{layer}.{site}" for layer, site in zip(sets["layer"], sets["site"], strict=True)
    ]
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
