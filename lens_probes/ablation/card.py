"""CausalCard: what the model does without the units of a sweep, and the verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from lens_probes.ablation.verdict import Verdict
from lens_probes.ablation.wording import card_lines
from lens_probes.result.beside import Beside
from lens_probes.result.result import CAUSAL
from lens_probes.storage.folders import write_folder
from lens_probes.storage.schemas import CardManifest
from lens_probes.storage.table_folder import TableFolder

CARD = "causal.json"
FORMAT = 2
METHOD = 3  # grows when the same request gives other numbers or verdicts
_FOLDER = TableFolder(
    "causal card", CARD, ("sets", "units", "doses", "nulls", "steering"), CardManifest, FORMAT
)


@dataclass(frozen=True, eq=False)
class CausalCard(Beside):
    """Does the model use these units? One set of top units for each layer and site.

    All effects are in nats, means over the measured windows; `_low` and `_high` are 95 % bootstrap
    intervals over passages.

    Attributes
    ----------
    verdict, why
        Over all sets: "used", "no more than a typical unit" or "undecided"; the reason.
    sets
        One row a layer and site: `kl` (next-token distribution at the read position), `loss_after`,
        `loss_target`, `loss_elsewhere`, the same for class 0 and 1 (`kl_0`). Of the write swaps
        (the same changes in other directions): means and 1 - alpha quantiles (`kl_swap`,
        `kl_swap_quantile`), `n_nulls`; `p_kl`, `p_loss_after`, `p` (larger of the two measures,
        standardised), `p_family` (corrected over all sets, max-T), `p_resolution`
        (1 / (1 + `n_nulls`)). `kl_matched`: the median random set of as large changes, and `kl` as
        a multiple of it (`typical_ratio`, its 1 - alpha interval `typical_low` to `typical_high`;
        `typical_seen` would have been called used in four of five cases). Deciding nothing:
        `p_matched`, `p_nonsignificant`, `p_shuffled`; how alike matched sets are; `kl_floor`
        (`kl` with nothing taken away: rounding). `k` units, `n_encoded` of them encoded; `verdict`,
        `why`; with an untrained model `p_untrained` (corrected), `verdict_untrained`; with steering
        `steered`, `steering_slope` (log-odds of class 1's words for one sd), `steering_p` and
        `steering_p_resolution`.
    units
        One row a top unit: its evidence on the chosen half, `auc_measured` on the other, its own
        effects, `p` against the `n_nulls` random units that change about as much, `p_corrected`,
        `typical_ratio` and its interval, `verdict`, `why`.
    doses
        One row a layer, site and number of top units: the dose curve.
    nulls
        One row a swap, null set or unit (`kind`, `draw`) with its mean effects.
    steering
        One row a steered unit and scale: log-probabilities of both classes' words.
    provenance
        Model, examples, options, notes: plain values.
    timings
        Seconds of each stage.
    """

    place, kind, again = CAUSAL, "causal card", "ablate"

    verdict: Verdict
    why: str
    sets: pd.DataFrame
    units: pd.DataFrame
    doses: pd.DataFrame
    nulls: pd.DataFrame
    steering: pd.DataFrame
    provenance: Mapping[str, Any]
    timings: Mapping[str, float] = field(default_factory=dict)

    def text_lines(self) -> tuple[str, ...]:
        """The card in sentences: the verdict, then each layer and site with its numbers."""
        return card_lines(self)

    def save(self, folder: str | Path) -> Path:
        """Write parquet tables and causal.json with their digests, all at once or not at all.

        Raises
        ------
        InputError
            The folder holds something already, or cannot be written.
        """
        return write_folder(folder, self.write_files)

    def write_files(self, work: Path) -> None:
        """Write the files of a card into a folder that is there and empty."""
        names = ("verdict", "why", "provenance", "timings")
        _FOLDER.write(work, self, {name: getattr(self, name) for name in names})

    @classmethod
    def load(cls, folder: str | Path) -> CausalCard:
        """Read a saved card.

        Raises
        ------
        InputError
            A file is missing or has changed since it was written, or is of another version.
        """
        tables, said = _FOLDER.read(folder)
        return cls(
            said["verdict"], said["why"], **tables,
            provenance=said["provenance"], timings=said["timings"],
        )  # fmt: skip
