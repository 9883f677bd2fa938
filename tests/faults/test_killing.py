"""A sweep that is killed anywhere and started again ends with the same files and no other.

`KILLS` in the environment says how many kills there are (8; CI takes 50, `make torture` 200).
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from killing import Runs, run_command, state
from tiny_models import PROSE

from lens_probes.result.verify import verify

pytestmark = pytest.mark.model
KILLS = int(os.environ.get("KILLS", "8"))


def sweep(model: Path, text: Path, root: Path) -> list[str]:
    """Two sites and layers, six shards, permutations, untrained weights, all checks, report."""
    given = "--words course --max-per-class 330 --before 9 --after 2 --sites mlp_pre,k "
    given += f"--layers 0,1 --permutations 99 --model {model} --text {text} --quiet "
    given += f"--store {root / 'store'} --out {root / 'out'}"
    return ["sweep", "negation", *given.split()]


def test_killed_anywhere_and_run_again(
    tiny_folders: dict[str, Path], tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Every second kill hits what an earlier one has left; then a whole run must mend it all."""
    model, text, root = tiny_folders["gpt2"], tmp_path / "text.txt", tmp_path / "run"
    rng = np.random.default_rng(0)
    text.write_text(" ".join(rng.permutation((PROSE * 120).split())))
    given = sweep(model, text, root)
    with Runs(sweep(model, text, tmp_path / "warm-up")) as runs:
        whole = runs.run(given)
        reference = state(root)
        n_shards = sum(
            re.search(r"/\d{6}-\w+\.safetensors$", name) is not None for name in reference
        )
        assert n_shards >= 6
        assert whole.events > 3 * n_shards
        assert [one.problems for one in verify(root)] == [()] * 3
        shutil.rmtree(root)
        made = {"by_event": 0, "by_time": 0, "by_command": 0}
        for number in range(3 * KILLS):
            # Of eight, one hits the command as a user starts it, two come after some time.
            how = {3: "by_command", 0: "by_time", 6: "by_time"}.get(number % 8, "by_event")
            seconds, event = rng.uniform(0, 0.9 * whole.seconds), rng.integers(1, whole.events + 1)
            if how == "by_command":
                outcome = run_command(given, begun=root / "store", seconds=seconds)
            elif how == "by_time":
                outcome = runs.run(given, seconds=seconds)
            else:
                outcome = runs.run(given, event=int(event))
            made[how] += outcome.killed
            if number % 2:
                runs.run(given)
                assert state(root) == reference, (how, seconds, event)
                assert [one.problems for one in verify(root)] == [()] * 3
                shutil.rmtree(root)
                if sum(made.values()) >= KILLS:
                    break
    record_property("runs killed and mended", sum(made.values()))
    record_property("of them as a user starts the command", made["by_command"])
    assert sum(made.values()) >= KILLS
    assert all(made.values())
