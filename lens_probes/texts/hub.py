"""Texts from Hugging Face data sets: streamed once, then read from the cache folder."""

from __future__ import annotations

import importlib
import json
import logging
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lens_probes.errors import InputError, one_line, unknown
from lens_probes.storage.cache import keep, text_cache
from lens_probes.storage.integrity import sha256_of
from lens_probes.storage.paths import user_path

log = logging.getLogger(__name__)

MAX_CHARACTERS = 2_000_000
_FORMAT = 1
_CONFIGS = re.compile(r"available(?: configs)?: (\['[^\]]*\])", re.I)
_STRINGS = ("string", "large_string")
_ARTICLE = re.compile(r"= ([^=]+?) =")

Passage = tuple[str, str, str]  # name, source, text of a document


@dataclass(frozen=True)
class HubText:
    """Documents of a data set in its order, and what was done to them."""

    passages: tuple[Passage, ...]
    treatment: str


@dataclass(frozen=True)
class _Request:
    dataset: str
    config: str | None
    split: str | None
    column: str | None
    max_characters: int

    @property
    def is_local(self) -> bool:
        """Whether the data set is a folder here, which needs no hub and no cached copy."""
        return Path(self.dataset).is_dir()

    @property
    def cache_file(self) -> Path:
        """Where the text of exactly this request is kept."""
        parts = [self.dataset, self.config, self.split, self.column, self.max_characters, _FORMAT]
        digest = sha256_of(json.dumps(parts).encode())[:16]
        return text_cache() / f"hf-{re.sub(r'[^A-Za-z0-9.-]+', '-', self.dataset)}-{digest}.jsonl"


def read_hub(name: str, column: str | None, max_characters: int) -> HubText:
    """Documents of `DATASET[:CONFIG[:SPLIT]]`, whole ones, until they hold `max_characters`.

    DATASET is a name on the Hugging Face hub, or a folder of parquet, JSON lines, CSV or text
    files. What came from the hub is kept in the cache folder, and the next load reads only that; a
    folder is read anew each time.

    Raises
    ------
    InputError
        No such data set, configuration, split or column, no network, or no text in it.
    """
    request = _request(name, column, max_characters)
    if request.is_local:
        return _stream(request)
    path = request.cache_file
    if path.is_file():
        if kept := _read(path):
            return kept
        log.warning("cached text %s is damaged: reading %s again", path, request.dataset)
    text = _stream(request)
    keep(path, _as_lines(text))
    return text


def _request(name: str, column: str | None, max_characters: int) -> _Request:
    if max_characters < 1:
        raise InputError(f"max_characters is {max_characters}: give 1 or more.")
    folder = user_path(name)
    if name and folder.is_dir():
        return _Request(str(folder), None, None, column, max_characters)
    dataset, *rest = name.split(":")
    if not dataset or len(rest) > 2:
        raise InputError(
            f"cannot read 'hf:{name}': write hf:DATASET, hf:DATASET:CONFIG or "
            "hf:DATASET:CONFIG:SPLIT, for example hf:Salesforce/wikitext:wikitext-2-raw-v1."
        )
    config, split = ([part or None for part in rest] + [None, None])[:2]
    folder = user_path(dataset)
    return _Request(
        str(folder) if folder.is_dir() else dataset, config, split, column, max_characters
    )


def _stream(request: _Request) -> HubText:
    try:
        datasets = importlib.import_module("datasets")  # takes a second, so only where it is used
    except ImportError as error:
        raise InputError(
            f"hf: texts need the package datasets ({one_line(error)}): run `pip install datasets`."
        ) from error
    try:
        with _quiet(datasets):
            builder = datasets.load_dataset_builder(request.dataset, request.config)
            splits = builder.as_streaming_dataset()
            split = _split(request, list(splits))
            return _documents(request, splits[split], split, str(builder.hash))
    except InputError:
        raise
    except Exception as error:  # the readers of many formats and of the network raise anything
        raise _refusal(request, error) from error


@contextmanager
def _quiet(datasets: Any) -> Iterator[None]:
    """Progress bars of the two libraries off, and on again if they were on."""
    bars = [datasets.utils, importlib.import_module("huggingface_hub").utils]
    shown = [b for b in bars if not b.are_progress_bars_disabled()]
    for module in shown:
        module.disable_progress_bars()
    try:
        yield
    finally:
        for module in shown:
            module.enable_progress_bars()


def _refusal(request: _Request, error: Exception) -> InputError:
    what, kinds = request.dataset, {kind.__name__ for kind in type(error).__mro__}
    if "DatasetNotFoundError" in kinds or isinstance(error, FileNotFoundError):
        return InputError(
            f"no data set {what!r} that can be read ({one_line(error)}): give its full name on "
            "huggingface.co/datasets, or the path of a folder of parquet, JSON lines, CSV or text "
            "files."
        )
    if isinstance(error, ConnectionError | TimeoutError) or "TransportError" in kinds:
        return InputError(
            f"cannot reach the Hugging Face hub for {what!r} ({one_line(error)}): check the "
            f"network and HF_HUB_OFFLINE, or download the data set's files elsewhere and give "
            "hf:FOLDER, or copy the cache folder of a machine that has read it."
        )
    if found := _CONFIGS.search(str(error)):
        configs = re.findall(r"'([^']+)'", found[1])
        if request.config is not None:
            return unknown(f"configuration of {what}", request.config, configs)
        return InputError(
            f"data set {what!r} has the configurations {', '.join(configs)}: name one, as in "
            f"hf:{what}:{configs[0]}."
        )
    return InputError(
        f"cannot read the data set {what!r}: {one_line(error)} (the form is "
        "hf:DATASET:CONFIG:SPLIT)."
    )


def _split(request: _Request, splits: list[str]) -> str:
    if request.split is not None:
        if request.split not in splits:
            raise unknown(f"split of {request.dataset}", request.split, splits)
        return request.split
    if "train" in splits or len(splits) == 1:
        return "train" if "train" in splits else splits[0]
    raise InputError(
        f"data set {request.dataset!r} has the splits {', '.join(splits)}: name one, as in "
        f"hf:{request.dataset}:{request.config or ''}:{splits[0]}."
    )


def _documents(request: _Request, rows: Any, split: str, revision: str) -> HubText:
    column = _column(request, rows)
    names = (request.dataset.rstrip("/").rsplit("/", 1)[-1], request.config or "")
    is_wikitext = any(name.lower().startswith("wikitext") for name in names)
    passages, held, empty = [], 0, 0
    cut = _articles(rows, column, split) if is_wikitext else _rows(rows, column, split)
    for passage in cut:
        if not passage[2]:
            empty += 1
            continue
        passages.append(passage)
        held += len(passage[2])
        if held >= request.max_characters:
            break
    if not passages:
        raise InputError(
            f"data set {request.dataset!r} holds no text in column {column!r} of split {split!r}: "
            "name another column or split."
        )
    unit = "rows joined to one document an article" if is_wikitext else "one document a row"
    where = "" if request.is_local else f" at revision {revision}"
    left_out = f", {empty} empty left out" if empty else ""
    return HubText(
        tuple(passages),
        f"column {column!r} of split {split!r}{where}, {unit}{left_out}; whole "
        f"documents until {request.max_characters:,} characters",
    )


def _column(request: _Request, rows: Any) -> str:
    features = rows.features or {}
    columns = [c for c, f in features.items() if getattr(f, "dtype", "") in _STRINGS]
    if not features:
        first: dict[str, Any] = next(iter(rows), {})
        columns = [name for name, value in first.items() if isinstance(value, str)]
    if request.column is not None:
        if request.column not in columns:
            raise unknown(f"text column of {request.dataset}", request.column, columns)
        return request.column
    if "text" in columns or len(columns) == 1:
        return "text" if "text" in columns else columns[0]
    found = f"the text columns {', '.join(columns)}" if columns else "no column of text"
    raise InputError(f"data set {request.dataset!r} has {found}: name one with column=.")


def _rows(rows: Iterable[dict[str, Any]], column: str, split: str) -> Iterator[Passage]:
    for number, row in enumerate(rows):
        name = str(row.get("id") or f"{split}[{number}]")
        host = urlsplit(str(row.get("url") or "")).hostname
        source = str(row.get("title") or host or name)
        yield name, source, _clean(row[column])


def _articles(rows: Iterable[dict[str, Any]], column: str, split: str) -> Iterator[Passage]:
    """WikiText's rows, one a line, joined to articles.

    A line ` = Title = ` with nothing on the lines before and after it starts an article; in the
    middle of a text it is a formula or a score.
    """
    title, lines = f"{split}, before the first title", [""]
    for row in rows:
        line = _clean(row[column])
        if not line and lines[-2:-1] == [""] and (found := _ARTICLE.fullmatch(lines[-1])):
            if any(lines[:-1]):
                yield title, title, "\n".join(lines[:-1]).strip()
            title, lines = found[1], ["", lines[-1]]
        lines.append(line)
    yield title, title, "\n".join(lines).strip()


def _clean(value: str | None) -> str:
    return (value or "").replace("\r\n", "\n").replace("\r", "\n").strip()


def _as_lines(text: HubText) -> bytes:
    """One JSON line that says what follows and its digest, then one for each document."""
    body = "".join(json.dumps(passage) + "\n" for passage in text.passages).encode()
    head = {"treatment": text.treatment, "sha256": sha256_of(body)}
    return json.dumps(head).encode() + b"\n" + body


def _read(path: Path) -> HubText | None:
    head, _, body = path.read_bytes().partition(b"\n")
    try:
        facts = json.loads(head)
        if sha256_of(body) != facts["sha256"]:
            return None
        passages = (tuple(json.loads(line)) for line in body.splitlines())
        return HubText(tuple(passages), str(facts["treatment"]))
    except (ValueError, KeyError, TypeError):
        return None
