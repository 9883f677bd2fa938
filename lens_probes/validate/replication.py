"""What a replication found: line by line, unit by unit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from lens_probes.errors import InputError
from lens_probes.folder_sums import check_folder
from lens_probes.folders import user_path, write_folder
from lens_probes.schemas import ReplicationManifest, read_json
from lens_probes.tables import read_tables, write_tables

REPLICATION = "replication.json"
FORMAT = 2
_TABLES = ("lines", "units")

LINES = (
    "kind", "n", "n_words", "units_compared", "n_significant1", "n_significant2",
    "sign_agreement", "share_significant_again", "auc_heldout", "best_auc_heldout",
    "effect_correlation", "concordance", "level", "note",
)  # fmt: skip
KINDS = ("all new examples", "new sentences", "new words", "new passages", "new corpus")


@dataclass(frozen=True, eq=False)
class Replication:
    """What of a first sweep holds for further examples.

    Attributes
    ----------
    lines
        One row a kind of newness. n and n_words: examples and word types of class 0 v class 1.
        Over the units significant in the first sweep: sign_agreement, share_significant_again
        and auc_heldout, the mean AUC in the first sweep's direction (r with a continuous label);
        best_auc_heldout: that of the first sweep's best unit. Over all units: effect_correlation
        of Hedges' g (of r). concordance: units with the same sign and significant in both, of
        those significant in either (lesson L16). level: what the second test counts.
    units
        One row a unit, for all new examples: name, layer, site, unit, t1, t2, significant1,
        significant2 and group (both, first, second, none). t is r with a continuous label.
    provenance
        Both sets of examples, the model, what was left out; plain values.
    """

    lines: pd.DataFrame
    units: pd.DataFrame
    provenance: Mapping[str, Any]

    def text_lines(self) -> tuple[str, ...]:
        """One line a kind of newness, for reading."""
        said = []
        for row in self.lines.to_dict("records"):
            head = f"{row['kind'] + ':':<18}"
            if pd.isna(row["units_compared"]):
                said.append(f"{head} none ({row['note']})")
                continue
            words = f" of {row['n_words']} word types" if row["n_words"] else ""
            note = f" ({row['note']})" if row["note"] else ""
            said.append(
                f"{head} {row['n']} examples{words}; of {row['n_significant1']:.0f} significant "
                f"units {_percent(row['sign_agreement'])} keep their sign and "
                f"{_percent(row['share_significant_again'])} are significant again (counting "
                f"{row['level']}s); mean AUC {_number(row['auc_heldout'])}, first best unit "
                f"{_number(row['best_auc_heldout'])}; effects correlate at "
                f"{_number(row['effect_correlation'])}; concordance "
                f"{_number(row['concordance'])}{note}"
            )
        return tuple(said)

    def save(self, folder: str | Path) -> Path:
        """Write lines, units and provenance into a new folder, all at once or not at all."""

        return write_folder(folder, self.write_files)

    def write_files(self, folder: Path) -> None:
        """Write the files into a folder that is there already."""
        files = write_tables(folder, {name: getattr(self, name) for name in _TABLES})
        said = {"format": FORMAT, **self.provenance, "files": files}
        (folder / REPLICATION).write_text(json.dumps(said, indent=1, allow_nan=False))

    @classmethod
    def load(cls, folder: str | Path) -> Replication:
        """Read a saved replication.

        Raises
        ------
        InputError
            A file is missing or has changed since it was written, or is of another version.
        """
        path = user_path(folder)
        if not (path / REPLICATION).exists():
            raise InputError(f"no replication in {path}: it has no {REPLICATION}.")
        check_folder(path, [REPLICATION, *(f"{name}.parquet" for name in _TABLES)])
        said = read_json(path / REPLICATION, ReplicationManifest, newest=FORMAT)
        tables = read_tables(path, said["files"], _TABLES)
        provenance = {k: v for k, v in said.items() if k not in ("format", "files")}
        return cls(**tables, provenance=provenance)


def _percent(value: float) -> str:
    return "none" if pd.isna(value) else f"{value:.0%}"


def _number(value: float) -> str:
    return "none" if pd.isna(value) else f"{value:.3f}"
