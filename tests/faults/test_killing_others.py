"""Every other command that is killed and started again ends with the same files and no other.

`KILLS` in the environment is that of `test_killing`; each command here takes an eighth of them.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from killing import Runs, state
from made_scripts import folder_of
from tiny_models import PROSE

from lens_probes.result.verify import verify

pytestmark = pytest.mark.model
KILLS = max(1, int(os.environ.get("KILLS", "8")) // 8)


@pytest.fixture(scope="module")
def places(
    tiny_folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """A model, two texts, scripts of lessons, and where things go."""
    root = tmp_path_factory.mktemp("killed")
    rng = np.random.default_rng(0)
    for name in ("text", "other"):
        (root / f"{name}.txt").write_text(" ".join(rng.permutation((PROSE * 40).split())))
    found = {"model": tiny_folders["gpt2"], "root": root, "swept": root / "swept"}
    found |= {"text": root / "text.txt", "other": root / "other.txt", "work": root / "work"}
    (root / "scripts").mkdir()
    return found | {"scripts": folder_of(root / "scripts", L22="", L23="")}


@pytest.fixture(scope="module")
def runs(places: dict[str, Path]) -> Iterator[Runs]:
    """Forks of a process that has made the sweep that some of the commands start from."""
    given = "sweep negation --model {model} --text {text} --words course --max-per-class 60 "
    given += "--before 9 --after 2 --sites k --layers 0,1 --permutations 19 --no-untrained "
    given += "--quiet --out {swept}"
    with Runs(filled(given, places)) as found:
        found.run(["verify", str(places["swept"])])  # the sweep is done when this is
        yield found


def filled(command: str, places: Mapping[str, Path]) -> list[str]:
    return [word.format(**places) for word in command.split()]


COMMANDS = {
    "ablate": "ablate {work}/swept --top 2 --nulls 19 --windows 4 --after 2 --quiet",
    "replicate": "replicate {work}/swept --text {other} --permutations 9 --quiet "
    "--store {work}/store",
    "maximize": "maximize --site k --layer 1 --unit 3 --starts 2 --steps 3 --null-draws 3 "
    "--model {model} --quiet --out {work}/out",
    "residual": "residual --model {model} --prompt We-can-not-go-there --quiet --out {work}/out",
    "reproduce": "reproduce L22 L23 --model {model} --text {text} --quick --scripts {scripts} "
    "--quiet --out {work}/out",
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_is_killed_and_run_again(
    name: str,
    runs: Runs,
    places: dict[str, Path],
    record_property: Callable[[str, object], None],
) -> None:
    given, work = filled(COMMANDS[name], places), places["work"]

    def start() -> None:
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        shutil.copytree(places["swept"], work / "swept")

    start()
    before = state(work)
    whole = runs.run(given)
    reference = state(work)
    assert reference != before
    n_checked = len(verify(work))
    assert [one.problems for one in verify(work)] == [()] * n_checked
    rng = np.random.default_rng(0)
    # The last change of a file comes when nearly all is there: that too must be taken up again.
    events = [whole.events, *rng.integers(1, whole.events, KILLS).tolist()]
    for event in events:
        start()
        assert runs.run(given, event=event).killed
        assert not runs.run(given).killed
        assert state(work) == reference, event
        assert [one.problems for one in verify(work)] == [()] * n_checked
    record_property(f"runs of {name} killed and mended", len(events))
