"""One adversarial text, three kinds of tokenizer: the same targets, each read at its own tokens."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import pytest
from tiny_models import PROSE, byte_level_tokenizer
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from lens_probes.examples.targets import Rule, find_targets, token_span
from lens_probes.examples.tokenised import tokenised
from lens_probes.examples.windows import Window
from lens_probes.model.gguf import bundled_gguf, converted_gguf
from lens_probes.probes.negation import BEFORE_NOT, negation_words
from lens_probes.texts.load import Document, Text

# Every line is a case; what each rule must find, in order, stands beside it.
CASES: list[tuple[str, list[str], list[str]]] = [
    ("can we go", ["can"], ["can"]),
    ("we cannot, or can not go", ["can", "not"], ["cannot", "or", "not"]),
    ("a connotative knot in the American canyon", [], []),
    ("I can't, he can’t, we can‘t", [], ["can't", "can't", "can't"]),
    ("I can't go and he can’t go", ["can't", "can't"], ["can't", "can't"]),
    ("a can-do man, a do-not list", ["not"], ["do", "not"]),
    ("NOT now, Not here, nOt there", ["not", "not", "not"], ["not", "not", "not"]),
    ("it will\nnot be", ["will", "not"], ["not"]),
    ("we may\r\n\r\nnever know", ["may", "never"], ["never"]),
    ("not not never not", ["not", "not", "never"], ["not", "not", "never", "not"]),
    ("ça cañon nötig, été not été", ["not"], ["not"]),
    ("😀 not 😀 can😀 will 👩‍👩‍👧 could", ["not", "will"], ["not", "can", "will", "could"]),
    ("“not” said (can) she", [], ["not", "can"]),
    ("don't won’t wasn't", ["don't", "won't"], ["don't", "won't", "wasn't"]),
    ("not7 7not not_ _not can3", [], []),
    ("日本 not 日本 can 日本", ["not", "can"], ["not", "can"]),
    ("a\u00a0not\u00a0b\u2003can\u2003c", ["not", "can"], ["not", "can"]),
    ("it could not, could it", ["could", "could"], ["not", "could"]),
    ("he ended: never", [], ["never"]),
]  # fmt: skip


def sentencepiece_like() -> PreTrainedTokenizerFast:
    """A Unigram model over text whose spaces are ▁, as SentencePiece writes them."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first")
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="first")
    alphabet = sorted(set("".join(body for body, _, _ in CASES)) | set(PROSE))
    trainer = trainers.UnigramTrainer(
        vocab_size=400, unk_token="<unk>", special_tokens=["<unk>"], show_progress=False,
        initial_alphabet=alphabet,
    )  # fmt: skip
    tokenizer.train_from_iterator([PROSE] * 20 + [body for body, _, _ in CASES], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>")


@functools.cache
def load(kind: str) -> Any:
    if kind == "byte-level BPE":
        return byte_level_tokenizer()
    if kind == "sentencepiece-like":
        return sentencepiece_like()
    return AutoTokenizer.from_pretrained(converted_gguf(bundled_gguf()))


KINDS = [
    pytest.param("bundled", marks=pytest.mark.bundled),
    "byte-level BPE",
    "sentencepiece-like",
]


def expected(body: str, rule: Rule) -> list[str]:
    (case,) = [case for case in CASES if case[0] == body]
    words = negation_words(rule)
    return [word for word in case[1 if rule == "course" else 2] if word in words]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rule", ["course", "extended"])
def test_the_same_targets_with_every_tokenizer(kind: str, rule: Rule) -> None:
    tokenizer = load(kind)
    for body, _, _ in CASES:
        text = Text("one", (Document("one", "one", body),), "test")
        targets = find_targets(
            text, tokenizer, negation_words(rule), rule=rule, window=Window(before=0, after=0),
            unless=None if rule == "course" else BEFORE_NOT,
        )  # fmt: skip
        assert [t.word for t in targets.usable] == expected(body, rule), (body, targets.counts)
        (document,) = tokenised(text, tokenizer)
        for target in targets.usable:
            start = document.first_char[target.first]
            piece = document.body[start : document.end_char[target.last]]
            assert piece.strip().lower() == target.word, body


@pytest.mark.parametrize("kind", KINDS)
def test_targets_at_both_ends_and_windows_that_do_not_fit(kind: str) -> None:
    tokenizer = load(kind)
    body = "not " + "so it is and they go on and on " * 5 + "can"
    text = Text("one", (Document("one", "one", body),), "test")
    for before, after, kept in [
        (0, 0, ["not", "can"]),
        (3, 0, ["can"]),
        (0, 3, ["not"]),
        (3, 3, []),
    ]:
        targets = find_targets(
            text, tokenizer, {"not": 1, "can": 0}, rule="extended",
            window=Window(before=before, after=after),
        )  # fmt: skip
        assert [t.word for t in targets.usable] == kept
        dropped = sum(n for why, n in targets.counts.items() if why.startswith("dropped"))
        assert dropped == 2 - len(kept)


@pytest.mark.parametrize("kind", KINDS)
def test_overlapping_words_are_found_once_at_their_longest(kind: str) -> None:
    tokenizer = load(kind)
    words = {"can": 0, "can't": 1, "cannot": 1, "not": 1}
    text = Text("one", (Document("one", "one", "we cannot, can't, can not, can"),), "test")
    targets = find_targets(
        text, tokenizer, words, rule="extended", window=Window(before=0, after=0)
    )
    assert [t.word for t in targets.usable] == ["cannot", "can't", "can", "not", "can"]
    ends = [(t.first, t.last) for t in targets.usable]
    assert all(a[1] < b[0] for a, b in itertools.pairwise(ends))


def test_spans_count_characters_not_bytes() -> None:
    tokenizer = load("byte-level BPE")
    text = Text("one", (Document("one", "one", "👩‍👩‍👧 naïve not"),), "test")
    (document,) = tokenised(text, tokenizer)
    at = document.body.index("not")
    span = token_span(document, at, at + 3)
    assert span is not None
    ids = document.ids[span[0] : span[1] + 1]
    assert tokenizer.decode(ids).strip() == "not"
