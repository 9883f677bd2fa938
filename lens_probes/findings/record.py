"""A lesson's outcome as a file: numbers, verdicts, figures; written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import plotly.graph_objects as go

from lens_probes.errors import InputError, one_line
from lens_probes.findings.claim import Measured, Verdict, decide
from lens_probes.findings.claims import CLAIMS
from lens_probes.findings.setting import Lesson, Outcome

FORMAT = 1


@dataclass(frozen=True)
class Record:
    """What is kept of a lesson: plain values."""

    lesson: str
    key: str
    said: Mapping[str, Any]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One row for each claim and preset."""
        rows: list[dict[str, Any]] = self.said["rows"]
        return rows


def record_key(lesson: Lesson, settings: Mapping[str, Any], source: str) -> str:
    """Digest of what a lesson's numbers depend on: its settings and its script."""
    text = json.dumps([FORMAT, lesson.id, settings, source], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def write_record(
    folder: Path,
    lesson: Lesson,
    key: str,
    outcome: Outcome,
    *,
    model: str,
    sizes: list[str],
    seconds: float,
) -> Record:
    """Write `L22.json` and the figures of a lesson."""
    folder.mkdir(parents=True, exist_ok=True)
    links = {name: _write_figure(folder, lesson.id, name, f) for name, f in outcome.figures.items()}
    said = {
        "lesson": lesson.id,
        "title": lesson.title,
        "model": model,
        "rows": [row(one, decide(CLAIMS[one.claim], one, model)) for one in outcome.measured],
        "figures": links,
        "doubts": [{"about": d.about, "evidence": d.evidence} for d in outcome.doubts],
        "lines": list(outcome.lines),
        "sizes": list(sizes),
        "seconds": round(seconds, 1),
    }
    text = json.dumps({"key": key, **_finite(said)}, indent=1, allow_nan=False)
    path = folder / f"{lesson.id}.json"
    part = path.with_suffix(".json.part")
    with part.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    return Record(lesson.id, key, json.loads(text))


def read_record(folder: Path, lesson: str) -> Record | None:
    """The record of a lesson, or None where there is none.

    Raises
    ------
    InputError
        A file that is no record.
    """
    path = folder / f"{lesson}.json"
    if not path.exists():
        return None
    try:
        said = json.loads(path.read_text("utf-8"))
        return Record(lesson, str(said["key"]), said)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path} is damaged ({one_line(error)}): delete it.") from error


def row(measured: Measured, verdict: Verdict) -> dict[str, Any]:
    """A claim's numbers and verdict as plain values."""
    return {
        "claim": measured.claim,
        "side": measured.side,
        "parts": {name: vars(value) for name, value in measured.parts.items()},
        "n": measured.n,
        "how": measured.how,
        "interval_is": measured.interval_is,
        "null_is": measured.null_is,
        "verdict": str(verdict),
        "word": verdict.word,
        "conditions": [list(one) for one in verdict.conditions],
        "untrained_verdict": verdict.untrained,
        "null_verdict": verdict.null,
        "why": verdict.why,
    }


def _write_figure(folder: Path, lesson: str, name: str, figure: go.Figure | str) -> str:
    file = f"{lesson}_{name}.html"
    if isinstance(figure, str):
        page = f'<!doctype html><meta charset="utf-8"><title>{lesson} {name}</title>{figure}'
        (folder / file).write_text(page, "utf-8")
    else:
        # plotly.min.js is written once beside the figures: they open with no network.
        figure.write_html(folder / file, include_plotlyjs="directory")
    return file


def _finite(value: Any) -> Any:
    """Plain values with None for numbers that do not exist: JSON has no NaN."""
    if isinstance(value, Mapping):
        return {str(key): _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
