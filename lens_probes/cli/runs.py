"""Commands that read what was saved: report, verify."""

from __future__ import annotations

from json import dumps
from pathlib import Path
from typing import Any, Literal


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


def verify(folder: Path, *, json: bool = False) -> int:
    """Read every byte of the results and activations below a folder; exit code 1 if one is damaged.

    A result with a plan beside it (`lens-probes plan`) must have kept to it, too.

    Parameters
    ----------
    folder
        A result, a store of activations, or a folder that holds some.
    json
        Print a JSON list, one object for each.
    """
    from lens_probes.cli.plan import kept_to_plan
    from lens_probes.result.verify import verify as run_verify

    checked = run_verify(folder)
    rows = []
    for one in checked:
        sound = one.kind == "result" and not one.problems
        plan = kept_to_plan(one.path) if sound else None
        row = {name: getattr(one, name) for name in _CHECKED}
        rows.append(row | {"path": str(one.path), "otherwise_than_planned": plan})
    if json:
        print(dumps(rows, ensure_ascii=False))
    else:
        print("\n".join(map(_checked_line, rows)))
    return 1 if any(row["problems"] or row["otherwise_than_planned"] for row in rows) else 0


_CHECKED = ("kind", "path", "n_whole", "n_expected", "problems", "being_written")


def _checked_line(row: dict[str, Any]) -> str:
    whole = f"{row['n_whole']} of {row['n_expected']} whole"
    state = "; ".join(row["problems"]) or "no damage"
    if row["being_written"]:
        state += ", being written"
    if (plan := row["otherwise_than_planned"]) is not None:
        state += "; as planned" if not plan else f"; not as planned: {'; '.join(plan)}"
    return f"{row['kind']:<12} {row['path']}: {whole}; {state}"
