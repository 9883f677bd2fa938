"""The text as a tokenizer sees it is kept, and never taken for another text or tokenizer."""

from __future__ import annotations

from typing import Any

import pytest
from tiny_models import PROSE
from tokenizers import AddedToken, pre_tokenizers
from transformers import AutoTokenizer

from lens_probes.examples import tokenised as module
from lens_probes.examples.tokenised import tokenised
from lens_probes.texts.load import Document, Text


def text_of(*bodies: str) -> Text:
    return Text("made", tuple(Document(str(i), "s", b) for i, b in enumerate(bodies)), "test")


@pytest.fixture
def tokenizer(tiny_folders: Any) -> Any:
    """One of this test's own, to change."""
    return AutoTokenizer.from_pretrained(tiny_folders["gpt2"])


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many documents were tokenized, each time; texts of any size up to 10,000 are kept.

    Kept in this process only.
    """
    module._kept.cache_clear()
    monkeypatch.setattr(module, "read_tokens", lambda path, n: None)
    monkeypatch.setattr(module, "keep_tokens", lambda path, documents: None)
    found: list[int] = []
    real = module._in_batches

    def counted(documents: Any, tokenizer: Any) -> Any:
        found.append(len(documents))
        return real(documents, tokenizer)

    monkeypatch.setattr(module, "_in_batches", counted)
    monkeypatch.setattr(module, "_KEPT_CHARACTERS", range(10_001))
    return found


def test_a_text_is_tokenized_once_and_kept_as_it_was(tokenizer: Any, runs: list[int]) -> None:
    first = list(tokenised(text_of(PROSE, "One more."), tokenizer))
    again = list(tokenised(text_of(PROSE, "One more."), tokenizer))
    assert runs == [2]
    assert [a is b for a, b in zip(again, first, strict=True)] == [True, True]
    for document in first:
        pieces = [document.piece(i) for i in range(len(document.ids))]
        assert "".join(pieces) == document.body
        with pytest.raises(ValueError, match="read-only"):
            document.ids[0] = 0
        for kept in (document.first_char, document.end_char):
            with pytest.raises(TypeError, match="read-only"):
                kept[0] = 1  # type: ignore[index]


def test_another_text_is_not_taken_for_it(tokenizer: Any, runs: list[int]) -> None:
    bodies = ["We could not go.", "We could not go!", "We could not go."]
    found = [document.body for b in bodies for document in tokenised(text_of(b), tokenizer)]
    assert found == bodies
    assert runs == [1, 1, 1]  # the last text is kept, no other


def test_another_tokenizer_or_one_that_has_changed_is_not_taken_for_it(
    tokenizer: Any, tiny_folders: Any, runs: list[int]
) -> None:
    text = text_of("We could <|stop|> not go.")

    def cut(by: Any) -> list[str]:
        (document,) = tokenised(text, by)
        direct = by(text.documents[0].text, add_special_tokens=False)["input_ids"]
        assert document.ids.tolist() == direct
        return [document.piece(i) for i in range(len(document.ids))]

    plain = cut(tokenizer)
    tokenizer.add_tokens([" not go"])
    assert cut(tokenizer) != plain
    tokenizer.add_special_tokens({"additional_special_tokens": [AddedToken("<|stop|>")]})
    special = cut(tokenizer)
    assert "<|stop|>" in special
    tokenizer.split_special_tokens = True
    assert "<|stop|>" not in cut(tokenizer)
    assert cut(AutoTokenizer.from_pretrained(tiny_folders["gpt2"])) == plain
    assert len(runs) == 5


def test_two_tokenizers_in_one_state_are_two(
    tokenizer: Any, tiny_folders: Any, runs: list[int]
) -> None:
    twin = AutoTokenizer.from_pretrained(tiny_folders["gpt2"])  # may differ in what Python adds
    for each in (tokenizer, twin, twin):
        list(tokenised(text_of(PROSE), each))
    assert runs == [1, 1]


def test_a_tokenizer_with_a_part_in_python_is_asked_each_time(
    tokenizer: Any, runs: list[int]
) -> None:
    class Halves:
        def pre_tokenize(self, pretok: Any) -> None:
            pretok.split(lambda _, part: [part[:3], part[3:]])

    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.PreTokenizer.custom(Halves())
    found = [[d.body for d in tokenised(text_of("as it is"), tokenizer)] for _ in range(2)]
    assert found == [["as it is"]] * 2
    assert runs == [1, 1]


@pytest.mark.parametrize("kept", [range(0), range(1000, 2000), range(10)])
def test_long_and_short_texts_are_read_in_parts_and_not_kept(
    kept: range, tokenizer: Any, runs: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_KEPT_CHARACTERS", kept)
    asked: list[int] = []

    class Counted:
        is_fast = True
        backend_tokenizer = tokenizer.backend_tokenizer

        def __call__(self, texts: list[str], **options: Any) -> Any:
            asked.append(len(texts))
            return tokenizer(texts, **options)

    text = text_of(*["We could not go."] * 40)
    documents = tokenised(text, Counted())
    next(documents)
    assert asked == [32]
    assert len(list(documents)) == 39
    assert asked == [32, 8]
    assert module._kept.cache_info().currsize == 0
