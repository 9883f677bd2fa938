"""Examples from texts of one's own: a target's characters to tokens, and a window around them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from lens_probes.arrays import name_of
from lens_probes.errors import InputError, choice, flag, shown, whole
from lens_probes.examples.checks import names_for
from lens_probes.examples.ids import numbered
from lens_probes.examples.labels import above_median, median_names
from lens_probes.examples.targets import sentence_starts, token_span
from lens_probes.examples.tokenised import straight, tokenised
from lens_probes.examples.windows import Target, Targets, Window, read_windows, starts_with_bos
from lens_probes.texts.load import Document, Text

if TYPE_CHECKING:
    from lens_probes.model.load import LensModel

Context = Literal["text", "sentence", "window", "word"]
Read = Literal["last", "first", "mean", "every"]
Span = tuple[int, int]
Where = Callable[[int], str]

CONTEXTS = ("text", "sentence", "window", "word")
READS = ("last", "first", "mean", "every")


@dataclass(frozen=True)
class Reading:
    """What is kept around a target, and which of its tokens are read: see `Examples.from_texts`."""

    context: Context = "text"
    before: int = 90
    after: int = 10
    bos: bool | None = None
    read: Read = "last"

    def __post_init__(self) -> None:
        choice("context", self.context, CONTEXTS)
        choice("read", self.read, READS)
        flag("bos", bool(self.bos) if self.bos is None else self.bos)
        _ = self.window(bos=False)

    def window(self, bos: bool) -> Window:
        """The window of each token that is read: a whole text is a sentence of its own."""
        context = "sentence" if self.context == "text" else self.context
        read = "last" if self.read == "every" else self.read
        return Window(context, self.before, self.after, bos, read)


@dataclass(frozen=True, eq=False)
class LabelledTexts:
    """One row an example: its text, the characters that are its target, its label and its names.

    `spans` [row] of start and end, or None: whole texts; `label` [row] of classes, or None with
    `value` [row]; the others are [row], or None. `where` says what a row is called in an error.
    """

    texts: Sequence[str]
    spans: Sequence[Span] | None
    label: NDArray[np.int64] | None
    value: NDArray[np.float64] | None
    where: Where
    value_name: str = "value"
    class_names: tuple[str, ...] | None = None
    word: NDArray[np.object_] | None = None
    group: NDArray[np.object_] | None = None
    pair: NDArray[np.object_] | None = None
    source: NDArray[np.object_] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the classes, or of the two sides of a value's median."""
        if self.class_names is not None:
            return self.class_names
        if self.label is not None:
            return names_for(self.label, None)
        return median_names(self.value_name)

    def columns(
        self,
        model: LensModel,
        reading: Reading,
        *,
        counts: Mapping[str, int] | None = None,
        origin: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Columns of `Examples`, with what was dropped and why in `counts`.

        Raises
        ------
        InputError
            No tokens of their own for two targets of a class, a pair that is none, a text too long
            for the model, a BOS token that the tokenizer has not.
        """
        pair = None if self.pair is None else self._checked_pairs(self.pair, reading.read)
        bos_token = getattr(model.tokenizer, "bos_token_id", None)
        bos = starts_with_bos(model.tokenizer) if reading.bos is None else reading.bos
        if bos and bos_token is None:
            raise InputError("this tokenizer has no BOS token: leave bos out.")
        targets, row, dropped = self._located(model.tokenizer, reading)
        if pair is not None:
            both = np.isin(row, _whole_pairs(pair, row))
            if not both.all():
                dropped["dropped: its pair was dropped"] = int((~both).sum())
            kept = tuple(targets.usable[k] for k in np.flatnonzero(both))
            targets, row = replace(targets, usable=kept), row[both]
        said = {**(counts or {}), "rows": len(self.texts), **dropped, "examples": len(row)}
        self._check_number(row, said)
        read = read_windows(targets, targets.usable, reading.window(bos), bos_token)
        self._check_length(read["position"], row, int(model.cfg.n_ctx))
        document = np.array([t.document for t in targets.usable])
        if len(set(document.tolist())) == len(document):  # nothing is known of a text read once
            del read["offset"]
        else:
            read["document"] = np.array([f"text {i}" for i in document.tolist()], dtype=object)
        value = None if self.value is None else self.value[row]
        if self.label is not None:
            label = self.label[row]
        else:
            assert value is not None
            label = above_median(value)
        return read | {
            "tokens": read["tokens"][:, : int(model.cfg.n_ctx)],
            "label": label,
            "value": value,
            "value_name": "" if value is None else self.value_name,
            "word": None if self.word is None else self.word[row],
            "own_group": self._groups(row),
            "pair": None if pair is None else pair[row],
            "source": None if self.source is None else self.source[row],
            "read": "mean" if reading.read == "mean" else "token",
            "class_names": self.names,
            "counts": said,
            "origin": {"kind": "texts given by the user", **(origin or {}), "bos": bos},
        }

    def _located(
        self, tokenizer: Any, reading: Reading
    ) -> tuple[Targets, NDArray[np.int64], dict[str, int]]:
        """What is read, the row of each, and how many rows were dropped for which reason."""
        rows_of: dict[str, list[int]] = {}
        for i, given in enumerate(self.texts):
            rows_of.setdefault(given, []).append(i)
        text = Text("rows", tuple(Document(f"text {i}", "", t) for i, t in enumerate(rows_of)), "")
        window = reading.window(bos=False)
        found: dict[int, list[Target]] = {}
        reasons: dict[int, str] = {}
        tokens, starts = [], []
        for number, (document, rows) in enumerate(
            zip(tokenised(text, tokenizer), rows_of.values(), strict=True)
        ):
            n = len(document.ids)
            tokens.append(document.ids)
            sentences = sentence_starts(document.body, document.end_char)
            starts.append(np.zeros(1, np.int64) if reading.context == "text" else sentences)
            for i in rows:
                span = (0, n - 1) if self.spans is None else token_span(document, *self.spans[i])
                if span is None or not n:
                    reasons[i] = "shares a token with other text" if n else "no tokens"
                    continue
                reads = [(t, t) for t in range(span[0], span[1] + 1)]
                fits = {
                    r: window.problem(*r, n) for r in (reads if reading.read == "every" else [span])
                }
                found[i] = [Target("", 0, number, *r) for r, why in fits.items() if why is None]
                if not found[i]:
                    reasons[i] = str(next(iter(fits.values())))
        usable = [(i, target) for i in sorted(found) for target in found[i]]
        dropped = {
            f"dropped: {why} (first: {self.where(min(i for i in reasons if reasons[i] == why))})": k
            for why, k in Counter(reasons[i] for i in sorted(reasons)).items()
        }
        row = np.array([i for i, _ in usable], dtype=np.int64)
        kept = tuple(target for _, target in usable)
        return Targets(kept, tuple(tokens), tuple(starts), {}), row, dropped

    def _groups(self, row: NDArray[np.int64]) -> NDArray[np.object_] | None:
        """Groups as given; texts where there are no words to tell apart; None: words are groups."""
        if self.group is not None:
            return self.group[row]
        if self.word is not None and len(set(self.word[row])) > 1:
            return None
        texts = np.array(self.texts, dtype=object)[row].astype(str)
        return np.array([f"text {i}" for i in numbered(texts).tolist()], dtype=object)

    def _check_number(self, row: NDArray[np.int64], said: Mapping[str, int]) -> None:
        labels = range(1 if self.label is None else len(self.names))
        for k in labels:
            n = len(row) if self.label is None else int((self.label[row] == k).sum())
            if n < 2:
                what = "" if self.label is None else f" of class {self.names[k]}"
                counted = "; ".join(f"{reason} {number}" for reason, number in said.items())
                raise InputError(
                    f"{n} usable targets{what}, 2 or more are needed ({counted}): see to the rows "
                    "that are dropped, or give more."
                )

    def _check_length(self, position: NDArray[np.int64], row: NDArray[np.int64], most: int) -> None:
        long = np.flatnonzero(position >= most)
        if len(long):
            i = int(long[0])
            raise InputError(
                f"{self.where(int(row[i]))} has {position[i] + 1:,} tokens up to where it is read, "
                f"the model takes {most:,}: shorten it, or give context='sentence' or 'window'."
            )

    def _checked_pairs(self, pair: NDArray[np.object_], read: Read) -> NDArray[np.int64]:
        if self.label is None or len(self.names) > 2 or read == "every":
            why = "a label that is a number" if self.label is None else "read='every'"
            why = "all but two classes" if len(self.names) > 2 else why
            raise InputError(
                f"pairs are one example in each of two classes: leave out pair, or {why}."
            )
        sides = Counter(zip(pair.tolist(), self.label.tolist(), strict=True))
        for i, (one, label) in enumerate(zip(pair.tolist(), self.label.tolist(), strict=True)):
            if sides[one, label] != 1 or sides[one, 1 - label] != 1:
                raise InputError(
                    f"{self.where(i)} has the pair {shown(one)}, which is not once in each class."
                )
        return numbered(pair.astype(str))


def _whole_pairs(pair: NDArray[np.int64], row: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows of those that are left whose partner is left too."""
    kept = np.unique(row)
    ids, n = np.unique(pair[kept], return_counts=True)
    rows: NDArray[np.int64] = kept[np.isin(pair[kept], ids[n == 2])]
    return rows


def checked_texts(texts: Any, where: Where) -> list[str]:
    """Texts that hold something, each a text."""
    for i, text in enumerate(texts):
        if not isinstance(text, str) or not text.strip():
            got = "is empty" if text is None or isinstance(text, str) else f"is {shown(text)}"
            raise InputError(f"{where(i)} {got}: give every row a text, or take the row out.")
        name_of(where(i), text)
    return list(texts)


def checked_span(start: Any, end: Any, text: str, where: str) -> Span:
    """First character of a target and the one behind its last, without white space around it.

    Raises
    ------
    InputError
        No whole numbers, nothing between them, or outside the text.
    """
    first, last = whole(f"{where}: start", start), whole(f"{where}: end", end)
    if not 0 <= first < last <= len(text):
        raise InputError(
            f"{where}: start {first} and end {last} are no part of a text of {len(text)} "
            "characters: count from 0, end is the character behind the target."
        )
    target = text[first:last]
    if not target.strip():
        raise InputError(f"{where}: characters {first} to {last} are white space alone.")
    return first + len(target) - len(target.lstrip()), last - len(target) + len(target.rstrip())


def words_of(texts: Sequence[str], spans: Sequence[Span]) -> NDArray[np.object_]:
    """[row] word types: the targets' texts in lower case, with straight apostrophes."""
    found = [
        straight(text)[start:end].lower() for text, (start, end) in zip(texts, spans, strict=True)
    ]
    return np.array([*found, None], dtype=object)[:-1]
