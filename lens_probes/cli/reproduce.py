"""`lens-probes reproduce`: the course's lessons, each claim with a verdict."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from lens_probes.cli.options import log_lines
from lens_probes.errors import InputError, at_least
from lens_probes.storage.folders import hold_aside
from lens_probes.storage.paths import check_writable, user_path


def reproduce(
    *lessons: str,
    model: str = "bundled",
    models: str | None = None,
    text: str = "speeches",
    out: Path = Path("runs/course"),
    seed: int = 0,
    quick: bool = False,
    scale: Literal["course", "machine", "quick"] | None = None,
    larger: str | None = None,
    scripts: Path | None = None,
    quiet: bool = False,
) -> None:
    """Run the lessons of the course and decide every claim by its rule.

    What is there already for the same settings, scripts and code is kept: a run that was stopped
    goes on with the lesson it was in. A lesson or one of several models that cannot run is said in
    the tables and in the exit code; the others go on.

    Parameters
    ----------
    lessons
        Such as L22 L23, or claims; none is all 23.
    model
        `bundled`, a folder, a .gguf file or a hub name.
    models
        Several, separated by commas: a column each in one table, in place of --model.
    text
        Stands in for the course's books; see `lens-probes texts`.
    out
        Folder of the tables; records and figures lie below it by model and sizes.
    seed
        Of all draws; 0 or more.
    quick
        Smallest sizes: a look, no evidence.
    scale
        Sizes. [default: the course's on a GPU, what two cores can run elsewhere]
    larger
        A larger model of the same family, for L13.
    scripts
        The folder of the scripts. [default: experiments, here or beside the package]
    quiet
        No log lines.
    """
    from lens_probes.course.lessons import find_scripts, lesson_ids

    log_lines(quiet)
    at_least(0, seed=seed)
    wanted = lesson_ids(lessons)
    out = user_path(out)
    check_writable(out)
    folder = find_scripts(None if scripts is None else user_path(scripts))
    sources = [name.strip() for name in (models or model).split(",") if name.strip()]
    if not sources or len(set(sources)) < len(sources):
        raise InputError(f"name each model once; got {models or model!r}.")
    if larger is not None and len(sources) > 1:
        raise InputError("--larger belongs to one model: leave it out with several --models.")

    from lens_probes.course.pages import write_tables
    from lens_probes.course.run_models import could_not_run, run_models
    from lens_probes.course.tables import summary

    refusal = f"another run is writing to {out}: wait for it, or name another folder."
    with hold_aside(out, refusal):
        found = run_models(
            sources, wanted, text=text, out=out, seed=seed, scale="quick" if quick else scale,
            larger=larger, scripts=folder, quiet=quiet,
        )  # fmt: skip
        paths = write_tables(found, out)
    for one in found:
        print(f"{one.model}: {summary(one)}")
    for path in paths:
        print(path)
    lost = could_not_run(found)
    if lost:
        raise InputError(f"could not run: {lost}. The reasons stand in {paths[1]}.")
