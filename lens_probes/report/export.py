"""A result for other programs: tables for spreadsheets, papers, scripts and Neuronpedia."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from lens_probes.drawing.numbers import fixed
from lens_probes.errors import InputError, choice, place_of, whole
from lens_probes.report.unit_columns import side_names
from lens_probes.result.result import SweepData
from lens_probes.storage.folders import write_folder
from lens_probes.storage.integrity import write_atomic
from lens_probes.storage.json_values import to_json_value
from lens_probes.storage.paths import output_path

Format = Literal["csv", "latex", "jsonl", "neuronpedia", "parquet"]
FORMATS = ("csv", "latex", "jsonl", "neuronpedia", "parquet")
LATEX_ROWS = 20
_ENDINGS = {"csv": ".csv", "latex": ".tex", "jsonl": ".jsonl", "neuronpedia": ".json"}
_LATEX = {"\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
          "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}",
          "^": r"\textasciicircum{}"}  # fmt: skip


def export(
    result: SweepData,
    path: str | Path,
    *,
    format: Format = "csv",
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
        `"csv"`: the units table, full precision; `"latex"`: the strongest units (20 by default) as
        a booktabs table; `"jsonl"`: one JSON object a unit, NaN as null; `"neuronpedia"`: the
        strongest units (20) as items of a Neuronpedia list (modelId, layer, index,
        description); `"parquet"`: a folder in anndata's terms, obs (examples), var (units), X
        (activations of the units that the result keeps).
    top
        Only so many units, the strongest first; None: all, but for LaTeX and Neuronpedia.
    model_id, source
        The names that Neuronpedia has for the model and for the set of units, such as gpt2-small
        and res-jb; by default the model's own and the site.

    Raises
    ------
    InputError
        A format that is none, or something is at the path already.
    """
    choice("format", format, FORMATS)
    if top is not None:
        whole("top", top, least=1)
    target = output_path(place_of("path", path))
    if target.exists() or target.is_symlink():
        raise InputError(f"{target} is there already: name another place, so that nothing is lost.")
    if format == "parquet":
        return write_folder(target, lambda work: _parquet(result, work, top))
    text = {
        "csv": lambda: _chosen(result, top).to_csv(index=False),
        "jsonl": lambda: _json_lines(_chosen(result, top)),
        "latex": lambda: _latex(result, _chosen(result, top or LATEX_ROWS)),
        "neuronpedia": lambda: _neuronpedia(result, top or LATEX_ROWS, model_id, source),
    }[format]
    return _written(target, text)


def default_place(run: Path, format: str) -> Path:
    """Where the command writes: beside the tables of the run."""
    return run / ("anndata" if format == "parquet" else f"units{_ENDINGS[format]}")


def _written(target: Path, text: Callable[[], str]) -> Path:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write to {target} ({error.strerror}).") from error
    write_atomic(target, text().encode("utf-8", "backslashreplace"))
    return target


def _chosen(result: SweepData, top: int | None) -> pd.DataFrame:
    return result.units if top is None else result.top(top)


def _json_lines(units: pd.DataFrame) -> str:
    rows = (to_json_value(row, "a unit") for row in units.to_dict("records"))
    return "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)


def _latex(result: SweepData, units: pd.DataFrame) -> str:
    """Name, side, effect, held-out score and corrected p of the strongest units."""
    columns: dict[str, tuple[str, int]] = {
        "g_group": ("$g$", 2), "hedges_g": ("$g$ (tokens)", 2), "r": ("$r$", 3),
        "eta_squared": (r"$\eta^2$", 3), "auc": ("AUC", 3), "auc_heldout": ("AUC held out", 3),
    }  # fmt: skip
    kept = {name: said for name, said in columns.items() if name in units}
    head = ["unit", "higher for", *(title for title, _ in kept.values()), "corrected $p$"]
    lines = [rf"\begin{{tabular}}{{ll{'r' * (len(head) - 2)}}}", r"\toprule",
             " & ".join(head) + r" \\", r"\midrule"]  # fmt: skip
    for row in units.to_dict("records"):
        side = _side(result, row)
        cells = [_escaped(row["name"]), _escaped(side)]
        cells += [_number(row[name], digits) for name, (_, digits) in kept.items()]
        cells.append(_p(row["log10_p_corrected"]) + ("*" if row["significant"] else ""))
        lines.append(" & ".join(cells) + r" \\")
    alpha = result.provenance["decision"]["alpha"]
    note = f"% * significant at alpha = {alpha:g}, corrected; {len(units)} strongest units"
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", note, ""])


def _side(result: SweepData, row: dict[Hashable, Any]) -> str:
    """What a unit is higher for: a class, or how it goes with a value; "" for neither."""
    side = row["highest" if "highest" in row else "direction"]
    return "" if pd.isna(side) else str(side_names(result).get(int(side), ""))


def _number(value: Any, digits: int) -> str:
    return "--" if pd.isna(value) else fixed(float(value), digits).replace("−", "-")


def _p(log10_p: float) -> str:
    if pd.isna(log10_p):
        return "--"
    if log10_p > -3:
        return f"{10**log10_p:.3f}"
    whole_part = int(log10_p // 1)
    return rf"${10 ** (log10_p - whole_part):.1f} \times 10^{{{whole_part}}}$"


def _escaped(text: Any) -> str:
    return "".join(_LATEX.get(c, c) for c in str(text))


def _neuronpedia(result: SweepData, top: int, model_id: str | None, source: str | None) -> str:
    model = result.provenance["model"]
    name = model_id or (Path(str(model["source"])).name if model else "model")
    items = []
    for row in result.top(top).to_dict("records"):
        if "r" in row:
            said = f"r = {row['r']:.3f}"
        elif "eta_squared" in row:
            said = f"highest for {_side(result, row)}, eta squared {row['eta_squared']:.3f}"
        else:
            auc = max(row["auc"], 1 - row["auc"])
            said = f"higher for {_side(result, row)}, AUC {auc:.3f}"
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
