"""Lessons of a few lines, which write down that they ran."""

from __future__ import annotations

from pathlib import Path

SCRIPT = '''"""A lesson."""
from pathlib import Path
from lens_probes.course import LESSONS, Doubt, Measured, Outcome, Setting, Value


def run(setting: Setting) -> Outcome:
    {body}
    log = Path(r"{log}")
    log.write_text((log.read_text() if log.exists() else "") + "{id} ")
    setting.size("windows", course=300, machine=30, quick=3)
    parts = {{"early": Value(0.7, 0.6, 0.8, 0.1, 0.02), "late": Value(0.25)}}
    others = [
        Measured(claim, "course", {{}}, "nothing", "not measured", missing="left out")
        for claim in LESSONS["{id}"].claims if claim != "{claim}"
    ]
    return Outcome(
        (Measured("{claim}", "course", parts, "n | <b>", "how", "an interval", "a null"), *others),
        {{"heatmap": "<p>painted</p>"}}, (Doubt("<i>doubt</i>", "evidence"),), ("a line",),
    )
'''


def folder_of(tmp_path: Path, **bodies: str) -> Path:
    scripts = tmp_path / "experiments"
    scripts.mkdir(exist_ok=True)
    for lesson, body in bodies.items():
        claim = {"L22": "L22.b", "L23": "L23.a"}[lesson]
        text = SCRIPT.format(id=lesson, claim=claim, body=body or "pass", log=tmp_path / "log")
        (scripts / f"{lesson.lower()}_made.py").write_text(text)
    return scripts


def ran(tmp_path: Path) -> str:
    return (tmp_path / "log").read_text().strip()
