"""What a person does every day: start a probe, plan a sweep, keep options in a file, read JSON."""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import lens_probes as lp
from lens_probes.cli import main
from lens_probes.cli.config import with_config
from lens_probes.testing import check_probe

Said = pytest.CaptureFixture[str]
BODY = "You may go. You must stay. It could rain, and they should know; he might, she shall. " * 30


def text() -> lp.Text:
    return lp.Text("demo", (lp.Document("one", "one", BODY),), "written here")


def test_the_version_is_that_of_the_package(capsys: Said) -> None:
    assert lp.__version__ == importlib.metadata.version("lens-probes")
    done = subprocess.run(
        [sys.executable, "-m", "lens_probes", "--version"], capture_output=True, text=True
    )
    assert done.stdout.strip() == lp.__version__


@pytest.fixture
def sweep_tiny(
    tiny_folders: dict[str, Path], prose_file: Path, tmp_path: Path
) -> Callable[..., list[str]]:
    def command(out: str, **changed: object) -> list[str]:
        options = {"model": tiny_folders["gpt2"], "text": prose_file, "words": "course",
                   "sites": "mlp_pre", "layers": 0, "max-per-class": 20, "permutations": 20,
                   "out": tmp_path / out}  # fmt: skip
        given = [f"--{key}={value}" for key, value in (options | changed).items()]
        return ["sweep", "negation", *given, "--no-untrained", "--quiet"]

    return command


@pytest.mark.model
def test_json_is_one_object_with_the_numbers_of_the_tables(
    sweep_tiny: Callable[..., list[str]], tmp_path: Path, capsys: Said
) -> None:
    assert main([*sweep_tiny("run"), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    result = lp.SweepResult.load(said["folder"])
    assert said["question"] == result.provenance["examples"]["origin"]["question"]
    assert said["shares"][0]["n"] == result.units["significant"].sum()
    assert said["shares"][0]["n_tested"] == result.layers["n_tested"].sum()
    assert Path(said["report"]).is_file()
    assert main(sweep_tiny("run")) == 0, "how much is printed is no part of the request"
    capsys.readouterr()
    assert main(["verify", str(tmp_path / "run"), "--json"]) == 0
    (checked,) = json.loads(capsys.readouterr().out)
    assert (checked["kind"], checked["problems"]) == ("result", [])
    assert checked["otherwise_than_planned"] is None


@pytest.mark.model
def test_verify_says_whether_a_result_kept_to_its_plan(
    sweep_tiny: Callable[..., list[str]], tmp_path: Path, capsys: Said
) -> None:
    assert main(["plan", *sweep_tiny("kept")]) == 0
    plan = tmp_path / "kept.plan.json"
    written = json.loads(plan.read_text())
    assert f"sha256 {written['sha256']}" in capsys.readouterr().out
    assert written["request"]["permutations"] == 20
    assert written["request"]["alpha"] == 0.05, "defaults are part of the request"
    assert main(sweep_tiny("kept")) == 0
    assert main(["verify", str(tmp_path / "kept")]) == 0
    assert "; as planned" in capsys.readouterr().out

    assert main(["plan", *sweep_tiny("other")]) == 0
    assert main(sweep_tiny("other", permutations=30, alpha=0.1)) == 0
    assert main(["verify", str(tmp_path / "other")]) == 1
    said = capsys.readouterr().out
    assert "not as planned: --alpha: planned 0.05, made 0.1; --permutations: planned 20" in said

    plan.write_text(plan.read_text().replace('"permutations": 20', '"permutations": 30'))
    assert main(["verify", str(tmp_path / "kept")]) == 1
    assert "the plan was changed since it was written" in capsys.readouterr().out


def test_a_plan_comes_first_and_once(tmp_path: Path, capsys: Said) -> None:
    given = ["plan", "sweep", "negation", "--out", str(tmp_path / "run")]
    assert main(given) == 0
    capsys.readouterr()
    for wrong, why in (
        (given, "is there already: a plan comes first, and is written once."),
        (["plan", "sweep", "negation"], "a plan needs --out"),
        (["plan", "verify", "run"], "a plan is of a sweep"),
        (["plan", "sweep", "negation", "--alpha", "much", "--out", "x"], "much"),
    ):
        assert main(wrong) == 2
        error = capsys.readouterr().err
        assert why in error
        assert error.count("\n") == 1


def test_options_of_a_file_are_those_typed(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(
        'model = "bundled"\nquiet = true\n[sweep]\nsites = ["mlp_pre", "q"]\n'
        '[sweep.negation]\nmodel = "gpt2"\nmax_per_class = 50\nuntrained = false\n'
    )
    typed = ["sweep", "negation", "--layers", "0", "--max-per-class=9"]
    assert with_config([*typed, "--config", str(file)]) == [
        *typed, "--model", "gpt2", "--quiet", "--sites", "mlp_pre,q", "--no-untrained",
    ]  # fmt: skip
    assert with_config(["models", f"--config={file}"]) == [
        "models",
        "--model",
        "bundled",
        "--quiet",
    ]
    assert with_config(typed) == typed


@pytest.mark.parametrize(
    ("content", "why"),
    [("a = ", "is not TOML"), ("when = 2020-01-01", "when is no text"), (None, "cannot read")],
)
def test_a_file_that_cannot_be_is_one_line(
    tmp_path: Path, capsys: Said, content: str | None, why: str
) -> None:
    if content is not None:
        (tmp_path / "x.toml").write_text(content)
    assert main(["texts", "--config", str(tmp_path / "x.toml")]) == 2
    error = capsys.readouterr().err
    assert why in error
    assert error.count("\n") == 1
    assert main(["texts", "--config"]) == 2


def test_a_new_probe_is_written_once_and_names_are_checked(tmp_path: Path, capsys: Said) -> None:
    given = ["new", "probe", "modal-verb", "--out", str(tmp_path)]
    assert main(given) == 0
    assert {p.name for p in tmp_path.iterdir()} == {"modal_verb.py", "test_modal_verb.py"}
    for file in tmp_path.iterdir():
        assert not re.search("MODULE|NAME|KIND", file.read_text().replace("__name__", ""))
    assert main(given) == 2
    assert main(["new", "probe", "2 things", "--out", str(tmp_path)]) == 2
    assert "small letters" in capsys.readouterr().err


@pytest.mark.bundled
@pytest.mark.model
def test_the_new_probe_and_its_test_run_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    assert main(["new", "probe", "modal-verb", "--out", str(tmp_path)]) == 0
    monkeypatch.syspath_prepend(str(tmp_path))
    names: dict[str, Any] = {"__name__": "test"}
    exec((tmp_path / "test_modal_verb.py").read_text(), names)
    names["test_the_probe_keeps_its_promises"]()


@dataclass(frozen=True)
class Modal(lp.TextProbe):
    """Duty against permission."""

    text: lp.Text | None = None
    name = "modal"
    question = "Which units tell duty from permission?"
    class_names = ("permission", "duty")

    def examples(self, model: lp.LensModel) -> lp.Examples:
        words = {"may": 0, "could": 0, "might": 0, "must": 1, "shall": 1, "should": 1}
        return self.from_words(model, self.text or text(), words)


@pytest.mark.model
def test_a_probe_that_keeps_its_promises_passes(tiny_folders: dict[str, Path]) -> None:
    model = lp.load_model(tiny_folders["gpt2"])
    checked = check_probe(Modal(max_per_class=12, before=10), model)
    assert checked.n_per_class == (12, 12)
    assert checked.name == "modal"
    assert any("fewer than four groups" in remark for remark in checked.remarks)


@pytest.mark.model
def test_every_promise_that_is_broken_is_found(tiny_folders: dict[str, Path]) -> None:
    model = lp.load_model(tiny_folders["gpt2"])
    calls = iter(range(100))

    class Unnamed(Modal):
        name = ""

    class OneClass(Modal):
        class_names = ("all", "all")

    class NoExamples(Modal):
        def examples(self, model: lp.LensModel) -> Any:
            return [1, 2]

    class Otherwise(Modal):
        def examples(self, model: lp.LensModel) -> lp.Examples:
            return Modal(max_per_class=10 + next(calls), before=10).examples(model)

    class Unsaved(Modal):
        def origin(self, **more: Any) -> dict[str, Any]:
            return {"rule": lambda: None}

    class OddOthers(Modal):
        def others(self, model: lp.LensModel) -> Any:
            return "none"

    class Renamed(Modal):
        class_names = ("yes", "no")

        def examples(self, model: lp.LensModel) -> lp.Examples:
            return Modal(max_per_class=10, before=10).examples(model)

    for kind, why in (
        (Unnamed, "has no name"),
        (OneClass, "two names or more"),
        (NoExamples, "returns list"),
        (Otherwise, "other examples when asked again"),
        (Unsaved, "cannot be saved"),
        (OddOthers, "returns str: Examples or None"),
        (Renamed, "names its classes"),
    ):
        with pytest.raises(lp.InputError, match=why) as error:
            check_probe(kind(max_per_class=12, before=10), model, swept=False)
        assert "\n" not in str(error.value)
    with pytest.raises(lp.InputError, match="needs options"):
        check_probe(lp.NegationProbe, model)
    with pytest.raises(lp.InputError, match="a Probe"):
        check_probe("negation", model)  # type: ignore[arg-type]
