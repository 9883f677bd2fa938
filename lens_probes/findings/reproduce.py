"""Run lessons, one after the other, and go on where a run was stopped."""

from __future__ import annotations

import importlib.util
import logging
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from lens_probes.errors import InputError
from lens_probes.findings.record import Record, read_record, record_key, write_record
from lens_probes.findings.setting import Lesson, Outcome, Setting

log = logging.getLogger(__name__)

# L20 to L23 read the same windows; L15 and L16 the same sentences.
_SHARING = (("L15", "L16"), ("L20", "L21", "L22", "L23"))


@dataclass(frozen=True)
class Script:
    """A script of `experiments/`: its lesson, and the function that runs it."""

    path: Path
    lesson: Lesson
    run: Callable[[Setting], Outcome]

    @property
    def source(self) -> str:
        """Its text: a changed script runs again."""
        return self.path.read_text("utf-8")


def load_script(folder: Path, lesson: str) -> Script:
    """Import the script of a lesson.

    Raises
    ------
    InputError
        No script, or several, for it.
    """
    paths = sorted(folder.glob(f"{lesson.lower()}_*.py"))
    if len(paths) != 1:
        raise InputError(f"{folder} holds {len(paths)} scripts for {lesson}: one is needed.")
    name = f"lens_probes_experiments.{paths[0].stem}"
    spec = importlib.util.spec_from_file_location(name, paths[0])
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return Script(paths[0], module.LESSON, module.run)


def run_script(script: Script, setting: Setting, out: Path) -> Record:
    """The record of a lesson: read if it is there for this script and setting, else run.

    The record goes to `out`; a kill leaves the older one or none.
    """
    key = record_key(script.lesson, described(setting), script.source)
    kept = read_record(out, script.lesson.id)
    if kept is not None and kept.key == key:
        log.info("%s: kept", script.lesson.id)
        return kept
    start = time.perf_counter()
    own = replace(setting, sizes=[])
    outcome = script.run(own)
    missing = set(script.lesson.claims) - {one.claim for one in outcome.measured}
    assert not missing, f"{script.lesson.id} measured nothing for {sorted(missing)}"
    seconds = time.perf_counter() - start
    log.info("%s: %.0f s", script.lesson.id, seconds)
    return write_record(
        out, script.lesson, key, outcome, model=setting.model.source, sizes=own.sizes,
        seconds=seconds,
    )  # fmt: skip


def run_lessons(
    lessons: Iterable[str], setting: Setting, out: Path, scripts: Path
) -> tuple[Record, ...]:
    """Records of some lessons; activations are shared between neighbours and dropped after."""
    records = []
    wanted = tuple(lessons)
    for number, lesson in enumerate(wanted):
        records.append(run_script(load_script(scripts, lesson), setting, out))
        after = wanted[number + 1] if number + 1 < len(wanted) else ""
        if not any(lesson in group and after in group for group in _SHARING):
            setting.forget()
    return tuple(records)


def described(setting: Setting) -> dict[str, object]:
    """Everything in a setting that numbers depend on; plain values."""
    larger = setting.larger
    return {
        "model": setting.once("provenance", lambda: setting.model.provenance),
        "larger": None if larger is None else larger.source,
        "text": setting.once("text", lambda: setting.text.sha256),
        "seed": setting.seed,
        "scale": setting.scale,
    }
