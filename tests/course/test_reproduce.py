"""Resuming, with scripts of a few lines in place of the lessons'."""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from pathlib import Path

import pytest
from made_scripts import folder_of, ran

from lens_probes.course import CLAIMS, LESSONS, Setting
from lens_probes.course import record as record_module
from lens_probes.course.lessons import find_scripts, lesson_ids
from lens_probes.course.record import package_digest, read_record
from lens_probes.course.reproduce import load_script, run_lessons, run_script
from lens_probes.course.run_models import folder_name
from lens_probes.course.tables import Findings, markdown
from lens_probes.errors import InputError
from lens_probes.model.load import LensModel
from lens_probes.texts.load import Document, Text


@pytest.fixture
def setting(tiny_model: LensModel) -> Setting:
    text = Text("t", (Document("d", "s", "We can go there."),), "test")
    return Setting(model=tiny_model, text=text)


@pytest.mark.model
def test_a_stopped_run_goes_on_with_the_lesson_it_was_in(tmp_path: Path, setting: Setting) -> None:
    scripts = folder_of(tmp_path, L22="", L23="raise KeyboardInterrupt")
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        run_lessons(("L22", "L23"), setting, out, scripts)
    assert ran(tmp_path) == "L22"
    assert not (out / "L23.json").exists()
    folder_of(tmp_path, L23="")
    records = run_lessons(("L22", "L23"), setting, out, scripts)
    assert ran(tmp_path) == "L22 L23"
    assert [record.lesson for record in records] == ["L22", "L23"]
    run_lessons(("L22", "L23"), setting, out, scripts)
    assert ran(tmp_path) == "L22 L23"


@pytest.mark.model
def test_other_settings_and_a_changed_script_run_again(tmp_path: Path, setting: Setting) -> None:
    scripts, out = folder_of(tmp_path, L22=""), tmp_path / "out"
    script = load_script(scripts, "L22")
    assert run_script(script, setting, out).rows[0]["verdict"].endswith("reproduced")
    seeded = Setting(model=setting.model, text=setting.text, seed=1)
    run_script(script, seeded, out)
    assert ran(tmp_path) == "L22 L22"
    folder_of(tmp_path, L22="pass  # changed")
    run_script(load_script(scripts, "L22"), seeded, out)
    assert ran(tmp_path) == "L22 L22 L22"


@pytest.mark.model
def test_other_code_and_another_larger_model_run_again(
    tmp_path: Path,
    setting: Setting,
    tiny_models: dict[str, LensModel],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script, out = load_script(folder_of(tmp_path, L22=""), "L22"), tmp_path / "out"
    run_script(script, setting, out)
    small, other = tiny_models["gpt2"], tiny_models["llama"]
    for larger in (small, small, replace(other, source=small.source)):
        run_script(script, replace(setting, larger=larger, shared={}), out)
    assert ran(tmp_path) == "L22 L22 L22", "the name of the larger model is not what counts"
    monkeypatch.setattr(record_module, "package_digest", lambda: "edited")
    run_script(script, replace(setting, larger=larger, shared={}), out)
    assert ran(tmp_path) == "L22 L22 L22 L22"


def test_the_code_is_in_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    course = tmp_path / "package" / "course"
    course.mkdir(parents=True)
    (tmp_path / "package" / "cli").mkdir()
    monkeypatch.setattr(record_module, "__file__", str(course / "record.py"))
    seen = []
    for name, text in [("stats.py", "1"), ("stats.py", "2"), ("cli/a.py", "3"), ("b.py", "2")]:
        (tmp_path / "package" / name).write_text(text)
        seen.append(package_digest.__wrapped__())
    assert seen[1] == seen[2], "the command line changes no number"
    assert len(set(seen)) == 3


@pytest.mark.model
def test_a_record_points_to_its_own_figures(tmp_path: Path, setting: Setting) -> None:
    script, out = load_script(folder_of(tmp_path, L22=""), "L22"), tmp_path / "out"
    first = run_script(script, setting, out)
    (figure,) = first.said["figures"].values()
    kept = (out / figure).read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(record_module, "seal", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run_script(script, replace(setting, seed=1, shared={}), out)
    assert read_record(out, "L22") == first
    assert (out / figure).read_bytes() == kept
    assert len(list(out.glob("L22_*.html"))) == 2, (
        "killed before the record: both figures lie there"
    )
    (out / "L23_heatmap_00000000.html").write_text("of another lesson")
    second = run_script(script, replace(setting, seed=1, shared={}), out)
    assert [path.name for path in out.glob("L22_*.html")] == list(second.said["figures"].values())
    assert second.key[:8] in second.said["figures"]["heatmap"]
    assert (out / "L23_heatmap_00000000.html").exists()


@pytest.mark.model
def test_a_lesson_that_cannot_run_leaves_the_others(tmp_path: Path, setting: Setting) -> None:
    body = "from lens_probes.errors import InputError; raise InputError('no <such> text.')"
    scripts, out = folder_of(tmp_path, L22=body, L23=""), tmp_path / "out"
    lost, fine = run_lessons(("L22", "L23"), setting, out, scripts)
    assert (lost.failed, fine.failed) == ("no <such> text.", "")
    assert {row["claim"] for row in lost.rows} == {"L22.a", "L22.b", "L22.c"}
    assert {(row["word"], row["why"]) for row in lost.rows} == {
        ("not testable here", "no <such> text.")
    }
    assert not (out / "L22.json").exists(), "it runs again the next time"
    (none,) = run_lessons(("L01",), setting, out, scripts)
    assert "0 scripts for L01" in none.failed
    page = markdown((Findings("m", "machine", (none, lost, fine)),))
    assert page.count("not testable here** (no &lt;such> text.)") == 3
    assert "- L01 could not run" in page


@pytest.mark.parametrize("text", ["{", "{}", "[]", "7", '"L22"', '{"key": 3}', '{"key": "k"}'])
def test_a_damaged_record_is_no_record(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="lens_probes"):
        assert read_record(tmp_path, "L22") is None
        assert not caplog.records
        (tmp_path / "L22.json").write_text(text)
        assert read_record(tmp_path, "L22") is None
    assert "L22.json is damaged" in caplog.text


def test_lessons_by_name() -> None:
    assert lesson_ids([]) == tuple(LESSONS)
    assert lesson_ids(["L23.a", "22", "l09", "L22"]) == ("L09", "L22", "L23")
    for name in ("L24", "twenty", "L0", "²", "L²", "L022", "", "1e1", "٢٢"):
        with pytest.raises(InputError, match="unknown lesson"):
            lesson_ids([name])
    for name in ("L22.z", "L22.", "22.ab", "L01.a"):
        with pytest.raises(InputError, match="unknown claim"):
            lesson_ids([name])
    assert lesson_ids(["l22.B"]) == ("L22",)


def test_scripts_are_found_or_asked_for(tmp_path: Path) -> None:
    assert find_scripts().name == "experiments"
    with pytest.raises(InputError, match="--scripts"):
        find_scripts(tmp_path)
    with pytest.raises(InputError, match="holds 0 scripts for L01"):
        load_script(tmp_path, "L01")


def test_folders_of_models() -> None:
    assert folder_name("gpt2-large") == "gpt2-large"
    assert folder_name("EleutherAI/gpt-neo-125M").startswith("EleutherAI_gpt-neo-125M_")
    for name in ("../x", "..", "", "a b"):
        assert re.fullmatch(r"\w[\w.-]*_[0-9a-f]{8}", folder_name(name))
    assert len({folder_name(name) for name in ("a/b", "a_b", "a b", "a//b", "_a_b")}) == 5


def test_every_claim_can_be_looked_up() -> None:
    assert all(claim.rule and claim.how and claim.number for claim in CLAIMS.values())
