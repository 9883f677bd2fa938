"""Text as LaTeX takes it."""

from __future__ import annotations

from typing import Any

_LATEX = {"\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
          "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}",
          "^": r"\textasciicircum{}"}  # fmt: skip


def escaped(text: Any) -> str:
    """Text in which LaTeX finds no command."""
    return "".join(_LATEX.get(c, c) for c in str(text))
