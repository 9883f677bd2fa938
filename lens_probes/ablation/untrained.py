"""The card of the same model untrained: what its architecture alone would be said to use."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lens_probes.ablation.card import CausalCard

# What the card of an untrained model leaves out: of its single units nothing is said.
SETS_ONLY: dict[str, Any] = {"untrained": False, "n_unit_nulls": 0, "n_controls": 0}


def with_untrained(card: CausalCard, twin: CausalCard) -> CausalCard:
    """A card with p and verdict of each layer and site of the card of the untrained model."""
    columns = twin.sets[["layer", "site", "p_family", "verdict"]].rename(
        columns={"p_family": "p_untrained", "verdict": "verdict_untrained"}
    )
    return replace(
        card,
        sets=card.sets.merge(columns, on=["layer", "site"], validate="one_to_one"),
        timings={**card.timings, "untrained model": sum(twin.timings.values())},
    )
