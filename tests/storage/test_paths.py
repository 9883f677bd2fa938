"""Places that cannot be written to, and how they lie to each other: said before any work."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lens_probes.cli import main
from lens_probes.errors import InputError
from lens_probes.probes.contrasts import load_contrast
from lens_probes.result.verify import verify
from lens_probes.storage.folders import check_output_folder
from lens_probes.storage.integrity import page_is_whole, write_page
from lens_probes.storage.paths import check_outside, check_report_path, check_writable, output_path

SWEEP = ["sweep", "negation", "--model=never/loaded", "--quiet"]


@pytest.fixture
def loop(tmp_path: Path) -> Path:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    return tmp_path / "a"


def test_a_loop_of_links(loop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (loop, loop / "below"):
        for check in (output_path, check_writable, check_output_folder, check_report_path):
            with pytest.raises(InputError, match="is a loop of symbolic links"):
                check(path)
        for option in ("--out", "--store"):
            assert main([*SWEEP, f"{option}={path}"]) == 2
            assert "is a loop of symbolic links" in capsys.readouterr().err


def test_a_working_folder_that_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    assert check_output_folder("out") == Path("out")
    gone.rmdir()
    with pytest.raises(InputError, match="the working folder is gone"):
        check_output_folder("out")
    for where in ([], [f"--out={tmp_path / 'out'}", "--store=store"]):
        assert main([*SWEEP, *where]) == 2
        assert "the working folder is gone" in capsys.readouterr().err
    assert check_output_folder(tmp_path / "out") == tmp_path / "out"


@pytest.mark.parametrize("store", ["out", "out/store", "link/store", "out/../out/x"])
def test_a_store_in_the_output_folder(
    tmp_path: Path, store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "out")
    where = [f"--out={tmp_path / 'out'}", f"--store={tmp_path / store}"]
    assert main([*SWEEP, *where]) == 2
    assert "lies in the output folder" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    for beside in ("output", "store", "."):
        check_outside(tmp_path / "out", store=tmp_path / beside)


def test_the_cache_in_the_output_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LENS_PROBES_CACHE", str(tmp_path / "out" / "cache"))
    assert main([*SWEEP, f"--out={tmp_path / 'out'}"]) == 2
    assert "lies in the output folder" in capsys.readouterr().err


def test_a_link_to_a_page_is_followed(tmp_path: Path) -> None:
    (tmp_path / "pages").mkdir()
    page, link = tmp_path / "pages" / "page.html", tmp_path / "link.html"
    page.write_text("<!doctype html>old")
    link.symlink_to(page)
    write_page(check_report_path(link), "<!doctype html>new")
    assert link.is_symlink()
    assert page_is_whole(page.read_bytes())
    assert b"new" in page.read_bytes()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_no_report(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "page.html")
    with pytest.raises(InputError, match="not a regular file"):
        check_report_path(tmp_path / "page.html")


def test_verify_names_a_folder_that_may_not_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "closed").mkdir()
    (tmp_path / "open").mkdir()
    page = tmp_path / "open" / "report.html"
    write_page(page, "<!doctype html>lens-probes")
    assert [one.problems for one in verify(tmp_path)] == [()]
    scandir = os.scandir

    def refuse(path: str) -> object:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert main(["verify", str(tmp_path)]) == 1
    assert "closed cannot be read (Permission denied)" in capsys.readouterr().out


WORDS = "[words]\na = ['can']\nb = ['will']\n"


@pytest.mark.parametrize(
    "bomb",
    {
        "brackets": "x = " + "[" * 100_000,
        "tables": "x = " + "{a=" * 100_000,
        "dotted": ".".join("a" * 100_000) + " = 1",
        "quoted": ".".join(['"a"'] * 100_000) + " = 1",
        "spaced": " . ".join("a" * 100_000) + " = 1",
        "header": "[" + ".".join("a" * 100_000) + "]",
        "inline": "x = {" + ".".join("a" * 100_000) + " = 1}",
        "number": "x = " + "9" * 10_000,
        "large": WORDS + "#" * 2**20,
    }.values(),
    ids=lambda text: text[:12],
)
def test_a_toml_bomb_is_one_line(tmp_path: Path, bomb: str) -> None:
    (tmp_path / "words.toml").write_text(bomb)
    with pytest.raises(InputError) as error:
        load_contrast(tmp_path / "words.toml")
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 400 + len(str(tmp_path))


def test_prose_with_many_dots_is_no_long_key(tmp_path: Path) -> None:
    dots = "sentences = ['" + "no. " * 50 + "can " + "e.g." * 8 + "']\n"
    (tmp_path / "words.toml").write_text(dots + WORDS)
    assert load_contrast(tmp_path / "words.toml").words["a"] == ("can",)
