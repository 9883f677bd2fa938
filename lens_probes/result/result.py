"""What a sweep found: units and layers tables, and all that is needed to trust and repeat them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import pandas as pd

from lens_probes.drawing.token_activations import TokenActivations
from lens_probes.errors import InputError, at_least, given_as, one_line, unknown, whole
from lens_probes.storage.folders import MANIFEST, hold_folder
from lens_probes.storage.integrity import read_file, seal, unseal
from lens_probes.storage.paths import user_path
from lens_probes.storage.schemas import ResultManifest, check_version, checked
from lens_probes.storage.tables import read_tables, write_tables
from lens_probes.units.decision import rank_column
from lens_probes.units.details import UnitDetails, from_plain, to_plain

if TYPE_CHECKING:
    from lens_probes.activations.collect import Activations

CAUSAL, SCREEN = "causal", "screen"
FORMAT = 3
TIMINGS = "timings"
_TABLES = ("units", "layers", "examples", "evidence")
# Tables that a result may have: name of the file, and of the field.
_OPTIONAL = {"directions": "direction_table", "sets": "sets", "set_members": "set_members"}


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
    direction_table
        What `directions` gives; None where the sweep made none.
    sets
        One row per layer, site and k: held-out AUC and accuracy of a probe on the k units that
        training chose; layer -1 and site `all` for the whole sweep. None where none were asked for.
    set_members
        Units that halves of the groups agree on, with the share that does, by layer and site.
    activations
        What was swept, in memory or in a store, for `matrix`; not saved.
    """

    units: pd.DataFrame
    layers: pd.DataFrame
    examples: pd.DataFrame
    evidence: pd.DataFrame
    provenance: Mapping[str, Any]
    validation: Mapping[str, Any] = field(default_factory=dict)
    paintings: tuple[TokenActivations, ...] = ()
    details: Mapping[str, UnitDetails] = field(default_factory=dict)
    timings: Mapping[str, float] = field(default_factory=dict)
    folder: Path | None = None
    direction_table: pd.DataFrame | None = None
    sets: pd.DataFrame | None = None
    set_members: pd.DataFrame | None = None
    activations: Activations | None = field(default=None, repr=False)

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

    def directions(self) -> pd.DataFrame:
        """layer, site, kind, unit, weight: directions to read a layer and site along.

        Of two classes the mean difference and the weights of an L2 logistic probe, of a value the
        slope; from all examples of the sweep, so a score on them is not held out.

        Raises
        ------
        InputError
            The course preset makes none.
        """
        if self.direction_table is None:
            raise InputError("this sweep has no directions: the rigorous preset makes them.")
        return self.direction_table.copy()

    def matrix(self, *, layer: int, site: str, activations: Any = None) -> pd.DataFrame:
        """Activations [example, unit] of one layer and site, rows as in `examples`.

        Parameters
        ----------
        activations
            What `sweep_activations` takes, such as the path of the store of the sweep, for a
            result that was loaded; it must have the activations that this result was made of.

        Raises
        ------
        InputError
            A layer and site that was not swept; a loaded result without `activations`, or with
            others than its own.
        """
        from lens_probes.activations.given import given_activations  # noqa: PLC0415  (torch)

        layer = whole("layer", layer)
        given_as("site", site, str, "the name of a site")
        here = self.units[(self.units["layer"] == layer) & (self.units["site"] == site)]
        if here.empty:
            swept = ", ".join(f"({a}, {s!r})" for a, s in zip(self.layers["layer"],
                              self.layers["site"], strict=True))  # fmt: skip
            raise InputError(f"no layer {layer!r} of {site!r} in this sweep: it has {swept}.")
        held = (
            self.activations if activations is None else given_activations(activations).activations
        )
        if held is None:
            raise InputError(
                "a saved result keeps no activations but those of its best units: give those of "
                "the sweep, matrix(..., activations='STORE' or lp.collect(...))."
            )
        if (layer, site) not in list(held):
            raise InputError(f"the activations given have no layer {layer}, site {site}.")
        x = held[layer, site]
        names = here["name"].tolist()
        best = [name for name in names if name in self.evidence]
        there = x.shape == (len(self.examples), len(names)) and all(
            np.array_equal(x[:, names.index(name)], self.evidence[name]) for name in best
        )
        if not there:
            raise InputError(
                f"the activations given for layer {layer}, site {site} are not those of this sweep."
            )
        return pd.DataFrame(np.array(x), index=self.examples.index, columns=names)

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
        tables = {name: getattr(self, name) for name in _TABLES}
        tables |= {
            name: getattr(self, field_name)
            for name, field_name in _OPTIONAL.items()
            if getattr(self, field_name) is not None
        }
        files = write_tables(folder, tables)
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
        tables: dict[str, Any] = read_tables(path, said["files"], _TABLES, _OPTIONAL)
        optional = {name: tables.pop(table, None) for table, name in _OPTIONAL.items()}
        paintings = tuple(
            TokenActivations(**p | {"pieces": tuple(p["pieces"]), "values": tuple(p["values"])})
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
            **optional,
        )
