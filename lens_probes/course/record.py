"""A lesson's outcome as a file: numbers, verdicts, figures; written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from lens_probes.course.claim import SIMULATED, Lesson, Measured, Value
from lens_probes.course.claims import CLAIMS
from lens_probes.course.intervals import no_interval
from lens_probes.course.outcome import Verdict, decide
from lens_probes.course.parts import bounded, why_none
from lens_probes.course.setting import Outcome
from lens_probes.errors import InputError, one_line
from lens_probes.storage.integrity import (
    read_file,
    remove_leftovers,
    seal,
    sha256,
    sha256_of,
    unseal,
    write_atomic,
)
from lens_probes.storage.schemas import LessonRecord, checked

FORMAT = 3
_SOURCES = (".py", ".toml", ".txt")
_KEPT = ("value", "low", "high", "null", "untrained", "unit", "of")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Record:
    """What is kept of a lesson: plain values. `failed`: why it did not run, or ""."""

    lesson: str
    key: str
    said: Mapping[str, Any]
    failed: str = ""

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One row for each claim and preset."""
        rows: list[dict[str, Any]] = self.said["rows"]
        return rows


def record_key(lesson: str, settings: Mapping[str, Any], source: str) -> str:
    """Digest of what a lesson's numbers and verdicts depend on: settings, its script, the code."""
    text = json.dumps(
        [FORMAT, lesson, settings, source, package_digest()], sort_keys=True, default=str
    )
    return sha256_of(text.encode())


@lru_cache(maxsize=1)
def package_digest() -> str:
    """Digest of the package's sources, rules, words and texts, its command line apart."""
    root = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    for path in sorted(path for path in root.rglob("*") if path.suffix in _SOURCES):
        name = path.relative_to(root).as_posix()
        if not name.startswith("cli/"):
            digest.update(f"{name}\0{sha256(path)}\0".encode())
    return digest.hexdigest()


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
    """Write `L22.json` and the figures of a lesson.

    Figures carry the key in their names and older ones go last: whenever a run is killed, the
    record that lies there points to its own figures.
    """
    folder.mkdir(parents=True, exist_ok=True)
    remove_leftovers(folder)
    links = {
        name: _write_figure(folder / f"{lesson.id}_{name}_{key[:8]}.html", figure)
        for name, figure in outcome.figures.items()
    }
    record = record_of(lesson, key, outcome, model=model, links=links, sizes=sizes, seconds=seconds)
    write_atomic(folder / f"{lesson.id}.json", seal(record.said))
    for old in folder.glob(f"{lesson.id}_*.html"):
        if old.name not in links.values():
            old.unlink(missing_ok=True)
    return record


def record_of(
    lesson: Lesson,
    key: str,
    outcome: Outcome,
    *,
    model: str,
    links: Mapping[str, str],
    sizes: list[str],
    seconds: float,
    failed: str = "",
) -> Record:
    """An outcome as plain values, with the verdicts of its claims."""
    measured = [bounded(one) for one in outcome.measured]
    said = {
        "key": key,
        "lesson": lesson.id,
        "title": lesson.title,
        "model": model,
        "rows": [row(one, decide(CLAIMS[one.claim], one, model)) for one in measured],
        "figures": dict(links),
        "doubts": [{"about": d.about, "evidence": d.evidence} for d in outcome.doubts],
        "lines": list(outcome.lines),
        "sizes": list(sizes),
        "seconds": round(seconds, 1),
    }
    return Record(lesson.id, key, _finite(said), failed)


def read_record(folder: Path, lesson: str) -> Record | None:
    """The record of a lesson, or None where there is none; a damaged one is none, and is logged.

    Raises
    ------
    InputError
        A file that cannot be read.
    """
    path = folder / f"{lesson}.json"
    if not path.exists():
        return None
    try:
        said = checked(unseal(read_file(path), path), LessonRecord, path)
    except OSError as error:
        raise InputError(f"cannot read {path}: {one_line(error)}.") from error
    except InputError:
        said = {}
    if said.get("lesson") != lesson or any(row["claim"] not in CLAIMS for row in said["rows"]):
        log.warning("%s is damaged or of an older version: the lesson runs again", path)
        return None
    return Record(lesson, said["key"], said)


def row(measured: Measured, verdict: Verdict) -> dict[str, Any]:
    """A claim's numbers and verdict as plain values."""
    simulated = CLAIMS[measured.claim].model == SIMULATED
    no_model = f"{SIMULATED}: no model is run" if simulated else ""
    return {
        "claim": measured.claim,
        "side": measured.side,
        "parts": {name: _part(name, value) for name, value in measured.parts.items()},
        "n": measured.n,
        "how": measured.how,
        "interval_is": measured.interval_is,
        "null_is": measured.null_is,
        "null_reason": measured.null_reason,
        "untrained_reason": measured.untrained_reason or no_model,
        "verdict": str(verdict),
        "word": verdict.word,
        "said": verdict.said,
        "also": list(verdict.also),
        "conditions": [list(one) for one in verdict.conditions],
        "untrained_verdict": verdict.untrained,
        "null_verdict": verdict.null,
        "why": verdict.why,
    }


def _part(name: str, value: Value) -> dict[str, Any]:
    """A value without its draws, and why it or its interval does not exist."""
    known = {one.name: getattr(value, one.name) for one in fields(value) if one.name in _KEPT}
    why = "" if np.isfinite(value.value) else why_none(name, value)
    return known | {"why": why, "no_interval": no_interval(value.drawn) if value.drawn else ""}


def _write_figure(path: Path, figure: go.Figure | str) -> str:
    if isinstance(figure, str):
        head = f'<!doctype html><meta charset="utf-8"><title>{path.stem}</title>'
        page = head + figure
    else:
        # Its name in the page would be drawn at random, and two runs would differ.
        page = figure.to_html(include_plotlyjs="directory", div_id=path.stem)
        _write_plotly(path.with_name("plotly.min.js"))
    write_atomic(path, page.encode("utf-8", "replace"))
    return path.name


def _write_plotly(path: Path) -> None:
    """The script that figures share, once beside them: they open with no network."""
    script = get_plotlyjs().encode()
    if not path.is_file() or sha256(path) != sha256_of(script):
        write_atomic(path, script)


def _finite(value: Any) -> Any:
    """Plain values with None for numbers that do not exist: JSON has no NaN."""
    if isinstance(value, Mapping):
        return {str(key): _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
