"""Examples in docstrings run and say what is there; a name that has one keeps it."""

from __future__ import annotations

import doctest
import inspect
from types import ModuleType

import numpy as np
import pytest

import lens_probes as lp
from lens_probes import maximize, report, residual, stats, testing

WITH_EXAMPLE = """
Document Examples.from_tokens Site.from_function Text stats.adjust stats.auc stats.correlation
stats.count_distinct stats.f_test stats.firth stats.folds_by_word stats.logistic
stats.max_permutation stats.moments stats.normalised_welch stats.paired stats.shrink stats.ttest
stats.word_level sweep_activations
"""


def documented() -> dict[str, object]:
    """Every public function and class, and the public methods of the classes."""
    found: dict[str, object] = {}
    for module in (lp, maximize, report, residual, stats, testing):
        before = "" if module is lp else f"{module.__name__.rpartition('.')[2]}."
        for name in module.__all__:
            value = getattr(module, name)
            if isinstance(value, ModuleType) or not callable(value):
                continue
            found[before + name] = value
            if inspect.isclass(value):
                for method, function in inspect.getmembers(value, inspect.isroutine):
                    if not method.startswith("_") and method in vars(value):
                        found[f"{before}{name}.{method}"] = function
    return found


def examples(value: object) -> list[doctest.Example]:
    return doctest.DocTestParser().get_examples(inspect.getdoc(value) or "")


PARTS = {name: value for name, value in documented().items() if examples(value)}


def test_names_that_have_an_example_keep_it() -> None:
    assert set(WITH_EXAMPLE.split()) <= set(PARTS)
    assert not examples(test_names_that_have_an_example_keep_it)


@pytest.mark.parametrize("name", PARTS)
def test_an_example_runs_as_it_is_written(name: str) -> None:
    test = doctest.DocTestParser().get_doctest(inspect.getdoc(PARTS[name]) or "", {}, name, None, 0)
    said: list[str] = []
    with np.printoptions(legacy=False):
        failed, tried = doctest.DocTestRunner().run(test, out=said.append)
    assert tried
    assert not failed, "".join(said)


@pytest.mark.parametrize("name", documented())
def test_every_public_name_says_what_it_is(name: str) -> None:
    said = inspect.getdoc(documented()[name]) or ""
    first = said.split("\n")[0]
    assert len(first) > 10, name
