"""Whatever a user passes: the right answer, or one InputError line; never another exception."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import lens_probes as lp
from lens_probes.errors import InputError, one_line

IDS = [[5, 6, 7], [5, 6, 8], [9, 6, 7], [9, 6, 8]]
LABELS = [0, 1, 0, 1]
BODY = "We can see it, but they cannot. He will not go, and nobody will. " * 12
ODD: list[Any] = [
    None, True, 1.5, float("nan"), float("inf"), 10**30, -1, "10", "", "x", b"x", 1j, [], {}, set(),
    object(), np.nan, np.float32(2.5), torch.tensor(1.5), pd.NA, pd.NaT, ["a", 1], lambda: None,
    torch.zeros(2, 2), np.zeros((0, 3)), pd.Series([1, None]), "a\ud83d", range(0), [[1, [2]], 3],
]  # fmt: skip
odd = st.sampled_from(ODD) | st.text(max_size=3) | st.floats() | st.integers()
SLOW = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def examples(**change: Any) -> lp.Examples:
    """Twelve examples of four word types."""
    given = {"tokens": IDS * 3, "position": -1, "label": LABELS * 3, "word": list("abcd") * 3}
    return lp.Examples.from_tokens(**{**given, **change})


def text() -> lp.Text:
    """A text of one document."""
    return lp.Text("t", (lp.Document("d", "s", BODY),), "made")


def answered(call: Callable[[], object]) -> bool:
    """Whether the call came back; False for an InputError of one line. All else is raised."""
    said = None
    try:
        call()
    except InputError as error:
        said = str(error)
    if said is not None:
        assert 0 < len(said) <= 2000, said
        assert said.isprintable(), said
    return said is None


@pytest.fixture(scope="module")
def result(tiny_model: lp.LensModel) -> lp.SweepResult:
    """A sweep of one layer and site."""
    return lp.sweep(tiny_model, examples(), layers=0, untrained=False, n_permutations=20)


@SLOW
@given(st.sampled_from(["tokens", "position", "label", "word", "source", "group", "value",
                        "value_name", "class_names"]), odd)  # fmt: skip
def test_examples_of_anything(name: str, value: Any) -> None:
    answered(lambda: examples(**{name: value}))
    answered(lambda: examples(**{name: [value] * 12}))


@SLOW
@given(st.sampled_from([field for field in lp.Examples.__dataclass_fields__]), odd)
def test_examples_made_by_hand_of_anything(name: str, value: Any) -> None:
    fields = {"tokens": np.array(IDS), "position": np.full(4, 2), "label": np.array(LABELS)}
    answered(lambda: lp.Examples(**{**fields, name: value}))
    answered(lambda: lp.Examples(**{**fields, name: [value] * 4}))


_ABLATE = ["model", "probe", "result", "sites", "layers", "top", "kind", "positions", "n_nulls",
           "n_windows", "after", "alpha", "words", "seed"]  # fmt: skip
_SWEEP = ["model", "probe", "sites", "layers", "preset", "alpha", "method", "scope", "seed",
          "n_permutations", "untrained", "batch_size", "progress", "store", "executor"]  # fmt: skip


@SLOW
@given(st.sampled_from(_SWEEP), odd)
def test_sweep_of_anything(
    tiny_model: lp.LensModel, tmp_path_factory: pytest.TempPathFactory, name: str, value: Any
) -> None:
    if name == "store" and isinstance(value, str):
        return  # any other name is a folder
    given = {"model": tiny_model, "probe": examples(), "layers": 0, "untrained": False,
             "n_permutations": 20}  # fmt: skip
    answered(lambda: lp.sweep(**{**given, name: value}))


@SLOW
@given(st.sampled_from(["site", "layer", "unit", "passages", "titles", "model"]), odd)
def test_paint_of_anything(tiny_model: lp.LensModel, name: str, value: Any) -> None:
    given = {"model": tiny_model, "passages": [[5, 6]], "layer": 0, "site": "q", "unit": 0}
    answered(lambda: lp.paint(**{**given, name: value}))


@SLOW
@given(st.sampled_from(_ABLATE), odd)
def test_ablate_of_anything(tiny_model: lp.LensModel, name: str, value: Any) -> None:
    given = {"model": tiny_model, "probe": examples(), "layers": 0, "top": 10**6}  # never runs
    assert not answered(lambda: lp.ablate(**{**given, name: value})) or name == "top"


@SLOW
@given(st.sampled_from(["n", "site", "layer", "direction"]), odd)
def test_top_of_anything(result: lp.SweepResult, name: str, value: Any) -> None:
    answered(lambda: result.top(**{name: value}))


@SLOW
@given(odd)
def test_everything_else_of_anything(
    tiny_model: lp.LensModel, result: lp.SweepResult, value: Any
) -> None:
    probes = (lp.NegationProbe, lp.ProperNounProbe, lp.TokenLengthProbe, lp.GrammarProbe)
    for kind in probes:
        answered(lambda kind=kind: kind(value))
        for name in ("seed", "max_per_class", "before", "words", "read", "n_sequences", "rule"):
            if name in kind.__dataclass_fields__:
                answered(lambda kind=kind, name=name: kind(text(), **{name: value}))
    answered(lambda: lp.ContextProbe(words=value))
    answered(lambda: lp.ContextProbe(n_tokens=value))
    answered(lambda: lp.CategoryProbe(words=value))
    answered(lambda: lp.CategoryProbe(words={"a": value, "b": ["x"]}, text=text()))
    answered(lambda: lp.Document(value, "s", "text"))
    answered(lambda: lp.Document("d", "s", value))
    answered(lambda: lp.Text("t", value, "o"))
    answered(lambda: lp.replicate(value, examples(), model=tiny_model))
    answered(lambda: lp.replicate(result, value, model=tiny_model))
    answered(lambda: lp.collect(tiny_model, value, sites=["q"]))
    answered(lambda: lp.load_model(".", dtype=value))
    answered(lambda: lp.load_text("speeches", column=value))
    if not isinstance(value, str):
        answered(lambda: lp.load_text(value))
        answered(lambda: lp.load_model(value))
        answered(lambda: lp.load_model("nowhere", device=value))
    for statistic in (lp.stats.ttest, lp.stats.auc, lp.stats.logistic, lp.stats.correlation):
        answered(lambda statistic=statistic: statistic(value, LABELS))
        answered(lambda statistic=statistic: statistic(np.eye(4), value))
    answered(lambda: lp.stats.adjust(value))
    answered(lambda: lp.stats.adjust([0.1, 0.2], method=value))


def test_what_has_one_meaning_is_taken() -> None:
    plain = examples(source=["1", "2"] * 6)
    for change in (
        {"label": torch.tensor(LABELS * 3).bfloat16()},
        {"label": torch.tensor([0.0, 1.0] * 6, requires_grad=True)},
        {"label": pd.Series([False, True] * 6, dtype="boolean")},
        {"word": (name for name in "abcd" * 3)},
        {"word": pd.Series(list("abcd") * 3, dtype="string")},
        {"source": pd.Series([1, 2] * 6)},
        {"source": np.array(["1", "2"] * 6)},
        {"tokens": torch.tensor(IDS * 3)},
        {"position": np.int8(2)},
    ):
        made = examples(**{"source": ["1", "2"] * 6, **change})
        assert made.digest == plain.digest, change
    assert examples(class_names=(0, 1)).class_names == ("0", "1")
    by_hand = lp.Examples(IDS, [2, 2, 2, 2], LABELS, word=list("abcd"))  # type: ignore[arg-type]
    assert by_hand.digest == lp.Examples.from_tokens(IDS, -1, LABELS, ["a", "b", "c", "d"]).digest


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": [0j, 1, 0, 1] * 3}, "label must be 0 or 1; got complex128"),
        ({"word": "abcdabcdabcd"}, "word must be a list of names, in order"),
        ({"word": {"a", "b"}}, "word must be a list of names"),
        ({"word": dict.fromkeys("abcdefghijkl", 1)}, "word must be a list of names"),
        ({"word": [1, "1", "a", "b"] * 3}, "word has 1 both as text and as a number"),
        ({"word": ["a", pd.NA, "b", "c"] * 3}, "word of example 1 is <NA>"),
        ({"word": ["a\ud83d", "b", "c", "d"] * 3}, "half a character"),
        ({"class_names": ("a", "a")}, "class_names must be two different names"),
        ({"class_names": "ab"}, "class_names must be a list of names"),
        ({"class_names": ("", "b")}, "class_names must be two different names"),
        ({"label": None, "value": [1e308, 1] * 6}, "largest size in value is 1e\\+308"),
        ({"label": None, "value": [1e-320, 0] * 6}, "largest size in value is 1e-320"),
    ],
)
def test_what_has_no_single_meaning_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        examples(**change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layers": True}, "layers must be whole numbers; got True"),
        ({"n_permutations": True}, "n_permutations must be a whole number; got True"),
        ({"n_permutations": 1.5}, "n_permutations must be a whole number; got 1.5"),
        ({"seed": None}, "seed must be a whole number; got None"),
        ({"seed": 2**64}, "seed must be 9,223,372,036,854,775,807 or fewer"),
        ({"untrained": "no"}, "untrained must be True or False; got 'no'"),
        ({"alpha": "0.05"}, "alpha must be a number; got '0.05'"),
        ({"alpha": 5e-324}, "be 1e-12 or more; got 5e-324"),
        ({"store": ""}, "store must be a path; got ''"),
        ({"executor": 3, "store": "s"}, "executor must have submit"),
        ({"sites": None}, "sites must be names from"),
        ({"batch_size": "3"}, "batch_size must be a whole number; got '3'"),
        ({"probe": "negation"}, "probe must be a Probe or Examples; got 'negation'"),
        ({"model": "gpt2"}, r"load_model\('gpt2'\) makes one"),
    ],
)
def test_sweep_says_what_is_wrong(
    tiny_model: lp.LensModel, change: dict[str, Any], message: str
) -> None:
    given = {"model": tiny_model, "probe": examples(), "layers": 0}
    with pytest.raises(InputError, match=message):
        lp.sweep(**{**given, **change})


def test_an_error_is_one_printable_line_whatever_it_repeats() -> None:
    error = InputError("no text 'a\nb\ud83d': " + "x" * 9000)
    assert str(error).startswith("no text 'a b\\ud83d'")
    assert len(str(error)) == 2000
    assert one_line(ValueError("\n")) == "ValueError"
