"""One sweep four times, by one process and by workers, compared byte for byte.

Run by run_on_loopback.sh; without Slurm (`--without-slurm`) by Dask and submitit on this machine.
"""

from __future__ import annotations

import argparse
import importlib.util
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
    """Every file of a run; a result without its times, a report, which shows them, as a name."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
    said = json.loads(found["out/result.json"])
    del said["timings"], said["sha256"], said["provenance"]["command"]
    return found | {"out/result.json": json.dumps(said).encode(), "out/report.html": b""}


def is_here(how: tuple[str, ...]) -> bool:
    """Whether the package of an executor is installed."""
    packages = {"dask": "distributed", "slurm": "submitit"}
    kind = how[1] if how else ""
    return kind not in packages or importlib.util.find_spec(packages[kind]) is not None


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
    ways = ON_THIS_MACHINE if options.without_slurm else WAYS
    for way, how in ways.items():
        if options.without_slurm and not is_here(how):
            sys.stdout.write(f"{way}: skipped, its package is not installed\n")
            continue
        folder = options.folder / way.replace(" ", "-").replace(",", "")
        where = ["--store", str(folder / "store"), "--out", str(folder / "out"), "--quiet"]
        start = time.perf_counter()
        if command(["sweep", "negation", *given, *how, *where]) != 0:
            return 1
        files = state(folder)
        shards = len(list(folder.glob("store/*/??????-*.safetensors")))
        first = files if first is None else first
        same = "the same bytes" if files == first else "OTHER BYTES"
        seconds = time.perf_counter() - start
        sys.stdout.write(f"{way}: {seconds:.0f} s, {shards} shards, {same}\n")
        if files != first:
            others = sorted(n for n in first.keys() | files.keys() if files.get(n) != first.get(n))
            sys.stdout.write(f"{others}\n")
            return 1
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
