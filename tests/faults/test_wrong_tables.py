"""Tables that cannot be read: one line that names the row, a non-zero exit, nothing written."""

from __future__ import annotations

from pathlib import Path

import pytest

from lens_probes.cli import main

ROWS = [f"We can go {i}.,3,6,yes\nWe cannot {i}.,3,9,no" for i in range(3)]


def table(
    *rows: str, header: str = "sentence,start,end,label", more: str = "", good: bool = True
) -> bytes:
    """A header, six sound rows (rows 2 to 7), and then these."""
    sound = [row + "".join(more) for part in ROWS for row in part.split("\n")] if good else []
    return "\n".join([header, *sound, *rows, ""]).encode()


# What is in the file -> what the line must say, and options beside the file.
WRONG: dict[str, tuple[bytes, str, str]] = {
    "empty file": (b"", "is empty", ""),
    "header alone": (table(good=False), "has no rows", ""),
    "not UTF-8": (table("Caf\u00e9 it can,8,11,yes").decode().encode("latin-1"), "not UTF-8", ""),
    "UTF-16": (table().decode().encode("utf-16"), "is not", ""),
    "zero bytes": (table() + b"\0\0", "zero bytes", ""),
    "a cell too many": (table("We, can,3,6,yes"), "row 8 has 5 cells, the header 4", ""),
    "a cell too few": (table("We can,3,6"), "row 8 has 3 cells, the header 4", ""),
    "an open quote": (table('"We can,3,6,yes'), "row 8 is no CSV", ""),
    "a quote inside": (table('"We" can,3,6,yes'), "row 8 is no CSV", ""),
    "two columns alike": (table(header="sentence,start,start,label"), "two columns 'start'", ""),
    "a column without a name": (table(header="sentence,start,,label"), "without a name", ""),
    "no text column": (table(header="s,start,end,label"), "no column for text: name it", ""),
    "no label column": (table(header="sentence,start,end,l"), "no column for label: name it", ""),
    "no end": (table(header="sentence,start,stop,label"), "none for the end of the target", ""),
    "no start": (table(header="sentence,begin,end,label"), "none for the start", ""),
    "two labels": (table(header="sentence,start,class,label"), "could all be the label", ""),
    "two texts": (table(header="sentence,text,end,label"), "could all be the text", ""),
    "another name": (table(), "no column 'sense' for label: ", "--label sense"),
    "another start": (table(), "no column 'from' for start", "--start from"),
    "span and target": (table(), "one of the two", "--target sentence --start start"),
    "no text": (table(",3,6,yes"), "row 8, column 'sentence' is empty", ""),
    "blank text": (table("   ,3,6,yes"), "row 8, column 'sentence' is empty", ""),
    "no label": (table("We can,3,6,"), "row 8, column 'label' is empty", ""),
    "no start cell": (table("We can,,6,yes"), "row 8, column 'start' is empty", ""),
    "no end cell": (table("We can,3,,yes"), "row 8, column 'end' is empty", ""),
    "start is a word": (table("We can,three,6,yes"), "row 8, column 'start' is 'three'", ""),
    "end is a fraction": (table("We can,3,5.5,yes"), "row 8, column 'end' is '5.5'", ""),
    "negative": (table("We can,-3,6,yes"), "row 8, columns 'start' and 'end': start -3", ""),
    "beyond the text": (table("We can,3,7,yes"), "no part of a text of 6 characters", ""),
    "end before start": (table("We can,6,3,yes"), "row 8, columns 'start' and 'end'", ""),
    "nothing between": (table("We can,3,3,yes"), "row 8, columns 'start' and 'end'", ""),
    "white space": (table("We can,2,3,yes"), "row 8, columns 'start' and 'end': characters 2", ""),
    "a third class": (table("We can,3,6,yess"), "row 8, column 'label' is the only 'yess'", ""),
    "a number among names": (table("We can,3,6,1"), "row 8, column 'label' is '1', a number", ""),
    "a name among numbers": (
        b"text,label\n" + b"We go.,1\nThey go.,0\n" * 4 + b"I go.,x\n",
        "row 10, column 'label' is 'x', no number among numbers", "",
    ),
    "an infinite number": (
        b"text,label\nWe go.,1.5\nThey go.,inf\nI go.,2\n",
        "row 3, column 'label' is 'inf': give finite numbers", "",
    ),
    "one class": (b"text,label\nWe go.,yes\nI go.,yes\n", "two classes are needed", ""),
    "no such class": (table(), "no label 'maybe' in column 'label'", "--classes yes,maybe"),
    "a class too many": (table(), "no label 'maybe' in column", "--classes yes,no,maybe"),
    "one class asked for": (table(), "must be two labels or more", "--classes yes"),
    "one class twice": (table(), "must be different labels", "--classes yes,yes"),
    "the word is not there": (
        b"text,word,label\nWe can go.,can,yes\nWe cannot go.,not,no\n",
        "row 3, column 'word' is 'not', which the row's text holds nowhere as a whole word", "",
    ),
    "the word is there twice": (
        b"text,word,label\nWe can can it.,can,yes\nI go.,go,no\n",
        "row 2, column 'word' is 'can', which the row's text holds 2 times", "",
    ),
    "no group": (
        table("We can,3,6,yes,", header="sentence,start,end,label,group", more=",a"),
        "row 8, column 'group' is empty", "",
    ),
    "no pair": (
        table(header="sentence,start,end,label,pair", more=",a"),
        "row 2, column 'sentence' has the pair 'a', which is not once in each class", "",
    ),
    "all spans cut a token": (
        b"text,start,end,label\nWe cannot go.,3,5,yes\nThey cannot go.,5,7,no\n",
        "0 usable targets of class no", "",
    ),
    "too few of a class": (
        b"text,label\nWe go.,yes\nI go.,yes\nThey go.,no\n", "1 usable targets of class no", "",
    ),
    "too long": (
        b"text,label\n" + b"We go.,yes\nI go.,no\n" * 2 + b"can " * 400 + b",no\n",
        "row 6, column 'text' has ", "",
    ),
}  # fmt: skip


@pytest.mark.model
@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_table_is_one_line(
    name: str, tiny_folders: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, says, options = WRONG[name]
    file = tmp_path / "table.csv"
    file.write_bytes(data)
    given = f"--model {tiny_folders['gpt2']} --layers 0 --quiet --no-untrained {options}".split()
    assert main(["sweep", "labelled", str(file), "--out", str(tmp_path / "out"), *given]) == 2
    printed = capsys.readouterr()
    said = [line for line in printed.err.splitlines() if line]
    assert len(said) == 1, printed.err
    assert said[0].startswith("lens-probes: ")
    assert says in said[0]
    assert not printed.out
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]


def test_there_are_forty_of_them() -> None:
    assert len(WRONG) >= 40


@pytest.mark.parametrize(
    ("file", "data", "says"),
    [
        ("t.jsonl", '{"text": "a"', "row 1 is no JSON"),
        ("t.jsonl", '\n["a", "b"]', "row 2 must be an object"),
        ("t.jsonl", '{"text": ["a"], "label": ["x", "y"]}', "row 1, column 'label' must be a list"),
        ("t.jsonl", '{"text": ["a b"], "label": ["x"]}', "word 0 is 'a b'"),
        ("t.jsonl", '{"text": ["a", "b"], "label": ["x", null]}', "row 1, word 1, column 'label'"),
        ("t.parquet", "text", "cannot read"),
        ("t.xlsx", "text", "is no table that can be read (.xlsx)"),
        ("none", "text", "is no table that can be read"),
    ],
)
def test_other_files(
    file: str, data: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / file).write_text(data)
    given = [str(tmp_path / file), "--out", str(tmp_path / "out")]
    assert main(["sweep", "labelled", *given, "--quiet"]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("lens-probes: ")
    assert says in printed.err
    assert printed.err.count("\n") == 1
    assert not (tmp_path / "out").exists()
