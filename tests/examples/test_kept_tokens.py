"""Tokens on the disk: the next process reads them, and nothing that is not whole is used."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import PROSE
from transformers import AutoTokenizer

from lens_probes.examples import tokenised as module
from lens_probes.examples.tokenised import Tokenised, tokenised
from lens_probes.texts.load import Document, Text

TEXT = Text(
    "made",
    (Document("a", "s", PROSE), Document("b", "s", ""), Document("c", "s", "Caf\u00e9 no.")),
    "test",
)


@pytest.fixture
def tokenizer(tiny_folders: Any) -> Any:
    return AutoTokenizer.from_pretrained(tiny_folders["gpt2"])


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[int]:
    """How often documents were tokenized; the cache folder is the test's own."""
    found: list[int] = []
    real = module._in_batches

    def counted(documents: Any, tokenizer: Any) -> Any:
        found.append(len(documents))
        return real(documents, tokenizer)

    monkeypatch.setattr(module, "_in_batches", counted)
    monkeypatch.setattr(module, "_KEPT_CHARACTERS", range(10_001))
    monkeypatch.setenv("LENS_PROBES_CACHE", str(tmp_path))
    return found


def in_a_new_process(tokenizer: Any, text: Text = TEXT) -> list[Tokenised]:
    """What a process finds that has nothing in memory."""
    module._kept.cache_clear()
    return list(tokenised(text, tokenizer))


def same(a: list[Tokenised], b: list[Tokenised]) -> bool:
    return all(
        one.body == two.body
        and np.array_equal(one.ids, two.ids)
        and one.ids.dtype == two.ids.dtype
        and list(one.first_char) == list(two.first_char)
        and list(one.end_char) == list(two.end_char)
        for one, two in zip(a, b, strict=True)
    )


def test_the_next_process_reads_what_the_first_has_made(tokenizer: Any, runs: list[int]) -> None:
    first = in_a_new_process(tokenizer)
    again = in_a_new_process(tokenizer)
    assert runs == [3]
    assert same(first, again)
    for part in (again[0].ids, again[0].first_char, again[0].end_char):
        with pytest.raises((ValueError, TypeError), match="read-only"):
            part[0] = 1  # type: ignore[index]


def test_other_text_rules_or_class_are_others(tokenizer: Any, runs: list[int]) -> None:
    in_a_new_process(tokenizer)
    in_a_new_process(tokenizer, Text("made", TEXT.documents[:2], "test"))
    tokenizer.add_tokens([" not go"])
    in_a_new_process(tokenizer)

    class Mine(type(tokenizer)):  # type: ignore[misc]
        pass

    tokenizer.__class__ = Mine
    for _ in range(2):
        in_a_new_process(tokenizer)
    assert runs == [3, 2, 3, 3, 3]


@pytest.mark.parametrize("fault", ["flipped", "short", "empty", "other name", "folder"])
def test_a_file_that_is_not_whole_is_made_again(
    fault: str, tokenizer: Any, runs: list[int], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = in_a_new_process(tokenizer)
    (path,) = (tmp_path / "tokens").iterdir()
    data = path.read_bytes()
    if fault == "other name":
        in_a_new_process(tokenizer, Text("made", TEXT.documents[:2], "test"))
        (other,) = (p for p in (tmp_path / "tokens").iterdir() if p != path)
        path.write_bytes(other.read_bytes())
    elif fault == "folder":
        path.unlink()
        path.mkdir()
    else:
        flipped = data[:200] + bytes([data[200] ^ 1]) + data[201:]
        path.write_bytes({"flipped": flipped, "short": data[:-70], "empty": b""}[fault])
    runs.clear()
    with caplog.at_level(logging.WARNING):
        again = in_a_new_process(tokenizer)
    assert runs == [3]
    assert same(first, again)
    assert "tokenized again" in caplog.text
    if fault != "folder":
        assert path.read_bytes() == data


def test_a_cache_that_cannot_be_written_costs_time_only(
    tokenizer: Any, runs: list[int], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "tokens").write_text("in the way")
    for _ in range(2):
        assert in_a_new_process(tokenizer)[0].body.startswith(PROSE[:10])
    assert runs == [3, 3]
    assert "tokens are not kept" in caplog.text


def test_texts_that_differ_only_in_where_their_parts_end_are_two(
    tokenizer: Any, runs: list[int]
) -> None:
    texts = [
        Text("made", (Document("n", "s", "one\0C\0D\0two"), Document("E", "F", "no")), "test"),
        Text("made", (Document("n", "s", "one"), Document("C", "D", "two\0E\0F\0no")), "test"),
    ]
    assert texts[0].sha256 == texts[1].sha256
    for text in texts:
        found = in_a_new_process(tokenizer, text)
        assert [list(document.end_char)[-1] for document in found] == [
            len(document.text) for document in text.documents
        ]
    assert runs == [2, 2]
