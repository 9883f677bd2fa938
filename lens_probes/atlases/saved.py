"""Atlas: what every unit is tuned to, of many properties; saved and read back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lens_probes.atlases.page import write_report
from lens_probes.atlases.wording import atlas_lines, unit_sentence
from lens_probes.errors import unknown
from lens_probes.examples.examples import Examples
from lens_probes.storage.folders import write_folder
from lens_probes.storage.schemas import AtlasManifest
from lens_probes.storage.table_folder import TableFolder

MANIFEST = "atlas.json"
FORMAT = 1
TABLES = ("units", "properties", "designs", "values", "sample", "tokens")
_FOLDER = TableFolder("atlas", MANIFEST, TABLES, AtlasManifest, FORMAT)


@dataclass(frozen=True, eq=False)
class Atlas:
    """What is each unit tuned to, of many properties?

    Attributes
    ----------
    units
        One row a unit: `best` property and `second`, with `t_best` and `t_second` (Welch's or the
        paired t over word types, on the scale of a normal z), `p_best` and `p_second` over all
        units and properties, `q_best`; `partial_second`, the second's z given the best;
        `selectivity`; `rule`, the property that both halves of documents and words choose for the
        unit ("" where they differ); `auc_heldout`, its AUC in the other half, mean of both;
        `q_shuffled` and `q_untrained`, false discovery rates of units with such an AUC, against
        the same search in shuffled units and in random weights; `named`: the best property is the
        rule, significant, and beyond both.
    properties
        One row a property, layer and site: `n_tested`, `n_significant`, `share_significant` (p
        over all units and properties), `share_q`, `share_positive`, `best_unit`, `best_t`,
        `best_auc_heldout` (unit chosen in the other half); the same of shuffled units
        (`shuffled_auc_heldout`) and random weights (`untrained_...`).
    designs
        One row a property: `level` (word types compared with others, or with themselves),
        `n_groups1`, `n_groups0`, `n_tokens`, `n_unmatched`, AUC of each confound after matching,
        and `problem` where it could not be tested.
    values
        One row a unit, one column a tested property: z.
    sample
        One row a unit: its activations at a few tokens, each unit on its own scale (-127 to 127).
    tokens
        One row a token of what was read: ids, words, documents, and the class in each property.
    provenance, timings
        Model, text, options; seconds of each stage.
    """

    units: pd.DataFrame
    properties: pd.DataFrame
    designs: pd.DataFrame
    values: pd.DataFrame
    sample: pd.DataFrame
    tokens: pd.DataFrame
    provenance: Mapping[str, Any]
    timings: Mapping[str, float] = field(default_factory=dict)

    def unit(self, name: str) -> pd.Series:
        """The row of one unit, by name; KeyError where it was not read."""
        found = self.units[self.units["name"] == name]
        if found.empty:
            raise KeyError(name)
        return found.iloc[0]

    def follows(self, name: str, n: int = 10) -> pd.DataFrame:
        """The n units that follow a property most closely, with their `value` (z).

        Raises
        ------
        InputError
            A property that was not tested.
        """
        if name not in self.values:
            raise unknown("property", name, list(self.values.columns))
        table = self.units.assign(value=self.values[name].to_numpy())
        order = table["value"].abs().sort_values(ascending=False, kind="stable").index
        return table.loc[order].head(n)

    def examples(self, name: str) -> Examples:
        """The tokens that a property's classes consist of, for `lp.sweep` and all else.

        With `min_per_group=1` a sweep of them gives the atlas's numbers of that property, where
        it compares word types. What it compares inside word types has both classes in each group.

        Raises
        ------
        InputError
            A property that was not tested.
        """
        if name not in self.values:
            raise unknown("property", name, list(self.values.columns))
        tokens = self.tokens
        used = np.flatnonzero(tokens[f"class: {name}"].to_numpy() >= 0)
        chunk = tokens["chunk"].to_numpy()
        starts = np.flatnonzero(np.diff(chunk, prepend=-1))
        ends = np.append(starts[1:], len(tokens))
        prefix = self.provenance["text"]["prefix"]
        width = int((ends - starts).max()) + len(prefix)
        ids = tokens["id"].to_numpy()
        padded = np.full((len(starts), width), -1, dtype=np.int64)
        for row, (start, end) in enumerate(zip(starts, ends, strict=True)):
            padded[row, : end - start + len(prefix)] = [*prefix, *ids[start:end]]
        here = tokens.iloc[used]
        return Examples(
            tokens=padded[chunk[used]],
            position=here["position"].to_numpy(),
            label=here[f"class: {name}"].to_numpy().astype(np.int64),
            word=here["word"].to_numpy(dtype=object),
            own_group=here["word"].to_numpy(dtype=object),
            source=here["document"].to_numpy(dtype=object),
            document=here["document"].to_numpy(dtype=object),
            offset=here["index"].to_numpy(),
            class_names=("others", name),
            origin={"kind": "tokens of an atlas", "property": name},
        )

    def sentence(self, name: str) -> str:
        """What a unit is tuned to in one sentence; "" where it does not beat its nulls."""
        return unit_sentence(self, name)

    def text_lines(self) -> tuple[str, ...]:
        """The atlas in sentences, with its numbers."""
        return atlas_lines(self)

    def write_report(self, path: str | Path) -> Path:
        """Write the page: one file, no network needed to read it, its digest at the end.

        Raises
        ------
        InputError
            The file cannot be written there.
        """
        return write_report(self, path)

    def save(self, folder: str | Path) -> Path:
        """Write parquet tables and atlas.json with their digests, all at once or not at all.

        Raises
        ------
        InputError
            The folder holds something already, or cannot be written.
        """
        return write_folder(folder, self.write_files)

    def write_files(self, work: Path) -> None:
        """Write the files of an atlas into a folder that is there and empty."""
        _FOLDER.write(work, self, {"provenance": self.provenance, "timings": self.timings})

    @classmethod
    def load(cls, folder: str | Path) -> Atlas:
        """Read a saved atlas.

        Raises
        ------
        InputError
            A file is missing or has changed since it was written, or is of another version.
        """
        tables, said = _FOLDER.read(folder)
        return cls(**tables, provenance=said["provenance"], timings=said["timings"])
