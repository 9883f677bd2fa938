"""Commands that read what was saved: report, verify."""

from __future__ import annotations

from pathlib import Path
from typing import Literal


def report(run: Path, *, out: Path | None = None) -> None:
    """Write the HTML report of a saved result again.

    Parameters
    ----------
    run
        Folder of a result.
    out
        Where to write it. [default: report.html in that folder]
    """
    from lens_probes.sweep_result import SweepResult

    print(SweepResult.load(run).write_report(out or run / "report.html"))


def export(
    run: Path,
    *,
    format: Literal["csv", "latex", "markdown", "jsonl", "neuronpedia", "parquet"] = "csv",
    table: Literal["units", "layers"] = "units",
    out: Path | None = None,
    top: int | None = None,
    model_id: str | None = None,
    source: str | None = None,
) -> None:
    """Write the units, or the layers, of a saved result for another program or a paper.

    Parameters
    ----------
    run
        Folder of a result.
    format
        csv and jsonl: every unit and column. latex, markdown: the strongest units as a table of a
        paper. neuronpedia: the strongest units as items of a list. parquet: a folder of obs, var
        and X.
    table
        units, or layers (csv, jsonl, latex, markdown).
    out
        Where to write it. [default: in the folder of the result]
    top
        Only so many units, the strongest first. [default: all; latex, markdown, neuronpedia 20]
    model_id, source
        Neuronpedia's names of the model and of the set of units (gpt2-small, res-jb).
    """
    from lens_probes.report.export import default_place
    from lens_probes.sweep_result import SweepResult

    place = out or default_place(run, format, table)
    result = SweepResult.load(run)
    print(
        result.export(place, format=format, table=table, top=top, model_id=model_id, source=source)
    )


def verify(folder: Path) -> int:
    """Read every byte of the results and activations below a folder; exit code 1 if one is damaged.

    Parameters
    ----------
    folder
        A result, a store of activations, or a folder that holds some.
    """
    from lens_probes.result.verify import verify as run_verify

    checked = run_verify(folder)
    for one in checked:
        whole = f"{one.n_whole} of {one.n_expected} whole"
        state = "; ".join(one.problems) or "no damage"
        if one.being_written:
            state += ", being written"
        print(f"{one.kind:<12} {one.path}: {whole}; {state}")
    return 1 if any(one.problems for one in checked) else 0
