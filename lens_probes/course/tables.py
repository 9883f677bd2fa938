"""The findings as tables: Markdown and HTML, every claim a row, both presets, any models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import jinja2

from lens_probes.course.cells import (
    beside,
    condition_text,
    conditions_text,
    null_text,
    part_text,
    parts_text,
    short_text,
)
from lens_probes.course.claim import Claim
from lens_probes.course.claims import CLAIMS
from lens_probes.course.outcome import IDENTITY
from lens_probes.course.record import Record

SIDES = ("course", "rigorous")
WORDS = ("reproduced", IDENTITY, "partly", "contradicted", "not testable here")


@dataclass(frozen=True)
class Findings:
    """Records of one model, by lesson, and their folder relative to the tables.

    Attributes
    ----------
    failed
        Why the model could not be loaded, or "".
    others
        Lessons with a record of other settings or of older code, which is not shown.
    """

    model: str
    scale: str
    records: tuple[Record, ...]
    folder: str = "."
    failed: str = ""
    others: tuple[str, ...] = ()

    @property
    def lessons(self) -> dict[str, Record]:
        """Lesson -> its record."""
        return {record.lesson: record for record in self.records}

    def row(self, claim: str, side: str) -> dict[str, Any] | None:
        """The row of a claim under a preset; the one of `both` where no test decides."""
        record = self.lessons.get(claim.partition(".")[0])
        rows = [] if record is None else [r for r in record.rows if r["claim"] == claim]
        for wanted in (side, "both"):
            for one in rows:
                if one["side"] == wanted:
                    return one
        return None


def claims_of(findings: Sequence[Findings]) -> list[Claim]:
    """Claims of the lessons that were run, in the course's order."""
    lessons = {lesson for one in findings for lesson in one.lessons}
    return [claim for claim in CLAIMS.values() if claim.lesson in lessons]


def record_lines(record: Record) -> list[str]:
    """A lesson for the terminal."""
    said = record.said
    lines = [f"{record.lesson} {said['title']} (model {said['model']}, {said['seconds']} s)"]
    lines += [f"  size: {size}" for size in said["sizes"]]
    lines += [f"  {line}" for line in said["lines"]]
    for row in record.rows:
        claim = CLAIMS[row["claim"]]
        lines.append(f"{claim.id} [{row['side']}] {claim.statement}")
        lines.append(f"  course: {claim.number} ({claim.model})")
        lines.append(f"  here: {parts_text(row)}; n: {row['n']}")
        lines += [f"  interval: {row['interval_is']}"] if row["interval_is"] else []
        lines += [f"  null: {null_text(row)}", f"  untrained: {beside(row, 'untrained')}"]
        lines += [f"  {condition}" for condition in conditions_text(row)]
        why = f" ({row['why']})" if row["why"] else ""
        lines.append(f"  verdict: {row['verdict']}{why}")
    lines += [f"doubt: {one['about']}: {one['evidence']}" for one in said["doubts"]]
    return lines


def markdown(findings: Sequence[Findings]) -> str:
    """All claims as one Markdown page: a summary, a table, the lessons' doubts and figures."""
    lines = ["# Findings: the course's claims, measured", ""]
    lines += [plain(f"- {one.model} (sizes: {one.scale}): {summary(one)}") for one in findings]
    head = ["claim", "course", *(f"{f.model}, {side} preset" for f in findings for side in SIDES)]
    lines += ["", "## In short", "", _line(head), "|" + "---|" * len(head)]
    for claim in claims_of(findings):
        cells = [f"**{claim.id}** {claim.statement}", claim.number]
        cells += [_short(f.row(claim.id, side), side) for f in findings for side in SIDES]
        lines.append(_line(cells))
    lines += ["", "## With intervals, conditions and what is behind each number", "", _READING, ""]
    lines += [_line(head), "|" + "---|" * len(head)]
    for claim in claims_of(findings):
        cells = [f"**{claim.id}** {claim.statement}"]
        cells.append(f"{claim.number}<br>{claim.model}: {claim.how}")
        cells += [
            _cell(f.row(claim.id, side), side, not_run(f)) for f in findings for side in SIDES
        ]
        lines.append(_line(cells))
    lines += ["", "## Where the course is doubtful", ""]
    lines += [
        plain(f"- **{about}** ({where}): {evidence}") for where, about, evidence in doubts(findings)
    ]
    lines += ["", "## Lessons", ""]
    for one in findings:
        for record in one.records:
            lines += [plain(line) for line in _lesson(one, record)]
    return "\n".join(lines) + "\n"


def _lesson(findings: Findings, record: Record) -> list[str]:
    """Sizes and figures of a lesson, and what else it says."""
    said = record.said
    links = [f"[{name}]({findings.folder}/{file})" for name, file in said["figures"].items()]
    figures = f" Figures: {', '.join(links)}." if links else ""
    sizes = "; ".join(said["sizes"]) or "no sizes"
    head = f"- {record.lesson} {said['title']} ({findings.model}, {said['seconds']} s): {sizes}."
    return [
        f"{head}{figures}",
        *(f"    - {x}" for x in said["lines"]),
    ]


def html(findings: Sequence[Findings]) -> str:
    """The same as one HTML page."""
    folder = resources.files("lens_probes").joinpath("course", "templates")
    source = folder.joinpath("findings.html.j2").read_text("utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(source).render(
        findings=findings,
        claims=claims_of(findings),
        sides=SIDES,
        reading=_READING,
        doubts=doubts(findings),
        not_run=not_run,
        summary=summary,
        part_text=part_text,
        condition_text=condition_text,
        null_text=null_text,
        beside=beside,
    )


def summary(findings: Findings) -> str:
    """How many claims were tested, and their verdicts counted: of all, of each preset, once."""
    if findings.failed:
        return f"not run: {findings.failed}"
    sides = {
        side: [
            row
            for claim in claims_of([findings])
            if (row := findings.row(claim.id, side)) and row["side"] == side
        ]
        for side in (*SIDES, "both")
    }
    rows = [row for part in sides.values() for row in part]
    claims, tested = (
        len({row["claim"] for row in part})
        for part in (rows, [row for row in rows if row["word"] != "not testable here"])
    )
    said = [f"{tested} of {claims} claims tested, {len(rows)} verdicts: {_in_all(rows)}"]
    for side, part in sides.items():
        head = "decided once" if side == "both" else f"{side} preset"
        said += [f"{head}, {len(part)}: {_counted(part)}"] if part else []
    if findings.others:
        lessons = ", ".join(findings.others)
        said.append(f"not shown, as they were run with other settings or older code: {lessons}")
    return ". ".join(said)


def _in_all(rows: Sequence[Mapping[str, Any]]) -> str:
    """`26 reproduced (12 of them in the null or the untrained model too); 5 true of any model`."""
    said = []
    for word in WORDS:
        here = [row for row in rows if _first(row["said"]) == word]
        too = sum(bool(row["also"]) for row in here if word != IDENTITY)
        rest = f" ({too} of them in the null or the untrained model too)" if too else ""
        said += [f"{len(here)} {word}{rest}"] if here else []
    return "; ".join(said)


def _counted(rows: Sequence[Mapping[str, Any]]) -> str:
    """`3 reproduced; 2 partly`: a verdict that also holds elsewhere is one of its own."""
    counts = Counter(row["said"] for row in rows)
    return "; ".join(f"{counts[said]} {said}" for said in sorted(counts, key=_order))


def _order(said: str) -> tuple[int, int, str]:
    """Reproduced, the same with less to say for it, true of any model, partly, the rest."""
    return WORDS.index(_first(said)), len(said), said


def _first(said: str) -> str:
    return said.partition(",")[0]


def doubts(findings: Iterable[Findings]) -> list[tuple[str, str, str]]:
    """Model and lesson, what is doubtful, the evidence."""
    return [
        (f"{one.model}, {record.lesson}", doubt["about"], doubt["evidence"])
        for one in findings
        for record in one.records
        for doubt in record.said["doubts"]
    ]


def not_run(findings: Findings) -> str:
    """Why a cell is empty."""
    return f"not run ({findings.failed})" if findings.failed else "not run"


def _short(row: Mapping[str, Any] | None, side: str) -> str:
    if row is None:
        return "not run"
    if row["side"] == "both" and side == "rigorous":
        return "as the course"
    return plain(short_text(row))


def _cell(row: Mapping[str, Any] | None, side: str, none: str) -> str:
    if row is None:
        return plain(none)
    if row["side"] == "both" and side == "rigorous":
        return "as the course: no test decides"
    why = f" ({row['why']})" if row["why"] else ""
    lines = [
        *conditions_text(row),
        f"n: {row['n']}",
        *([f"interval: {row['interval_is']}"] if row["interval_is"] else []),
        f"null: {null_text(row)}",
        f"untrained: {beside(row, 'untrained')}",
        row["how"],
    ]
    head = f"**{plain(row['verdict'])}**{plain(why)}: {plain(parts_text(row))}"
    return "<br>".join([head, *map(plain, lines)])


def plain(text: str) -> str:
    """Text that starts no tag."""
    return text.replace("<", "&lt;")


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


_READING = (
    "A verdict comes from a rule that is written beside the claim and follows the course's words: "
    "reproduced (all its conditions hold), partly (some hold, or hold only in the point value "
    "because the interval reaches the bound), contradicted (none), not testable here (with the "
    "reason). 'And so it is with shuffled labels' (or in another null, by its name): what holds "
    "here holds in more than 5 % of the null's draws (in its numbers, where there are no draws); "
    "'and so it is in the untrained model': in its numbers. Such a claim says little about what "
    "the model has learned. 'True of any model': an identity of the architecture or of the "
    "statistics, which says that the code is right. Conditions: ✓ holds, ~ uncertain, ✗ fails, "
    "? has no value. Brackets: 95 % interval. In brackets behind the null and the untrained model "
    "stands what the same rule says to their numbers, the null's draw by draw. Shares of "
    "significant units are shares of tested units: constant ones are left out, as in results."
)
