"""Hugging Face data sets: streamed once, cached whole, one clear line for every failure."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from fake_hub import NAME, REVISION, hub, serving

import lens_probes as lp
from lens_probes.texts import hub as hub_file

WIKITEXT = ["", " = Valkyria = \n", "", " One @-@ two . \n", " = 3 = \n", "", " = = Plot = = \n"]
WIKITEXT += ["", " Three . \n", "", " = Gold = \n", "", " Four . \n", " "]
ARTICLES = ["= Valkyria =\n\nOne @-@ two .\n= 3 =\n\n= = Plot = =\n\nThree .", "= Gold =\n\nFour ."]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LENS_PROBES_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "texts"


def test_hub_is_streamed_once_and_then_read_without_it(tmp_path: Path) -> None:
    code = f"""
import lens_probes as lp, sys, json
assert "datasets" not in sys.modules
for limit in (2_000_000, 5):
    text = lp.load_text("hf:{NAME}:wikitext-2-raw-v1", max_characters=limit)
    print(json.dumps([[d.name, d.source, d.text] for d in text.documents] + [text.treatment]))
print(json.dumps("datasets" in sys.modules))
for wrong in sys.argv[1:]:
    try:
        lp.load_text("hf:" + wrong)
    except lp.InputError as error:
        print(json.dumps(str(error)))
"""
    offline = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE")
    environment = {k: v for k, v in os.environ.items() if k not in offline}
    environment |= {"HF_HOME": str(tmp_path / "hf"), "LENS_PROBES_CACHE": str(tmp_path)}

    def run(address: str, *wrong: str) -> list[object]:
        done = subprocess.run(
            [sys.executable, "-c", code, *wrong],
            env={**environment, "HF_ENDPOINT": address},
            capture_output=True,
            text=True,
            check=True,
        )
        assert "%|" not in done.stderr, "a progress bar was shown"
        return [json.loads(line) for line in done.stdout.splitlines()]

    wrong = ["Salesforce/wikitex", NAME, f"{NAME}:wikitext-2-raw", f"{NAME}:wikitext-2-raw-v1:tran"]
    with serving(hub(WIKITEXT)) as address:
        whole, start, was_imported, *errors = run(address, *wrong)
    titles = ["Valkyria", "Gold"]
    expected = [[t, t, a] for t, a in zip(titles, ARTICLES, strict=True)]
    assert whole[:-1] == expected
    assert start[:-1] == expected[:1]
    assert REVISION in whole[-1]
    assert was_imported is True
    assert errors[0].startswith("no data set 'Salesforce/wikitex' that can be read")
    assert "has the configurations wikitext-2-raw-v1, wikitext-103-raw-v1: name one" in errors[1]
    assert "Did you mean 'wikitext-2-raw-v1'?" in errors[2]
    assert "unknown split of Salesforce/wikitext 'tran': choose from train" in errors[3]
    assert run("http://127.0.0.1:9") == [whole, start, False]
    kept = sorted((tmp_path / "texts").iterdir())
    assert len(kept) == 2


def test_damaged_cache_is_not_read(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    request = hub_file._request("a/b", None, 10)
    text = hub_file.HubText((("n", "s", "Text\u2028 with\nlines."),), "as it came")
    monkeypatch.setattr(hub_file, "_stream", lambda _: text)
    assert hub_file.read_hub("a/b", None, 10) == text
    monkeypatch.setattr(hub_file, "_stream", lambda _: pytest.fail("streamed again"))
    assert hub_file.read_hub("a/b", None, 10) == text
    for damage in (b"", b"{}", request.cache_file.read_bytes()[:-3], b"\xff\n"):
        request.cache_file.write_bytes(damage)
        with pytest.raises(pytest.fail.Exception, match="streamed again"):
            hub_file.read_hub("a/b", None, 10)


def test_keys_of_the_cache_differ(cache: Path) -> None:
    asked = [("a/b", None, 10), ("a-b", None, 10), ("a/b:c", None, 10), ("a/b::c", None, 10)]
    asked += [("a/b", "text", 10), ("a/b", None, 11)]
    assert len({hub_file._request(*a).cache_file for a in asked}) == len(asked)


def test_without_network_one_line_says_what_to_do(cache: Path) -> None:
    with pytest.raises(
        lp.InputError, match=r"cannot reach the Hugging Face hub for 'a/b' .*FOLDER"
    ):
        lp.load_text("hf:a/b")
    assert not cache.exists()


@pytest.mark.parametrize("kind", ["jsonl", "parquet", "csv"])
def test_folder_of_data_files(tmp_path: Path, cache: Path, kind: str) -> None:
    rows = pd.DataFrame(
        {
            "text": ["One.\r\nLine", "  ", "Two. ", "Three."],
            "url": ["https://www.a.org/x", "https://b.org", None, "https://b.org/y"],
            "id": ["i1", "i2", "i3", "i4"],
        }
    )
    folder = tmp_path / "set"
    folder.mkdir()
    if kind == "jsonl":
        rows.to_json(folder / "train.jsonl", orient="records", lines=True)
    elif kind == "csv":
        rows.to_csv(folder / "train.csv", index=False)
    else:
        rows.to_parquet(folder / "train.parquet")
    text = lp.load_text(f"hf:{folder}")
    assert [(d.name, d.source, d.text) for d in text.documents] == [
        ("i1", "www.a.org", "One.\nLine"),
        ("i3", "i3", "Two."),
        ("i4", "b.org", "Three."),
    ]
    assert "1 empty left out" in text.treatment
    assert not cache.exists()
    # Whole documents until the limit is reached.
    assert len(lp.load_text(f"hf:{folder}", max_characters=9).documents) == 1
    assert len(lp.load_text(f"hf:{folder}", max_characters=10).documents) == 2


def write(folder: Path, name: str, rows: list[dict[str, object]]) -> str:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("\n".join(json.dumps(row) for row in rows))
    return f"hf:{folder}"


def test_columns(tmp_path: Path) -> None:
    only = write(tmp_path / "one", "data.jsonl", [{"body": "One.", "n": 1}])
    assert lp.load_text(only).documents[0].text == "One."
    two = write(tmp_path / "two", "data.jsonl", [{"body": "One.", "summary": "1.", "n": 1}])
    with pytest.raises(lp.InputError, match=r"text columns body, summary: name one with column="):
        lp.load_text(two)
    assert lp.load_text(two, column="summary").documents[0].text == "1."
    with pytest.raises(lp.InputError, match=r"unknown text column of .* 'n': choose from body, su"):
        lp.load_text(two, column="n")
    none = write(tmp_path / "none", "data.jsonl", [{"n": 1}])
    with pytest.raises(lp.InputError, match=r"has no column of text"):
        lp.load_text(none)
    blank = write(tmp_path / "blank", "data.jsonl", [{"text": " "}, {"text": None}])
    with pytest.raises(lp.InputError, match=r"holds no text in column 'text' of split 'train'"):
        lp.load_text(blank)


def test_splits_and_wikitext_in_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "wikitext"
    for name in ("validation", "test"):
        write(folder, f"{name}.jsonl", [{"text": row} for row in [f"Before {name}.", *WIKITEXT]])
    with pytest.raises(lp.InputError, match=r"has the splits .*: name one, as in hf:"):
        lp.load_text(f"hf:{folder}")
    text = lp.load_text(f"hf:{folder}::test")
    assert text.documents[0].text == "Before test."
    assert [d.text for d in text.documents[1:]] == ARTICLES
    assert "one document an article" in text.treatment


@pytest.mark.parametrize("source", ["hf:", "hf::x", "hf:a:b:c:d"])
def test_form_of_hub_sources(source: str) -> None:
    with pytest.raises(lp.InputError, match="write hf:DATASET, hf:DATASET:CONFIG"):
        lp.load_text(source)


def test_empty_folder_and_damaged_files(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(lp.InputError, match=r"no data set .* that can be read"):
        lp.load_text(f"hf:{tmp_path / 'empty'}")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "train.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(lp.InputError, match="cannot read the data set") as caught:
        lp.load_text(f"hf:{tmp_path / 'bad'}")
    assert "\n" not in str(caught.value)


def test_options_of_data_sets_only(prose_file: Path) -> None:
    with pytest.raises(lp.InputError, match="column= is for hf: texts only"):
        lp.load_text(prose_file, column="text")
    with pytest.raises(lp.InputError, match="max_characters= is for hf: texts only"):
        lp.load_text("speeches", max_characters=10)
    with pytest.raises(lp.InputError, match=r"^max_characters must be 1 or more; got 0\.$"):
        lp.load_text("hf:a/b", max_characters=0)
