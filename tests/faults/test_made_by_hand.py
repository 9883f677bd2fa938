"""Every JSON file that is saved, with anything in it and right digests: loaded, or one line.

Digests are made anew for each try, so that the schema decides. 60 tries of each file are part of
every test run; `FUZZ` in the environment is their number, and has what is loaded said too, for
folders that commands have made, and a page written of some.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from by_hand import mutant, sealed
from saved_samples import (
    save_small_finding,
    save_small_record,
    save_small_store,
    small_card,
    small_replication,
    small_result,
    small_screen,
)
from tiny_models import PROSE

import lens_probes as lp
from lens_probes.ablation.card import CausalCard
from lens_probes.activations.shard_folder import ShardFolder, key_of
from lens_probes.cli import main
from lens_probes.cli.finding_folder import _same_command
from lens_probes.cli.running import command_line
from lens_probes.course.record import read_record
from lens_probes.course.tables import Findings, html, markdown, record_lines
from lens_probes.replication.replication import Replication
from lens_probes.report.words.summary import summary
from lens_probes.result.result import TIMINGS
from lens_probes.result.verify import verify
from lens_probes.storage.folder_sums import SUMS, write_sums
from lens_probes.storage.integrity import unseal

TRIES = int(os.environ.get("FUZZ", "60"))
N_PAGES = max(5, TRIES // 50)
OPTIONS = [
    "--words", "course", "--max-per-class", "60", "--before", "9", "--after", "2", "--sites", "k",
    "--layers", "0,1", "--permutations", "19", "--no-untrained", "--quiet",
]  # fmt: skip
LOADERS: dict[str, Callable[[Path], Any]] = {
    "run/result.json": lambda path: lp.SweepResult.load(path.parent),
    "run/causal/causal.json": lambda path: CausalCard.load(path.parent),
    "run/screen/screen.json": lambda path: lp.Screen.load(path.parent),
    "run/replication/replication.json": lambda path: Replication.load(path.parent),
    "finding/numbers.json": lambda path: _same_command(path.parent),
}
SAID: dict[str, Callable[[Any], Any]] = {
    "run/result.json": summary,
    "run/causal/causal.json": CausalCard.text_lines,
    "run/screen/screen.json": lp.Screen.text_lines,
    "run/replication/replication.json": Replication.text_lines,
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smallest folders of all kinds, made by no model."""
    root = tmp_path_factory.mktemp("saved")
    run = small_result().save(root / "run")
    small_card().save(run / "causal")
    small_screen().save(run / "screen")
    small_replication().save(run / "replication")
    save_small_finding(root / "finding")
    return root


@pytest.fixture(scope="module")
def made(tiny_folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a sweep, its causal card and its replication, as the commands make them."""
    root = tmp_path_factory.mktemp("made")
    rng = np.random.default_rng(0)
    for name in ("text", "other"):
        (root / f"{name}.txt").write_text(" ".join(rng.permutation((PROSE * 40).split())))
    model, run = ["--model", str(tiny_folders["gpt2"])], str(root / "run")
    sweep = ["sweep", "negation", *model, "--text", str(root / "text.txt"), *OPTIONS]
    assert main([*sweep, "--out", run]) == 0
    ablate = ["ablate", run, "--top", "2", "--nulls", "19", "--windows", "4", "--after", "2"]
    assert main([*ablate, "--quiet"]) == 0
    assert main(["screen", run, "--windows", "8", "--exact", "20", "--quiet"]) == 0
    again = ["replicate", run, "--text", str(root / "other.txt"), "--permutations", "9", "--quiet"]
    assert main(again) == 0
    return root


def read(path: Path) -> Any:
    if path.name == "result.json":
        return unseal(path.read_bytes(), path, apart=TIMINGS)
    return json.loads(path.read_text())


def write(path: Path, said: Any) -> None:
    """Write it with right digests."""
    if path.name == "result.json":
        path.write_bytes(sealed(said, apart=TIMINGS))
        return
    path.write_text(json.dumps(said))
    (path.parent / SUMS).unlink()  # or it would be in its own list
    write_sums(path.parent)


def outcome(load: Callable[[], Any], done: str) -> str:
    """`loaded` or `refused`; anything else fails."""
    try:
        load()
    except lp.InputError as error:
        said = str(error)
        assert len(said.splitlines()) == 1, (done, said)
        assert len(said) < 600, (done, said)
        return "refused"
    except Exception as error:
        pytest.fail(f"{done}: {type(error).__name__}: {error}")
    return "loaded"


def tried(path: Path, load: Callable[[Path], Any], n: int) -> Counter[str]:
    """Outcomes of n mutants of a file, which is as it was afterwards."""
    kept = {p: p.read_bytes() for p in path.parent.iterdir() if p.name in (path.name, SUMS)}
    sound, rng, found = read(path), np.random.default_rng(0), Counter[str]()
    load(path)
    try:
        for _ in range(n):
            changed, done = mutant(sound, rng)
            write(path, changed)
            found[outcome(lambda: load(path), done)] += 1
    finally:
        for file, data in kept.items():
            file.write_bytes(data)
    return found


@pytest.mark.parametrize("name", LOADERS)
def test_it_is_loaded_or_one_line_says_why_not(
    name: str, saved: Path, record_property: Callable[[str, object], None]
) -> None:
    token = command_line.set("lens-probes maximize")
    try:
        found = tried(saved / name, LOADERS[name], TRIES)
    finally:
        command_line.reset(token)
    assert found["refused"] > found["loaded"] > 0
    record_property(f"{name} made by hand", dict(found))


def test_a_manifest_of_a_store(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Its folder is named anew, so that the key of what it says it is made from fits."""
    path = save_small_store(tmp_path / "store")
    sound, rng, found = unseal(path.read_bytes(), path), np.random.default_rng(0), Counter[str]()
    shutil.copytree(path.parent, tmp_path / "kept")
    for _ in range(TRIES):
        changed, done = mutant(sound, rng)
        shutil.rmtree(tmp_path / "store")
        try:
            key = key_of(changed["made_from"])
        except (KeyError, TypeError, ValueError):
            key = path.parent.name
        folder = Path(shutil.copytree(tmp_path / "kept", tmp_path / "store" / key))
        (folder / path.name).write_bytes(sealed(changed))
        found[outcome(ShardFolder(folder, None).manifest, done)] += 1
        try:
            verify(tmp_path / "store")
        except Exception as error:
            pytest.fail(f"verify, {done}: {type(error).__name__}: {error}")
    assert found["refused"] > found["loaded"] > 0
    record_property("manifest.json of a store made by hand", dict(found))


def test_a_record_of_a_lesson(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """One that is not right is none, and the lesson runs again; another can be shown."""
    path = save_small_record(tmp_path)
    sound, rng, found = unseal(path.read_bytes(), path), np.random.default_rng(0), Counter[str]()
    for number in range(TRIES):
        changed, done = mutant(sound, rng)
        path.write_bytes(sealed(changed))
        try:
            record = read_record(tmp_path, "L22")
            found["loaded" if record else "refused"] += 1
            if record:
                record_lines(record)
                markdown((Findings("m", "whole", (record,)),))
                if number % 10 == 0:
                    html((Findings("m", "whole", (record,)),))
        except Exception as error:
            pytest.fail(f"{done}: {type(error).__name__}: {error}")
    assert found["refused"] > found["loaded"] > 0
    record_property("record of a lesson made by hand", dict(found))


@pytest.mark.model
@pytest.mark.skipif("FUZZ" not in os.environ, reason="make torture: the card alone takes long")
@pytest.mark.parametrize("name", SAID)
def test_what_is_loaded_can_be_said_and_shown(
    name: str, made: Path, record_property: Callable[[str, object], None]
) -> None:
    pages: list[str] = []

    def said(path: Path) -> None:
        SAID[name](LOADERS[name](path))

    def shown(path: Path) -> None:
        said(path)
        lp.SweepResult.load(made / "run").write_report(made / "page.html")
        pages.append(name)

    found = tried(made / name, said, TRIES)
    found += tried(made / name, shown, N_PAGES)
    assert found["refused"] > 0 < found["loaded"]
    record_property(f"{name} of a command", dict(found) | {"pages": len(pages)})


def test_a_format_without_a_seal_is_of_an_earlier_version(saved: Path, tmp_path: Path) -> None:
    """Format 1 had no digest of the manifest itself."""
    shutil.copytree(saved / "run", tmp_path / "run")
    path = tmp_path / "run" / "result.json"
    said = {key: part for key, part in read(path).items() if key != "sha256"}
    path.write_text(json.dumps(said | {"format": 1}))
    with pytest.raises(lp.InputError, match=r"is of an earlier version \(format 1"):
        lp.SweepResult.load(tmp_path / "run")
