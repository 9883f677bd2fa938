"""Examples: tokens of one's own, the negation probe's windows, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import lens_probes as lp
from lens_probes.model.load import LensModel
from lens_probes.probes.negation import negation_words

WORDS = {"affirmation": ["can", "could", "will", "did"], "negation": ["not", "nothing", "can't"]}


def test_from_tokens_keeps_ids_and_resolves_positions() -> None:
    examples = lp.Examples.from_tokens([[1, 2, 3], [4, 5]], [-1, 0], [0, 1], ["a", "b"])
    assert examples.tokens.tolist() == [[1, 2, 3], [4, 5, -1]]
    assert examples.position.tolist() == [2, 0]
    assert examples.n_per_class == (1, 1)
    tensor = lp.Examples.from_tokens(torch.tensor([[1, 2, 3]]), 1, np.array([True]))
    assert tensor.position.tolist() == [1]
    assert tensor.label.tolist() == [1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], 0, []), "tokens is empty"),
        ((5, 0, [0]), "must be .example, position. ids"),
        (([[1.5, 2]], 0, [0]), "row of whole numbers"),
        (([[1], []], 0, [0, 1]), "tokens of example 1 must be a non-empty row"),
        (([[1, -2]], 0, [0]), "hold -2: ids are 0 or more"),
        (([[1, 2]], 2, [0]), "position 2 of example 0 is outside its 2 tokens"),
        (([[1, 2], [1]], [0, -2], [0, 1]), "position -2 of example 1 is outside its 1 tokens"),
        (([[1, 2]], 0.5, [0]), "position must be one whole number"),
        (([[1, 2]], [0, 1], [0]), "position must be one whole number"),
        (([[1, 2]], 0, [0, 1]), r"label must be \[example\] = \(1,\)"),
        (([[1, 2]], 0, [2]), "label must be 0 or 1; got"),
        (([[1, 2]], 0, [0], ["a", "b"]), "word must have one entry an example: 1, not 2"),
        (([[1, 2]], 0, [0], None, []), "source must have one entry an example: 1, not 0"),
    ],
)
def test_from_tokens_refuses(arguments: tuple[object, ...], message: str) -> None:
    with pytest.raises(lp.InputError, match=message):
        lp.Examples.from_tokens(*arguments)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"position": np.full(3, 9)}, "example 0 is read at position 9"),
        ({"position": np.array([0, 1, -1])}, "example 2 is read at position -1"),
        ({"tokens": np.array([[1, 2], [1, -1], [1, 2]])}, "example 1 is read at position 1"),
        ({"position": np.array([0])}, "position has 1 entries for 3 labels"),
        ({"word": np.array(["a"], dtype=object)}, "word must have one entry an example: 3, not 1"),
        ({"label": np.array([0, 1, 5])}, "label must be 0 or 1; got"),
        ({"label": np.arange(3), "class_names": ("a", "b")}, "2 names and label has 3 classes"),
        ({"class_names": ("a", "b", "a")}, "class_names must be two different names"),
    ],
)
def test_examples_made_by_hand_are_checked(change: dict[str, object], message: str) -> None:
    given = {"tokens": np.ones((3, 2), int), "position": np.ones(3, int), "label": np.arange(3) % 2}
    with pytest.raises(lp.InputError, match=message):
        lp.Examples(**{**given, **change})


def test_words_are_all_named_or_none() -> None:
    with pytest.raises(lp.InputError, match="word of example 1 is None: name every one, or none"):
        lp.Examples.from_tokens([[1], [2]], 0, [0, 1], ["a", None])


def test_types_per_source() -> None:
    examples = lp.Examples.from_tokens(
        [[1]] * 5, 0, [0, 1, 1, 0, 1], ["a", "b", "c", "a", "b"], ["x", "x", "x", "y", "x"]
    )
    assert examples.by_source().to_dict("records") == [
        {"source": "x", "n0": 1, "n1": 3, "n_types0": 1, "n_types1": 2},
        {"source": "y", "n0": 1, "n1": 0, "n_types0": 1, "n_types1": 0},
    ]
    assert lp.Examples.from_tokens([[1]], 0, [0]).by_source().empty


def test_digest_sees_every_part() -> None:
    def digest(**change: object) -> str:
        given: dict[str, object] = {
            "tokens": [[1, 2, 3]], "position": 1, "label": [0], "word": ["a"], "source": ["s"],
        }  # fmt: skip
        return lp.Examples.from_tokens(**{**given, **change}).digest

    changes = ({}, {"tokens": [[1, 2, 4]]}, {"position": 2}, {"label": [1]}, {"word": ["b"]},
               {"source": ["t"]}, {"word": None})  # fmt: skip
    assert len({digest(**change) for change in changes}) == len(changes)
    assert digest() == digest()


@pytest.mark.model
def test_probe_cuts_the_course_window(tiny_model: LensModel, prose_file: Path) -> None:
    probe = lp.NegationProbe(lp.load_text(prose_file), WORDS, max_per_class=20)
    examples = probe.examples(tiny_model)
    assert examples.tokens.shape == (40, 101)
    assert set(examples.position) == {90}
    assert (examples.tokens >= 0).all()
    for row, label, word in zip(examples.tokens, examples.label, examples.word, strict=True):
        read = tiny_model.tokenizer.decode(row[85:91]).lower()
        assert read.endswith(word)
        assert (word in WORDS["negation"]) == label
    assert examples.counts["drawn"] == 40
    assert examples.origin["rule"] == "extended"


@pytest.mark.model
def test_contexts_agree_on_the_target(tiny_model: LensModel, prose_file: Path) -> None:
    text = lp.load_text(prose_file)
    made = {
        context: lp.NegationProbe(text, WORDS, max_per_class=None, context=context).examples(
            tiny_model
        )
        for context in ("window", "sentence", "word")
    }
    for context in ("sentence", "word"):
        examples = made[context]
        for i in range(len(examples)):
            tokens = examples.tokens[i, : examples.position[i] + 1]
            shown = tiny_model.tokenizer.decode(tokens).strip()
            assert shown.lower().endswith(examples.word[i])
            if context == "word":
                assert shown.lower() == examples.word[i]
            elif examples.offset[i] >= 90:
                j = np.flatnonzero(made["window"].offset == examples.offset[i])[0]
                window = made["window"].tokens[j, :91]
                assert window[-len(tokens) :].tolist() == tokens.tolist()
                before = tiny_model.tokenizer.decode(window[: -len(tokens)])
                assert before.rstrip()[-1] in ".!?"


@pytest.mark.model
def test_bos_comes_first_when_asked(tiny_model: LensModel, prose_file: Path) -> None:
    text = lp.load_text(prose_file)
    plain = lp.NegationProbe(text, WORDS, max_per_class=9).examples(tiny_model)
    bos = lp.NegationProbe(text, WORDS, max_per_class=9, bos=True).examples(tiny_model)
    assert (bos.tokens[:, 0] == tiny_model.tokenizer.bos_token_id).all()
    np.testing.assert_array_equal(bos.tokens[:, 1:], plain.tokens)
    assert set(bos.position) == {91}


def test_word_sets() -> None:
    course, extended = negation_words("course"), negation_words("extended")
    assert sorted(w for w, c in course.items() if c == 0) == ["can", "could", "may", "will"]
    assert {"not", "cannot", "can't", "don't", "won't", "never", "wasn't"} <= set(course)
    assert min(list(extended.values()).count(c) for c in (0, 1)) >= 20
    own = {"negation": ["Can’t "], "affirmation": ["CAN"]}
    assert negation_words(own) == {"can": 0, "can't": 1}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("corse", "unknown word set 'corse': choose from course, extended"),
        ({"yes": ["a"], "no": ["b"]}, "must have the keys affirmation and negation"),
        ({"affirmation": ["can"], "negation": ["can"]}, "'can' is in both classes"),
        ({"affirmation": ["can"], "negation": ["no way"]}, "not a word: 'no way'"),
        ({"affirmation": ["can"], "negation": [""]}, "not a word: ''"),
    ],
)
def test_word_sets_refused(words: object, message: str) -> None:
    with pytest.raises(lp.InputError, match=message):
        negation_words(words)


@pytest.mark.model
def test_probe_refusals(tiny_model: LensModel, tmp_path: Path) -> None:
    path = tmp_path / "none.txt"
    path.write_text("Nobody may, said he; so. " * 50)
    text = lp.load_text(path)
    with pytest.raises(lp.InputError, match=r"0 usable targets of class affirmation.*candidates"):
        lp.NegationProbe(text, "course").examples(tiny_model)
    for options, message in [
        ({"max_per_class": 1}, "max_per_class must be 2 or more"),
        ({"balance": "even"}, "unknown balance 'even'"),
        ({"context": "page"}, "unknown context 'page'"),
        ({"before": -1}, "before must be 0 or more"),
    ]:
        with pytest.raises(lp.InputError, match=message):
            lp.NegationProbe(text, **options)


@pytest.mark.bundled
def test_bundled_speeches_hold_enough_types_for_the_extended_set() -> None:
    model = lp.load_model("bundled")
    examples = lp.NegationProbe(lp.load_text("speeches")).examples(model)
    assert examples.n_per_class == (300, 300)
    assert examples.word is not None
    for label in (0, 1):
        types, n = np.unique(examples.word[examples.label == label], return_counts=True)
        assert len(types) >= 20
        assert n.min() >= 5


def test_many_sources_are_counted_together() -> None:
    """One pass over the examples, whatever the number of sources."""
    rng = np.random.default_rng(0)

    def made(n_sources: int) -> lp.Examples:
        n = 1200
        names = [f"s{i}" for i in np.r_[np.arange(n_sources), rng.integers(0, n_sources, n)][:n]]
        word = [f"w{i}" for i in rng.integers(0, 7, n)]
        return lp.Examples.from_tokens([[1]] * n, 0, rng.integers(0, 2, n), word, names)

    def compared(examples: lp.Examples) -> int:
        """Entries of `label` that are compared with a class while the table is made."""
        seen = []

        class Label(np.ndarray):
            def __eq__(self, other: object) -> np.ndarray:
                seen.append(self.size)
                return np.asarray(self) == other

        watched = replace(examples)
        object.__setattr__(watched, "label", examples.label.view(Label))
        watched.by_source()
        return sum(seen)

    examples = made(400)
    table = examples.by_source()
    assert len(table) == 400
    assert table["n0"].sum() + table["n1"].sum() == 1200
    assert (np.diff(table["n0"] + table["n1"]) <= 0).all()
    for row in table.to_dict("records")[::40]:
        here = examples.source == row["source"]
        for k in (0, 1):
            part = here & (examples.label == k)
            assert row[f"n{k}"] == part.sum()
            assert row[f"n_types{k}"] == len(set(examples.word[part]))
    assert compared(examples) == compared(made(100)) > 0
