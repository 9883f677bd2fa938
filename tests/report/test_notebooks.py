"""The tutorials run from top to bottom, and what they end a cell with can be shown."""

import ast
import functools
import json
from pathlib import Path

import pytest

import lens_probes as lp

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def test_there_are_notebooks_without_stored_output():
    assert [path.stem for path in NOTEBOOKS] == ["first_sweep", "one_unit"]
    for path in NOTEBOOKS:
        for cell in json.loads(path.read_text("utf-8"))["cells"]:
            assert not cell.get("outputs")


@pytest.fixture(scope="module")
def load_once():
    """`load_model` that reads the weights for the first notebook only."""
    return functools.cache(lp.load_model)


@pytest.mark.model
@pytest.mark.bundled
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path, tmp_path, monkeypatch, load_once):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(lp, "load_model", load_once)
    names, shown = {"__name__": path.stem}, []
    for cell in json.loads(path.read_text("utf-8"))["cells"]:
        if cell["cell_type"] != "code":
            continue
        tree = ast.parse("".join(cell["source"]))
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, path.name, "exec"), names)
        if last is not None:
            shown.append(eval(compile(ast.Expression(last.value), path.name, "eval"), names))
    for value in shown:
        seen = hasattr(value, "_repr_html_") or isinstance(value, Path | type(None))
        assert seen, type(value)
    assert sum(hasattr(value, "_repr_html_") for value in shown) >= 4
    if path.stem == "first_sweep":
        assert (tmp_path / "report.html").stat().st_size > 10**6
