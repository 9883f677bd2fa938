"""Run lessons, one after the other, and go on where a run was stopped."""

from __future__ import annotations

import importlib.util
import logging
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from lens_probes.course.claim import Lesson, Measured
from lens_probes.course.claims import LESSONS
from lens_probes.course.record import (
    Record,
    read_record,
    record_key,
    record_of,
    write_record,
)
from lens_probes.course.setting import Outcome, Setting
from lens_probes.errors import InputError

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
        return _source(self.path)


def load_script(folder: Path, lesson: str) -> Script:
    """Import the script of a lesson.

    Raises
    ------
    InputError
        No script, or several, for it.
    """
    path = _script_path(folder, lesson)
    name = f"lens_probes_experiments.{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return Script(path, LESSONS[lesson], module.run)


def _source(path: Path) -> str:
    """A script, and the lists of words beside it."""
    return "".join(one.read_text("utf-8") for one in (path, *sorted(path.parent.glob("*.toml"))))


def _script_path(folder: Path, lesson: str) -> Path:
    paths = sorted(folder.glob(f"{lesson.lower()}_*.py"))
    if len(paths) != 1:
        raise InputError(f"{folder} holds {len(paths)} scripts for {lesson}: one is needed.")
    return paths[0]


def run_script(script: Script, setting: Setting, out: Path) -> Record:
    """The record of a lesson: read if it is there for this script and setting, else run.

    The record goes to `out`; a kill leaves the older one or none.
    """
    key = record_key(script.lesson.id, described(setting), script.source)
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
    """Records of some lessons; activations are shared between neighbours and dropped after.

    A lesson that meets an InputError gives a record that says so, which is not written: it runs
    again the next time. The others go on.
    """
    records = []
    wanted = tuple(lessons)
    for number, lesson in enumerate(wanted):
        try:
            records.append(run_script(load_script(scripts, lesson), setting, out))
        except InputError as error:
            log.warning("%s could not run: %s", lesson, error)
            records.append(_failed(lesson, str(error), setting))
        after = wanted[number + 1] if number + 1 < len(wanted) else ""
        if not any(lesson in group and after in group for group in _SHARING):
            setting.forget()
    return tuple(records)


def kept_records(
    setting: Setting, out: Path, scripts: Path
) -> tuple[dict[str, Record], tuple[str, ...]]:
    """Records in a folder that these settings, scripts and code would give; lessons of others."""
    kept, others = {}, []
    for lesson in LESSONS:
        found = read_record(out, lesson)
        if found is None:
            continue
        try:
            source = _source(_script_path(scripts, lesson))
        except InputError:
            source = ""
        if source and found.key == record_key(lesson, described(setting), source):
            kept[lesson] = found
        else:
            others.append(lesson)
    return kept, tuple(others)


def _failed(lesson: str, why: str, setting: Setting) -> Record:
    """Rows that say why nothing was measured."""
    claims = LESSONS[lesson].claims
    rows = tuple(
        Measured(claim, "both", {}, "nothing", "the lesson could not run", missing=why)
        for claim in claims
    )
    return record_of(
        Lesson(lesson, "could not run", "", claims), "", Outcome(rows, lines=(why,)),
        model=setting.model.source, links={}, sizes=[], seconds=0.0, failed=why,
    )  # fmt: skip


def described(setting: Setting) -> dict[str, object]:
    """Everything in a setting that numbers depend on; plain values."""
    larger = setting.larger
    return {
        "model": setting.once("provenance", lambda: setting.model.provenance),
        "larger": setting.once("larger", lambda: None if larger is None else larger.provenance),
        "text": setting.once("text", lambda: setting.text.sha256),
        "seed": setting.seed,
        "scale": setting.scale,
    }
