"""The findings as tables: Markdown and HTML, every claim a row, both presets, any models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2

from lens_probes.findings.claim import Claim
from lens_probes.findings.claims import CLAIMS
from lens_probes.findings.record import Record

SIDES = ("course", "rigorous")
_PERCENT = (
    "share", "early", "late", "low_layers", "highest", "top_share", "median_top_share", "share_",
    "least_share", "last", "before", "sign_agreement",
)  # fmt: skip


@dataclass(frozen=True)
class Findings:
    """Records of one model, by lesson, and their folder relative to the tables."""

    model: str
    scale: str
    records: tuple[Record, ...]
    folder: str = "."

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


def number(name: str, value: float | None) -> str:
    """A part as text: shares in percent, small numbers in powers of ten."""
    if value is None:
        return "none"
    is_share = any(name == p or (p.endswith("_") and name.startswith(p)) for p in _PERCENT)
    if is_share and abs(value) <= 1:
        return f"{100 * value:.1f} %"
    if value and abs(value) < 1e-3:
        return f"{value:.1e}"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def part_text(name: str, part: Mapping[str, float | None]) -> str:
    """`early 64.1 % [58.0 %, 70.2 %]`."""
    said = f"{name.replace('_', ' ')} {number(name, part['value'])}"
    if part["low"] is not None:
        said += f" [{number(name, part['low'])}, {number(name, part['high'])}]"
    return said


def beside(row: Mapping[str, Any], column: str) -> str:
    """The null's or the untrained model's numbers, and what the rule says to them."""
    parts = row["parts"]
    known = {name: part[column] for name, part in parts.items() if part[column] is not None}
    if not known:
        return "-"
    said = ", ".join(f"{name.replace('_', ' ')} {number(name, v)}" for name, v in known.items())
    verdict = row[f"{column}_verdict"]
    return f"{said} ({verdict})" if verdict else said


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
        parts = "; ".join(part_text(name, part) for name, part in row["parts"].items())
        lines.append(f"  here: {parts or 'nothing'}; n: {row['n']}")
        lines.append(f"  null: {beside(row, 'null')}; untrained: {beside(row, 'untrained')}")
        lines += [f"  {'holds' if holds else 'fails'}: {says}" for says, holds in row["conditions"]]
        why = f" ({row['why']})" if row["why"] else ""
        lines.append(f"  verdict: {row['verdict']}{why}")
    lines += [f"doubt: {one['about']}: {one['evidence']}" for one in said["doubts"]]
    return lines


def markdown(findings: Sequence[Findings]) -> str:
    """All claims as one Markdown page: a summary, a table, the lessons' doubts and figures."""
    lines = ["# Findings: the course's claims, measured", ""]
    for one in findings:
        lines += [f"- {one.model} (sizes: {one.scale}): {summary(one)}"]
    lines += ["", _READING, ""]
    head = ["claim", "course", *(f"{f.model}, {side} preset" for f in findings for side in SIDES)]
    lines += ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for claim in claims_of(findings):
        cells = [f"**{claim.id}** {claim.statement}", f"{claim.number} ({claim.model})"]
        cells += [_cell(f.row(claim.id, side), side) for f in findings for side in SIDES]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    lines += ["", "## Where the course is doubtful", ""]
    lines += [f"- **{about}** ({where}): {evidence}" for where, about, evidence in doubts(findings)]
    lines += ["", "## Lessons", ""]
    for one in findings:
        for record in one.records:
            links = (
                ", ".join(f"[{n}]({one.folder}/{f})" for n, f in record.said["figures"].items())
                or "none"
            )
            sizes = "; ".join(record.said["sizes"]) or "no sizes"
            lines.append(
                f"- {record.lesson} {record.said['title']} ({one.model}, {record.said['seconds']} "
                f"s): {sizes}. Figures: {links}."
            )
    return "\n".join(lines) + "\n"


def html(findings: Sequence[Findings]) -> str:
    """The same as one HTML page."""
    folder = resources.files("lens_probes").joinpath("findings", "templates")
    source = folder.joinpath("findings.html.j2").read_text("utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(source).render(
        findings=findings,
        claims=claims_of(findings),
        sides=SIDES,
        reading=_READING,
        doubts=doubts(findings),
        summary=summary,
        part_text=part_text,
        beside=beside,
    )


def write_tables(findings: Sequence[Findings], out: Path) -> tuple[Path, Path]:
    """`findings.html` and `findings.md` in a folder, each whole or not at all."""
    paths = (out / "findings.html", out / "findings.md")
    for path, page in zip(paths, (html(findings), markdown(findings)), strict=True):
        part = path.with_suffix(path.suffix + ".part")
        part.write_text(page, "utf-8")
        part.replace(path)
    return paths


def summary(findings: Findings) -> str:
    """Verdicts counted, for each preset."""
    said = []
    for side in SIDES:
        words = [
            row["word"] for claim in claims_of([findings]) if (row := findings.row(claim.id, side))
        ]
        counts = {word: words.count(word) for word in dict.fromkeys(words)}
        said.append(f"{side} preset: " + ", ".join(f"{n} {word}" for word, n in counts.items()))
    return "; ".join(said)


def doubts(findings: Iterable[Findings]) -> list[tuple[str, str, str]]:
    """Model and lesson, what is doubtful, the evidence."""
    return [
        (f"{one.model}, {record.lesson}", doubt["about"], doubt["evidence"])
        for one in findings
        for record in one.records
        for doubt in record.said["doubts"]
    ]


def _cell(row: Mapping[str, Any] | None, side: str) -> str:
    if row is None:
        return "not run"
    if row["side"] == "both" and side == "rigorous":
        return "as the course: no test decides"
    parts = "; ".join(part_text(name, part) for name, part in row["parts"].items())
    why = f" ({row['why']})" if row["why"] else ""
    said = {name: row[name].replace("<", "&lt;") for name in ("verdict", "n", "how")}
    cell = f"**{said['verdict']}**{why.replace('<', '&lt;')}: {parts}. n: {said['n']}."
    return (
        f"{cell}<br>null: {beside(row, 'null')}<br>untrained: {beside(row, 'untrained')}"
        f"<br>{said['how']}"
    )


_READING = (
    "A verdict comes from a rule that is written beside the claim and follows the course's words: "
    "reproduced (all its conditions hold), partly (some), contradicted (none), not testable here. "
    "Brackets: 95 % interval. In brackets behind the null and the untrained model stands what the "
    "same rule says to their numbers: a claim that holds there too says little about what the "
    "model has learned."
)
