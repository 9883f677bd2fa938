"""What a screen of all units costs and how near it is: against the sweep's passes and ablations.

    python benchmarks/screen.py [--examples 300] [--windows 64] [--exact 2000] [--untrained]
        [--only cost]

The bundled model, negation in the speeches, `mlp_pre`, `q`, `k`, `v` and `mlp_post` of all layers.
Processor seconds of one thread, so that other work on the machine matters little: of the forward
passes that a sweep of these examples makes, of the gradients of all units in some of its windows,
and of the sample that a screen ablates by default; then as many units as asked, ablated exactly.
"""

from __future__ import annotations

import argparse
import sys
import time

import torch

import lens_probes as lp
from lens_probes.screening.estimate import Run
from lens_probes.screening.metrics import metric_of

SITES = ("mlp_pre", "q", "k", "v", "mlp_post")


def seconds_of_sweep(model: lp.LensModel, examples: lp.Examples) -> float:
    """Processor seconds of the forward passes of a sweep."""
    begin = time.process_time()
    lp.collect(model, examples, sites=SITES[:4])
    return time.process_time() - begin


def seconds_of_gradients(model: lp.LensModel, examples: lp.Examples, n_windows: int) -> float:
    """Processor seconds of the gradients of all units."""
    options = {
        "sites": list(SITES), "layers": list(range(model.n_layers)), "positions": "read",
        "seed": 0, "n_windows": n_windows, "n_exact": 300, "n_exact_windows": 16, "alpha": 0.05,
    }  # fmt: skip
    run = Run(model, examples, metric_of("kl", after=10, draws=12), options, progress=False)
    begin = time.process_time()
    run.sums()
    return time.process_time() - begin


def cost(model: lp.LensModel, examples: lp.Examples, n_windows: int, *, untrained: bool) -> None:
    """What a screen costs beside the sweep's own passes."""
    forward = seconds_of_sweep(model, examples)
    gradients = seconds_of_gradients(model, examples, n_windows)
    begin = time.process_time()
    found = lp.screen(model, examples, sites=SITES, n_windows=n_windows, untrained=untrained)
    whole = time.process_time() - begin
    same = forward * n_windows / len(examples)
    say = sys.stdout.write
    say(f"{len(found.units):,} units, {len(examples)} examples, {n_windows} windows screened\n")
    say("\n| | processor seconds | / the sweep's passes |\n|---|---|---|\n")
    for name, took in (
        (f"the sweep's forward passes, {len(examples)} windows", forward),
        (f"the same, {n_windows} windows", same),
        (f"gradients of all units, {n_windows} windows", gradients),
        ("a whole screen, with 300 exact ablations and verdicts", whole),
    ):
        say(f"| {name} | {took:.1f} | {took / forward:.2f} |\n")
    say(f"seconds of its stages: {found.timings}\n{chr(10).join(found.text_lines())}\n")
    sys.stdout.flush()


def agreement(model: lp.LensModel, examples: lp.Examples, n_windows: int, n_exact: int) -> None:
    """How near the estimates are to exact ablations, by site and by layer."""
    found = lp.screen(model, examples, sites=SITES, n_windows=n_windows, n_exact=n_exact, seed=1)
    table = found.calibration.drop_duplicates(["site", "layers"])
    columns = ["site", "layers", "n_site", "n_layers", "rank_correlation",
               "rank_correlation_layers", "median_ratio", "ratio_of_medians", "valid"]  # fmt: skip
    sys.stdout.write(f"{table[columns].to_string(index=False)}\n{found.text_lines()[-2]}\n")


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--examples", type=int, default=300, help="of each class")
    parser.add_argument("--windows", type=int, default=64)
    parser.add_argument("--exact", type=int, default=2000)
    parser.add_argument("--untrained", action="store_true")
    parser.add_argument("--only", choices=("cost", "agreement"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    model = lp.load_model("bundled")
    probe = lp.NegationProbe(lp.load_text("speeches"), max_per_class=given.examples)
    examples = probe.examples(model)
    if given.only != "agreement":
        cost(model, examples, given.windows, untrained=given.untrained)
    if given.only != "cost":
        agreement(model, examples, given.windows, given.exact)
    return 0


if __name__ == "__main__":
    sys.exit(main())
