"""`lens-probes paper RUN`: what a paper takes from a sweep, in one folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from lens_probes.sweep_result import SweepResult


def paper(
    run: Path,
    *,
    out: Path | None = None,
    figures: Literal["pdf", "svg", "png", "none"] = "pdf",
    width: Literal["column", "text"] = "column",
    top: int = 10,
) -> None:
    """Write methods, disclosure card, BibTeX, tables and figures of a saved result for a paper.

    methods.tex, methods.md, numbers.csv (the cell that each number is), references.bib, units and
    layers as .tex, .md and .csv, and the figures: share, best-auc, effects.

    Parameters
    ----------
    run
        Folder of a result.
    out
        Folder to write, absent or empty. [default: paper in that folder]
    figures
        Their format; a Chromium or Chrome on this machine draws them.
    width
        As wide as a column (89 mm) or as the text (183 mm).
    top
        Units in the table.
    """
    from lens_probes.storage.folders import write_folder
    from lens_probes.storage.paths import output_path
    from lens_probes.sweep_result import SweepResult

    result = SweepResult.load(run)

    def fill(work: Path) -> None:
        _texts(result, work)
        for table in ("units", "layers"):
            for format, ending in (("latex", "tex"), ("markdown", "md"), ("csv", "csv")):
                chosen = top if table == "units" and format != "csv" else None
                place = work / f"{table}.{ending}"
                result.export(place, format=format, table=table, top=chosen)
        if figures != "none":
            _figures(result, work, figures, width)

    print(write_folder(output_path(out or run / "paper"), fill))


def _texts(result: SweepResult, work: Path) -> None:
    methods = result.methods()
    for name, text in (
        ("methods.tex", methods.latex()),
        ("methods.md", methods.markdown()),
        ("references.bib", methods.bibtex),
        ("numbers.csv", methods.numbers.to_csv(index=False)),
    ):
        (work / name).write_text(text, "utf-8")


def _figures(
    result: SweepResult, work: Path, ending: str, width: Literal["column", "text"]
) -> None:
    """The figures that hold for the kind of label."""
    from lens_probes import report

    drawn = {"share": report.share_by_layer, "effects": report.effect_and_significance}
    if "r" in result.units:
        drawn["best-r"] = report.best_correlation_map
    elif "auc" in result.units:
        drawn["best-auc"] = report.best_auc_map
    for name, draw in drawn.items():
        report.save_figure(draw(result), work / f"{name}.{ending}", paper=width)
