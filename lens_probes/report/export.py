"""A result for other programs: tables for spreadsheets, papers, scripts and Neuronpedia."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pandas as pd

from lens_probes.errors import InputError, choice, place_of, whole
from lens_probes.report.paper_tables import Table, latex_table, markdown_table, side_of
from lens_probes.result.result import SweepData
from lens_probes.storage.folders import write_folder
from lens_probes.storage.integrity import write_atomic
from lens_probes.storage.json_values import to_json_value
from lens_probes.storage.paths import output_path

Format = Literal["csv", "latex", "markdown", "jsonl", "neuronpedia", "parquet"]
FORMATS = ("csv", "latex", "markdown", "jsonl", "neuronpedia", "parquet")
TABLES = ("units", "layers")
PAPER_ROWS = 20
_ENDINGS = {"csv": ".csv", "latex": ".tex", "markdown": ".md", "jsonl": ".jsonl",
            "neuronpedia": ".json"}  # fmt: skip


def export(
    result: SweepData,
    path: str | Path,
    *,
    format: Format = "csv",
    table: Table = "units",
    top: int | None = None,
    model_id: str | None = None,
    source: str | None = None,
) -> Path:
    """Write the units of a result for another program.

    Parameters
    ----------
    path
        A file that is not there yet; with `"parquet"` a folder.
    format
        `"csv"`: the whole table, full precision; `"latex"`, `"markdown"`: the strongest units (20
        by default), or the layers, as a table of a paper (booktabs; pipes); `"jsonl"`: one JSON
        object a row, NaN as null; `"neuronpedia"`: the
        strongest units (20) as items of a Neuronpedia list (modelId, layer, index,
        description); `"parquet"`: a folder in anndata's terms, obs (examples), var (units), X
        (activations of the units that the result keeps).
    table
        `"units"` or `"layers"`; of the layers csv, jsonl, latex and markdown.
    top
        Only so many units, the strongest first; None: all, but for papers and Neuronpedia 20.
    model_id, source
        The names that Neuronpedia has for the model and for the set of units, such as gpt2-small
        and res-jb; by default the model's own and the site.

    Raises
    ------
    InputError
        A format that is none, an ending of another format, or something is at the path already.
    """
    choice("format", format, FORMATS)
    choice("table", table, TABLES)
    if top is not None:
        whole("top", top, least=1)
    target = output_path(place_of("path", path))
    _check_ending(target, format)
    if target.exists() or target.is_symlink():
        raise InputError(f"{target} is there already: name another place, so that nothing is lost.")
    if table == "layers" and (format in ("parquet", "neuronpedia") or top is not None):
        raise InputError(
            "the layers table goes with csv, jsonl, latex and markdown, and has no top: all are "
            "written."
        )
    if format == "parquet":
        return write_folder(target, lambda work: _parquet(result, work, top))
    layers, paper = table == "layers", top or PAPER_ROWS
    text = {
        "csv": lambda: (result.layers if layers else _chosen(result, top)).to_csv(index=False),
        "jsonl": lambda: _json_lines(result.layers if layers else _chosen(result, top)),
        "latex": lambda: latex_table(result, result.layers if layers else result.top(paper), table),
        "markdown": lambda: markdown_table(
            result, result.layers if layers else result.top(paper), table
        ),
        "neuronpedia": lambda: _neuronpedia(result, paper, model_id, source),
    }[format]
    return _written(target, text)


def default_place(run: Path, format: str, table: Table = "units") -> Path:
    """Where the command writes: beside the tables of the run."""
    return run / ("anndata" if format == "parquet" else f"{table}{_ENDINGS[format]}")


def _check_ending(target: Path, format: str) -> None:
    """Refuse a file whose name says another format than it would have."""
    given = target.suffix.lower()
    if format == "parquet":  # a folder: any name but that of a file
        others = [*_ENDINGS.values(), ".parquet"]
        if given in others:
            raise InputError(
                f"{target.name} is the name of a file, and format 'parquet' writes a folder: name "
                "it without an ending."
            )
        return
    said = {ending: name for name, ending in _ENDINGS.items()} | {".parquet": "parquet"}
    if given in said and said[given] != format:
        raise InputError(
            f"{target.name} ends as {said[given]} does, and format is {format!r}: give "
            f"format={said[given]!r}, or a name that ends in {_ENDINGS[format]}."
        )


def _written(target: Path, text: Callable[[], str]) -> Path:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write to {target} ({error.strerror}).") from error
    write_atomic(target, text().encode("utf-8", "backslashreplace"))
    return target


def _chosen(result: SweepData, top: int | None) -> pd.DataFrame:
    return result.units if top is None else result.top(top)


def _json_lines(table: pd.DataFrame) -> str:
    rows = (to_json_value(row, "a row") for row in table.to_dict("records"))
    return "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)


def _neuronpedia(result: SweepData, top: int, model_id: str | None, source: str | None) -> str:
    model = result.provenance["model"]
    name = model_id or (Path(str(model["source"])).name if model else "model")
    items = []
    for row in result.top(top).to_dict("records"):
        if "r" in row:
            said = f"r = {row['r']:.3f}"
        elif "eta_squared" in row:
            said = f"highest for {side_of(result, row)}, eta squared {row['eta_squared']:.3f}"
        else:
            auc = max(row["auc"], 1 - row["auc"])
            said = f"higher for {side_of(result, row)}, AUC {auc:.3f}"
        corrected = 10 ** row["log10_p_corrected"]
        items.append(
            {
                "modelId": name,
                "layer": f"{row['layer']}-{source or row['site']}",
                "index": str(row["unit"]),
                "description": f"{row['name']}: {said}, corrected p {corrected:.2g}",
            }
        )
    return json.dumps(items, ensure_ascii=False, indent=1) + "\n"


def _parquet(result: SweepData, work: Path, top: int | None) -> None:
    units = _chosen(result, top)
    kept = [name for name in result.evidence if name in set(units["name"])]
    result.examples.to_parquet(work / "obs.parquet")
    units.to_parquet(work / "var.parquet", index=False)
    result.evidence[kept].to_parquet(work / "X.parquet", index=False)
