"""A run that is killed anywhere and started again ends with the same files and no other.

`KILLS` in the environment says how many kills there are (8; `make torture` takes 200).
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from killing import Runs

from lens_probes.verify import verify

pytestmark = pytest.mark.model
KILLS = int(os.environ.get("KILLS", "8"))
SMALL: dict[str, Any] = {
    "lens_probes.passes:EXAMPLES_PER_SHARD": 5,
    "lens_probes.passes:TOKENS_PER_BATCH": 100,
}


def files(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_killed_anywhere_and_run_again(tiny_folders: dict[str, Path], tmp_path: Path) -> None:
    """Every second kill hits what an earlier one has left; then a whole run must mend it all."""
    root = tmp_path / "run"
    given = [str(tiny_folders["gpt2"]), str(root / "store"), str(root / "out")]
    with Runs("pipeline:main", given, settings=SMALL) as pipeline:
        whole = pipeline.run()
        reference = files(root)
        n_shards = sum(name.endswith(".safetensors") for name in reference) - 1
        assert n_shards > 8
        assert whole["events"] > 2 * n_shards
        shutil.rmtree(root)
        rng = np.random.default_rng(0)
        events = rng.integers(1, whole["events"] + 1, KILLS - KILLS // 4).tolist()
        times = rng.uniform(0, whole["seconds"], KILLS // 4).tolist()
        kills: list[dict[str, float]] = [{"event": k} for k in events]
        kills += [{"seconds": s} for s in times]
        rng.shuffle(kills)  # type: ignore[arg-type]
        n_killed = 0
        for i in range(0, len(kills), 2):
            n_killed += sum(pipeline.run(**kill)["killed"] for kill in kills[i : i + 2])
            pipeline.run()
            assert files(root) == reference, kills[i : i + 2]
            assert [one.problems for one in verify(root / "store")] == [()]
            shutil.rmtree(root)
        assert n_killed >= KILLS // 2
