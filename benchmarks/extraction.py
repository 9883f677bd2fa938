"""What extraction costs: time and memory against the bare forward pass and a naive full cache.

    python benchmarks/extraction.py [--windows 32] [--rounds 3] [--device cpu]

The bundled model, four sites of all layers, windows of 91 tokens read at their last. All ways see
the same tokens in the same batches, in turn, round by round; a ratio is the median over rounds. On
the CPU the time is processor time of one thread, so that other work on the machine matters little.
Memory is the peak above the loaded model, in a process of its own.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM

import lens_probes as lp
from lens_probes.model.backends import HAS_HOOKED_TRANSFORMER
from lens_probes.model.gguf import bundled_gguf, converted_gguf
from lens_probes.sites import SITES

WANTED = ("mlp_pre", "q", "k", "v")
WINDOW, BATCH = 91, 16
CHUNK, TARGETS = 512, 60


def windows(n: int) -> lp.Examples:
    """n windows of random tokens, read at their last."""
    tokens = np.random.default_rng(0).integers(10, 40_000, (n, WINDOW))
    return lp.Examples.from_tokens(tokens, -1, np.arange(n) % 2)


def document() -> lp.Examples:
    """One chunk with many targets, each with 90 tokens of context or more."""
    tokens = np.random.default_rng(0).integers(10, 40_000, CHUNK)
    where = np.linspace(90, CHUNK - 1, TARGETS).astype(int)
    return lp.Examples.from_tokens(np.tile(tokens, (TARGETS, 1)), where, np.arange(TARGETS) % 2)


def ways(device: str, examples: lp.Examples) -> dict[str, Callable[[], Any]]:
    """Name -> one extraction, or one forward pass, over all windows; models load at first use."""
    batches = torch.split(torch.from_numpy(examples.tokens).to(device), BATCH)

    def bare() -> None:
        with torch.inference_mode():
            for batch in batches:
                hugging_face(device).model(batch, use_cache=False)

    def alone(model: lp.LensModel) -> None:
        with torch.inference_mode():
            for batch in batches:
                model.tl(batch, return_type=None)

    def ours(model: lp.LensModel) -> None:
        lp.collect(model, examples, sites=WANTED, batch_size=BATCH)

    def naive(model: lp.LensModel) -> None:
        hooks = [SITES[s].hook_name(i) for i in range(model.n_layers) for s in WANTED]
        with torch.inference_mode():
            for batch in batches:
                _, cache = model.run_with_cache(batch)
                [cache[hook][:, -1].flatten(1).cpu().numpy() for hook in hooks]

    found: dict[str, Callable[[], Any]] = {"bare forward pass": bare}
    for kind in ("HookedTransformer", "TransformerBridge")[not HAS_HOOKED_TRANSFORMER :]:
        for what in (ours, naive, alone):
            found[f"{what.__name__} {kind}"] = functools.partial(_on_model, what, kind, device)
    return found


@functools.cache
def hugging_face(device: str) -> Any:
    """The bundled model as transformers makes it by default."""
    auto_model: Any = AutoModelForCausalLM
    folder = converted_gguf(bundled_gguf())
    return auto_model.from_pretrained(folder, dtype=torch.float32).eval().to(device)


def _on_model(what: Callable[[lp.LensModel], None], kind: str, device: str) -> None:
    what(lens(kind, device, what.__name__ == "ours"))


@functools.cache
def lens(kind: str, device: str, ours: bool) -> lp.LensModel:
    """The bundled model as a HookedTransformer or as a bridge.

    Ours is another copy: extraction changes the order of its weights in memory.
    """
    source = "bundled" if kind == "HookedTransformer" else converted_gguf(bundled_gguf())
    return lp.load_model(source, device=device)


def seconds(run: Callable[[], Any], device: str) -> float:
    """Processor time of one run on the CPU, wall time of one that waits for another device."""
    clock = time.process_time if device == "cpu" else time.perf_counter
    start = clock()
    run()
    if device != "cpu":
        torch.cuda.synchronize()
    return clock() - start


def peak_mib(run: Callable[[], Any], device: str) -> float:
    """Most memory in use during a run, above what was in use before it."""
    if device != "cpu":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        run()
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    before = _status("VmRSS")
    run()
    return (_status("VmHWM") - before) / 1024


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def measure_memory(name: str, n: int, device: str) -> float:
    """`peak_mib` of one way in a process of its own, whose allocator gives back what is freed."""
    command = [sys.executable, __file__, "--memory", name, "--windows", str(n), "--device", device]
    # Blocks of 64 KiB or more are mapped one by one, or what was freed would hide in the peak.
    environ = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environ)
    return float(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--windows", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--memory", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    examples, device = windows(options.windows), options.device
    if options.memory:
        ways(device, windows(1))[options.memory]()  # loads the model, fills caches
        run = ways(device, examples)[options.memory]
        print(json.dumps(peak_mib(run, device)))
        return
    for run in ways(device, windows(1)).values():
        run()
    runs = ways(device, examples)
    rounds = [
        {name: seconds(run, device) for name, run in runs.items()} for _ in range(options.rounds)
    ]
    print(f"{len(examples)} windows of {WINDOW} tokens, batches of {BATCH}, {device}")
    print(f"{'':<28}{'seconds':>9}{'/ bare':>8}{'MiB above the model':>21}")
    for name in runs:
        ratio = np.median([one[name] / one["bare forward pass"] for one in rounds])
        least = min(one[name] for one in rounds)
        memory = measure_memory(name, options.windows, device)
        print(f"{name:<28}{least:>9.2f}{ratio:>8.2f}{memory:>21.0f}", flush=True)
    model = lp.load_model("bundled", device=device)
    extract = lambda of: lambda: lp.collect(model, of, sites=WANTED)  # noqa: E731
    per_window = seconds(extract(examples), device) / len(examples)
    per_target = seconds(extract(document()), device) / TARGETS
    print(f"a target: {1e3 * per_window:.0f} ms by window, {1e3 * per_target:.0f} ms by document")
    arrays = lp.collect(model, examples, sites=WANTED)

    def statistics() -> None:
        for key in arrays:
            for test in (lp.stats.ttest, lp.stats.logistic, lp.stats.auc):
                test(arrays[key], examples.label)

    statistics()
    share = seconds(statistics, "cpu") / len(examples) / per_window
    print(f"t test, logistic regression and AUC of all units: {share:.1%} of the forward passes")


if __name__ == "__main__":
    main()
