"""A table of a user's own: columns by name, and what each row is called where it comes from."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lens_probes.errors import InputError, one_line, shown
from lens_probes.storage.integrity import read_file, sha256_of
from lens_probes.storage.paths import user_path
from lens_probes.texts.load import utf8_text

KINDS = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".conll", ".conllu")
_HOW = (
    f"rows must be a file ({', '.join(KINDS)}), a data frame, a dict of columns or a list of dicts"
)
# Columns of CoNLL-U behind the number of a word.
_CONLLU = ("words", "lemma", "tags", "xpos", "feats", "head", "deprel", "deps", "misc")
IN_MEMORY = "rows given in memory"
_DELIMITERS = ",;\t"
_NAMED = 30


@dataclass(frozen=True, eq=False)
class UserTable:
    """Columns of cells, a missing one as None, and the number of each row in its file.

    `place` is the file or "", `sha256` a digest of the file, or of the cells where there is none.
    A header is row 1 of a CSV, a line of JSON lines is a row; elsewhere rows count from 0, and a
    row of a data frame is called by its index.
    """

    columns: Mapping[str, Sequence[Any]]
    rows: Sequence[Any]
    place: str
    sha256: str

    def where(self, index: int, *columns: str) -> str:
        """What the cells of a row in some columns are called in an error."""
        file = f"{self.place}, " if self.place else ""
        many = "s" if len(columns) > 1 else ""
        return f"{file}row {self.rows[index]}, column{many} {' and '.join(map(repr, columns))}"

    @property
    def listed(self) -> str:
        """The names of its columns, for an error."""
        names = list(self.columns)
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        return ", ".join(map(repr, names[:_NAMED])) + more

    @property
    def origin(self) -> dict[str, Any]:
        """What a result keeps of it."""
        place = self.place or IN_MEMORY
        return {
            "name": Path(place).name,
            "from": place,
            "sha256": self.sha256,
            "n_rows": len(self.rows),
        }


def read_table(rows: Any) -> UserTable:
    """The table in a file, a data frame (pandas, polars, any with to_pandas), columns or dicts.

    Raises
    ------
    InputError
        No such file or another kind of it, not UTF-8, no row, a row that does not fit its header,
        columns that differ in length or have no name.
    """
    if isinstance(rows, str | Path):
        return _of_file(rows)
    if not isinstance(rows, pd.DataFrame) and hasattr(rows, "to_pandas"):
        try:
            rows = rows.to_pandas()
        except Exception as error:  # whatever another library raises
            raise InputError(f"to_pandas() of rows fails: {one_line(error)}.") from error
    if isinstance(rows, pd.DataFrame):
        names = _names([str(name) for name in rows.columns], "the data frame")
        columns = {name: rows.iloc[:, i].tolist() for i, name in enumerate(names)}
        return _made(columns, rows.index.tolist())
    if isinstance(rows, Mapping):
        columns = {str(name): _cells(str(name), cells) for name, cells in rows.items()}
        if len({len(cells) for cells in columns.values()}) > 1:
            lengths = ", ".join(f"{name!r} {len(cells)}" for name, cells in columns.items())
            raise InputError(f"columns must be equally long; got {lengths}.")
        return _made(columns, range(len(next(iter(columns.values()), ()))))
    if isinstance(rows, Sequence) and not isinstance(rows, bytes):
        for i, row in enumerate(rows):
            if not isinstance(row, Mapping):
                raise InputError(f"{_HOW}; row {i} is {shown(row)}.")
        return _made(_by_column(rows), range(len(rows)))
    raise InputError(f"{_HOW}; got {shown(rows)}.")


def _of_file(given: str | Path) -> UserTable:
    path = user_path(given)
    if path.suffix.lower() not in KINDS:
        kind = path.suffix or "a name without an ending"
        raise InputError(f"{path} is no table that can be read ({kind}): give {', '.join(KINDS)}.")
    try:
        digest = sha256_of(read_file(path))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}.") from error
    readers: dict[str, Callable[[Path], tuple[dict[str, list[Any]], Sequence[int]]]] = {
        ".csv": _csv, ".tsv": _csv, ".parquet": _parquet, ".conll": _conll, ".conllu": _conll,
    }  # fmt: skip
    columns, numbers = readers.get(path.suffix.lower(), _json_lines)(path)
    return _made(columns, numbers, str(path), digest)


def _csv(path: Path) -> tuple[dict[str, list[Any]], Sequence[int]]:
    """Cells as text; the header is row 1, and empty rows are counted and left out."""
    text = utf8_text(path)
    first = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=first.count) if path.suffix.lower() == ".csv" else "\t"
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] = []
    cells: list[list[str]] = []
    numbers: list[int] = []
    number = 0
    try:
        for number, row in enumerate(reader, start=1):
            if not row:
                continue
            if not header:
                # What pandas and R write before the first column: the index of a data frame.
                first_name = row[0].strip() or "(index)"
                header = _names([first_name, *(name.strip() for name in row[1:])], str(path))
                continue
            if len(row) != len(header):
                raise InputError(
                    f"{path}, row {number} has {len(row)} cells, the header {len(header)}: quote "
                    f"a text that holds {delimiter!r}."
                )
            cells.append(row)
            numbers.append(number)
    except csv.Error as error:
        raise InputError(f"{path}, row {number + 1} is no CSV: {one_line(error)}.") from error
    return {name: [row[i] for row in cells] for i, name in enumerate(header)}, numbers


def _conll(path: Path) -> tuple[dict[str, list[Any]], Sequence[int]]:
    """A row a sentence, with lists of words and of labels; its number is that of its first line.

    Sentences end at empty lines. CoNLL-U has ten columns between tabs, of which the universal tags
    are `tags`; elsewhere the first column is the word, the last one its label.
    """
    universal = path.suffix.lower() == ".conllu"
    sentences: list[list[list[str]]] = [[]]
    numbers: list[int] = []
    width = 0
    for number, line in enumerate(utf8_text(path).split("\n"), start=1):
        if not line.strip():
            sentences += [[]] if sentences[-1] else []
            continue
        if line.startswith("-DOCSTART-") or (
            line.startswith("#") and (universal or "\t" not in line)
        ):
            continue
        cells = [cell.strip() for cell in line.split("\t" if universal or "\t" in line else None)]
        width = width or len(cells)
        if len(cells) != width or width < 2 or (universal and width != 1 + len(_CONLLU)):
            wanted = 1 + len(_CONLLU) if universal else max(width, 2)
            raise InputError(f"{path}, row {number} has {len(cells)} columns, not {wanted}.")
        if universal and not cells[0].isdigit():
            continue  # a word that is written as several, or one that is not written
        numbers += [] if sentences[-1] else [number]
        sentences[-1].append(cells[1:] if universal else [cells[0], cells[-1]])
    names = _CONLLU if universal else ("words", "tags")
    found = [one for one in sentences if one]
    columns = {name: [[word[i] for word in one] for one in found] for i, name in enumerate(names)}
    return columns, numbers


def _json_lines(path: Path) -> tuple[dict[str, list[Any]], Sequence[int]]:
    rows: list[Mapping[str, Any]] = []
    numbers: list[int] = []
    for number, line in enumerate(utf8_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}, row {number} is no JSON: {one_line(error)}.") from error
        if not isinstance(row, dict):
            raise InputError(
                f"{path}, row {number} must be an object with columns by name; got {shown(row)}."
            )
        rows.append(row)
        numbers.append(number)
    return _by_column(rows), numbers


def _parquet(path: Path) -> tuple[dict[str, list[Any]], Sequence[int]]:
    try:
        frame = pd.read_parquet(path)
    except Exception as error:  # whatever pyarrow raises for a file that is damaged
        raise InputError(f"cannot read {path}: {one_line(error, 120)}.") from error
    names = _names([str(name) for name in frame.columns], str(path))
    columns = {name: frame.iloc[:, i].tolist() for i, name in enumerate(names)}
    return columns, range(len(frame))


def _by_column(rows: Sequence[Mapping[Any, Any]]) -> dict[str, list[Any]]:
    names = dict.fromkeys(name for row in rows for name in row)
    return {str(name): [row.get(name) for row in rows] for name in names}


def _names(names: list[str], where: str) -> list[str]:
    for name in names:
        if names.count(name) > 1 or not name:
            what = f"two columns {name!r}" if name else "a column without a name"
            raise InputError(f"{where} has {what}: give each its own name.")
    return names


def _cells(name: str, cells: Any) -> list[Any]:
    if isinstance(cells, str | bytes | Mapping | set | frozenset):
        raise InputError(f"column {name!r} must be a list of cells; got {shown(cells)}.")
    try:
        return list(cells)
    except Exception as error:  # whatever a type of the user's raises
        raise InputError(f"column {name!r} must be a list; got {shown(cells)}.") from error


def _made(
    columns: Mapping[str, Sequence[Any]], rows: Sequence[Any], place: str = "", digest: str = ""
) -> UserTable:
    if not columns or not len(rows):
        raise InputError(f"{place or 'the table'} has no rows: give one for each example.")
    plain = {name: [_cell(cell) for cell in cells] for name, cells in columns.items()}
    if not digest:
        said = json.dumps(plain, default=shown, skipkeys=True)
        digest = sha256_of(said.encode("utf-8", "surrogatepass"))
    return UserTable(plain, rows, place, digest)


def _cell(cell: Any) -> Any:
    """A cell as Python has it: arrays as lists, and all that means "missing" as None."""
    if isinstance(cell, np.ndarray):
        cell = cell.tolist()
    if isinstance(cell, list | tuple):
        return [_cell(part) for part in cell]
    if isinstance(cell, np.generic):
        cell = cell.item()
    if isinstance(cell, str):
        return cell if cell.strip() else None
    missing = cell is pd.NA or cell is pd.NaT or (isinstance(cell, float) and cell != cell)
    return None if missing else cell
