"""The same lessons for several models, one after the other."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lens_probes.errors import InputError
from lens_probes.findings.reproduce import run_lessons
from lens_probes.findings.setting import Scale, Setting
from lens_probes.findings.tables import Findings
from lens_probes.model import load_model
from lens_probes.texts import load_text


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
    """Findings of every model; records and activations of each in its own folder below `out`.

    Raises
    ------
    InputError
        A model or text that cannot be loaded, a folder that cannot be written.
    """
    _quiet_down()
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write to {out}: {error.strerror}.") from error
    read = load_text(text)
    found = []
    for source in sources:
        if not quiet:
            logging.getLogger(__name__).info("loading model %s", source)
        model = load_model(source)
        folder = folder_name(source)
        setting = Setting(
            model=model,
            text=read,
            seed=seed,
            scale=scale or ("course" if model.device.type == "cuda" else "machine"),
            larger=None if larger is None else load_model(larger),
            store=out / folder / "activations",
        )
        records = run_lessons(lessons, setting, out / folder, scripts)
        found.append(Findings(source, setting.scale, records, folder))
    return tuple(found)


def folder_name(source: str) -> str:
    """A model's folder."""
    return re.sub(r"[^\w.-]+", "_", source).strip("_.") or "model"


def _quiet_down() -> None:
    from transformers.utils import logging as transformers_logging  # noqa: PLC0415  (slow)

    untyped: Any = transformers_logging
    untyped.set_verbosity_error()
    untyped.disable_progress_bar()
