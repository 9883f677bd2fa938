"""The files of the findings: two pages, and what they show."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lens_probes.course.record import Record
from lens_probes.course.tables import Findings, html, markdown
from lens_probes.storage.integrity import (
    read_file,
    remove_leftovers,
    seal,
    unseal,
    write_atomic,
)


def write_tables(findings: Sequence[Findings], out: Path) -> tuple[Path, Path]:
    """`findings.html` and `findings.md` in a folder, each whole or not at all.

    Beside them `findings.json` holds what they show: `read_findings` reads it.

    A quick look writes `findings_quick` and leaves the others' tables alone.
    """
    scales = {one.scale for one in findings if not one.failed}
    name = "findings_quick" if scales == {"quick"} else "findings"
    paths = (out / f"{name}.html", out / f"{name}.md")
    for path, page in zip(paths, (html(findings), markdown(findings)), strict=True):
        remove_leftovers(out, f"{path.name}-")
        write_atomic(path, page.encode("utf-8", "replace"))
    write_findings(findings, out / f"{name}.json")
    return paths


def write_findings(findings: Sequence[Findings], path: Path) -> None:
    """What the pages show, as one file, whole or not at all."""
    shown = [vars(one) | {"records": [record.said for record in one.records]} for one in findings]
    write_atomic(path, seal({"findings": shown}))


def read_findings(path: Path) -> tuple[Findings, ...]:
    """What `write_findings` has written: `markdown` and `html` of it are the same pages.

    Raises
    ------
    InputError
        A file that is damaged.
    """
    return tuple(
        Findings(**one | {
            "records": tuple(Record(said["lesson"], said["key"], said) for said in one["records"]),
            "others": tuple(one["others"]),
        })
        for one in unseal(read_file(path), path)["findings"]
    )  # fmt: skip
