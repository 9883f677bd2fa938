"""Screen: what the model does without each unit, and the verdicts; saved and read back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from lens_probes.result.beside import Beside
from lens_probes.result.result import SCREEN
from lens_probes.screening.wording import screen_lines
from lens_probes.storage.folders import write_folder
from lens_probes.storage.schemas import ScreenManifest
from lens_probes.storage.table_folder import TableFolder

MANIFEST = "screen.json"
FORMAT = 1
METHOD = 1  # grows when the same request gives other numbers or verdicts
_FOLDER = TableFolder(
    "screen", MANIFEST, ("units", "calibration", "null", "map"), ScreenManifest, FORMAT
)


@dataclass(frozen=True, eq=False)
class Screen(Beside):
    """Does the model use them? Every unit of some layers and sites.

    Attributes
    ----------
    units
        One row a unit: `effect` of setting it to its mean, in nats (of a function as metric, in
        its own units), with 95 % limits over blocks of passages (`effect_low`, `effect_high`);
        `size`, the root mean square of what it writes less; `typical`, the effect of the median
        unit of that size, and `quantile`, what 1 - alpha of them stay below; `z`, the distance
        from the typical on a log scale, in robust standard deviations; `p` (`log10_p`) among units
        of equal size, `q` (Benjamini-Hochberg) and `p_family` (Holm) over all units of the run;
        `critical`, the effect from which one alone is called used; `used`: "used", "no measured
        use" or "undecided", and `why`; `valid`, whether the screen is valid there.
    calibration
        One row a layer and site: `n` units ablated exactly; `rank_correlation` of screen and
        ablation over the site (`n_site` units) and over the layers nearby
        (`rank_correlation_layers`: `layers`, `n_layers`); `median_ratio` there, `ratio_of_medians`
        over the site; the `largest_miss` of this layer and its ratio; `valid`.
    null
        One row a layer and site: the typical unit's log effect at size 1 (`centre`), the spread
        (`scale`), `n_used`; with an untrained model `n_used_untrained`.
    map
        One row a layer and site: counts of tuned units (by the sweep) that are used, not, or
        undecided (`tuned_used` ...), and of the others (`other_used` ...); empty without a sweep.
    provenance
        Model, examples, options; `missed`: of the units that the screen puts below a threshold,
        how many of those ablated are above it (`seen`) and how many of all may be (`at_most`, 95 %
        confidence).
    timings
        Seconds of each stage.
    """

    place, kind, again = SCREEN, "screen", "screen"

    units: pd.DataFrame
    calibration: pd.DataFrame
    null: pd.DataFrame
    map: pd.DataFrame
    provenance: Mapping[str, Any]
    timings: Mapping[str, float] = field(default_factory=dict)

    def top(self, n: int = 10) -> pd.DataFrame:
        """The n units that stand out most from those that write as much."""
        return self.units.sort_values(["log10_p", "effect"], ascending=[True, False]).head(n)

    def text_lines(self) -> tuple[str, ...]:
        """The screen in sentences, with its numbers."""
        return screen_lines(self)

    def save(self, folder: str | Path) -> Path:
        """Write parquet tables and screen.json with their digests, all at once or not at all.

        Raises
        ------
        InputError
            The folder holds something already, or cannot be written.
        """
        return write_folder(folder, self.write_files)

    def write_files(self, work: Path) -> None:
        """Write the files of a screen into a folder that is there and empty."""
        _FOLDER.write(work, self, {"provenance": self.provenance, "timings": self.timings})

    @classmethod
    def load(cls, folder: str | Path) -> Screen:
        """Read a saved screen.

        Raises
        ------
        InputError
            A file is missing or has changed since it was written, or is of another version.
        """
        tables, said = _FOLDER.read(folder)
        return cls(**tables, provenance=said["provenance"], timings=said["timings"])
