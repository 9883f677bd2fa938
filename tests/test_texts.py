"""Texts: what can be loaded, and one clear line for what cannot."""

from pathlib import Path

import pytest

import lens_probes as lp


def test_speeches_are_documents_with_speakers() -> None:
    text = lp.load_text("speeches")
    assert len(text.documents) > 200
    assert text.documents[0].source == "George Washington"
    assert len({d.source for d in text.documents}) > 35
    assert text.n_characters > 10_000_000
    assert text.sha256 == lp.load_text("speeches").sha256


def test_file_and_folder(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "two.md").write_text("second")
    (tmp_path / "a.txt").write_bytes("\ufefffirst\r\nline ’".encode())
    (tmp_path / "ignored.bin").write_bytes(b"\0\1")
    one = lp.load_text(tmp_path / "a.txt")
    assert [d.text for d in one.documents] == ["first\nline ’"]
    both = lp.load_text(tmp_path)
    assert [d.name for d in both.documents] == ["a.txt", "b/two.md"]
    assert both.sha256 != one.sha256


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"caf\xe9 au lait", r"not UTF-8 text \(byte 3 is 0xe9\)"),
        (b"a\0b", "holds zero bytes"),
        (b" \n\t ", "is empty"),
        (b"", "is empty"),
    ],
)
def test_what_is_not_text(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "t.txt"
    path.write_bytes(content)
    with pytest.raises(lp.InputError, match=message):
        lp.load_text(path)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(lp.InputError, match=r"no text 'nowhere.txt': give 'speeches'"):
        lp.load_text("nowhere.txt")
    with pytest.raises(lp.InputError, match=r"holds no .txt or .md file"):
        lp.load_text(tmp_path)
