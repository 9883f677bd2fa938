"""Write docs/findings.md anew from a run of the course.

    lens-probes reproduce --model bundled --out runs/course
    python docs/make_findings.py runs/course

What the page shows is kept in docs/findings.json, without figures: a test holds the page to it.
What stands above its first line of counts is written by hand.
"""

import sys
from dataclasses import replace
from pathlib import Path

from lens_probes.course.pages import read_findings, write_findings
from lens_probes.course.tables import markdown

DOCS = Path(__file__).parent
COUNTS = "\n- bundled (sizes: "


def page(preface: str, findings) -> str:
    """The page's own words, then the tables as `lens-probes reproduce` writes them."""
    return preface.partition(COUNTS)[0] + COUNTS + markdown(findings).partition(COUNTS)[2]


def main(run: Path) -> None:
    """Of the run in a folder."""
    (found,) = read_findings(run / "findings.json")
    records = (replace(one, said={**one.said, "figures": {}}) for one in found.records)
    shown = (replace(found, records=tuple(records)),)
    write_findings(shown, DOCS / "findings.json")
    path = DOCS / "findings.md"
    path.write_text(page(path.read_text("utf-8"), shown), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
