"""Units, sets and jobs of each layer and site, before anything is ablated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lens_probes.ablation.design import Design
from lens_probes.ablation.encoded import evidence, tuned
from lens_probes.ablation.halves import Halves
from lens_probes.ablation.jobs import Job, SwapJob
from lens_probes.ablation.matching import profile_of
from lens_probes.ablation.measured import Candidates
from lens_probes.ablation.sets import draw_sets, rank
from lens_probes.ablation.swap import swap_job, writes_of
from lens_probes.ablation.windows import changes, draw_donors, masks, replacement
from lens_probes.activations.collect import Activations
from lens_probes.errors import InputError
from lens_probes.examples.examples import Examples
from lens_probes.model.load import LensModel
from lens_probes.result.result import SweepData


@dataclass(frozen=True)
class Setup:
    """Makes the sets of each layer and site, and the jobs: what replaces which units where."""

    model: LensModel
    examples: Examples
    activations: Activations
    split: Halves
    rows: NDArray[np.int64]
    design: Design

    def candidates(self, key: tuple[int, str], result: SweepData | None) -> Candidates:
        """Top units of one layer and site, by the chosen half alone, and their null sets."""
        x, (layer, site), design = self.activations[key], key, self.design
        one_half = self.examples.select(self.split.chosen)
        reference = x[self.split.chosen]
        measured = self.examples.select(self.rows), x[self.rows]
        new = replacement(
            self.model, key, design.kind, design.positions, reference=(one_half, reference),
            measured=measured, donors=draw_donors(len(self.rows), design.seed), after=design.after,
        )  # fmt: skip
        profile = profile_of(
            changes(self.model, key, new, measured, design.positions, design.after)
        )
        try:
            ranking = rank(reference, one_half)
            sets = draw_sets(
                ranking, reference, one_half, profile, top=design.top, n_nulls=design.n_nulls,
                n_unit_nulls=design.unit_nulls, most_unit_nulls=design.most_unit_nulls,
                n_controls=design.n_controls, seed=design.seed,
            )  # fmt: skip
        except ValueError as error:
            raise InputError(f"layer {layer}, site {site}: {error}") from error
        if result is None:
            significant, note = tuned(reference, one_half, alpha=design.alpha, seed=design.seed)
        else:
            here = (result.units["layer"] == layer) & (result.units["site"] == site)
            table, note = result.units[here], ""
            significant = np.zeros(x.shape[1], dtype=bool)
            significant[table["unit"]] = table["significant"]
        other_half = self.examples.select(self.split.measured)
        units = evidence(
            ranking, sets.top, significant, x[self.split.measured], other_half,
            names=(layer, site, self.activations.shapes[site]),
        )  # fmt: skip
        writes = writes_of(self.model, layer, site)
        swaps = writes if isinstance(writes, str) else swap_job(
            self.model, key, writes, new, measured[0], sets.top, ranking.order[design.top :],
            n=design.n_nulls, positions=design.positions, after=design.after, seed=design.seed,
        )  # fmt: skip
        notes = tuple(filter(None, (*sets.notes, note, _few(swaps, design.n_nulls))))
        return Candidates(layer, site, ranking, profile, sets, units, new, swaps, notes)

    def jobs(self, one: Candidates) -> list[Job | SwapJob]:
        """One of all tokens, one that may do with the read position, and the swaps if any."""
        n_units = self.model.shapes[one.site].n_units
        full, short = (
            masks([units for sets in kinds.values() for units in sets], n_units)
            for kinds in (one.full, one.short)
        )
        brief = self.design.unit_measures(one.site) == ("kl",)
        jobs: list[Job | SwapJob] = [
            Job(one.layer, one.site, full, one.new),
            Job(one.layer, one.site, short, one.new, brief),
        ]
        return jobs if isinstance(one.swaps, str) else [*jobs, one.swaps]


def _few(swaps: SwapJob | str, n: int) -> str:
    if isinstance(swaps, str) or len(swaps) > n:
        return ""
    return f"{len(swaps) - 1} different write swaps were found, not {n}"
