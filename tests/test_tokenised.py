"""The text as a tokenizer sees it is kept, and never for another text or tokenizer."""

from __future__ import annotations

from typing import Any

import pytest
from tiny_models import PROSE

from lens_probes import tokenised as module
from lens_probes.model import LensModel
from lens_probes.texts import Document, Text
from lens_probes.tokenised import tokenised


def text_of(*bodies: str) -> Text:
    return Text("made", tuple(Document(str(i), "s", b) for i, b in enumerate(bodies)), "test")


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many documents were tokenized, each time."""
    module._kept.cache_clear()
    found: list[int] = []
    real = module._in_batches

    def counted(documents: Any, tokenizer: Any) -> Any:
        found.append(len(documents))
        return real(documents, tokenizer)

    monkeypatch.setattr(module, "_in_batches", counted)
    return found


@pytest.mark.model
def test_a_text_is_tokenized_once_and_kept_as_it_was(
    tiny_model: LensModel, runs: list[int]
) -> None:
    first = list(tokenised(text_of(PROSE, "One more."), tiny_model.tokenizer))
    again = list(tokenised(text_of(PROSE, "One more."), tiny_model.tokenizer))
    assert runs == [2]
    assert [a is b for a, b in zip(again, first, strict=True)] == [True, True]
    for document in first:
        pieces = [document.piece(i) for i in range(len(document.ids))]
        assert "".join(pieces) == document.body
        with pytest.raises(ValueError, match="read-only"):
            document.ids[0] = 0


@pytest.mark.model
def test_another_text_or_tokenizer_is_not_taken_for_it(
    tiny_model: LensModel, tiny_models: dict[str, LensModel], runs: list[int]
) -> None:
    text = text_of("We could not go.")
    (whole,) = tokenised(text, tiny_model.tokenizer)
    (other,) = tokenised(text_of("We could not go!"), tiny_model.tokenizer)
    assert other.body != whole.body
    tokenizer = tiny_models["gpt_neo"].tokenizer.__class__.from_pretrained(
        tiny_models["gpt_neo"].source
    )
    before = [len(d.ids) for d in tokenised(text, tokenizer)]
    tokenizer.add_tokens([" could not go"])
    (after,) = tokenised(text, tokenizer)
    assert [len(after.ids)] < before
    assert len(tokenizer) - 1 in after.ids


@pytest.mark.model
def test_a_long_text_is_read_in_parts_and_not_kept(
    tiny_model: LensModel, runs: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_KEPT_CHARACTERS", 10)
    text = text_of(*["We could not go."] * 40)
    kept = [list(tokenised(text, tiny_model.tokenizer)) for _ in range(2)]
    assert runs == [40, 40]
    assert len(kept[0]) == 40
    assert module._kept.cache_info().currsize == 0
