"""The same lessons for several models, one after the other."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lens_probes.course.reproduce import kept_records, run_lessons
from lens_probes.course.setting import Scale, Setting
from lens_probes.course.tables import Findings
from lens_probes.errors import InputError, at_least
from lens_probes.model.load import LensModel, load_model
from lens_probes.storage.integrity import sha256_of
from lens_probes.texts.load import Text, load_text


@dataclass(frozen=True)
class Asked:
    """What is the same for all models of a run."""

    lessons: tuple[str, ...]
    text: Text
    out: Path
    seed: int
    scale: Scale | None
    larger: LensModel | None
    scripts: Path


def run_models(
    sources: Sequence[str],
    lessons: Sequence[str],
    *,
    text: str,
    out: Path,
    seed: int = 0,
    scale: Scale | None = None,
    larger: str | None = None,
    scripts: Path,
    quiet: bool = False,
) -> tuple[Findings, ...]:
    """Findings of every model; its records lie in `out/<model>/<scale>`.

    They hold the lessons asked for and whatever else lies there for the same settings. One of
    several models that cannot be loaded has findings that say so.

    Raises
    ------
    InputError
        A text, or the only model, that cannot be loaded; a folder that cannot be written.
    """
    at_least(0, seed=seed)
    _quiet_down()
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write to {out}: {error.strerror}.") from error
    second = None if larger is None else load_model(larger)
    asked = Asked(tuple(lessons), load_text(text), out, seed, scale, second, scripts)
    found = []
    for source in sources:
        if not quiet:
            logging.getLogger(__name__).info("loading model %s", source)
        try:
            model = load_model(source)
        except InputError as error:
            if len(sources) == 1:
                raise
            found.append(Findings(source, "none", (), failed=str(error)))
            continue
        found.append(_run_model(source, model, asked))
    if all(one.failed for one in found):
        said = " ".join(f"{one.model}: {one.failed}" for one in found)
        raise InputError(f"no model could be loaded. {said}")
    return tuple(found)


def could_not_run(findings: Sequence[Findings]) -> str:
    """Models and lessons that could not run, or ""."""
    said = []
    for one in findings:
        lost = [record.lesson for record in one.records if record.failed]
        if one.failed:
            said.append(f"{one.model} (not loaded)")
        elif lost:
            said.append(f"{', '.join(lost)} of {one.model}")
    return "; ".join(said)


def place(out: Path, source: str, scale: Scale) -> Path:
    """Where the records of a model at some sizes lie: a quick look leaves the others alone."""
    return out / folder_name(source) / scale


def folder_name(source: str) -> str:
    """A model's folder; what is no plain name has a digest: `a/b` and `a_b` are two models."""
    plain = re.sub(r"[^\w.-]+", "_", source).strip("_.") or "model"
    if plain == source:
        return plain
    return f"{plain}_{sha256_of(source.encode())[:8]}"


def _run_model(source: str, model: LensModel, asked: Asked) -> Findings:
    on_gpu = model.device.type == "cuda"
    setting = Setting(
        model=model,
        text=asked.text,
        seed=asked.seed,
        scale=asked.scale or ("course" if on_gpu else "machine"),
        larger=asked.larger,
        store=asked.out / folder_name(source) / "activations",
    )
    folder = place(asked.out, source, setting.scale)
    ran = {one.lesson: one for one in run_lessons(asked.lessons, setting, folder, asked.scripts)}
    kept, others = kept_records(setting, folder, asked.scripts)
    records = {**kept, **ran}
    return Findings(
        source,
        setting.scale,
        tuple(records[lesson] for lesson in sorted(records)),
        folder.relative_to(asked.out).as_posix(),
        others=tuple(lesson for lesson in others if lesson not in ran),
    )


def _quiet_down() -> None:
    from transformers.utils import logging as transformers_logging  # noqa: PLC0415  (slow)

    untyped: Any = transformers_logging
    untyped.set_verbosity_error()
