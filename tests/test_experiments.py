"""Every lesson's script on a tiny random model: it runs, and has a row for each of its claims."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tiny_models import PROSE

from lens_probes.course import CLAIMS, LESSONS, Setting
from lens_probes.course.reproduce import load_script, run_script
from lens_probes.model.load import LensModel
from lens_probes.storage.integrity import unseal
from lens_probes.texts.load import Document, Text

pytestmark = pytest.mark.model

FOLDER = Path(__file__).parent.parent / "experiments"
NAMES = "We saw Anna in Paris, and then Anna went to Rome with Bob. It was dark in Rome. "


def prose() -> Text:
    body = (PROSE + NAMES) * 30
    return Text("prose", tuple(Document(f"d{i}", f"s{i}", body) for i in range(3)), "test")


@pytest.fixture(scope="module")
def setting(tiny_models: dict[str, LensModel]) -> Setting:
    return Setting(model=tiny_models["gpt2"], text=prose(), scale="quick")


def test_there_is_one_script_for_each_lesson() -> None:
    scripts = [load_script(FOLDER, lesson).lesson for lesson in LESSONS]
    assert [one.id for one in scripts] == list(LESSONS)
    assert [claim for one in scripts for claim in one.claims] == list(CLAIMS)


def test_scripts_are_short() -> None:
    for path in FOLDER.glob("l*.py"):
        assert len(path.read_text().splitlines()) <= 120, path.name


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_lesson_runs(lesson: str, setting: Setting, tmp_path: Path) -> None:
    script = load_script(FOLDER, lesson)
    record = run_script(script, setting, tmp_path)
    assert {row["claim"] for row in record.rows} == set(script.lesson.claims)
    for row in record.rows:
        claim = CLAIMS[row["claim"]]
        if row["word"] != "not testable here":
            assert set(claim.reads) <= set(row["parts"]), row["claim"]
        assert row["how"]
        assert row["n"]
    for link in record.said["figures"].values():
        page = (tmp_path / link).read_text()
        assert page.lower().startswith(("<html", "<!doctype"))
        assert not re.search(r"src=\"https?:", page)
    kept = tmp_path / f"{lesson}.json"
    assert unseal(kept.read_bytes(), kept) == record.said
    stamp = kept.stat().st_mtime_ns
    assert run_script(script, setting, tmp_path).said == record.said
    assert kept.stat().st_mtime_ns == stamp
