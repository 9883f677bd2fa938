"""What is read of a text: the windows of a probe's document mode, one word type a group."""

from __future__ import annotations

import numpy as np
import pytest
from atlas_tokens import made_tokens
from tiny_models import PROSE

import lens_probes as lp
from lens_probes.atlases.tokens import read_tokens
from lens_probes.errors import InputError

pytestmark = pytest.mark.model


def text_of(n: int, repeats: int = 12) -> lp.Text:
    documents = [lp.Document(f"d{i}", f"s{i}", f"Text {i}. " + PROSE * repeats) for i in range(n)]
    return lp.Text("prose", tuple(documents), "made")


def test_every_token_has_the_window_of_document_mode(tiny_model: lp.LensModel) -> None:
    reading = read_tokens(tiny_model, text_of(3), 900, 0)
    examples, window = reading.examples, reading.window
    assert reading.tokens.read.sum() == 900
    assert examples.offset is not None
    for offset, position in zip(examples.offset, examples.position, strict=True):
        start, _ = window.ends(int(offset), int(offset), 10**6, np.array([0]))
        assert offset - position + window.bos == start
        assert position - window.bos >= window.before
    ids = reading.tokens.id[reading.token]
    np.testing.assert_array_equal(examples.read_tokens, ids)


def test_a_group_is_one_word_type_and_documents_are_read_evenly(tiny_model: lp.LensModel) -> None:
    reading = read_tokens(tiny_model, text_of(4), 1200, 0)
    examples = reading.examples
    assert examples.word is not None
    assert examples.group is not None
    for group in range(int(examples.group.max()) + 1):
        assert len(set(examples.word[examples.group == group])) == 1
    counts = np.bincount(reading.tokens.document[reading.tokens.read])
    assert counts.min() > 200
    again = read_tokens(tiny_model, text_of(4), 1200, 0)
    assert again.examples.digest == examples.digest
    other = read_tokens(tiny_model, text_of(4), 1200, 1)
    assert other.examples.digest != examples.digest


def test_a_text_that_is_too_short_is_refused(tiny_model: lp.LensModel) -> None:
    text = lp.Text("short", (lp.Document("d", "s", "We can go."),), "made")
    with pytest.raises(InputError, match="has more than"):
        read_tokens(tiny_model, text, 1000, 0)


def test_words_know_their_neighbours_and_their_sentence() -> None:
    tokens = made_tokens("He can't go. She may, I hope.")
    assert tokens.word.tolist()[:3] == ["he", "can't", "can't"]
    assert tokens.ends_word.tolist()[:4] == [True, False, False, True]
    words = tokens.word.tolist()
    may = words.index("may")
    assert (tokens.previous[may], tokens.following[may]) == ("she", ",")
    assert (tokens.previous[0], tokens.following[-1]) == ("", "")
    assert tokens.sentence_place[may] == 1
    assert tokens.sentence[may] == 1
