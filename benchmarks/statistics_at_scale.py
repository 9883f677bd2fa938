"""Memory and time of the statistics alone, for more units than fit into memory.

    python benchmarks/statistics_at_scale.py [--layers 48] [--examples 2000] [--checks]

A store of random activations with the sites of GPT-2 XL (48 layers x 11,200 units = 537,600) is
written first, 4.3 GB for 2,000 examples; then the unit tables and the max-T test of a rigorous
sweep read it, one layer and site at a time, in a process of its own. One unit in a hundred follows
the label. The folder is removed at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import lens_probes as lp
from lens_probes.activations.collect import Activations
from lens_probes.activations.passes import plan_batches, plan_shards, rows_of
from lens_probes.activations.shard_folder import StoredArrays
from lens_probes.activations.store import Stock
from lens_probes.checks.sweep_checks import layer_checks, sweep_checks
from lens_probes.examples.folds import make_folds
from lens_probes.sites import SiteShape
from lens_probes.units.decision import preset_decision, resolve
from lens_probes.units.significance import decide, families
from lens_probes.units.table import in_turn, unit_tables

SHAPES = {
    "mlp_pre": SiteShape(None, 6400),
    **{name: SiteShape(25, 64) for name in ("q", "k", "v")},
}
WORDS, PLANTED = 100, 100


def made_examples(n: int) -> lp.Examples:
    """Windows of random tokens; a hundred word types, half of them in each class."""
    tokens = np.random.default_rng(0).integers(1, 50_000, (n, 12))
    word = np.arange(n) % WORDS
    return lp.Examples.from_tokens(
        tokens, -1, word % 2, [f"w{k}" for k in word], [f"s{k % 20}" for k in range(n)]
    )


def stock(root: Path, n: int, n_layers: int) -> Stock:
    """The store to be: everything but the numbers."""
    keys = tuple((layer, site) for layer in range(n_layers) for site in SHAPES)
    n_units = sum(SHAPES[site].n_units for _, site in keys)
    batches = plan_batches(made_examples(n), n_units=n_units)
    return Stock(
        root, {"made_from": "random numbers"}, plan_shards(batches, n_units), keys, n_units
    )


def fill(store: Stock, label: np.ndarray) -> None:
    """Write all shards."""
    rng = np.random.default_rng(1)
    with store.being_filled() as whole:
        for index, shard in enumerate(store.shards):
            rows = rows_of(shard)
            arrays = {}
            for key in store.keys:
                x = rng.standard_normal((len(rows), SHAPES[key[1]].n_units), np.float32)
                x[:, ::PLANTED] += label[rows, None]
                arrays[key] = x
            whole[index] = store.folder.add(index, rows, arrays)
        store.finish(whole)


class Peak(threading.Thread):
    """Most memory of this process, sampled: all of it, and without mapped files."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.resident = self.anonymous = 0.0
        self.start()

    def run(self) -> None:
        """Sample until the process ends."""
        while True:
            said = dict(_status())
            self.resident = max(self.resident, said["VmRSS"])
            self.anonymous = max(self.anonymous, said["RssAnon"])
            time.sleep(0.02)


def _status() -> Iterator[tuple[str, float]]:
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name in ("VmRSS", "RssAnon"):
            yield name, int(value.split()[0]) / 2**20


def measure(root: Path, n: int, n_layers: int, checks: bool) -> dict[str, Any]:
    """The statistics of a sweep on a store that is there; GiB and seconds."""
    examples = made_examples(n)
    before = dict(_status())["RssAnon"]
    peak = Peak()
    start = time.perf_counter()
    arrays = stock(root, n, n_layers).finished()
    assert isinstance(arrays, StoredArrays)
    activations = Activations(arrays, SHAPES)
    seconds = {"hashing every byte": time.perf_counter() - start}
    decision, _ = resolve(preset_decision("rigorous"), examples)
    folds = make_folds(examples, seed=0)
    start = time.perf_counter()
    units = unit_tables(activations, examples, None, folds)
    seconds["unit tables"] = time.perf_counter() - start
    start = time.perf_counter()
    units, _ = decide(units, decision, in_turn(activations), examples)
    seconds["max-T test"] = time.perf_counter() - start
    if checks:
        start = time.perf_counter()
        family = families(units, decision)
        layer_checks(activations, examples, decision, family, folds, seed=0)
        sweep_checks(activations, examples, decision, None, seed=0)
        seconds["checks"] = time.perf_counter() - start
    planted = units["unit"] % PLANTED == 0
    return {
        "units": len(units),
        "planted and significant": float(units.loc[planted, "significant"].mean()),
        "others significant": int(units.loc[~planted, "significant"].sum()),
        "GiB before": before,
        "peak GiB, all": peak.resident,
        "peak GiB, without mapped files": peak.anonymous,
        "seconds": seconds,
    }


def main() -> None:
    """Make the store, measure in another process, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layers", type=int, default=48)
    parser.add_argument("--examples", type=int, default=2000)
    parser.add_argument("--checks", action="store_true")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.folder:
        found = measure(options.folder, options.examples, options.layers, options.checks)
        print(json.dumps(found, indent=1))
        return
    with tempfile.TemporaryDirectory() as folder:
        fill(
            stock(Path(folder), options.examples, options.layers),
            made_examples(options.examples).label,
        )
        size = sum(path.stat().st_size for path in Path(folder).rglob("*.safetensors"))
        print(f"{size / 2**30:.2f} GiB on disk", flush=True)
        command = [sys.executable, __file__, "--folder", folder, *sys.argv[1:]]
        subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})


if __name__ == "__main__":
    main()
