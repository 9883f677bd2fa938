"""A figure in a notebook: as HTML where nbformat is missing, by Plotly's own way elsewhere."""

from __future__ import annotations

import importlib.util
import pickle
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import plotly.graph_objects as go
import pytest

from lens_probes.drawing.frame import frame


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What a kernel without nbformat is asked to display."""
    displayed: list[Any] = []
    core: Any = ModuleType("IPython.core.interactiveshell")
    core.InteractiveShell = SimpleNamespace(initialized=lambda: True)
    display: Any = ModuleType("IPython.display")
    display.display, display.HTML = displayed.append, str
    monkeypatch.setitem(sys.modules, "IPython.core.interactiveshell", core)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "nbformat" else found(name)
    )
    return displayed


def framed() -> go.Figure:
    return frame(go.Figure(go.Bar(y=[3, 1])), "A finding", "A caption.", height=100)


@pytest.mark.parametrize("how", ["show", "_ipython_display_"])
def test_a_kernel_without_nbformat_shows_the_figure_as_html(shown: list[Any], how: str) -> None:
    getattr(framed(), how)()
    (html,) = shown
    assert "A finding" in html
    assert "Plotly.newPlot" in html


def test_elsewhere_plotly_shows_it(shown: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "IPython.core.interactiveshell")
    asked: list[str] = []
    monkeypatch.setattr(go.Figure, "show", lambda self, renderer: asked.append(renderer))
    framed().show("png")
    assert (asked, shown) == (["png"], [])


def test_a_framed_figure_comes_back_from_a_pickle() -> None:
    figure = framed()
    again = pickle.loads(pickle.dumps(figure))
    assert type(again) is type(figure)
    assert again.to_dict() == figure.to_dict()
