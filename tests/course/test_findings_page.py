"""docs/findings.md shows what the run behind it found, as the command writes it."""

from __future__ import annotations

from pathlib import Path

from lens_probes.course import CLAIMS, LESSONS
from lens_probes.course.pages import read_findings
from lens_probes.course.tables import markdown

DOCS = Path(__file__).parents[2] / "docs"
COUNTS = "\n- bundled (sizes: "


def test_the_page_is_what_the_run_found() -> None:
    findings = read_findings(DOCS / "findings.json")
    (found,) = findings
    assert (found.model, found.scale, found.others) == ("bundled", "machine", ())
    assert [one.lesson for one in found.records] == list(LESSONS)
    assert {row["claim"] for one in found.records for row in one.rows} == set(CLAIMS)
    shown = (DOCS / "findings.md").read_text("utf-8").partition(COUNTS)[2]
    assert shown == markdown(findings).partition(COUNTS)[2]
