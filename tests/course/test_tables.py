"""The findings as tables: what a cell shows, what is counted, what is escaped."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from lens_probes.course import Doubt, Lesson, Measured, Outcome, Value
from lens_probes.course.cells import number, part_text
from lens_probes.course.intervals import estimate
from lens_probes.course.pages import read_findings, write_tables
from lens_probes.course.record import Record, write_record
from lens_probes.course.tables import (
    Findings,
    html,
    markdown,
    record_lines,
    summary,
)


def written(tmp_path: Path, *measured: Measured) -> Record:
    outcome = Outcome(measured, {}, (Doubt("<i>about</i>", "evidence"),), ("a <b>line</b>",))
    lesson = Lesson(measured[0].claim[:3], "Title", "gpt2-large", ())
    return write_record(tmp_path, lesson, "k", outcome, model="bundled", sizes=["n 3"], seconds=1)


def record(
    tmp_path: Path, claim: str = "L22.b", side: Any = "course", *more: str, **parts: Value
) -> Record:
    return written(tmp_path, Measured(claim, side, parts, "n | <b>x</b>", "how", *more))


class Cells(HTMLParser):
    """Text of every cell of the claims' table."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data


def test_tables_show_the_courses_number_ours_and_what_stands_beside(tmp_path: Path) -> None:
    early, late = Value(0.71, 0.6, 0.8, 0.1, 0.02), Value(0.2, untrained=0.01, null=0.05)
    one = record(tmp_path, early=early, late=late)
    other = record(tmp_path / "b", early=Value(0.05), late=Value(0.5))
    found = (Findings("bundled", "machine", (one,)), Findings("<b>", "quick", (other,), "b"))
    page = markdown(found)
    short, row = [line for line in page.splitlines() if line.startswith("| **L22.b**")]
    assert (
        "| 70 % to 25 % | **reproduced**: early 71.0 %, late 20.0 %; null 10.0 %, 5.0 % |" in short
    )
    cells = row.replace("\\|", "!").strip("| ").split(" | ")
    assert len(cells) == 2 + 2 * 2
    assert cells[1] == "70 % to 25 %<br>gpt2-large: logit, Wald p, 0.05/5120 a layer"
    assert "**on bundled: reproduced**: early 71.0 % [60.0 %, 80.0 %]; late 20.0 %" in cells[2]
    assert "untrained: early 2.0 %, late 1.0 % (partly)" in cells[2]
    assert cells[3] == "not run"
    assert "contradicted" in cells[4]
    assert page.count("**L22.") == 2 * 3, "every claim of a lesson that was run has a row"
    reader = Cells()
    reader.feed(html(found))
    assert "b" not in reader.tags
    rows = {cells[0].strip(): cells for cells in reader.rows if cells}
    assert set(rows) == {"Claim", "L22.a", "L22.b", "L22.c"}
    for text in (cells[2], rows["L22.b"][2]):
        assert "✓ holds: late layers are at about 25 % (15 to 35 %)" in text
    for text in (cells[4], rows["L22.b"][4]):
        assert "✗ fails: the share falls" in text
    assert "    - a &lt;b>line&lt;/b>" in page
    assert "**&lt;i>about&lt;/i>**" in page
    for path in write_tables(found, tmp_path):
        assert path.read_text().strip()
    again = read_findings(tmp_path / "findings.json")
    assert (markdown(again), html(again)) == (page, html(found))


def test_a_claim_without_a_test_is_shown_once(tmp_path: Path) -> None:
    one = record(tmp_path, "L06.a", "both", error=Value(2e-7))
    page = markdown((Findings("bundled", "machine", (one,)),))
    assert "error 2.0e-07" in page
    assert page.count("no test decides") == 1
    said = "\n".join(record_lines(one))
    assert "✓ holds: the largest relative error is 0.0001 or less" in said
    why = "a block's output is defined as that sum"
    assert f"verdict: on bundled: true of any model ({why})" in said
    assert "| **true of any model**: error 2.0e-07 |" in page


def test_numbers_that_do_not_exist_stay_out_of_the_file(tmp_path: Path) -> None:
    one = record(tmp_path, early=Value(float("nan")), late=Value(float("inf"), why="all of them"))
    assert one.rows[0]["parts"]["early"]["value"] is None
    assert "NaN" not in (tmp_path / "L22.json").read_text()
    assert one.rows[0]["word"] == "not testable here"
    page = markdown((Findings("bundled", "machine", (one,)),))
    assert "late has no value: all of them" in page
    assert "? no value: the share falls" in page
    assert "late none (all of them)" in page


def test_what_an_interval_and_a_null_are_is_said(tmp_path: Path) -> None:
    early = estimate(0.7, [0.5, 0.7, 0.76, 0.9], null=[0.7, 0.1])
    late = estimate(0.25, [0.2, 0.25, 0.2, 0.3], null=[0.2, 0.1])
    one = record(tmp_path, "L22.b", "course", "an interval", "a null", early=early, late=late)
    for page in (markdown((Findings("b", "machine", (one,)),)), "\n".join(record_lines(one))):
        assert "interval: an interval" in page
        assert "null: early 40.0 %, late 15.0 % (the rule holds in 1 of 2 draws); a null" in page
        assert "~ uncertain (the interval reaches the bound): the highest early layer" in page


def test_what_is_missing_beside_a_number_is_said(tmp_path: Path) -> None:
    flat = estimate(0.7, [0.7] * 10)
    given = Measured(
        "L22.b", "course", {"early": flat, "late": Value(0.2)}, "n", "how", "an interval",
        null_reason="no labels", untrained_reason="not run",
    )  # fmt: skip
    page = markdown((Findings("b", "machine", (written(tmp_path, given),)),))
    assert "early 70.0 % (no interval: the draws do not vary)" in page
    assert "late 20.0 % (no interval: the draws do not vary, or there are none)" in page
    assert "null: none (no labels)<br>untrained: none (not run)" in page


def test_a_simulation_says_that_it_runs_no_model(tmp_path: Path) -> None:
    one = record(tmp_path, "L18.b", "both", difference=Value(0.0))
    assert "untrained: none (simulated data: no model is run)" in "\n".join(record_lines(one))


def test_a_row_that_is_decided_once_is_counted_once(tmp_path: Path) -> None:
    once = record(tmp_path, "L06.a", "both", error=Value(2e-7))
    parts = {"early": Value(0.7), "late": Value(0.25)}
    measured = [Measured("L22.b", "course", parts, "n", "how")]
    measured.append(Measured("L22.b", "rigorous", parts | {"early": Value(0.1)}, "n", "how"))
    said = summary(Findings("b", "machine", (once, written(tmp_path, *measured))))
    assert said == (
        "2 of 2 claims tested, 3 verdicts: 1 reproduced; 1 true of any model; 1 partly. "
        "course preset, 1: 1 reproduced. rigorous preset, 1: 1 partly. "
        "decided once, 1: 1 true of any model"
    )


def test_a_verdict_that_holds_elsewhere_too_is_counted_apart(tmp_path: Path) -> None:
    late = Value(0.25, null=0.25)
    sure = Measured("L22.b", "course", {"early": Value(0.7), "late": Value(0.25)}, "n", "how")
    weak = Measured("L22.b", "rigorous", {"early": Value(0.7, null=0.7), "late": late}, "n", "how")
    none = Measured("L22.a", "both", {}, "n", "how", missing="no text")
    one = Findings("b", "machine", (written(tmp_path, sure, weak, none),))
    kept = {(row["word"], tuple(row["also"])) for row in one.records[0].rows}
    assert kept == {("reproduced", ()), ("reproduced", ("null",)), ("not testable here", ())}
    said = "reproduced, and so it is with shuffled labels"
    assert summary(one).startswith(
        "1 of 2 claims tested, 3 verdicts: 2 reproduced (1 of them in the null or the untrained "
        f"model too); 1 not testable here. course preset, 1: 1 reproduced. rigorous preset, 1: 1 "
        f"{said}. decided once, 1: 1 not testable here"
    )
    page = markdown((one,))
    assert f"**{said}**: early 70.0 %" in page
    assert f"**on bundled: {said}**" in page
    assert f"on bundled: {said}</span>" in html((one,))
    assert f"verdict: on bundled: {said}" in "\n".join(record_lines(one.records[0]))


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("early", Value(0.71), "early 71.0 %"),
        ("last", Value(142.169), "last 142"),
        ("last", Value(0.3, unit=""), "last 0.3"),
        ("best", Value(0.97), "best 97.0 %"),
        ("anything", Value(0.25, unit="share"), "anything 25.0 %"),
        ("rank", Value(1075), "rank 1,075"),
    ],
)
def test_units(tmp_path: Path, name: str, value: Value, shown: str) -> None:
    parts = {"early": Value(0.7), "late": Value(0.2)} | {name: value}
    part = record(tmp_path, **parts).rows[0]["parts"][name]
    assert part_text(name, part) == shown


def test_a_share_that_rounds_to_nothing_is_a_count() -> None:
    assert number(0.0, "share", 46_080) == "0 of 46,080"
    assert number(3 / 46_080, "share", 46_080) == "3 of 46,080"
    assert [number(x, "share") for x in (0.0, 1e-4, 6e-4)] == ["0", "< 0.1 %", "0.1 %"]
    assert number(0.5, "share", 10) == "50.0 %"
    assert number(0.0) == "0"


def test_numbers_as_text() -> None:
    assert number(None) == "none"
    assert [number(0.5, "share"), number(0.5, "accuracy")] == ["50.0 %"] * 2
    assert [number(0.0), number(2e-7), number(12345.6)] == ["0", "2.0e-07", "12,346"]
