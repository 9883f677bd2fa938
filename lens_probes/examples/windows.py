"""Windows: what an example keeps of the text around its target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lens_probes.errors import InputError, at_least, choice, flag
from lens_probes.examples.checks import NO_TOKEN
from lens_probes.texts.load import Document, Text

Context = Literal["window", "sentence", "word", "document"]
Read = Literal["last", "first", "mean"]

CONTEXTS = ("window", "sentence", "word", "document")
READS = ("last", "first", "mean")
COPIED = "drawn from a copy or a part of another document, whose source they take"


@dataclass(frozen=True)
class Window:
    """What an example keeps around its target, and where it is read.

    `"window"`: `before` tokens before the token that is read and `after` behind it; a target with
    fewer is dropped. `"document"`: the text is cut into overlapping chunks of `chunk` tokens, and
    all targets of a chunk are read from one forward pass; every target still has `before` tokens
    of context or more. `"sentence"`: the whole sentence. `"word"`: the target alone.

    `read` says which token of a target of several is read: its last, its first, or all (mean).
    """

    context: Context = "window"
    before: int = 90
    after: int = 10
    bos: bool = False
    read: Read = "last"
    chunk: int = 512

    def __post_init__(self) -> None:
        choice("context", self.context, CONTEXTS)
        choice("read", self.read, READS)
        at_least(0, before=self.before, after=self.after)
        at_least(1, chunk=self.chunk)
        flag("bos", self.bos)
        if self.context == "document" and self.chunk <= self.before:
            raise InputError(f"chunk must be more than before; got {self.chunk} and {self.before}.")

    def problem(self, first: int, last: int, n_tokens: int) -> str | None:
        """Why a target of these tokens has no window in a document of n_tokens, or None."""
        if self.context in ("sentence", "word"):
            return None
        if (first if self.read == "first" else last) < self.before:
            return f"fewer than {self.before} tokens before it"
        if last + self.after >= n_tokens:
            return f"fewer than {self.after} tokens after it"
        return None

    def ends(
        self, first: int, last: int, n_tokens: int, sentences: NDArray[np.int64]
    ) -> tuple[int, int]:
        """First token of a target's window and the one behind its last."""
        read = first if self.read == "first" else last
        if self.context == "word":
            return first, last + 1
        if self.context == "sentence":
            at = int(np.searchsorted(sentences, first, side="right"))
            end = int(sentences[at]) if at < len(sentences) else n_tokens
            return int(sentences[at - 1]), max(end, last + 1)
        if self.context == "window":
            return min(first, read - self.before), last + self.after + 1
        step = self.chunk - self.before
        start = (read - self.before) // step * step
        return min(first, start), min(start + self.chunk, n_tokens)


@dataclass(frozen=True)
class Target:
    """One usable occurrence: its word type, class, document and first and last token there."""

    word: str
    label: int
    document: int
    first: int
    last: int


@dataclass(frozen=True)
class Targets:
    """Usable occurrences in a text, its tokens, and how many were dropped for which reason."""

    usable: tuple[Target, ...]
    tokens: tuple[NDArray[np.int64], ...]
    sentence_starts: tuple[NDArray[np.int64], ...]
    counts: Mapping[str, int]


def starts_with_bos(tokenizer: Any) -> bool:
    """Whether a tokenizer puts its BOS token before any text, as before those of the training."""
    bos = getattr(tokenizer, "bos_token_id", None)
    if bos is None:
        return False
    ids = list(tokenizer("a")["input_ids"])
    return bool(ids) and ids[0] == bos


def cut_windows(
    text: Text,
    targets: Targets,
    drawn: Sequence[Target],
    window: Window,
    *,
    class_names: tuple[str, ...],
    counts: Mapping[str, int],
    origin: Mapping[str, Any],
    bos_token_id: int | None = None,
) -> dict[str, Any]:
    """Columns of `Examples` of some targets, each with its window.

    Raises
    ------
    InputError
        A BOS token is asked for and the tokenizer has none.
    """
    if window.bos and bos_token_id is None:
        raise InputError("this tokenizer has no BOS token: leave bos out.")
    read = read_windows(targets, drawn, window, bos_token_id)
    documents = [text.documents[t.document] for t in drawn]
    # A copy, or a part, of another document is that document's text under another name.
    whole = [text.documents[text.originals[t.document]] for t in drawn]
    n_copies = sum(a is not b for a, b in zip(documents, whole, strict=True))
    if n_copies:
        counts = {**counts, COPIED: n_copies}
    return read | {
        "label": np.array([t.label for t in drawn], dtype=np.int64),
        "word": np.array([t.word for t in drawn], dtype=object),
        "source": np.array([d.source for d in whole], dtype=object),
        "document": np.array([d.name for d in documents], dtype=object),
        "read": "mean" if window.read == "mean" else "token",
        "class_names": class_names,
        "counts": counts,
        "origin": origin,
        "date": years_of(documents),
    }


def read_windows(
    targets: Targets, drawn: Sequence[Target], window: Window, bos_token_id: int | None
) -> dict[str, Any]:
    """Tokens, position, first and offset of `Examples`, of some targets with their windows."""
    prefix = [bos_token_id] if window.bos else []
    rows, position, firsts, offsets = [], [], [], []
    for t in drawn:
        ids = targets.tokens[t.document]
        start, end = window.ends(t.first, t.last, len(ids), targets.sentence_starts[t.document])
        rows.append([*prefix, *ids[start:end].tolist()])
        read = t.first if window.read == "first" else t.last
        position.append(read - start + len(prefix))
        firsts.append(t.first - start + len(prefix))
        offsets.append(read)
    padded = np.full((len(rows), max(map(len, rows))), NO_TOKEN, dtype=np.int64)
    for i, row in enumerate(rows):
        padded[i, : len(row)] = row
    numbers = {"position": position, "first": firsts, "offset": offsets}
    return {"tokens": padded} | {k: np.array(v, dtype=np.int64) for k, v in numbers.items()}


def years_of(documents: Sequence[Document]) -> NDArray[np.float64] | None:
    """[document] year of each; None where that of any is unknown."""
    years = [document.date for document in documents if document.date is not None]
    return np.array(years) if len(years) == len(documents) else None
