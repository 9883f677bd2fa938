"""A finding from its options to its folder: made, written as a whole, shown; or what is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lens_probes.cli.options import ModelOptions, load
from lens_probes.cli.running import command_line
from lens_probes.errors import InputError
from lens_probes.storage.paths import output_path

if TYPE_CHECKING:
    from lens_probes.drawing.page import Finding
    from lens_probes.model.load import LensModel
    from lens_probes.texts.load import Text


def find(
    out: Path,
    options: ModelOptions,
    make: Callable[[LensModel, Text | None], Finding],
    *,
    read: Callable[[], Text | None] = lambda: None,
) -> None:
    """Make a finding of a model, keep page and numbers in a new folder, and print the answer.

    The very same command on the same weights and text, given again, shows what is there: whoever
    starts a stopped run again need not know how far it had come.

    Parameters
    ----------
    read
        Gives the text that the finding is of, if there is one.

    Raises
    ------
    InputError
        The folder holds something else, or cannot be written.
    """
    from lens_probes.drawing.page import NUMBERS, PAGE
    from lens_probes.storage.folder_sums import write_sums
    from lens_probes.storage.folders import clear_aside, hold_folder

    folder = output_path(out)
    if (folder / NUMBERS).exists():
        said = _same_command(folder)
        if said["made_from"] != _made_from(load(options), read()):
            raise InputError(
                f"output folder {folder} already holds a finding of the same command, from another "
                "text, model or version: name another one."
            )
        clear_aside(folder)
        _show(said["answer"], said["listing"], folder / PAGE)
        return
    with hold_folder(folder) as new:
        text = read()
        model = load(options)
        finding = make(model, text)

        def fill(work: Path) -> None:
            finding.write_files(work, command_line.get(), _made_from(model, text))
            write_sums(work)

        new.write(fill)
    _show(finding.answer, finding.listing, folder / PAGE)


def _same_command(folder: Path) -> dict[str, Any]:
    """The numbers in a folder, if all of it is whole and made by this command; else an error."""
    from lens_probes.drawing.page import FORMAT, NUMBERS, PAGE
    from lens_probes.storage.folder_sums import check_folder
    from lens_probes.storage.schemas import FindingNumbers, read_json

    check_folder(folder, (NUMBERS, PAGE))
    said = read_json(folder / NUMBERS, FindingNumbers, newest=FORMAT)
    if said["command"] != command_line.get():
        raise InputError(f"output folder {folder} already holds a finding: name another one.")
    return said


def _made_from(model: LensModel, text: Text | None) -> dict[str, Any]:
    return {"model": model.provenance, "text_sha256": None if text is None else text.sha256}


def _show(answer: Sequence[str], listing: Sequence[str], page: Path) -> None:
    for sentence in answer:
        print(f"* {sentence}")
    if listing:
        print("\n" + "\n".join(listing))
    print(f"\nReport: {page}")
