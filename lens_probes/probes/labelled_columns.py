"""The columns of a labelled table: which is which, and its rows as texts, targets and labels."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lens_probes.arrays import name_of
from lens_probes.errors import InputError, shown
from lens_probes.examples.labelled_texts import (
    LabelledTexts,
    Span,
    checked_span,
    checked_texts,
    words_of,
)
from lens_probes.examples.labels import labels_of
from lens_probes.examples.tokenised import straight
from lens_probes.examples.word_ends import beside, followed_wrongly, goes_on_before, word_pattern
from lens_probes.texts.user_table import UserTable

_LOOKED_FOR = {
    "text": ("text", "sentence", "words", "tokens"),
    "label": ("label", "class", "sense", "tag", "labels", "tags"),
    "start": ("start",),
    "end": ("end",),
    "target": ("target", "word"),
    "word": (),
    "group": ("group",),
    "pair": ("pair",),
    "source": ("source",),
}
_NEEDED = ("text", "label")
_NAMES = ("word", "group", "pair", "source")
# Columns that are made where rows are lists of words; no file has columns of these names.
_START, _END = " start", " end"
_WHOLE = re.compile(r"\s*[+-]?\d{1,15}(?:\.0*)?\s*")


@dataclass(frozen=True)
class Columns:
    """Names of columns; None: to be looked for, "": there is none."""

    text: str | None = None
    label: str | None = None
    target: str | None = None
    start: str | None = None
    end: str | None = None
    word: str | None = None
    group: str | None = None
    pair: str | None = None
    source: str | None = None

    def found_in(self, table: UserTable) -> Columns:
        """The same with every name looked for in a table, "" where there is none.

        Raises
        ------
        InputError
            A column is missing, or two could be the text or the label; a start without an end, or
            a target in two ways.
        """
        given = {part.name: getattr(self, part.name) for part in fields(self)}
        if given["target"] and (given["start"] or given["end"]):
            raise InputError("give start and end, or target, one of the two.")
        found = {what: _column(what, name, table) for what, name in given.items()}
        if given["target"]:
            found["start"] = found["end"] = ""
        if bool(found["start"]) != bool(found["end"]):
            here, missing = ("start", "end") if found["start"] else ("end", "start")
            raise InputError(
                f"there is a column {found[here]!r} and none for the {missing} of the target: name "
                f"it with {missing}=; {table.place or 'the table'} has {table.listed}."
            )
        if found["start"]:
            found["target"] = ""
        return Columns(**found)


def _column(what: str, name: str | None, table: UserTable) -> str:
    where = table.place or "the table"
    if name is not None:
        if name not in table.columns and (name or what in _NEEDED):
            raise InputError(f"no column {name!r} for {what}: {where} has {table.listed}.")
        return name
    there = [one for one in _LOOKED_FOR[what] if one in table.columns]
    if what in _NEEDED and len(there) != 1:
        which = " and ".join(map(repr, there))
        said = f"{which} could all be the {what}" if there else f"no column for {what}"
        raise InputError(
            f"{said}: name it with {what}= (--{what} VALUE); {where} has {table.listed}."
        )
    return there[0] if there else ""


def labelled_rows(
    table: UserTable, columns: Columns, classes: Any
) -> tuple[LabelledTexts, dict[str, int]]:
    """Texts, targets and labels of the rows, and how many were left out for their label.

    Raises
    ------
    InputError
        A cell that is empty or wrong, by its row and column.
    """
    if any(isinstance(cell, list) for cell in table.columns[str(columns.text)]):
        table, columns = _one_row_a_word(table, columns)
    name = str(columns.label)
    labels = labels_of(table.columns[name], name, lambda i: table.where(i, name), classes)
    rows = labels.rows.tolist()
    kept = UserTable(
        {name: [cells[row] for row in rows] for name, cells in table.columns.items()},
        [table.rows[row] for row in rows],
        table.place,
        table.sha256,
    )

    def where(i: int) -> str:
        return kept.where(i, str(columns.text))

    texts = checked_texts(kept.columns[str(columns.text)], where)
    spans = _spans(kept, columns, texts)
    names = {what: _names(kept, getattr(columns, what)) for what in _NAMES}
    if names["word"] is None and spans is not None:
        names["word"] = words_of(texts, spans)
    made = LabelledTexts(
        texts,
        spans,
        labels.label,
        labels.value,
        where,
        value_name=name,
        class_names=labels.class_names,
        **names,
    )
    n_left = len(table.rows) - len(rows)
    return made, {"left out: other labels": n_left} if n_left else {}


def _one_row_a_word(table: UserTable, columns: Columns) -> tuple[UserTable, Columns]:
    """Rows of words and labels as one row a word, in the words joined by spaces."""
    text, label = str(columns.text), str(columns.label)
    for what in ("target", "start", "end", "word"):
        if column := getattr(columns, what):
            raise InputError(
                f"column {text!r} holds lists of words, each a target of its own, and column "
                f"{column!r} names another: leave it out ({what}='')."
            )
    made: dict[str, list[Any]] = {name: [] for name in (*table.columns, _START, _END)}
    rows: list[str] = []
    for i, (words, labels) in enumerate(
        zip(table.columns[text], table.columns[label], strict=True)
    ):
        if not isinstance(words, list) or not words:
            raise InputError(f"{table.where(i, text)} must be a list of words; got {shown(words)}.")
        if not isinstance(labels, list) or len(labels) != len(words):
            got = f"{len(labels)} labels" if isinstance(labels, list) else shown(labels)
            raise InputError(
                f"{table.where(i, label)} must be a list of {len(words)} labels, one for each "
                f"word; got {got}."
            )
        at = 0
        for number, (word, one) in enumerate(zip(words, labels, strict=True)):
            rows.append(f"{table.rows[i]}, word {number}")
            if not isinstance(word, str) or word.split() != [word]:
                raise InputError(
                    f"{table.where(i, text)}: word {number} is {shown(word)}: give one word, "
                    "without white space."
                )
            changed = {label: one, _START: at, _END: at + len(word)}
            changed[text] = " ".join(words) if not number else made[text][-1]
            for name, cells in made.items():
                cells.append(changed[name] if name in changed else table.columns[name][i])
            at += len(word) + 1
    every = UserTable(made, rows, table.place, table.sha256)
    return every, replace(columns, start=_START, end=_END)


def _names(table: UserTable, column: str) -> NDArray[np.object_] | None:
    """[row] names in a column, each of them there; None for no column."""
    if not column:
        return None
    found = np.empty(len(table.rows), dtype=object)
    for i, cell in enumerate(table.columns[column]):
        if cell is None:
            raise InputError(
                f"{table.where(i, column)} is empty: fill it in every row, or take no such column."
            )
        whole = isinstance(cell, float) and cell.is_integer()
        found[i] = name_of(table.where(i, column), int(cell) if whole else cell).strip()
    return found


def _spans(table: UserTable, columns: Columns, texts: Sequence[str]) -> list[Span] | None:
    """[row] characters of the targets; None for whole texts."""
    start, end, target = str(columns.start), str(columns.end), str(columns.target)
    if start:
        return [
            checked_span(
                _whole(table.columns[start][i], table.where(i, start)),
                _whole(table.columns[end][i], table.where(i, end)),
                text,
                table.where(i, start, end),
            )
            for i, text in enumerate(texts)
        ]
    if not target:
        return None
    return [
        _place_of(table.columns[target][i], text, table.where(i, target))
        for i, text in enumerate(texts)
    ]


def _whole(cell: Any, where: str) -> int:
    """A whole number, which may be written as text or with a point, as where others are missing."""
    number = isinstance(cell, str | int | float) and not isinstance(cell, bool)
    if not number or not _WHOLE.fullmatch(str(cell)):
        said = "is empty" if cell is None else f"is {shown(cell)}"
        raise InputError(f"{where} {said}: give a whole number of characters.")
    return int(float(cell))


def _place_of(word: Any, text: str, where: str) -> Span:
    """Where a text holds a word, once: as it is written, else in any case."""
    if not isinstance(word, str):
        said = "is empty" if word is None else f"is {shown(word)}"
        raise InputError(f"{where} {said}: give a word of the row's text.")
    body, wanted = straight(text), straight(word.strip())
    found = [
        place
        for place in word_pattern({wanted.lower(): 0}).finditer(body)
        if not goes_on_before(body, place.start())
        and not beside(body, place)
        and not followed_wrongly(body, place.end(), "extended")
    ]
    alike = [place for place in found if place.group() == wanted] or found
    if len(alike) != 1:
        held = f"{len(alike)} times" if alike else "nowhere as a whole word"
        raise InputError(
            f"{where} is {shown(word)}, which the row's text holds {held}: give its start and end."
        )
    return alike[0].span()
