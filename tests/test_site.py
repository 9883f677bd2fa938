"""The site: every public name has an entry, every page a place, every lesson an exercise."""

from __future__ import annotations

import importlib.util
import inspect
import json
import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
from tiny_models import PROSE

import lens_probes as lp
from lens_probes import maximize, report, residual, stats
from lens_probes.cli import app
from lens_probes.cli.config import with_config
from lens_probes.cli.sweep import sweep_app
from lens_probes.course import LESSONS, Setting
from lens_probes.course.reproduce import load_script, run_script
from lens_probes.model.load import LensModel
from lens_probes.texts.load import Document, Text

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
ROOMS = {"maximize": maximize, "report": report, "residual": residual, "stats": stats}
NO_ENTRY = {"SITES", *ROOMS, "testing", "units"}


def entries(page: Path) -> set[str]:
    blocks = re.findall(r"```\{eval-rst\}\n(.*?)```", page.read_text(), re.DOTALL)
    return set(re.findall(r"^   ([\w.]+)$", "\n".join(blocks), re.M))


def test_every_public_name_has_an_entry_in_the_reference() -> None:
    assert entries(DOCS / "api/index.md") == (set(lp.__all__) - NO_ENTRY) | {"testing.check_probe"}
    for name, module in ROOMS.items():
        assert entries(DOCS / f"api/{name}.md") == set(module.__all__), name


def test_every_page_is_in_the_contents() -> None:
    trees = re.findall(r"```\{toctree\}\n(.*?)```", (DOCS / "index.md").read_text(), re.DOTALL)
    listed = {line for tree in trees for line in tree.splitlines() if line and line[0] != ":"}
    pages = {page.stem for page in DOCS.glob("*.md")} - {"index"}
    assert listed == pages | {"api/index", "lessons/index", "decisions/index"}


def test_each_lesson_has_one_exercise() -> None:
    exercises = tomllib.loads((DOCS / "lessons" / "exercises.toml").read_text())
    assert list(exercises) == list(LESSONS)
    assert all(text.strip().endswith(("?", ".")) for text in exercises.values())


def test_there_are_five_tasks_with_an_end_each() -> None:
    tasks = (DOCS / "tasks.md").read_text().split("\n## ")[1:]
    assert [task[0] for task in tasks] == list("12345")
    for task in tasks:
        for part in ("**Do.**", "**Done when**", "**Where.**"):
            assert task.count(part) == 1, task[:30]


def test_a_decision_has_four_parts_and_its_number() -> None:
    pages = sorted((DOCS / "decisions").glob("0*.md"))
    assert len(pages) >= 12
    for number, page in enumerate(pages, start=1):
        assert page.name.startswith(f"{number:04d}-")
        parts = re.findall(r"^\*\*(\w+)\.\*\* \S", page.read_text(), re.M)
        assert parts == ["Context", "Decision", "Measurement", "Consequence"], page.name


def test_the_lock_of_the_site_is_plain_and_says_nothing_twice() -> None:
    lines = (DOCS / "requirements.lock").read_text().splitlines()[1:]
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9][\w.]*", line) for line in lines)
    names = [line.split("==")[0] for line in lines]
    assert names == sorted(set(names))
    main = {line.split("==")[0] for line in (ROOT / "requirements.lock").read_text().splitlines()}
    assert not main & set(names), "installed with --no-deps over the lock: it must not change it"


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_pages", DOCS / "make_pages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_gallery_shows_figures_that_there_are(maker: ModuleType) -> None:
    assert set(maker.FIGURES) <= {
        n for n in report.__all__ if inspect.isfunction(getattr(report, n))
    }


@pytest.mark.model
def test_the_page_of_a_lesson_has_claim_numbers_picture_exercise_and_script(
    maker: ModuleType, tiny_models: dict[str, LensModel], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    text = Text("prose", (Document("d", "s", PROSE * 30),), "test")
    setting = Setting(model=tiny_models["gpt2"], text=text, scale="quick")
    for lesson in ("L17", "L18"):
        run_script(load_script(ROOT / "experiments", lesson), setting, tmp_path / "course")
    docs = tmp_path / "docs"
    (docs / "lessons").mkdir(parents=True)
    for name in ("exercises.toml", "head.txt"):
        (docs / "lessons" / name).write_text((DOCS / "lessons" / name).read_text())
    monkeypatch.setattr(maker, "DOCS", docs)
    with pytest.raises(SystemExit, match="L01 has no record"):
        maker.lessons(tmp_path / "course")
    monkeypatch.setattr(maker, "LESSONS", ["L17", "L18"])
    maker.lessons(tmp_path / "course")
    page = (docs / "lessons" / "l18.md").read_text()
    record = json.loads((tmp_path / "course" / "L18.json").read_text())
    for row in record["rows"]:
        assert f"**{row['claim']}**" in page
        assert f"Came out: **{row['said']}**" in page
        for said, how in row["conditions"]:
            assert f"- {said}: {how}" in page
    for figure in record["figures"].values():
        assert f'src="figures/{figure}"' in page
        assert (docs / "_extra" / "lessons" / "figures" / figure).is_file()
    assert "## Exercise\n\nHalve the number of examples." in page
    assert "experiments/l18_logit_and_t.py --model bundled --quick" in page
    assert "This lesson makes no claim" in (docs / "lessons" / "l17.md").read_text()
    listed = (docs / "lessons" / "index.md").read_text()
    assert "[L17](l17.md)" in listed


def test_numbers_that_pages_repeat_are_those_of_their_source() -> None:
    """The demo's in README; speeds in the table that the benchmark writes."""
    readme, told = (ROOT / "README.md").read_text(), (DOCS / "comparison.md").read_text()
    n, tested = re.search(r"identity: ([\d,]+) of ([\d,]+) tested units", readme).groups()  # type: ignore[union-attr]
    share = re.search(r"Counting words ([\d.]+)% of units", readme)[1]  # type: ignore[index]
    assert float(share) == round(100 * int(n) / int(tested.replace(",", "")), 1)
    tokens, named = re.search(
        r"would name ([\d,]+) units where (\d+) stand", " ".join(told.split())
    ).groups()  # type: ignore[union-attr]
    assert named == n
    counting = re.search(r"counting tokens ([\d.]+)%\.", readme)[1]  # type: ignore[index]
    shared = 100 * int(tokens.replace(",", "")) / int(tested.replace(",", ""))
    assert float(counting) == round(shared, 1)
    table = (ROOT / "benchmarks" / "README.md").read_text()
    row = next(line for line in table.splitlines() if line.startswith("| 100 | 1,536 | 1 |"))
    theirs, ours = re.search(r"took ([\d,]+) microseconds there and ([\d.]+) here", told).groups()  # type: ignore[union-attr]
    assert (row.split("|")[4].strip(), row.split("|")[6].strip()) == (ours, theirs)


def test_the_page_of_every_day_names_options_that_there_are(tmp_path: Path) -> None:
    page = (DOCS / "every-day.md").read_text()
    (table,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "mine.toml").write_text(table)
    given = with_config(["sweep", "negation", "--config", str(tmp_path / "mine.toml")])
    sweep_app.parse_args(given[1:], exit_on_error=False, print_error=False)
    block = page.partition("## A plan")[2].split("```")[1].strip()
    for line in block.splitlines():
        app.parse_args(line.split()[1:], exit_on_error=False, print_error=False)
