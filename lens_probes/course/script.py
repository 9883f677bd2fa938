"""What every script of `experiments/` does when it is run by itself."""

from __future__ import annotations

import argparse
import inspect
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from lens_probes.course.claim import Lesson
from lens_probes.course.claims import LESSONS
from lens_probes.course.reproduce import Script, run_script
from lens_probes.course.run_models import place
from lens_probes.course.setting import SCALES, Outcome, Scale, Setting
from lens_probes.course.tables import record_lines
from lens_probes.errors import InputError, at_least
from lens_probes.model.load import LensModel, load_model
from lens_probes.texts.load import load_text

AUTO = "auto"


def script_main(run: Callable[[Setting], Outcome], arguments: Sequence[str] | None = None) -> None:
    """Run a lesson's script: load, run, write, print; the file's name begins with the lesson's.

    Raises
    ------
    SystemExit
        2, after one line on standard error, for whatever is wrong with the request.
    """
    path = inspect.getfile(run)
    lesson = LESSONS[Path(path).stem[:3].upper()]
    given = _parser(lesson).parse_args(arguments)
    try:
        at_least(0, seed=given.seed)
        model = model_for(lesson, given.model)
        setting = Setting(
            model=model,
            text=load_text(given.text),
            seed=given.seed,
            scale=scale_for(model, lesson, given.scale, quick=given.quick),
            larger=None if given.larger is None else load_model(given.larger),
        )
        folder = place(given.out, model.source, setting.scale)
        record = run_script(Script(Path(path), lesson, run), setting, folder)
    except InputError as error:
        sys.stderr.write(f"{Path(path).name}: {error}\n")
        sys.exit(2)
    _print([*record_lines(record), f"record and figures: {folder}"])


def model_for(lesson: Lesson, source: str) -> LensModel:
    """The model asked for; with `auto` the course's where it can be had, else the bundled one."""
    if source != AUTO:
        return load_model(source)
    if not lesson.model:
        return load_model()
    try:
        return load_model(lesson.model)
    except InputError as error:
        sys.stderr.write(f"{error} Taking the bundled model.\n")
        return load_model()


def scale_for(model: LensModel, lesson: Lesson, asked: str | None, *, quick: bool) -> Scale:
    """Sizes: those asked for; else the course's on a GPU, and what two cores can run elsewhere."""
    if quick:
        return "quick"
    for scale in SCALES:
        if asked == scale:
            return scale
    return "course" if model.device.type == "cuda" else "machine"


def _parser(lesson: Lesson) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=f"{lesson.id}: {lesson.title}")
    parser.add_argument(
        "--model", default=AUTO,
        help=f"hub name, folder, .gguf or bundled [default: {lesson.model or 'bundled'} where the "
        "hub is reachable, else bundled]",
    )  # fmt: skip
    parser.add_argument("--text", default="speeches", help="see lens-probes texts")
    parser.add_argument("--out", type=Path, default=Path("runs/course"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="smallest sizes: a look, no evidence")
    parser.add_argument("--scale", choices=SCALES, help="sizes [default: the course's on a GPU]")
    parser.add_argument("--larger", help="a larger model of the same family (L13)")
    return parser


def _print(lines: Iterable[str]) -> None:
    sys.stdout.write("\n".join(lines) + "\n")
