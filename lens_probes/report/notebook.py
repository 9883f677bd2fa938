"""What a result shows of itself in a notebook: question, answer, strongest units."""

from __future__ import annotations

from importlib import resources

from jinja2 import Environment

from lens_probes.drawing.tables import Table
from lens_probes.report.methods import question
from lens_probes.report.ranking import rank_name, strongest
from lens_probes.report.unit_columns import unit_columns
from lens_probes.report.words.summary import summary
from lens_probes.result.result import SweepData

UNITS = 10
_LEFT_OUT = ("n0", "n1", "mean0", "mean1", "n", "mean", "sd", "distinct values")


def summary_html(result: SweepData) -> str:
    """An HTML fragment for `SweepData._repr_html_`; it needs nothing else to be shown."""
    template = resources.files("lens_probes.report").joinpath("templates/summary.html.j2")
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    columns = [c for c in unit_columns(result) if c.header not in _LEFT_OUT]
    units = strongest(result.units, UNITS)
    caption = f"The {len(units)} units with the smallest {rank_name(result.units)}"
    return environment.from_string(template.read_text("utf-8")).render(
        question=question(result),
        answer=summary(result),
        table=Table.of(caption, units, columns),
    )
