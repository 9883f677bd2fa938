"""Properties as data: those shipped, TOML and Python files, and every fault in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from atlas_tokens import made_tokens

from lens_probes.atlases.properties import properties_of
from lens_probes.atlases.property import Property
from lens_probes.errors import InputError

TEXT = "We may go, and they may not. The dogs of 1914 ran to the red house; the dogs ran."


def labels(text: str, given: object, name: str) -> dict[str, list[int]]:
    """Labels of each word, in order, by the property of a name."""
    tokens = made_tokens(text)
    (one,) = (p for p in properties_of(given) if p.name == name)
    found: dict[str, list[int]] = {}
    for word, label in zip(tokens.word, one.labels(tokens), strict=True):
        found.setdefault(word, []).append(int(label))
    return found


def test_sixty_or_more_are_shipped_each_with_a_name_of_its_own() -> None:
    shipped = properties_of("shipped")
    assert len(shipped) >= 60
    assert len({one.name for one in shipped}) == len(shipped)
    tokens = made_tokens(TEXT * 40)
    for one in shipped:
        assert one.means
        assert set(np.unique(one.labels(tokens))) <= {-1, 0, 1}, one.name


@pytest.mark.parametrize(
    ("name", "has", "has_not", "neither"),
    [
        ("modal verbs", "may", "dogs", "1914"),
        ("negation", "not", "may", ","),
        ("colours", "red", "house", "."),
        ("number or sign", "1914", "dogs", None),
        ("sentence-ending signs", ".", ",", "dogs"),
    ],
)
def test_a_shipped_property_labels_its_words(
    name: str, has: str, has_not: str, neither: str | None
) -> None:
    found = labels(TEXT, "shipped", name)
    assert set(found[has]) == {1}
    assert set(found[has_not]) == {0}
    assert neither is None or set(found[neither]) == {-1}


def test_properties_of_place_and_repetition() -> None:
    assert labels(TEXT, "shipped", "sentence start")["we"] == [1]
    assert labels(TEXT, "shipped", "repeated word")["dogs"] == [0, 1]
    assert labels(TEXT, "shipped", "repeated pair")["dogs"] == [-1, 1]
    assert labels(TEXT, "shipped", "repeated pair")["the"] == [-1, 0, 0]
    assert labels(TEXT, "shipped", "after a determiner")["dogs"] == [1, 1]
    assert labels(TEXT, "shipped", "sentence end to come")["not"] == [1]
    assert labels(TEXT, "shipped", "sentence end to come")["ran"] == [0, 1]


def test_a_file_of_ten_lines_adds_a_property(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(
        'section = "mine"\n[movement]\nmeans = "verbs of going"\nwords = ["go", "Ran"]\n'
        '["d words"]\npattern = "d.*"\nexcept = ["dust"]\nagainst = ["house", "red"]\n'
    )
    assert labels(TEXT, [path], "movement")["ran"] == [1, 1]
    found = labels(TEXT, [path], "d words")
    assert (found["dogs"], found["house"], found["may"]) == ([1, 1], [0], [-1, -1])
    assert {one.section for one in properties_of([path])} == {"mine"}
    code = tmp_path / "own.py"
    code.write_text(
        "def short(tokens):\n    'Short words.'\n    return [len(w) < 3 for w in tokens.word]\n"
    )
    (one,) = properties_of([code])
    assert (one.name, one.means) == ("short", "Short words")
    assert labels(TEXT, [code], "short")["we"] == [1]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("words = [", "is not TOML"),
        ('section = "x"\n', "has no property"),
        ("section = 1\n[a]\nwords = ['x']\n", "section must be a text"),
        ("a = 1\n", "must be a table"),
        ("[a]\nwrods = ['x']\n", "Did you mean 'words'"),
        ("[a]\nmeans = 'x'\n", "needs words or pattern"),
        ("[a]\nwords = ['x']\npattern = 'y'\n", "needs words or pattern"),
        ("[a]\nwords = []\n", "words is empty"),
        ("[a]\nwords = [1]\n", "must be a list of texts"),
        ("[a]\npattern = '('\n", "no regular expression"),
        ("[a]\nwords = ['x']\nof = 'last word'\n", "unknown of"),
        ("[a]\nwords = ['x']\namong = 'nouns'\n", "unknown among"),
        ("[a]\nwords = ['x']\ncase = 'yes'\n", "case must be true or false"),
        ("[a]\nwords = ['x']\nunmatched = ['age']\n", "unknown confound"),
    ],
)
def test_a_fault_in_a_file_is_one_line_that_names_it(
    tmp_path: Path, content: str, said: str
) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(content)
    with pytest.raises(InputError, match=said) as error:
        properties_of([path])
    assert "wrong.toml" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["negatoin"], "Did you mean 'negation'"),
        ([], "is empty"),
        (3, "must be 'shipped' or a list"),
        ([3], "must be a name, a file or a function"),
        (["shipped", "negation"], "is given twice"),
        (["nowhere.toml"], "cannot read"),
        (["nowhere.py"], "cannot run"),
    ],
)
def test_what_is_no_property_is_refused(given: object, said: str) -> None:
    with pytest.raises(InputError, match=said) as error:
        properties_of(given)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("rule", [lambda tokens: 1 / 0, lambda tokens: [2], lambda tokens: "x"])
def test_a_rule_that_fails_names_its_property(rule: object) -> None:
    with pytest.raises(InputError, match="property 'mine'"):
        Property("mine", rule).labels(made_tokens(TEXT))
