"""A table of one's own: texts with a target and a label each, from a file or from memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lens_probes.errors import given_as
from lens_probes.examples.examples import Examples
from lens_probes.examples.labelled_texts import Context, LabelledTexts, Read, Reading
from lens_probes.probes.base import Probe
from lens_probes.probes.labelled_columns import Columns, labelled_rows
from lens_probes.texts.user_table import UserTable, read_table

if TYPE_CHECKING:
    from lens_probes.model.load import LensModel


@dataclass(frozen=True, eq=False)
class LabelledProbe(Probe):
    """Which units tell the labels of a table apart, or follow its numbers?

    Every row is an example; none is drawn or balanced. The rows are read when the probe is made,
    so that a mistake in them is told before a model is loaded.

    Parameters
    ----------
    rows
        The path of a CSV, JSON lines or parquet file; a pandas or polars data frame; a dict of
        columns; a list of dicts.
    text
        Column of the text, or of a list of words with a list of labels (one label a word, as in
        CoNLL): each word is an example then. [text, sentence, words or tokens]
    label
        Column of the label: different ones are classes; more numbers than two are a continuous
        label. [label, class, sense, tag, labels or tags]
    classes
        Two labels or more, class 0 first; rows of others are left out. By default the order is
        that of numbers or letters.
    start, end
        Columns of the target's first character, from 0, and of the one behind its last.
        [start and end]
    target
        Without them, column of the target as a word that the text holds once. [target, else word]
        Without either, the whole text is the target.
    word
        Column of the word type; by default the target's text in lower case. [no column]
    group
        Column of what is independent of the others, in place of word types. [group]
    pair, source
        Columns of a pair (each once in both classes) and of the passage. [pair and source]
    read, context, before, after, bos
        As in `Examples.from_texts`: the last token of the target by default, after all of the text
        before it.

    In brackets are the names that are looked for by default; "" takes no column.
    """

    rows: Any
    text: str | None = None
    label: str | None = None
    target: str | None = None
    start: str | None = None
    end: str | None = None
    word: str | None = None
    group: str | None = None
    read: Read = "last"
    pair: str | None = None
    source: str | None = None
    classes: Sequence[str | int] | None = None
    context: Context = "text"
    before: int = 90
    after: int = 10
    bos: bool | None = None

    name = "labelled"
    control = "labels shuffled over groups of rows"

    def __post_init__(self) -> None:
        reading = Reading(self.context, self.before, self.after, self.bos, self.read)
        if isinstance(self.rows, Path):
            object.__setattr__(self, "rows", str(self.rows))
        names = {one: getattr(self, one) for one in Columns.__dataclass_fields__}
        for option, column in names.items():
            given_as(option, column, str | None, "the name of a column")
        table = read_table(self.rows)
        columns = Columns(**names).found_in(table)
        texts, counts = labelled_rows(table, columns, self.classes)
        classes = texts.names
        question = f"Which units tell {classes[1]} from {classes[0]}?"
        if len(classes) > 2:
            question = f"Which units tell {', '.join(classes[:-1])} and {classes[-1]} apart?"
        if texts.value is not None:
            object.__setattr__(self, "course_p", "r_p")
            question = f"Which units follow {texts.value_name}?"
        elif texts.pair is not None:
            object.__setattr__(self, "course_p", "paired_p")
        object.__setattr__(self, "class_names", texts.names)
        object.__setattr__(self, "question", question)
        kept = _Read(texts, table, columns, reading, counts)
        object.__setattr__(self, "_read", kept)

    def examples(self, model: LensModel) -> Examples:
        """All rows that have tokens of their own; InputError if fewer than two of a class have."""
        read: _Read = vars(self)["_read"]
        columns = read.texts.columns(model, read.reading, counts=read.counts, origin=self.origin())
        return Examples(**columns)

    def origin(self, **more: Any) -> dict[str, Any]:
        """As of every probe, with the table's place and digest and the names of its columns."""
        read: _Read = vars(self)["_read"]
        said = {k: v for k, v in super().origin().items() if not hasattr(read.columns, k)}
        rows = read.table.origin
        kind = f"{rows['n_rows']:,} rows: {rows['from']}"
        return said | {"kind": kind, "rows": rows, "columns": asdict(read.columns)} | more


@dataclass(frozen=True, eq=False)
class _Read:
    """What the rows hold."""

    texts: LabelledTexts
    table: UserTable
    columns: Columns
    reading: Reading
    counts: dict[str, int]
