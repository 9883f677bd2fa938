"""Figures that a notebook shows with what it has: Plotly alone asks for nbformat first."""

from __future__ import annotations

import importlib.util
import sys
from typing import Any

import plotly.graph_objects as go


class ShownFigure(go.Figure):  # type: ignore[misc]  # plotly has no types
    """A Plotly figure that is shown as HTML in a kernel where nbformat is not installed."""

    def show(self, *args: Any, **kwargs: Any) -> Any:
        """`plotly.graph_objects.Figure.show`, or the figure as HTML in the cell."""
        return self._show_html() if _kernel_without_nbformat() else super().show(*args, **kwargs)

    def _ipython_display_(self) -> None:
        if _kernel_without_nbformat():
            self._show_html()
        else:
            super()._ipython_display_()

    def _show_html(self) -> None:
        display = sys.modules["IPython.display"]
        display.display(display.HTML(self.to_html(full_html=False, include_plotlyjs=True)))


def _kernel_without_nbformat() -> bool:
    """Whether this runs in IPython, and Plotly's own way would end in an error."""
    core = sys.modules.get("IPython.core.interactiveshell")
    running = core is not None and core.InteractiveShell.initialized()
    return running and importlib.util.find_spec("nbformat") is None
