"""Where a word ends: marks, joiners, apostrophes, entities, scripts without spaces."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from tiny_models import byte_level_tokenizer

import lens_probes as lp
from lens_probes.examples.targets import find_targets
from lens_probes.examples.windows import Targets, Window
from lens_probes.probes.negation import BEFORE_NOT, negation_words
from lens_probes.texts.copies import originals


def found(body: str, *words: str) -> Targets:
    """Targets of some words in a text of one document."""
    text = lp.Text("t", (lp.Document("d", "s", body),), "made")
    classes = {word: i % 2 for i, word in enumerate(words)}
    return find_targets(
        text, byte_level_tokenizer(), classes, rule="extended", window=Window("word"),
        unless=BEFORE_NOT,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("inside", "alone", "word"),
    [
        ("उसने काम किया ", "यह या वह ", "या"),
        ("نمی\u200cخواهم گفت", "من خواهم گفت", "خواهم"),
        (unicodedata.normalize("NFD", "la réunion "), "une union ", "union"),
        ("can\u2060not go", "can not go", "not"),
        ("it&#39;can go", "it can go", "can"),
        ("can&#39;t go", "can go", "can"),
        ("can´t go", "can go", "can"),
        ("can`t go", "can go", "can"),
        ("can′t go", "can go", "can"),
        ("did _not_ go", "did _go_", "did"),
        ("did <em>not</em> go", "did go", "did"),
        ("我不去", "我 不 去", "不"),
    ],
)
def test_a_word_inside_another_or_denied_is_no_target(inside: str, alone: str, word: str) -> None:
    assert not found(inside, word).usable
    assert [target.word for target in found(alone, word).usable] == [word]


@pytest.mark.parametrize("apostrophe", ["'", "’", "´", "`", "′", "ʼ"])
def test_all_that_is_typed_for_an_apostrophe_is_one(apostrophe: str) -> None:
    targets = found(f"we can{apostrophe}t go", "can", "can't").usable
    assert [target.word for target in targets] == ["can't"]


def test_accents_are_the_same_composed_and_decomposed() -> None:
    body = "At the café in İzmir "
    for form in ("NFC", "NFD"):
        targets = found(unicodedata.normalize(form, body), "café", "i̇zmir").usable
        assert [target.word for target in targets] == ["café", "i̇zmir"]


def test_listed_words_without_a_target_are_named() -> None:
    counts = found("red can&#39;t red", "red", "gren", "can").counts
    assert counts["listed words not in the text: gren"] == 1
    assert counts["listed words never usable: can"] == 1
    assert not [name for name in found("red can", "red", "can").counts if "listed" in name]


def test_copies_and_parts_of_documents_are_found() -> None:
    lines = [f"This is sentence number {i} of the book, which is long. " for i in range(30)]
    book, chapter, other = "".join(lines), "".join(lines[5:15]), "".join(lines[::2])
    assert originals([book, "a", chapter, f" {book}\n", other, "a"]) == (0, 1, 0, 0, 4, 1)
    assert originals([chapter, book]) == (1, 1)


def test_a_copy_takes_the_source_of_its_original(tiny_model: lp.LensModel) -> None:
    body = "We can see it, but they cannot. He will go, and nobody will. " * 12
    for second, sources, n in ((body, {"a"}, 1), (body.replace("see", "say"), {"a", "b"}, 0)):
        documents = (lp.Document("a", "a", body), lp.Document("b", "b", second))
        words = {"yes": ["can", "will"], "no": ["cannot", "nobody"]}
        text = lp.Text("t", documents, "made")
        examples = lp.CategoryProbe(words=words, text=text).examples(tiny_model)
        assert set(examples.source) == sources
        assert sum("drawn from a copy" in name for name in examples.counts) == n


def test_texts_that_are_none_are_refused_and_hidden_files_left_out(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "a.md").write_text("hidden")
    (tmp_path / "b.txt").write_text("shown")
    text = lp.load_text(tmp_path)
    assert [document.name for document in text.documents] == ["b.txt"]
    assert text.treatment == "1 hidden files left out"
    (tmp_path / "t.csv").write_text("text,label\nWe can.,1\n")
    with pytest.raises(lp.InputError, match="is a table, which would be read as prose"):
        lp.load_text(tmp_path / "t.csv")
    for encoding in ("utf-16", "utf-16le", "utf-16be"):
        (tmp_path / "u.txt").write_bytes("Größe and more of it".encode(encoding))
        with pytest.raises(lp.InputError, match=f"iconv -f {encoding} -t utf-8"):
            lp.load_text(tmp_path / "u.txt")
    assert len(repr(lp.Text("t", (lp.Document("d", "s", "x" * 10**6),), "o"))) < 200


@pytest.mark.model
def test_default_words_of_the_negation_probe_that_a_text_lacks_are_named(
    tiny_model: lp.LensModel,
) -> None:
    every = negation_words("extended")
    assert "not" not in every, "as the probe's help says"
    absent = ["never", "nor", "without"]
    body = ", ".join([word for word in every if word not in absent] * 8)
    text = lp.Text("t", (lp.Document("d", "s", body),), "made")
    counts = lp.NegationProbe(text, before=4, after=0).examples(tiny_model).counts
    found = {name: n for name, n in counts.items() if name.startswith("listed words not in")}
    assert found == {"listed words not in the text: never, nor, without": 3}
