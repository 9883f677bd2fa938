"""Folders of what is found beside a sweep: parquet tables and one JSON file with their digests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from lens_probes.errors import InputError
from lens_probes.storage.folder_sums import check_folder
from lens_probes.storage.paths import user_path
from lens_probes.storage.schemas import read_json
from lens_probes.storage.schemas.base import Saved
from lens_probes.storage.tables import read_tables, write_tables


@dataclass(frozen=True)
class TableFolder:
    """One kind of folder: its name in a sentence, its JSON file, its tables, what it may say."""

    kind: str
    manifest: str
    tables: tuple[str, ...]
    schema: type[Saved]
    version: int

    def write(self, work: Path, found: Any, said: Mapping[str, Any]) -> None:
        """Write the tables of `found`, which are its fields, and what else is said, into `work`."""
        files = write_tables(work, {name: getattr(found, name) for name in self.tables})
        content = {"format": self.version, **said, "files": files}
        (work / self.manifest).write_text(json.dumps(content, indent=1, allow_nan=False))

    def read(self, folder: str | Path) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
        """The tables by name, and what else was said.

        Raises
        ------
        InputError
            A file is missing or has changed since it was written, or is of another version.
        """
        path = user_path(folder)
        if not (path / self.manifest).exists():
            raise InputError(f"no {self.kind} in {path}: it has no {self.manifest}.")
        check_folder(path, [self.manifest, *(f"{name}.parquet" for name in self.tables)])
        said = read_json(path / self.manifest, self.schema, newest=self.version)
        return read_tables(path, said["files"], self.tables), said
