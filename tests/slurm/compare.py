"""One sweep four times, by one process and by workers, compared byte for byte.

Run by run_on_loopback.sh; without Slurm (`--without-slurm`) by Dask and submitit on this machine.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

WAYS: dict[str, tuple[str, ...]] = {
    "one process": (),
    "Slurm job array": ("--executor", "slurm", "--workers", "2"),
    "Dask workers in Slurm jobs": ("--executor", "dask", "--scheduler", "slurm", "--workers", "2"),
}
ON_THIS_MACHINE: dict[str, tuple[str, ...]] = {
    "one process": (),
    "processes": ("--executor", "processes", "--workers", "2"),
    "Dask, two workers": ("--executor", "dask", "--workers", "2"),
    "submitit, two tasks": ("--executor", "slurm", "--scheduler", "local", "--workers", "2"),
}


def tiny(folder: Path) -> list[str]:
    """A tiny random model and a text, made here."""
    from tiny_models import PROSE, save_tiny

    model = save_tiny("gpt2", folder / "model")
    words = (PROSE * 80).split()
    random.Random(0).shuffle(words)
    (folder / "text.txt").write_text(" ".join(words))
    given = f"--model {model} --text {folder / 'text.txt'} --words course --before 9 --after 2"
    return given.split()


def state(folder: Path) -> dict[str, bytes]:
    """Shards and tables of a run; not its times."""
    files = [*folder.glob("store/*/*.safetensors"), *folder.glob("out/*.parquet")]
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
    said = json.loads((folder / "out" / "result.json").read_text())
    del said["timings"], said["sha256"], said["provenance"]["command"]
    return found | {"result.json": json.dumps(said).encode()}


def main() -> int:
    """Run all ways, say how long each took, and whether all files are the same."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--without-slurm", action="store_true")
    options, given = parser.parse_known_args()
    from lens_probes.cli import main as command

    options.folder.mkdir(parents=True)
    os.chdir(options.folder)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    jobs = {"CORES": "1", "PROCESSES": "1", "MEMORY": "4GB", "WALLTIME": "01:00:00"}
    for name, value in jobs.items():
        os.environ[f"DASK_JOBQUEUE__SLURM__{name}"] = value
    given = given or tiny(options.folder)
    first: dict[str, bytes] | None = None
    for way, how in (ON_THIS_MACHINE if options.without_slurm else WAYS).items():
        folder = options.folder / way.replace(" ", "-").replace(",", "")
        where = ["--store", str(folder / "store"), "--out", str(folder / "out"), "--quiet"]
        start = time.perf_counter()
        if command(["sweep", "negation", *given, *how, *where]) != 0:
            return 1
        files = state(folder)
        shards = sum("store/" in name for name in files) - len(list(folder.glob("store/*")))
        first = files if first is None else first
        same = "the same bytes" if files == first else "OTHER BYTES"
        seconds = time.perf_counter() - start
        sys.stdout.write(f"{way}: {seconds:.0f} s, {shards} shards, {same}\n")
        if files != first:
            others = sorted(name for name in first if files.get(name) != first[name])
            sys.stdout.write(f"{others}\n")
            return 1
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
