"""Lessons by name, and the folder with their scripts; nothing heavy is imported here."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from lens_probes.course.claims import CLAIMS, LESSONS
from lens_probes.errors import InputError, unknown


def find_scripts(folder: Path | None = None) -> Path:
    """The folder `experiments/`: the one given, of the working folder, or beside the package.

    Raises
    ------
    InputError
        There is none.
    """
    beside = Path(__file__).resolve().parents[2] / "experiments"
    places = [folder] if folder is not None else [Path.cwd() / "experiments", beside]
    for place in places:
        if place.is_dir() and any(place.glob("l[0-9][0-9]_*.py")):
            return place
    raise InputError(
        f"no lesson scripts in {places[0]}: run this in a checkout of the repository, or name its "
        "experiments folder with --scripts."
    )


def lesson_ids(names: Iterable[str]) -> tuple[str, ...]:
    """Lessons in order, each once: `L22`, `l22`, `22` or a claim's `L22.b`; none is all.

    Raises
    ------
    InputError
        A lesson or claim that the course does not have.
    """
    found = set()
    for name in names:
        before, point, letter = name.strip().upper().partition(".")
        number = before.removeprefix("L")
        # "²" is a digit, and no number.
        is_number = number.isascii() and number.isdigit()
        lesson = f"L{int(number):02d}" if is_number and len(number) <= 2 else name
        if lesson not in LESSONS:
            raise unknown("lesson", name, LESSONS)
        if point and f"{lesson}.{letter.lower()}" not in CLAIMS:
            own = [claim for claim in CLAIMS if CLAIMS[claim].lesson == lesson]
            raise unknown("claim", name, own or [f"{lesson} (it has no claims)"])
        found.add(lesson)
    return tuple(lesson for lesson in LESSONS if lesson in found or not found)
