"""A small page for one question: answer, figures, tokens in their contexts; and its numbers."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from lens_probes.drawing.chart import Chart, embedded, theme
from lens_probes.drawing.numbers import general, whole
from lens_probes.drawing.token_activations import ShownContext
from lens_probes.storage.folders import write_folder

PAGE = "report.html"
NUMBERS = "numbers.json"
FORMAT = 2


@dataclass(frozen=True)
class Finding:
    """What was asked of a model and what came out, ready to be printed, drawn and kept.

    Attributes
    ----------
    kind, question
        What was done, and of what.
    answer
        Sentences; the command prints the same ones.
    listing
        Further lines for a terminal; on a page without contexts they stand below the figures.
    figures
        By a name of letters and hyphens; drawn once.
    contexts
        Tokens of a corpus with the text around them, by heading.
    tables
        Written as NAME.parquet.
    numbers
        Written as JSON; NaN becomes null.
    recorded
        Settings and model: shown on the page and part of the JSON.
    """

    kind: str
    question: str
    answer: tuple[str, ...]
    figures: Mapping[str, go.Figure]
    numbers: Mapping[str, Any]
    recorded: Mapping[str, Any]
    listing: tuple[str, ...] = ()
    contexts: Mapping[str, Sequence[ShownContext]] = field(default_factory=dict)
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    def save(self, folder: str | Path, *, command: str = "") -> Path:
        """Write page, numbers and tables into a new folder, all or nothing; the page's path.

        Raises
        ------
        InputError
            The folder holds something already, or cannot be written.
        """
        return write_folder(folder, lambda work: self.write_files(work, command)) / PAGE

    def write_files(
        self, work: Path, command: str = "", made_from: Mapping[str, Any] | None = None
    ) -> None:
        """Write the files into a folder that is there; `made_from`: what the numbers depend on."""
        (work / PAGE).write_bytes(self.html(command=command).encode("utf-8", "replace"))
        for name, table in self.tables.items():
            table.to_parquet(work / f"{name}.parquet", index=False)
        said = {
            "format": FORMAT,
            "command": command,
            "made_from": made_from or {},
            "answer": self.answer,
            "listing": self.listing,
            "recorded": self.recorded,
            "numbers": self.numbers,
        }
        (work / NUMBERS).write_text(json.dumps(_plain(said), indent=1, allow_nan=False))

    def html(self, *, command: str = "") -> str:
        """The page: one file that asks no network for anything."""
        environment = page_environment("lens_probes.drawing")
        return environment.get_template("finding.html.j2").render(
            kind=self.kind,
            question=self.question,
            answer=self.answer,
            charts=[Chart.of(key, go.Figure(figure)) for key, figure in self.figures.items()],
            listing="" if self.contexts else "\n".join(self.listing),
            contexts=self.contexts,
            command=command,
            recorded=flat(_plain(self.recorded)),
            templates=embedded({"light": theme("plotly_white"), "dark": theme("plotly_dark")}),
            style=page_file(environment, "style.css"),
            script=page_file(environment, "charts.js"),
            plotly_js=Markup(get_plotlyjs()),
        )


def _plain(value: Any) -> Any:
    """Arrays as lists and NaN as None, for JSON."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def page_environment(package: str) -> Environment:
    """Where a page finds its template: among those of a package, then among those here."""
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader("lens_probes.drawing")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"general": general, "whole": whole}
    return environment


def page_file(environment: Environment, name: str) -> Markup:
    """A style sheet or a script, as it stands in a page."""
    assert environment.loader is not None
    return Markup(environment.loader.get_source(environment, name)[0])


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, object]:
    """Nested plain values as one list of "a.b" names; lists joined, None as "none"."""
    found: dict[str, object] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            found |= flat(value, f"{name}.")
        elif isinstance(value, list | tuple):
            found[name] = ", ".join(str(v) for v in value) or "none"
        else:
            found[name] = "none" if value is None else str(value)
    return found
