"""Texts: what can be loaded, and one clear line for what cannot."""

import re
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


def test_guide_runs_as_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    page = (Path(__file__).parents[2] / "docs" / "texts.md").read_text()
    (block,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(block, {})
    first, second = capsys.readouterr().out.splitlines()
    assert first.split()[:2] == ["1", "39"]
    assert first.endswith("passage.txt")
    assert second.startswith("['Not bad.', 'Good.'] column 'review' of split 'train'")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_and_byte_order_marks_make_no_difference(tmp_path: Path, end: str) -> None:
    lines = ["*** START OF THE PROJECT GUTENBERG EBOOK X ***", "", "One", "", "Two", ""]
    lines += ["*** END OF THE PROJECT GUTENBERG EBOOK X ***", "Licence"]
    (tmp_path / "x.txt").write_bytes(("\ufeff" + end.join(lines)).encode())
    assert lp.load_text(tmp_path / "x.txt").documents[0].text == "One\n\nTwo"
