"""Result, causal card, replication and store with anything in their JSON and right digests.

Each is read as the commands read it: the page is made, or one line says why not. `FUZZ` in the
environment is that of `test_bad_input`; a fifth of it is tried of each file by default.
"""

from __future__ import annotations

import copy
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import PROSE

import lens_probes as lp
from lens_probes.cli import main
from lens_probes.folder_sums import SUMS, write_sums
from lens_probes.result import TIMINGS
from lens_probes.sealed import seal, unseal

pytestmark = [
    pytest.mark.model,
    pytest.mark.skipif("FUZZ" not in os.environ, reason="make torture: the card alone takes long"),
]
FUZZ = max(20, int(os.environ.get("FUZZ", "20")) // 5)
OPTIONS = [
    "--words", "course", "--max-per-class", "60", "--before", "9", "--after", "2", "--sites", "k",
    "--layers", "0,1", "--permutations", "19", "--no-untrained", "--quiet",
]  # fmt: skip
ODD: list[Any] = [
    None, True, False, 0, -1, 1.5, 1e308, -1e308, 1e-320, 10**30, -(2**63), "", "x", "10", "nan",
    "\x00", "a\u202eb", "../../etc/passwd", "x" * 5000, [], {}, [[]], [None], {"x": None},
    ["a", 1], [1] * 50,
]  # fmt: skip


@pytest.fixture(scope="module")
def made(tiny_folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a sweep, its causal card, its replication, and a store."""
    root = tmp_path_factory.mktemp("made")
    rng = np.random.default_rng(0)
    for name in ("text", "other"):
        (root / f"{name}.txt").write_text(" ".join(rng.permutation((PROSE * 40).split())))
    model, run = ["--model", str(tiny_folders["gpt2"])], str(root / "run")
    sweep = ["sweep", "negation", *model, "--text", str(root / "text.txt"), *OPTIONS]
    assert main([*sweep, "--store", str(root / "store"), "--out", run]) == 0
    ablate = ["ablate", run, "--top", "2", "--nulls", "19", "--windows", "4", "--after", "2"]
    assert main([*ablate, "--quiet"]) == 0
    again = ["replicate", run, "--text", str(root / "other.txt"), "--permutations", "9", "--quiet"]
    assert main(again) == 0
    return root


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in plain values."""
    parts = list(value.items()) if isinstance(value, dict) else list(enumerate(value))
    found = []
    for key, part in parts:
        found.append((*at, key))
        if isinstance(part, dict | list):
            found += places(part, (*at, key))
    return found


def mutant(sound: Any, rng: np.random.Generator) -> tuple[Any, str]:
    """The same with one or two places dropped, replaced, or added to; and what was done."""
    changed, done = copy.deepcopy(sound), []
    for _ in range(int(rng.integers(1, 3))):
        every = places(changed)
        # Long lists hold many places of one kind: as often those near the top.
        near = [place for place in every if len(place) <= 3]
        chosen = near if rng.integers(2) else every
        place = chosen[int(rng.integers(len(chosen)))]
        part = changed
        for key in place[:-1]:
            part = part[key]
        what = int(rng.integers(6))
        if what == 0:
            del part[place[-1]]
        elif what == 1 and isinstance(part, dict):
            part["unheard of"] = ODD[int(rng.integers(len(ODD)))]
        elif what == 2:
            part[place[-1]] = [copy.deepcopy(part[place[-1]])]
        else:
            part[place[-1]] = ODD[int(rng.integers(len(ODD)))]
        done.append(
            f"{['drop', 'add', 'wrap', 'set', 'set', 'set'][what]} {place}: {repr(part)[:80]}"
        )
    return changed, "; ".join(done)


def one_line(code: int, capsys: pytest.CaptureFixture[str], done: str) -> str:
    """`made` or `refused`; anything else fails."""
    said = capsys.readouterr()
    if code == 0:
        return "made"
    assert code == 2, (code, done, said)
    lines = [line for line in said.err.splitlines() if line.strip()]
    assert len(lines) == 1, (done, said.err)
    assert "Traceback" not in said.err, (done, said.err)
    return "refused"


FILES = {
    "result.json": "run/result.json",
    "causal.json": "run/causal/causal.json",
    "replication.json": "run/replication/replication.json",
}


def read(path: Path) -> Any:
    if path.name == "result.json":
        return unseal(path.read_bytes(), path, apart=TIMINGS)
    return json.loads(path.read_text())


def write(path: Path, said: Any) -> bool:
    """Write it with right digests; False where it cannot be sealed, as nothing would write it."""
    if path.name != "result.json":
        path.write_text(json.dumps(said))
        (path.parent / SUMS).unlink()  # or it would be in its own list
        write_sums(path.parent)
        return True
    try:
        path.write_bytes(seal(said, apart=TIMINGS))
    except (KeyError, TypeError):
        return False
    return True


@pytest.mark.parametrize("name", FILES)
def test_a_page_is_made_of_it_or_one_line_says_why_not(
    name: str,
    made: Path,
    capsys: pytest.CaptureFixture[str],
    record_property: Callable[[str, object], None],
) -> None:
    path, page = made / FILES[name], made / "page.html"
    kept = {p: p.read_bytes() for p in path.parent.iterdir() if p.name in (path.name, SUMS)}
    assert main(["report", str(made / "run"), "--out", str(page)]) == 0, capsys.readouterr()
    sound, rng, found = read(path), np.random.default_rng(0), Counter[str]()
    while found.total() < 5 * FUZZ:
        changed, done = mutant(sound, rng)
        if not write(path, changed):
            continue
        capsys.readouterr()
        try:
            code = main(["report", str(made / "run"), "--out", str(page)])
        except Exception as error:
            pytest.fail(f"{done}: {type(error).__name__}: {error}")
        found[one_line(code, capsys, done)] += 1
    for file, data in kept.items():
        file.write_bytes(data)
    assert found["refused"] > found["made"] > 0
    record_property(f"{name} made by hand", dict(found))


def test_a_manifest_of_a_store(
    made: Path, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """A store is made again where its manifest is not right; the numbers are the same."""
    shutil.copytree(made / "store", tmp_path / "store")
    manifests = list((tmp_path / "store").rglob("manifest.json"))
    assert manifests
    rng, found = np.random.default_rng(0), Counter[str]()
    for number in range(FUZZ):
        path = manifests[number % len(manifests)]
        whole = path.read_bytes()
        changed, done = mutant(unseal(whole, path), rng)
        path.write_bytes(seal(changed))
        code = main(["verify", str(tmp_path / "store")])
        found[f"verify {code}"] += 1
        assert code in (0, 1), done
        path.write_bytes(whole)
    assert found["verify 1"] > FUZZ // 2
    record_property("store manifests made by hand", dict(found))


def test_a_format_without_a_seal_is_of_an_earlier_version(made: Path, tmp_path: Path) -> None:
    """Format 1 had no digest of the manifest itself."""
    shutil.copytree(made / "run", tmp_path / "run")
    path = tmp_path / "run" / "result.json"
    said = {key: part for key, part in read(path).items() if key != "sha256"}
    path.write_text(json.dumps(said | {"format": 1}))
    with pytest.raises(lp.InputError, match=r"is of an earlier version \(format 1"):
        lp.SweepResult.load(tmp_path / "run")
