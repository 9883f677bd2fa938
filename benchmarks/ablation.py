"""What an ablation costs: kept prefixes and many sets in a pass against one run a set.

    python benchmarks/ablation.py [--sets 64] [--windows 4] [--layer 15] [--device cpu]

The bundled model, `mlp_pre` of one layer, random sets of 20 units set to zero where they are read
(token 90 of 101, 10 tokens scored). All ways ablate the same sets in the same windows. On the CPU
the time is processor time of one thread, so that other work on the machine matters little. Beside
it stands the largest difference of an effect (kl, nats) from that of whole windows.
"""

from __future__ import annotations

import argparse
import sys
import time

import numpy as np
import torch

import lens_probes as lp
from lens_probes.ablation.effects import Effects, measure
from lens_probes.ablation.jobs import Job
from lens_probes.ablation.rerun import Way
from lens_probes.ablation.windows import Replacement, grouped, masks
from lens_probes.sites import SITES

READ, AFTER, TOP = 90, 10, 20
# Name, way, sets in a pass (None: as many as `ablate` takes), read position only.
WAYS: tuple[tuple[str, Way, int | None, bool], ...] = (
    ("whole windows from the layer, one set a pass", "whole", 1, False),
    ("whole windows from the layer, many sets", "whole", None, False),
    ("kept prefix, one set a pass", "prefix", 1, False),
    ("kept prefix, many sets in the batch", "prefix", None, False),
    ("kept prefix, many sets in one sequence", "packed", None, False),
    ("the same, read position only", "packed", None, True),
)


def examples(n: int) -> lp.Examples:
    """n windows of random tokens."""
    tokens = np.random.default_rng(0).integers(10, 40_000, (n, READ + 1 + AFTER))
    return lp.Examples.from_tokens(tokens, READ, np.arange(n) % 2)


def seconds(device: torch.device) -> float:
    """Processor seconds, or those of the clock once a GPU has finished."""
    if device.type == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def naive(model: lp.LensModel, windows: lp.Examples, sets: list[np.ndarray], layer: int) -> float:
    """Seconds a set by TransformerLens's own `run_with_hooks`: all layers, all tokens."""
    tokens = torch.from_numpy(windows.tokens.astype(np.int64)).to(model.device)
    begin = seconds(model.device)
    for units in sets:
        at = torch.from_numpy(units).to(model.device)

        def zero(x: torch.Tensor, hook: object, at: torch.Tensor = at) -> torch.Tensor:
            x[:, READ, at] = 0
            return x

        with torch.inference_mode():
            logits = model.run_with_hooks(
                tokens, fwd_hooks=[(SITES["mlp_pre"].hook_name(layer), zero)]
            )
            logits.log_softmax(-1)
    return (seconds(model.device) - begin) / len(sets)


def ours(
    model: lp.LensModel, windows: lp.Examples, sets: list[np.ndarray], layer: int,
    way: Way, at_once: int | None, *, short: bool,
) -> tuple[float, Effects]:  # fmt: skip
    """Seconds a set, and the effects."""
    n_units = model.shapes["mlp_pre"].n_units
    zeros = Replacement(np.zeros(n_units, np.float32))
    job = Job(layer, "mlp_pre", masks(sets, n_units), zeros, short)
    options = {} if at_once is None else {"tokens_per_pass": at_once}
    begin = seconds(model.device)
    (effects,) = measure(model, grouped(windows, AFTER), [job], way=way, **options)
    return (seconds(model.device) - begin) / len(sets), effects


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--sets", type=int, default=128)
    parser.add_argument("--windows", type=int, default=4)
    parser.add_argument("--layer", type=int, default=15)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    torch.set_num_threads(1)
    model = lp.load_model("bundled", device=given.device)
    windows = examples(given.windows)
    rng = np.random.default_rng(1)
    n_units = model.shapes["mlp_pre"].n_units
    sets = [rng.choice(n_units, TOP, replace=False) for _ in range(given.sets)]
    naive(model, windows, sets[:1], given.layer)
    base = naive(model, windows, sets[: max(4, given.sets // 8)], given.layer)
    say = sys.stdout.write
    kind = type(model.tl).__name__
    say(f"{given.sets} sets, {given.windows} windows, layer {given.layer}, {kind}\n\n")
    say("| | seconds a set | times faster | largest difference of kl |\n|---|---|---|---|\n")
    say(f"| run_with_hooks, all layers, one set a pass | {base:.3g} | 1 | |\n")
    reference: Effects | None = None
    for name, way, at_once, short in WAYS:
        many = way != "whole" and at_once is None
        some = sets if many else sets[: max(4, given.sets // 8)]
        took, effects = ours(model, windows, some, given.layer, way, at_once, short=short)
        reference = reference or effects
        n = min(len(reference.kl), len(effects.kl))
        apart = float(np.abs(effects.kl[:n] - reference.kl[:n]).max())
        say(f"| {name} | {took:.3g} | {base / took:.1f} | {apart:.1e} |\n")
    say(f"\nmedian kl {float(np.median(reference.kl)):.1e} nats\n" if reference else "")
    return 0


if __name__ == "__main__":
    sys.exit(main())
