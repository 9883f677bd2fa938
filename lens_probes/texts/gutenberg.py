"""Books of Project Gutenberg: fetched once by number, without the licence, paragraphs rejoined."""

from __future__ import annotations

import http.client
import logging
import os
import re
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from lens_probes.errors import InputError, one_line
from lens_probes.storage.cache import keep, text_cache
from lens_probes.texts.hard_wraps import unwrap

log = logging.getLogger(__name__)

SERVER = "https://www.gutenberg.org"
TIMEOUT_S = 30.0
TREATMENT = "Project Gutenberg header and licence removed, hard wraps undone"
_LARGEST = 64 * 2**20

_OF = r"OF (?:TH(?:E|IS) )?(?:COPYRIGHTED )?PROJECT GUTENBERG"
# The title in the start line may run over two or three lines; the last one ends in asterisks.
_START = re.compile(
    rf"^[ \t]*\*{{2,}}[ \t]*START {_OF}"
    r"(?:[^\n]*\*{2,}[ \t]*$|[^\n*]*(?:\n[^\n*]+){1,2}\*{2,}[ \t]*$|[^\n]*$)",
    re.I | re.M,
)
_SMALL_PRINT = re.compile(r"^[ \t]*\*END\*?[ \t]*THE SMALL PRINT[^\n]*$", re.I | re.M)
_END = re.compile(rf"^[ \t]*(?:\*{{2,}}[ \t]*)?(?:THE |THIS IS THE )?END {_OF}", re.I | re.M)
_CREDIT = re.compile(
    r"\W*(?:(?:this |the )?(?:project gutenberg )?e-?(?:text|book) )?(?:was )?"
    r"(?:(?:produced|prepared|transcribed|scanned|digiti[sz]ed|proofread|created)"
    r"(?: (?:and|from) [^\n]{1,60}?)?|html version) by\b",
    re.I,
)
_NOTE = re.compile(r"\W*transcriber[’']?s?[’']? notes?\s*:\s*\S", re.I)
_FIELD = r"^{}:[ \t]*(\S[^\n]*(?:\n[ \t]+\S[^\n]*)*)"
_FIRST_LINE = re.compile(
    r"Project Gutenberg(?:'s| E-?(?:text|book) of),? (\S[^\n*]*?),? by ([^\n*]+)", re.I
)


@dataclass(frozen=True)
class Book:
    """The author's text, and `Title by Author` as far as the header tells ("" if it does not)."""

    title: str
    text: str


def read_book(number: str) -> Book:
    """A book by its number, from the cache or else from the server.

    The server is `LENS_PROBES_GUTENBERG` (the address of a mirror), or www.gutenberg.org.

    Raises
    ------
    InputError
        Not a number, no such book, no network, a broken download, or something that is no book.
    """
    if not re.fullmatch(r"0*[1-9][0-9]{0,6}", number):
        raise InputError(
            f"no book number in 'gutenberg:{number}': give the number in the address of the "
            "book's page on gutenberg.org, for example gutenberg:11."
        )
    number = number.lstrip("0")
    path = text_cache() / f"gutenberg-{number}.txt"
    if path.is_file():
        book = _parse(path.read_bytes())
        if isinstance(book, Book):
            return book
        log.warning("%s is not a whole book (%s): fetching it again", path, book)
    data, book = _fetch(number, path)
    keep(path, data)
    return book


def clean_book(raw: str) -> Book | None:
    """The author's text in the text of a Project Gutenberg file, or None if it is no such file.

    Such a file has a line that starts the book and one that ends it, in any of the forms used
    since 1990. Several books in one file become one text. Line ends are newlines. The text is ""
    where there is nothing between the lines.
    """
    start = _START.search(raw) or _SMALL_PRINT.search(raw)
    if start is None:
        return None
    title = _title(raw[: start.start()])
    bodies = []
    while start is not None:
        end = _END.search(raw, start.end())
        if end is None:
            return None
        body = raw[start.end() : end.start()]
        # Books of the 1990s put on a new start line can hold their old header after it.
        if old_header := _SMALL_PRINT.search(body, 0, 20_000):
            body = body[old_header.end() :]
        bodies.append(_without_credits(body))
        start = _START.search(raw, end.end())
    text = unwrap("\n\n".join(bodies)).strip("\n")
    return Book(title, text)


def _title(header: str) -> str:
    parts = []
    for field in ("Title", "Author"):
        found = re.search(_FIELD.format(field), header, re.M)
        parts.append(" ".join(found[1].split()) if found else "")
    if not parts[0] and (found := _FIRST_LINE.search(header)):
        parts = [found[1].strip(), found[2].strip()]
    return " by ".join(part for part in parts if part)


def _without_credits(body: str) -> str:
    """The text after the paragraphs, at its very start, that thank those who typed it in."""
    paragraphs = re.split(r"\n[ \t]*(?:\n[ \t]*)+", body.strip())
    first = 0
    while first < len(paragraphs) - 1 and (
        _CREDIT.match(paragraphs[first]) or _NOTE.match(paragraphs[first])
    ):
        first += 1
    return body if first == 0 else "\n\n".join(paragraphs[first:])


def _fetch(number: str, path: Path) -> tuple[bytes, Book]:
    """The file and the book in it, from the first of the server's addresses that has it."""
    urls = _addresses(number)
    by_hand = f"download {urls[0]} by hand and give load_text its path, or save it as {path}."
    missing, other = "", ""
    for url in urls:
        log.info("fetching %s", url)
        try:
            data = _download(url)
        except urllib.error.HTTPError as error:
            reason = f"{url} answered {error.code} {error.reason}".rstrip()
            if error.code not in (404, 410):
                raise InputError(
                    f"cannot fetch book {number}: {reason}. Later, {by_hand}"
                ) from error
            missing = missing or reason
            continue
        except (OSError, http.client.HTTPException) as error:
            cause = one_line(getattr(error, "reason", None) or error)
            raise InputError(
                f"cannot fetch book {number} ({cause}): check the network and try again, or "
                f"{by_hand}"
            ) from error
        book = _parse(data)
        if isinstance(book, Book):
            return data, book
        other = other or f"{url} is not a whole Project Gutenberg book: {book}"
    if other:
        raise InputError(f"{other}. Instead, {by_hand}")
    raise InputError(
        f"no book {number} in plain text ({missing}): look up its number on gutenberg.org, or give "
        "the path of a text file."
    )


def _addresses(number: str) -> list[str]:
    server = (os.environ.get("LENS_PROBES_GUTENBERG") or SERVER).rstrip("/")
    if not re.match(r"https?://[^/]", server):
        raise InputError(
            f"LENS_PROBES_GUTENBERG is {server!r}: give the address of a mirror, for example "
            f"{SERVER}."
        )
    # Mirrors keep the files in folders named by the digits: book 1234 is in 1/2/3/1234.
    digits = "/".join(number[:-1]) or "0"
    return [
        f"{server}/cache/epub/{number}/pg{number}.txt",
        f"{server}/files/{number}/{number}-0.txt",
        f"{server}/ebooks/{number}.txt.utf-8",
        f"{server}/files/{number}/{number}.txt",
        f"{server}/{digits}/{number}/{number}-0.txt",
        f"{server}/{digits}/{number}/{number}.txt",
    ]


def _download(url: str) -> bytes:
    request = urllib.request.Request(url, headers={"User-Agent": "lens_probes"})
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
        data: bytes = response.read(_LARGEST)
        length = response.headers.get("Content-Length")
    if length and length.isdecimal() and len(data) < min(int(length), _LARGEST):
        raise ConnectionError(f"the download broke off after {len(data):,} of {length} bytes")
    return data


def _parse(data: bytes) -> Book | str:
    """The book in a file's bytes, or what is wrong with them."""
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        return f"not UTF-8 at byte {error.start}"
    if book := clean_book(text):
        return book if book.text else "nothing between its start and end lines"
    if _START.search(text) and not _END.search(text):
        return "it breaks off before its end line"
    return f"it begins {' '.join(text.split())[:40]!r}"
