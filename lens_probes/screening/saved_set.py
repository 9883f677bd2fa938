"""The smallest set of units that carries a behaviour; saved and read back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lens_probes.storage.folders import write_folder
from lens_probes.storage.json_values import to_json_value
from lens_probes.storage.schemas.smallest_set import SetManifest
from lens_probes.storage.table_folder import TableFolder

MANIFEST = "set.json"
FORMAT = 1
_FOLDER = TableFolder("set of units", MANIFEST, ("units", "curve", "nulls"), SetManifest, FORMAT)


@dataclass(frozen=True, eq=False)
class SmallestSet:
    """How few units carry a behaviour.

    Attributes
    ----------
    size, size_low, size_high
        Units that keep `level` of the contrast when all others are at their mean, and a 95 %
        bootstrap interval over contrast words.
    units
        One row a unit of that set, best first: layer, site, unit, name, score (what it was ranked
        by).
    curve
        One row a number of units `k`: `faithfulness` of these alone and `completeness`, what is
        left without them, both as a share of the way from no unit (0) to all (1), with limits.
    nulls
        One row a random set of as many units of equal write size: its two shares.
    provenance
        Model, pairs, options; `contrast` of the whole model and `accuracy` by construction;
        `sufficient`, `sufficient_p`, `necessary`, `necessary_p` of the set against the random ones.
    timings
        Seconds of each stage.
    """

    size: float
    size_low: float
    size_high: float
    units: pd.DataFrame
    curve: pd.DataFrame
    nulls: pd.DataFrame
    provenance: Mapping[str, Any]
    timings: Mapping[str, float] = field(default_factory=dict)

    def text_lines(self) -> tuple[str, ...]:
        """What was found, in sentences."""
        said = self.provenance
        share = f"{100 * said['options']['level']:g} %"
        many = "More units than there are" if np.isinf(self.size) else f"{self.size:,.0f} units"
        lines = [
            f"{said['question']} {many} of {said['n_units']:,}, ranked by "
            f"{said['options']['rank']}, keep {share} of the contrast when all others are at their "
            f"mean (95 % interval: {self.size_low:,.0f} to {self.size_high:,.0f}).",
            f"The whole model: contrast {said['contrast']:.2f} nats, right in "
            + "; ".join(f"{100 * right:.0f} % ({name})" for name, right in said["accuracy"].items())
            + f"; with all units at their mean {said['contrast_none']:.2f} nats.",
        ]
        if len(self.nulls):
            lines.append(
                f"Of {len(self.nulls)} random sets of equal write size the median keeps "
                f"{100 * self.nulls['faithfulness'].median():.0f} %, the set "
                f"{100 * said['sufficient']:.0f} % (p = {said['sufficient_p']:.2g}); without one "
                f"{100 * self.nulls['completeness'].median():.0f} % is left, without the set "
                f"{100 * said['necessary']:.0f} % (p = {said['necessary_p']:.2g})."
            )
        return tuple(lines)

    def save(self, folder: str | Path) -> Path:
        """Write parquet tables and set.json with their digests, all at once or not at all.

        Raises
        ------
        InputError
            The folder holds something already, or cannot be written.
        """
        return write_folder(folder, self.write_files)

    def write_files(self, work: Path) -> None:
        """Write the files of a set into a folder that is there and empty."""
        sizes = {name: getattr(self, name) for name in ("size", "size_low", "size_high")}
        _FOLDER.write(
            work, self,
            {
                **{name: None if np.isinf(value) else value for name, value in sizes.items()},
                "provenance": to_json_value(self.provenance, "provenance"),
                "timings": self.timings,
            },
        )  # fmt: skip

    @classmethod
    def load(cls, folder: str | Path) -> SmallestSet:
        """Read a saved set.

        Raises
        ------
        InputError
            A file is missing or has changed since it was written, or is of another version.
        """
        tables, said = _FOLDER.read(folder)
        size, low, high = (
            np.inf if said[name] is None else float(said[name])
            for name in ("size", "size_low", "size_high")
        )
        rest = {"provenance": said["provenance"], "timings": said["timings"]}
        return cls(size, low, high, tables["units"], tables["curve"], tables["nulls"], **rest)
