"""SweepResult: what a sweep found, and the doors to what is made of it: report, causal card."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lens_probes.result.result import SweepData

if TYPE_CHECKING:
    from lens_probes.ablation.card import CausalCard
    from lens_probes.report.methods_section import MethodsSection
    from lens_probes.screening.saved import Screen


class SweepResult(SweepData):
    """What a sweep found: tables and provenance as in `SweepData`, and how to see more of them.

    What is behind the doors loads figures and templates, so each is opened when it is asked for.
    """

    @property
    def causal(self) -> CausalCard | None:
        """Does the model use these units? The card beside a loaded result, None where none is.

        InputError where it cannot be read, or is of another sweep.
        """
        from lens_probes.ablation.card import CausalCard  # noqa: PLC0415  (a door)

        return CausalCard.beside(self)

    @property
    def screen(self) -> Screen | None:
        """Which units the model uses: the screen beside a loaded result, None where none is.

        InputError where it cannot be read, or is of another sweep.
        """
        from lens_probes.screening.saved import Screen  # noqa: PLC0415  (a door)

        return Screen.beside(self)

    def _repr_html_(self) -> str:
        """The answer and the strongest units, in a notebook."""
        from lens_probes.report.notebook import summary_html  # noqa: PLC0415  (a door)

        return summary_html(self)

    def methods(self) -> MethodsSection:
        """What a paper says of this sweep: methods paragraph, disclosure card, BibTeX.

        `print(result.methods())` is Markdown, `.latex()` LaTeX; `.numbers` names the cell that each
        number is.
        """
        from lens_probes.report.methods_section import methods_section  # noqa: PLC0415  (a door)

        return methods_section(self)

    def export(self, path: str | Path, **options: Any) -> Path:
        """Write the units for another program: see `lens_probes.report.export.export`."""
        from lens_probes.report.export import export  # noqa: PLC0415  (a door)

        return export(self, path, **options)

    def write_report(self, path: str | Path) -> Path:
        """Write the HTML report: one file, no network needed to read it, its digest at the end."""
        from lens_probes.report.html import write_report  # noqa: PLC0415  (a door)

        return write_report(self, path)
