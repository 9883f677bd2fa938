"""The token stream: windows and cuts hold each document's own tokens, once each."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_models import PROSE, byte_level_tokenizer

import lens_probes as lp
from lens_probes.maximize import corpus
from lens_probes.maximize.corpus import TokenStream
from lens_probes.texts.load import Document

TOKENIZER = byte_level_tokenizer()


def text_of(*bodies: str) -> lp.Text:
    documents = tuple(Document(f"d{i}", f"s{i}", body) for i, body in enumerate(bodies))
    return lp.Text("bodies", documents, "a test")


TEXT = text_of(PROSE * 3, "", "You", "x\n" * 40 + PROSE)
IDS = [np.array(TOKENIZER(d.text)["input_ids"], dtype=int) for d in TEXT.documents]


def test_tokens_are_numbered_through_all_documents() -> None:
    stream = TokenStream.count(TEXT, TOKENIZER)
    assert stream.lengths.tolist() == [len(ids) for ids in IDS]
    assert stream.n_tokens == sum(map(len, IDS))
    numbers = np.arange(stream.n_tokens)
    want = np.repeat(np.arange(4), [len(ids) for ids in IDS])
    np.testing.assert_array_equal(stream.document_of(numbers), want)


@pytest.mark.parametrize(("length", "overlap"), [(16, 0), (16, 5), (16, 15), (500, 0), (2, 1)])
@pytest.mark.parametrize("section", [40, 10**6])
def test_windows_hold_every_token_once(
    length: int, overlap: int, section: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corpus, "SECTION", section)
    stream = TokenStream.count(TEXT, TOKENIZER)
    windows = list(stream.windows(length, overlap))
    assert len(windows) == stream.n_windows(length, overlap).sum()
    for number, ids in enumerate(IDS):
        mine = [w for w in windows if w.document == number]
        assert all(len(w.ids) == length for w in mine[:-1])
        new = [w.ids[w.n_seen :] for w in mine]
        assert np.concatenate([*new, np.empty(0, int)]).tolist() == ids.tolist()
        for i, w in enumerate(mine):
            assert w.n_seen == (overlap if i else 0)
            at = w.first - stream.starts[number]
            np.testing.assert_array_equal(w.ids, ids[at : at + len(w.ids)])
    chosen = np.array([0, 2, len(windows) - 1])
    some = list(stream.windows(length, overlap, np.unique(np.minimum(chosen, len(windows) - 1))))
    assert {w.first for w in some} == {windows[min(c, len(windows) - 1)].first for c in chosen}


@pytest.mark.parametrize("section", [40, 10**6])
def test_cuts_stay_in_their_document(section: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "SECTION", section)
    monkeypatch.setattr(corpus, "_CUTS_AT_ONCE", 7)
    stream = TokenStream.count(TEXT, TOKENIZER)
    numbers = np.random.default_rng(0).permutation(stream.n_tokens)
    document = stream.document_of(numbers)
    got = stream.cut(numbers - 4, 7, document)
    for row, number, of in zip(got, numbers, document, strict=True):
        at = number - stream.starts[of]
        padded = np.concatenate([[-1] * 4, IDS[of], [-1] * 2])
        np.testing.assert_array_equal(row, padded[at : at + 7])


def test_sections_are_cut_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "SECTION", 30)
    calls: list[str] = []

    def tokenizer(body: str, **options: object) -> dict[str, list[int]]:
        calls.append(body)
        return TOKENIZER(body, **options)

    body = PROSE + "word\nnext" * 20 + "z" * 500 + " end"
    whole = TOKENIZER(text_of(body).documents[0].text)["input_ids"]
    assert TokenStream.count(text_of(body), tokenizer).n_tokens >= len(whole)
    assert "".join(calls) == body
    assert max(map(len, calls)) <= 60
    assert all(part[0] in " \nz" for part in calls[1:])
    assert len(calls) > 10


def test_a_text_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(lp.InputError, match="this model has no tokenizer"):
        TokenStream.count(TEXT, None)
    with pytest.raises(lp.InputError, match="text 'bodies' holds no token"):
        TokenStream.count(text_of("", ""), TOKENIZER)
