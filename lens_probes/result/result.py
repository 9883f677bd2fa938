"""What a sweep found: units and layers tables, and all that is needed to trust and repeat them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import pandas as pd

from lens_probes.drawing.painting import Painting
from lens_probes.errors import InputError, at_least, given_as, one_line, unknown, whole
from lens_probes.storage.folders import MANIFEST, hold_folder
from lens_probes.storage.integrity import read_file, seal, unseal
from lens_probes.storage.paths import user_path
from lens_probes.storage.schemas import ResultManifest, check_version, checked
from lens_probes.storage.tables import read_tables, write_tables
from lens_probes.units.decision import rank_column
from lens_probes.units.details import UnitDetails, from_plain, to_plain

CAUSAL = "causal"
FORMAT = 3
TIMINGS = "timings"
_TABLES = ("units", "layers", "examples", "evidence")


@dataclass(frozen=True, eq=False)
class SweepData:
    """What a sweep found.

    Attributes
    ----------
    units
        One row per layer, site and unit; columns as in the statistics guide.
    layers
        One row per layer and site: how many units were tested, significant, separated, constant.
    examples
        One row per example: label, word, source, document, offset, position.
    evidence
        [example, unit] activations of the best units of every layer and site, by unit name.
    paintings
        Example windows under the best unit.
    details
        Contexts and direct effect of the strongest units, by name: for their cards in the report.
    provenance
        Model, examples, decision, versions: plain values.
    validation
        What a rigorous sweep checked beside its tests: resolution, nulls, confounds, notes.
    timings
        Seconds of each stage; the one part that differs between two runs.
    folder
        Where it was loaded from; None where it was not.
    """

    units: pd.DataFrame
    layers: pd.DataFrame
    examples: pd.DataFrame
    evidence: pd.DataFrame
    provenance: Mapping[str, Any]
    validation: Mapping[str, Any] = field(default_factory=dict)
    paintings: tuple[Painting, ...] = ()
    details: Mapping[str, UnitDetails] = field(default_factory=dict)
    timings: Mapping[str, float] = field(default_factory=dict)
    folder: Path | None = None

    def top(
        self,
        n: int = 10,
        *,
        site: str | None = None,
        layer: int | None = None,
        direction: Literal[-1, 1] | None = None,
    ) -> pd.DataFrame:
        """The n units with the strongest evidence, best first.

        Ranked by the test over groups where that decides (`rank`), else by the score test of
        tokens: it stays finite where a unit separates the classes and Wald's p fails. It is a
        monotone function of |t|, so it is no second opinion on it. With a continuous label, by the
        p-value of r.
        """
        table = self.units
        at_least(0, n=n)
        if site is not None:
            given_as("site", site, str, "a name")
            if site not in set(table["site"]):
                raise unknown("site", site, dict.fromkeys(table["site"]))
            table = table[table["site"] == site]
        if layer is not None:
            if whole("layer", layer) not in set(table["layer"]):
                raise unknown("layer", layer, dict.fromkeys(table["layer"]))
            table = table[table["layer"] == layer]
        if direction is not None:
            if whole("direction", direction) not in (-1, 1):
                raise unknown("direction", direction, (-1, 1))
            table = table[table["direction"] == direction]
        ranked = table.dropna(subset=self.rank_column)
        return ranked.sort_values(self.rank_column, kind="stable").head(n).reset_index(drop=True)

    @property
    def rank_column(self) -> str:
        """Column by which units are ranked: the smaller, the stronger the evidence."""
        return rank_column(self.units)

    @property
    def recorded_model(self) -> Mapping[str, Any]:
        """What is recorded of the model that was swept.

        Raises
        ------
        InputError
            The sweep was made of activations, with no model.
        """
        said: Mapping[str, Any] | None = self.provenance["model"]
        if said is None:
            raise InputError(
                "this is a sweep of given activations, which knows no model: to read, ablate or "
                "replicate with one, sweep the model itself (lp.sweep)."
            )
        return said

    def save(self, folder: str | Path) -> Path:
        """Write parquet tables and a manifest with their digests, all at once or not at all.

        Raises
        ------
        InputError
            The folder holds something already, or cannot be written.
        """

        with hold_folder(folder) as new:
            return new.write(self.write_files)

    def write_files(self, folder: Path) -> None:
        """Write tables and manifest into a folder that is there already."""
        files = write_tables(folder, {name: getattr(self, name) for name in _TABLES})
        manifest = {
            "format": FORMAT,
            "provenance": self.provenance,
            "validation": self.validation,
            "paintings": [asdict(painting) for painting in self.paintings],
            "details": to_plain(self.details),
            "files": files,
            TIMINGS: {"seconds": dict(self.timings)},
        }
        (folder / MANIFEST).write_bytes(seal(manifest, apart=TIMINGS))

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read a saved result.

        Raises
        ------
        InputError
            A file is missing or has changed since it was written, or is of another version.
        """
        path = user_path(folder)
        manifest = path / MANIFEST
        try:
            data = read_file(manifest)
        except FileNotFoundError as error:
            raise InputError(f"no result in {path}: it has no {MANIFEST}.") from error
        except OSError as error:
            raise InputError(f"cannot read {manifest}: {one_line(error)}.") from error
        check_version(data, FORMAT, manifest)
        said = checked(
            unseal(data, manifest, apart=TIMINGS), ResultManifest, manifest, newest=FORMAT
        )
        tables = read_tables(path, said["files"], _TABLES)
        paintings = tuple(
            Painting(**p | {"pieces": tuple(p["pieces"]), "values": tuple(p["values"])})
            for p in said["paintings"]
        )
        return cls(
            **tables,
            provenance=said["provenance"],
            validation=said["validation"],
            paintings=paintings,
            details=from_plain(said["details"]),
            timings=said[TIMINGS]["seconds"],
            folder=path,
        )


def summarise_layers(units: pd.DataFrame) -> pd.DataFrame:
    """One row per layer and site; shares are of the tested units, `positive` = class 1 higher."""
    rows = []
    rank = rank_column(units)
    for (layer, site), group in units.groupby(["layer", "site"], sort=False):
        status = group["status"]
        significant = group[group["significant"]]
        positive = significant[significant["direction"] > 0]
        n_constant = int((status == "constant").sum())
        n_tested = len(group) - n_constant
        ranked = group.dropna(subset=rank)
        best = ranked.iloc[int(ranked[rank].argmin())] if len(ranked) else None
        counts = {
            "n_units": len(group),
            "n_tested": n_tested,
            "n_constant": n_constant,
            "n_significant": len(significant),
            "share_significant": _share(len(significant), n_tested),
            "share_significant_token_level": _share(
                int(group["significant_token_level"].sum()), n_tested
            ),
            "n_significant_positive": len(positive),
            "share_significant_positive": _share(len(positive), n_tested),
            "best_unit": None if best is None else best["name"],
        }
        special = _two_class if "auc" in group else _continuous
        rows.append({"layer": layer, "site": site} | counts | special(group, best))
    return pd.DataFrame(rows)


def _two_class(group: pd.DataFrame, best: pd.Series | None) -> dict[str, Any]:
    """Accuracy and AUC of one layer and site."""
    status = group["status"]
    significant = group[group["significant"]]
    positive = significant[significant["direction"] > 0]
    said = {
        "n_separated": int((status == "separated").sum()),
        "n_quasi_separated": int((status == "quasi_separated").sum()),
        "n_not_converged": int((status == "not_converged").sum()),
        "mean_accuracy_significant": significant["accuracy"].mean(),
        "mean_accuracy_significant_positive": positive["accuracy"].mean(),
        "mean_auc_significant_positive": positive["auc"].mean(),
        "best_auc": np.nan if best is None else best["auc"],
        "best_accuracy": np.nan if best is None else best["accuracy"],
    }
    if "auc_others" in group:
        said["best_auc_others"] = np.nan if best is None else best["auc_others"]
    return said


def _continuous(group: pd.DataFrame, best: pd.Series | None) -> dict[str, Any]:
    """Distribution of r over the units of one layer and site."""
    low, quarter, median, upper, high = group["r"].quantile([0.05, 0.25, 0.5, 0.75, 0.95])
    return {
        "mean_r": group["r"].mean(),
        "sd_r": group["r"].std(),
        "q05_r": low,
        "q25_r": quarter,
        "median_r": median,
        "q75_r": upper,
        "q95_r": high,
        "mean_partial_r": group["partial_r"].mean(),
        "median_partial_r": group["partial_r"].median(),
        "best_r": np.nan if best is None else best["r"],
    }


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
