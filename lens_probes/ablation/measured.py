"""What was measured of the candidates of a layer and site, by kinds of sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from numpy.typing import NDArray

from lens_probes.ablation.design import Design
from lens_probes.ablation.effects import Effects
from lens_probes.ablation.inference import Resampled, resample
from lens_probes.ablation.jobs import SwapJob
from lens_probes.ablation.matching import Profile, Units
from lens_probes.ablation.sets import Ranking, Sets
from lens_probes.ablation.windows import Replacement

MEASURES = ("kl", "loss_after", "loss_target", "loss_elsewhere")
EMPTY, SWAP, ITSELF = "empty", "swap", "itself"
_NONE = np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class Candidates:
    """Units and sets of one layer and site, chosen before anything is measured.

    `units` is the evidence for the top units (see `encoded.evidence`), `new` what units are set to,
    `swaps` the write swaps, or why there are none; `notes` say what is not as it should be.
    """

    layer: int
    site: str
    ranking: Ranking
    profile: Profile
    sets: Sets
    units: pd.DataFrame
    new: Replacement
    swaps: SwapJob | str
    notes: tuple[str, ...] = ()

    @property
    def full(self) -> dict[str, list[Units]]:
        """What is measured on all tokens: doses (all top units last), single ones."""
        single = [np.array([unit]) for unit in self.sets.top]
        return {"dose": self.sets.doses, "unit": single, EMPTY: [_NONE]}

    @property
    def short(self) -> dict[str, list[Units]]:
        """What may do with the read position: sets that decide nothing, random single units."""
        single = [np.array([unit]) for unit in self.sets.matched_units]
        return {
            "matched": self.sets.matched,
            "nonsignificant": self.sets.nonsignificant,
            "shuffled": self.sets.shuffled,
            "matched unit": single,
            EMPTY: [_NONE],
        }

    @property
    def others(self) -> Units:
        """Units that vary and are not among the top ones: random ones are drawn from them."""
        return self.ranking.order[len(self.sets.top) :]


@dataclass(frozen=True)
class Measured:
    """Effects of the sets of some candidates, in the order of their kinds; of their swaps."""

    of: Candidates
    full: Effects
    short: Effects
    swaps: Effects | None = None

    def values(self, kind: str, measure: str) -> Float[np.ndarray, "set example"]:
        """Effects of one kind of sets by one measure; none where nothing can be swapped."""
        if kind in (SWAP, ITSELF):
            if self.swaps is None:
                return np.empty((0, self.full.kl.shape[1]))
            every: NDArray[np.float64] = getattr(self.swaps, measure)
            return every[:-1] if kind == SWAP else every[-1:]
        if kind in self.of.full:
            return _values(self.of.full, self.full, kind, measure)
        return _values(self.of.short, self.short, kind, measure)

    def floor(self, measure: str) -> float:
        """Mean size of an effect with nothing taken away, in nats: what rounding does."""
        found = [
            _values(kinds, effects, EMPTY, measure)
            for kinds, effects in ((self.of.full, self.full), (self.of.short, self.short))
        ]
        means = [mean(np.abs(values)) for values in found]
        return max((value for value in means if not np.isnan(value)), default=float("nan"))


@dataclass(frozen=True)
class Plan:
    """What turns effects into tables: passages and labels of the measured examples, the design."""

    passage: NDArray[np.object_]
    label: Int[np.ndarray, " example"]
    design: Design

    @property
    def n_passages(self) -> int:
        """How many passages the measured windows come from."""
        return len(set(self.passage))

    def resampled(self, one: Measured, kind: str, measures: Sequence[str]) -> dict[str, Resampled]:
        """Means of each measure over examples and draws of passages, the same for all sets."""
        seed = self.design.seed
        return {m: resample(one.values(kind, m), self.passage, seed=seed) for m in measures}


def _values(
    kinds: Mapping[str, Sequence[Units]], effects: Effects, kind: str, measure: str
) -> Float[np.ndarray, "set example"]:
    names = list(kinds)
    start = sum(len(kinds[name]) for name in names[: names.index(kind)])
    array: NDArray[np.float64] = getattr(effects, measure)
    return array[start : start + len(kinds[kind])]


def mean(values: NDArray[np.float64]) -> float:
    """Over what is there; NaN where nothing is."""
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else float("nan")
