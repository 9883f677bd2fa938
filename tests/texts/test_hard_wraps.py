"""Hard wraps: what an editor broke is rejoined, and nothing else."""

import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wrapped_prose import FILLED, PROSE

import lens_probes as lp
from lens_probes.texts.hard_wraps import _glued, unwrap

BOOK = "\n\n".join([FILLED] * 6)


@pytest.mark.parametrize("width", [55, 65, 72, 80])
def test_paragraphs_of_the_speeches_come_back(width: int) -> None:
    paragraphs = []
    for document in lp.load_text("speeches").documents[5::60]:
        paragraphs += [" ".join(p.split()) for p in document.text.split("\n") if p.strip()][:80]
    wrapped = "\n\n".join(textwrap.fill(p, width, break_long_words=False) for p in paragraphs)
    back = unwrap(wrapped).split("\n\n")
    assert len(back) == len(paragraphs) > 150
    wrong = [got for got, put in zip(back, paragraphs, strict=True) if got != put]
    assert len(wrong) / len(paragraphs) < 0.01, wrong[:3]
    assert sum("\n" in p for p in wrapped.split("\n\n")) > 120


@pytest.mark.parametrize(
    "kept",
    [
        "CHAPTER I.\nDown the Rabbit-Hole",
        "How doth the little crocodile\n    Improve his shining tail,\nAnd pour the waters",
        "Shall I compare thee to a summer’s day, my dear and only friend?\n"
        "Thou art more lovely and more temperate, as I have often said.\n"
        "Rough winds do shake the darling buds of May, and always will,\n"
        "And summer’s lease hath all too short a date, as you well know.\n"
        "Sometime too hot the eye of heaven shines, and burns the fields.",
        "1. The first thing to be done is to lay the table for all of the guests;\n"
        "2. the second is to wait for them, which may well take all the evening.",
        "Apples                           twelve a penny at the market in the town\n"
        "Pears                            nine a penny",
        "He ended here, and sat down, and for a while no one would say a word.\n"
        "    The next morning came, and with it the post.",
        "“I never said so to anybody, neither to you nor to him, in all my days.”\n"
        "--“Then who did?”",
        "Yours ever,\nJane",
    ],
    ids=["heading", "verse", "long verse", "list", "table", "indented", "dialogue", "signature"],
)
def test_what_is_no_hard_wrap_stays(kept: str) -> None:
    assert unwrap(f"{BOOK}\n\n{kept}\n\n{FILLED}") == "\n\n".join([PROSE] * 6 + [kept, PROSE])


@pytest.mark.parametrize(
    ("broken", "joined"),
    [
        ("that he said nothing to the well-\nknown", "that he said nothing to the well-known"),
        ("first of all the pre-\nand post-war years", "first of all the pre- and post-war years"),
        ("and then he went to the door--\nand out", "and then he went to the door--and out"),
        ("and then he went to the door\n--and out", "and then he went to the door--and out"),
        ("and then he went to the door --\nand out", "and then he went to the door -- and out"),
        (
            "the number of all of the books was\n203. It",
            "the number of all of the books was 203. It",
        ),
    ],
)
def test_dashes_and_hyphens_at_a_break(broken: str, joined: str) -> None:
    start = "The long day came to an end at last, "
    rest = " " + PROSE[:80].rsplit(" ", 1)[0]
    assert unwrap(f"{BOOK}\n\n{start}{broken}{rest}").endswith(f"{start}{joined}{rest}")


def test_indented_letter_is_joined_and_keeps_its_indent() -> None:
    letter = textwrap.indent(textwrap.fill(PROSE, 66), "    ")
    assert unwrap(f"{BOOK}\n\n{letter}").endswith(f"\n\n    {PROSE}")


def test_indented_first_lines_without_blank_lines() -> None:
    paragraphs = "\n".join(textwrap.fill(PROSE, 70, initial_indent="  ") for _ in range(5))
    assert unwrap(paragraphs) == "\n".join([f"  {PROSE}"] * 5)


@pytest.mark.parametrize("text", [f"{PROSE}\n\n{PROSE}", "Short\nlines\nonly", "", "one"])
def test_text_without_hard_wraps_is_not_touched(text: str) -> None:
    assert unwrap(text) == text


def test_blank_lines_and_trailing_blanks() -> None:
    assert unwrap("\n\na  \n \n\n\nb\n") == "a\n\nb"


WORDS = st.sampled_from(["a", "the", "Word", "well-", "--", "1.", "II.", "said.", "longish-word"])
LINES = st.builds(
    lambda indent, words: " " * indent + " ".join(words),
    st.sampled_from([0, 0, 0, 2, 4]),
    st.lists(WORDS, max_size=14),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(LINES, max_size=25))
def test_unwrapping_again_changes_nothing_and_no_word_is_lost(lines: list[str]) -> None:
    text = "\n".join(lines)
    once = unwrap(text)
    assert unwrap(once) == once
    assert "".join(once.split()) == "".join(text.split())


def test_work_on_one_long_paragraph_grows_with_its_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    read = {}

    def counted(line: str, following: str) -> str:
        read[n] += len(line)
        return _glued(line, following)

    monkeypatch.setattr("lens_probes.texts.hard_wraps._glued", counted)
    for n in (100, 800):
        read[n] = 0
        assert unwrap(textwrap.fill(" ".join([PROSE] * n), 70)) == " ".join([PROSE] * n)
    assert 0 < read[800] <= 8.5 * read[100]
