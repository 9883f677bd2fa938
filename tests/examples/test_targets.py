"""Target finding, by hand-made texts whose right answer is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tiny_models import byte_level_tokenizer

import lens_probes as lp
from lens_probes.examples.draws import ENOUGH_PER_WORD, _even_quotas, draw_targets
from lens_probes.examples.targets import Rule, find_targets
from lens_probes.examples.windows import Window
from lens_probes.probes.negation import BEFORE_NOT, negation_words
from lens_probes.texts.load import Document, Text
from lens_probes.units.decision import MIN_PER_WORD

COURSE = negation_words("course")
OPEN = Window(before=0, after=0)


def text_of(*bodies: str) -> Text:
    documents = tuple(Document(f"d{i}", f"s{i}", body) for i, body in enumerate(bodies))
    return Text("made", documents, "test")


def found(
    body: str, rule: Rule = "course", words: dict[str, int] = COURSE, window: Window = OPEN
) -> tuple[list[str], dict[str, int]]:
    targets = find_targets(
        text_of(body), byte_level_tokenizer(), words, rule=rule, window=window,
        unless=None if rule == "course" else BEFORE_NOT,
    )  # fmt: skip
    return [target.word for target in targets.usable], dict(targets.counts)


@pytest.mark.parametrize(
    ("body", "course", "extended"),
    [
        ("we can go", ["can"], ["can"]),
        ("we cannot go", ["cannot"], ["cannot"]),
        ("a connotative knot, notable American", [], []),
        ("we can't go", ["can't"], ["can't"]),
        ("we can’t go", ["can't"], ["can't"]),
        ("I DON'T know. Never again", ["don't", "never"], ["don't", "never"]),
        ("certainly not, he said", [], ["not"]),
        ("why not? Not now", ["not"], ["not", "not"]),
        ("a can-do person, not-for-profit", [], []),
        ("do-not enter", ["not"], ["not"]),
        ("it could not be", ["could", "not"], ["not"]),
        ("it could\nnot be", ["could", "not"], ["not"]),
        ("it could never be", ["could", "never"], ["never"]),
        ("it could, not be", ["not"], ["could", "not"]),
        ("he will\nnever go", ["will", "never"], ["never"]),
        ("not not not ", ["not", "not", "not"], ["not", "not", "not"]),
        ("_not here", [], []),
        ("not7 can3 go", [], []),
        ("éclair not été", ["not"], ["not"]),
        ("notés canñon", [], []),
        ("can\u00a0go 😀 not 😀", ["can", "not"], ["can", "not"]),
        ("“can” she", [], ["can"]),
        ("can't've been", [], []),
        ("mustn't cannot't", [], []),
        ("she may", [], ["may"]),
    ],
)
def test_rules(body: str, course: list[str], extended: list[str]) -> None:
    assert found(body)[0] == course
    assert found(body, "extended")[0] == extended


def test_targets_are_read_at_their_last_token_and_nothing_else_is_in_them() -> None:
    tokenizer = byte_level_tokenizer()
    body = "It is here. We CAN'T do it — they can’t, she won't; nobody said never! can"
    words = negation_words("extended")
    targets = find_targets(text_of(body), tokenizer, words, rule="extended", window=OPEN)
    ids = targets.tokens[0]
    for target in targets.usable:
        piece = tokenizer.decode(ids[target.first : target.last + 1]).strip().lower()
        assert piece.replace("’", "'") == target.word
    assert len(targets.usable) == 8
    several = [t for t in targets.usable if t.last > t.first]
    assert several, "no target of several tokens: this test would not see a wrong read position"


def test_a_target_that_ends_in_a_split_character_is_read_at_its_last_byte() -> None:
    tokenizer = byte_level_tokenizer()
    targets = find_targets(
        text_of("a naïveté and café go"), tokenizer, {"café": 0, "naïveté": 1},
        rule="extended", window=OPEN,
    )  # fmt: skip
    assert [t.word for t in targets.usable] == ["naïveté", "café"]
    for target in targets.usable:
        ids = targets.tokens[0][target.first : target.last + 1]
        assert tokenizer.decode(ids).strip() == target.word


def test_letters_that_only_fold_to_a_word_are_counted_not_found() -> None:
    words, counts = found("It waſ so, it wasn't, İt is", "extended", negation_words("extended"))
    assert words == ["wasn't", "is"]
    assert counts["dropped: spelt with letters that only fold to the word's"] == 1


@pytest.mark.parametrize("joiner", ["\u2010", "\u2011", "\u0301", "\u00ad", "\u200b", "-", "'"])
def test_marks_and_dashes_belong_to_the_word(joiner: str) -> None:
    assert found(f"a can{joiner}do man", "extended")[0] == []


def test_every_candidate_is_usable_or_counted() -> None:
    body = "We can go. We cannot go, not now; can-do. It could not be so, may I? will " * 3
    for rule in ("course", "extended"):
        words, counts = found(body, rule, window=Window(before=5, after=4))
        dropped = sum(n for reason, n in counts.items() if reason.startswith("dropped"))
        assert counts["usable"] == len(words) > 0
        assert counts["candidates"] == counts["usable"] + dropped
        assert any("fewer than 5 tokens before" in reason for reason in counts)
        assert any("fewer than 4 tokens after" in reason for reason in counts)


def test_a_token_that_holds_more_than_the_target_is_dropped() -> None:
    tokenizer = byte_level_tokenizer()

    class Glued:
        """A tokenizer whose tokens are a whole line each."""

        is_fast = True

        def __call__(self, bodies: list[str], **_: Any) -> dict[str, Any]:
            return {
                "input_ids": [[1] for _ in bodies],
                "offset_mapping": [[(0, len(body))] for body in bodies],
            }

    targets = find_targets(text_of("we can go"), Glued(), COURSE, rule="course", window=OPEN)
    assert targets.counts["dropped: shares a token with other text"] == 1
    tokenizer_without_offsets = type("Slow", (), {"is_fast": False})()
    with pytest.raises(lp.InputError, match="gives no character offsets"):
        find_targets(text_of("a"), tokenizer_without_offsets, COURSE, rule="course", window=OPEN)
    assert tokenizer.is_fast


def test_draw_is_seeded_even_and_in_order() -> None:
    body = ("can " * 50 + "could " * 3 + "not " * 40 + "never " * 6) * 2
    targets = find_targets(
        text_of(body), byte_level_tokenizer(), COURSE, rule="course", window=OPEN
    )
    drawn, counts = draw_targets(targets, max_per_class=20, balance="word", seed=1)
    again, _ = draw_targets(targets, max_per_class=20, balance="word", seed=1)
    other, _ = draw_targets(targets, max_per_class=20, balance="word", seed=2)
    assert drawn == again != other
    assert drawn == sorted(drawn, key=lambda t: (t.document, t.last))
    sizes = {w: sum(t.word == w for t in drawn) for w in ("can", "could", "not", "never")}
    assert sizes == {"can": 14, "could": 6, "not": 10, "never": 10}
    assert counts["drawn"] == 40
    assert counts["not drawn"] == counts["usable"] - 40
    kept, counts = draw_targets(
        targets, max_per_class=None, balance="natural", min_per_word=7, seed=1
    )
    assert counts["dropped: type with fewer than 7 usable occurrences"] == 6
    assert {t.word for t in kept} == {"can", "not", "never"}


def test_even_quotas_fill_like_water() -> None:
    assert _even_quotas([5, 1, 9], 9) == [4, 1, 4]
    assert _even_quotas([2, 2], 4) == [2, 2]
    assert _even_quotas([], 0) == []
    rng = np.random.default_rng(0)
    for _ in range(200):
        sizes = rng.integers(0, 20, 6).tolist()
        total = int(rng.integers(0, sum(sizes) + 1))
        quotas = _even_quotas(sizes, total)
        assert sum(quotas) == total
        assert all(q <= s for q, s in zip(quotas, sizes, strict=True))
        unfilled = [q for q, s in zip(quotas, sizes, strict=True) if q < s]
        assert not unfilled or max(quotas) - min(unfilled) <= 1


def _text_with_eras() -> Text:
    """Old documents full of "can", new ones full of "not", with a few of the other in each."""
    old, new = "can " * 30 + "not " * 6, "not " * 30 + "can " * 6 + "never " * 2
    bodies = [old] * 6 + [new] * 6
    return Text(
        "made",
        tuple(
            Document(f"d{i}", f"s{i // 2}", body, 1800.0 + 15 * i) for i, body in enumerate(bodies)
        ),
        "test",
    )


def test_classes_are_drawn_from_the_same_documents() -> None:
    text = _text_with_eras()
    words = {"can": 0, "not": 1, "never": 1}
    targets = find_targets(text, byte_level_tokenizer(), words, rule="course", window=OPEN)

    def share_new(documents: tuple[Document, ...] | None) -> tuple[list[float], dict[str, int]]:
        drawn, counts = draw_targets(
            targets, max_per_class=40, balance="word", documents=documents, seed=3
        )
        types = {w: sum(t.word == w for t in drawn) for w in words}
        assert types == {"can": 40, "not": 28, "never": 12}, "matching changes no type's share"
        new = [[t.document >= 6 for t in drawn if t.label == k] for k in (0, 1)]
        return [float(np.mean(part)) for part in new], counts

    (old0, old1), counts = share_new(None)
    assert old1 - old0 > 0.4
    assert not any("counterpart" in name for name in counts)
    (new0, new1), counts = share_new(text.documents)
    assert new0 == new1
    assert counts["drawn with a counterpart in the document"] == counts["drawn"] == 80
    assert counts["drawn without a counterpart"] == 0
    again = [
        draw_targets(targets, max_per_class=40, balance="word", documents=text.documents, seed=s)[0]
        for s in (3, 3, 4)
    ]
    assert again[0] == again[1] != again[2]


def test_counterparts_come_from_the_source_then_the_decade_then_not_at_all() -> None:
    text = Text(
        "made",
        (
            Document("a", "x", "can " * 4, 1900.0),
            Document("b", "x", "not " * 4, 1950.0),
            Document("c", "y", "can " * 4, 1801.0),
            Document("d", "z", "not " * 4, 1809.9),
            Document("e", "u", "can " * 4, None),
            Document("f", "v", "not " * 5, None),
        ),
        "test",
    )
    targets = find_targets(
        text, byte_level_tokenizer(), {"can": 0, "not": 1}, rule="course", window=OPEN
    )
    drawn, counts = draw_targets(
        targets, max_per_class=12, balance="word", documents=text.documents, seed=0
    )
    assert len(drawn) == 24
    assert {name: n for name, n in counts.items() if "counterpart" in name} == {
        "drawn with a counterpart in the document": 0,
        "drawn with a counterpart by the source": 8,
        "drawn with a counterpart in the decade": 8,
        "drawn without a counterpart": 8,
    }


def test_fewer_types_are_drawn_so_that_each_has_enough() -> None:
    common = [f"a{i}" for i in range(12)]
    rare = [f"b{i}" for i in range(12)]
    body = " ".join(common * 9 + rare * 2 + ["not"] * 40) + " "
    words = dict.fromkeys([*common, *rare], 0) | {"not": 1}
    targets = find_targets(text_of(body), byte_level_tokenizer(), words, rule="course", window=OPEN)
    drawn, counts = draw_targets(targets, max_per_class=30, balance="word", seed=0)
    sizes = {w: sum(t.word == w for t in drawn) for w in words}
    assert sorted(n for w, n in sizes.items() if w in common and n) == [5] * 6
    assert not any(sizes[w] for w in rare)
    assert counts["word types not drawn"] == 18
    every, _ = draw_targets(targets, max_per_class=None, balance="word", seed=0)
    assert {t.word for t in every} == set(words), "without a limit no type is left out"
    assert ENOUGH_PER_WORD == MIN_PER_WORD
