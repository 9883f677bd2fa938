"""What a replication found: line by line, unit by unit."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lens_probes.storage.folders import write_folder
from lens_probes.storage.schemas import ReplicationManifest
from lens_probes.storage.table_folder import TableFolder

REPLICATION = "replication.json"
FORMAT = 3
_FOLDER = TableFolder("replication", REPLICATION, ("lines", "units"), ReplicationManifest, FORMAT)

LINES = (
    "kind", "n", "n_words", "n_groups", "units_compared", "n_significant1", "n_significant2",
    "sign_agreement", "sign_agreement_low", "sign_agreement_high", "sign_agreement_null_low",
    "sign_agreement_null_high", "sign_agreement_p", "share_significant_again",
    "auc_heldout", "auc_heldout_low", "auc_heldout_high", "auc_heldout_null_low",
    "auc_heldout_null_high", "auc_heldout_p",
    "best_auc_heldout", "best_auc_heldout_low", "best_auc_heldout_high",
    "effect_correlation", "effect_correlation_low", "effect_correlation_high",
    "effect_correlation_null_low", "effect_correlation_null_high", "effect_correlation_p",
    "concordance", "level", "note",
)  # fmt: skip
KINDS = ("all new examples", "new sentences", "new words", "new passages", "new corpus")


@dataclass(frozen=True, eq=False)
class Replication:
    """What of a first sweep holds for further examples.

    Attributes
    ----------
    lines
        One row a kind of newness. n, n_words, n_groups: examples, word types and replication
        groups of class 0 v class 1 (groups of pairs and values: all of them).
        Over the units significant in the first sweep: sign_agreement, share_significant_again
        and auc_heldout, the mean AUC in the first sweep's direction (r with a continuous label);
        best_auc_heldout: that of the first sweep's best unit. Signs, AUC and effects count groups
        where these are known and 2 a class (signs of pairs and values: 3), else examples.
        Beside them _low and _high, the 95 % interval over groups; _null_low and _null_high, the
        middle 95 % with labels dealt out again over groups, and _p against it; NaN where groups
        are not counted, which note says. Over all units: effect_correlation of Hedges' g
        with the second effects over groups (of r with r).
        concordance: units with the same sign and significant in both, of those significant in
        either (lesson L16). level: what the second test counts.
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
            groups = f" in {row['n_groups']} groups" if row["n_groups"] else ""
            note = f" ({row['note']})" if row["note"] else ""
            score = "mean AUC" if self._of_classes() else "mean r"
            said.append(
                f"{head} {row['n']} examples{words}{groups}; of {row['n_significant1']:.0f} "
                f"significant units {_with_null(row, 'sign_agreement', _percent)} keep their sign; "
                f"{_percent(row['share_significant_again'])} are significant again (counting "
                f"{row['level']}s); {score} {_with_null(row, 'auc_heldout', _number)}; first best "
                f"unit {_with_null(row, 'best_auc_heldout', _number)}; effects correlate at "
                f"{_with_null(row, 'effect_correlation', _number)}; concordance "
                f"{_number(row['concordance'])}{note}"
            )
        return tuple(said)

    def _of_classes(self) -> bool:
        return self.provenance["first"]["examples"].get("value_name") is None

    def save(self, folder: str | Path) -> Path:
        """Write lines, units and provenance into a new folder, all at once or not at all."""

        return write_folder(folder, self.write_files)

    def write_files(self, folder: Path) -> None:
        """Write the files into a folder that is there already."""
        _FOLDER.write(folder, self, self.provenance)

    @classmethod
    def load(cls, folder: str | Path) -> Replication:
        """Read a saved replication.

        Raises
        ------
        InputError
            A file is missing or has changed since it was written, or is of another version.
        """
        tables, said = _FOLDER.read(folder)
        provenance = {k: v for k, v in said.items() if k not in ("format", "files")}
        return cls(**tables, provenance=provenance)


def _with_null(row: Mapping[Hashable, Any], name: str, form: Callable[[float], str]) -> str:
    """A number with its interval over groups and what labels at random give, where known."""
    said = form(row[name])
    for what, ends in (("", "low high"), ("at random ", "null_low null_high")):
        low, high = (row.get(f"{name}_{end}", np.nan) for end in ends.split())
        if pd.notna(low) and pd.notna(high):
            said += (
                f" ({form(low)} to {form(high)})"
                if not what
                else (f" [{what}{form(low)} to {form(high)}, p = {row[f'{name}_p']:.3f}]")
            )
    return said


def _percent(value: float) -> str:
    return "none" if pd.isna(value) else f"{value:.0%}"


def _number(value: float) -> str:
    return "none" if pd.isna(value) else f"{value:.3f}"
