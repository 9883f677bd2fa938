"""What the causal scripts of `experiments/` do: a sweep, then the ablation of its best units."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from lens_probes.cli import main


def causal_script(
    probe: str, title: str, options: Sequence[str], arguments: Sequence[str] | None = None
) -> int:
    """Run `lens-probes sweep PROBE` and `lens-probes ablate` on its result; gives the exit code.

    Both commands are printed. A run that was stopped goes on with the command it was in.

    Parameters
    ----------
    probe, options
        The sweep: name of its probe, and options beside those of the script.
    title
        What the script asks, for its help.
    """
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument("--model", default="bundled", help="bundled, a folder, .gguf, hub name")
    parser.add_argument("--text", default="speeches", help="see lens-probes texts")
    parser.add_argument(
        "--layers", default="5,12,20,28", help="four depths of the bundled model's 30 layers"
    )
    parser.add_argument("--sites", default="mlp_pre")
    parser.add_argument("--top", default="20", help="units in a set")
    parser.add_argument("--nulls", default="100", help="write swaps")
    parser.add_argument("--windows", default="50", help="measured windows, of both classes")
    parser.add_argument("--max-per-class", default="120", help="examples of the sweep")
    parser.add_argument("--seed", default="0")
    parser.add_argument("--out", type=Path, default=Path("runs") / f"causal-{probe}")
    given = parser.parse_args(arguments)
    sweep = [
        "sweep", probe, *options, "--model", given.model, "--text", given.text,
        "--layers", given.layers, "--sites", given.sites, "--seed", given.seed,
        "--max-per-class", given.max_per_class, "--out", str(given.out),
    ]  # fmt: skip
    ablate = [
        "ablate", str(given.out), "--top", given.top, "--nulls", given.nulls,
        "--windows", given.windows, "--seed", given.seed,
    ]  # fmt: skip
    for command in (sweep, ablate):
        print("$", "lens-probes", *command, flush=True)
        if code := main(command):
            return code
    return 0
