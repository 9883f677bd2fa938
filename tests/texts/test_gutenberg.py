"""Books of Project Gutenberg: fetched once, cleaned, one clear line for every failure."""

from __future__ import annotations

import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from fake_hub import serving
from wrapped_prose import FILLED, PROSE

import lens_probes as lp
from lens_probes.texts import gutenberg
from lens_probes.texts.gutenberg import clean_book

HEADER = """\ufeffThe Project Gutenberg eBook of Pride and Prejudice

This eBook is for the use of anyone anywhere.

Title: Pride and
        Prejudice

Author: Jane Austen

Language: English

"""
START = "*** START OF THE PROJECT GUTENBERG EBOOK PRIDE AND PREJUDICE ***"
END = "*** END OF THE PROJECT GUTENBERG EBOOK PRIDE AND PREJUDICE ***"
BODY = f"CHAPTER I.\n\n{FILLED}\n\n{FILLED}"
CLEAN = f"CHAPTER I.\n\n{PROSE}\n\n{PROSE}"
BOOK = f"{HEADER}{START}\n\n\n\n{BODY}\n\n\n{END}\n\nUpdated editions will replace it.\n"


class Shelf(BaseHTTPRequestHandler):
    """Answers by path; what was asked for is noted."""

    answers: dict[str, bytes | int | str]
    asked: list[str]

    def log_message(self, *_: object) -> None: ...

    def do_GET(self) -> None:
        self.asked.append(self.path)
        answer = self.answers.get(self.path, 404)
        if answer == "slow":
            time.sleep(1)
            return
        if isinstance(answer, int):
            self.send_error(answer)
            return
        data = BOOK.encode() if isinstance(answer, str) else answer
        self.send_response(200)
        if answer != "unsized":
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if answer == "half" else data)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LENS_PROBES_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "texts"


@pytest.fixture
def shelf(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Shelf]]:
    handler = type("OneShelf", (Shelf,), {"answers": {}, "asked": []})
    with serving(handler) as address:
        monkeypatch.setenv("LENS_PROBES_GUTENBERG", address + "/")
        yield handler


def test_book_is_fetched_once_and_cleaned(
    shelf: type[Shelf], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.answers["/cache/epub/1342/pg1342.txt"] = BOOK.replace("\n", "\r\n").encode()
    first = lp.load_text("gutenberg:1342")
    (document,) = first.documents
    assert (document.name, document.source) == (
        "gutenberg:1342",
        "Pride and Prejudice by Jane Austen",
    )
    assert document.text == CLEAN
    assert first.origin == first.name == "gutenberg:1342"
    assert first.treatment == "Project Gutenberg header and licence removed, hard wraps undone"
    assert [f.name for f in cache.iterdir()] == ["gutenberg-1342.txt"]
    monkeypatch.setenv("LENS_PROBES_GUTENBERG", "http://127.0.0.1:9")
    assert lp.load_text("gutenberg:01342").documents[0].text == CLEAN
    assert lp.load_text("gutenberg:1342").sha256 == first.sha256
    assert shelf.asked == ["/cache/epub/1342/pg1342.txt"]


@pytest.mark.parametrize(
    "address",
    ["/files/7/7-0.txt", "/ebooks/7.txt.utf-8", "/files/7/7.txt", "/0/7/7-0.txt", "/0/7/7.txt"],
)
def test_other_addresses_of_the_same_book(shelf: type[Shelf], address: str) -> None:
    shelf.answers[address] = "unsized"
    assert lp.load_text("gutenberg:7").documents[0].text == CLEAN
    assert shelf.asked[0] == "/cache/epub/7/pg7.txt"
    assert shelf.asked[-1] == address


def test_mirrors_keep_books_in_folders_of_digits(shelf: type[Shelf]) -> None:
    shelf.answers["/1/3/4/1342/1342-0.txt"] = BOOK.encode()
    assert lp.load_text("gutenberg:1342").documents[0].text == CLEAN


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (404, r"no book 5 in plain text \(http://\S+ answered 404 Not Found\): look up its number"),
        (503, r"cannot fetch book 5: \S+ answered 503 .*download http\S+/pg5.txt by hand"),
        ("half", r"the download broke off after [\d,]+ of \d+ bytes\): check the network"),
        ("slow", r"cannot fetch book 5 \(timed out\): .*/pg5.txt by hand .* or save it as .*g-5"),
        (b"<html>Sorry</html>", r"is not a whole .* book: it begins '<html>Sorry</html>'. Instead"),
        (BOOK.split(END)[0].encode(), r"not a whole .* book: it breaks off before its end line"),
        (BOOK.replace(BODY, "").encode(), r"nothing between its start and end lines"),
        ("caf\xe9".encode("latin-1"), r"not UTF-8 at byte 3"),
        (b"", r"it begins ''"),
    ],
)
def test_failures_are_one_line_and_leave_no_file(
    shelf: type[Shelf],
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    answer: bytes | int | str,
    message: str,
) -> None:
    monkeypatch.setattr(gutenberg, "TIMEOUT_S", 0.3)
    shelf.answers["/cache/epub/5/pg5.txt"] = answer
    with pytest.raises(lp.InputError, match=message) as caught:
        lp.load_text("gutenberg:5")
    assert "\n" not in str(caught.value)
    assert not cache.exists()


def test_no_network(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LENS_PROBES_GUTENBERG", "http://127.0.0.1:9")
    with pytest.raises(lp.InputError, match=r"refused\): check the network .* by hand") as caught:
        lp.load_text("gutenberg:5")
    assert f"save it as {cache / 'gutenberg-5.txt'}" in str(caught.value)
    cache.mkdir(parents=True)
    (cache / "gutenberg-5.txt").write_text(BOOK)
    assert lp.load_text("gutenberg:5").documents[0].text == CLEAN
    monkeypatch.setenv("LENS_PROBES_GUTENBERG", "ftp://x")
    with pytest.raises(lp.InputError, match="LENS_PROBES_GUTENBERG is 'ftp://x'"):
        lp.load_text("gutenberg:6")


def test_damaged_cache_is_fetched_again(shelf: type[Shelf], cache: Path) -> None:
    shelf.answers["/cache/epub/5/pg5.txt"] = BOOK.encode()
    cache.mkdir(parents=True)
    (cache / "gutenberg-5.txt").write_text(BOOK[: len(BOOK) // 2])
    assert lp.load_text("gutenberg:5").documents[0].text == CLEAN
    assert (cache / "gutenberg-5.txt").read_bytes() == BOOK.encode()


@pytest.mark.parametrize("number", ["", "0", "alice", "11.txt", "-1", "1/../2"])
def test_no_book_number(number: str) -> None:
    with pytest.raises(lp.InputError, match="no book number in 'gutenberg:"):
        lp.load_text(f"gutenberg:{number}")


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (START, END),
        (
            "***START OF THE PROJECT GUTENBERG EBOOK X***",
            "***END OF THE PROJECT GUTENBERG EBOOK X***",
        ),
        ("*** START OF THIS PROJECT GUTENBERG EBOOK X ***", "End of Project Gutenberg's X, by Y"),
        ("*** START OF THE COPYRIGHTED PROJECT GUTENBERG EBOOK X ***", END),
        (
            "*** START OF THE PROJECT GUTENBERG EBOOK LIFE AND\nADVENTURES, BY HIMSELF ***",
            f"The End of the Project Gutenberg EBook of X\n\n{END}",
        ),
        (
            "***START**THE SMALL PRINT!**FOR PUBLIC DOMAIN ETEXTS**START***\nLawyers.\n"
            "*END*THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.04.29.93*END*",
            "End of The Project Gutenberg Etext of X",
        ),
        (f"{START}\n\nOld header.\n\n*END THE SMALL PRINT! FOR PUBLIC DOMAIN*Ver.1*END*", END),
        (f"{START}\n\nProduced by Some One, and the Online\nDistributed Proofreading Team", END),
        (f"{START}\n\nThis etext was prepared by A. B.\n\nHTML version by C. D.", END),
        (f"{START}\n\nTranscribed from the 1813 edition by David Price", END),
        (f"{START}\n\n[Transcriber’s note: spelling kept.]", END),
    ],
)
def test_start_and_end_lines_of_all_times(start: str, end: str) -> None:
    book = clean_book(f"{HEADER}{start}\n\n{BODY}\n\n{end}\n\nLicence.\n")
    assert book is not None
    assert book.text == CLEAN
    assert book.title == "Pride and Prejudice by Jane Austen"


@pytest.mark.parametrize("text", [BODY, f"{START}\n{BODY}", f"{BODY}\n{END}", f"{END}\n{START}"])
def test_what_is_no_gutenberg_file(text: str) -> None:
    assert clean_book(text) is None


def test_titles_of_old_headers_and_several_books_in_one_file() -> None:
    old = (
        f"The Project Gutenberg Etext of Emma, by Jane Austen\n\n{START}\n{BODY}\n{END}\nLicence\n"
    )
    first = clean_book(old)
    assert first is not None
    assert first.title == "Emma by Jane Austen"
    both = clean_book(old + old)
    assert both is not None
    assert both.text == f"{CLEAN}\n\n{CLEAN}"
    bare = clean_book(f"{START}\n{BODY}\n{END}")
    assert bare is not None
    assert bare.title == ""


def test_raw_files_are_cleaned_and_say_so(tmp_path: Path) -> None:
    (tmp_path / "austen.txt").write_text(BOOK)
    (tmp_path / "own.txt").write_text(FILLED)
    text = lp.load_text(tmp_path / "austen.txt")
    assert (text.documents[0].source, text.documents[0].text) == ("austen.txt", CLEAN)
    assert text.treatment.startswith("Project Gutenberg header")
    assert text.origin == str(tmp_path / "austen.txt")
    folder = lp.load_text(tmp_path)
    assert [d.text for d in folder.documents] == [CLEAN, FILLED]
    assert folder.treatment.endswith("hard wraps undone in 1 of 2 files")
    assert lp.load_text(tmp_path / "own.txt").treatment == ""
    (tmp_path / "austen.txt").write_text(f"{START}\n\n{END}\n")
    with pytest.raises(lp.InputError, match="holds nothing between Project Gutenberg's start"):
        lp.load_text(tmp_path / "austen.txt")
