"""The tables of a saved folder: parquet files, read when their digests fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from lens_probes.errors import InputError, one_line
from lens_probes.storage.integrity import sha256


def write_tables(folder: Path, tables: Mapping[str, pd.DataFrame]) -> dict[str, str]:
    """Write each table as NAME.parquet; digests by file name."""
    for name, table in tables.items():
        table.to_parquet(folder / f"{name}.parquet", index=False)
    return {f"{name}.parquet": sha256(folder / f"{name}.parquet") for name in tables}


def read_tables(
    folder: Path, digests: Mapping[str, str], names: Iterable[str], optional: Iterable[str] = ()
) -> dict[str, pd.DataFrame]:
    """The tables of some names, and those of the optional ones that are there.

    Raises
    ------
    InputError
        The digests are of other tables; one is missing, has changed or cannot be read.
    """
    wanted = {f"{name}.parquet": name for name in names}
    wanted |= {f"{n}.parquet": n for n in optional if f"{n}.parquet" in digests}
    if set(digests) != set(wanted):
        raise InputError(f"{folder} does not name its tables, {', '.join(wanted)}.")
    tables = {}
    for file, name in wanted.items():
        path = folder / file
        try:
            if sha256(path) != digests[file]:
                raise InputError(f"{folder} is damaged: {file} has changed since it was written.")
            tables[name] = pd.read_parquet(path)
        except FileNotFoundError as error:
            raise InputError(f"{folder} is not whole: {file} is missing.") from error
        except InputError:
            raise
        except (OSError, ValueError) as error:
            raise InputError(f"cannot read {path} ({one_line(error, 120)}).") from error
    return tables
