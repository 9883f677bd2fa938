"""L02: optimise 5 embeddings for one residual dimension; its neighbours; what they decode to."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import torch
from transformers import GPT2Config, GPT2Model

from lens_probes.course import Doubt, Lesson, Measured, Outcome, Setting, script_main
from lens_probes.course.claim import Value
from lens_probes.course.drawings import lines
from lens_probes.course.intervals import ERROR, halves, interval
from lens_probes.maximize import Maximized, maximize

LESSON = Lesson("L02", "Maximisation by gradient", "gpt2", ("L02.a", "L02.b", "L02.c"),
                (15_000, 1_200))  # fmt: skip


def each_start(run: Maximized) -> dict[str, np.ndarray]:
    """The numbers of every start [start]."""
    rise = run.path[-1] - run.path[0]
    relative = (run.neighbours_path[-1] - run.neighbours_path[0]) / rise[:, None]
    return {
        "orders": np.log10(np.abs(run.path[-1]) / np.maximum(np.abs(run.path[0]), 1e-9)),
        "median_rise": np.median(relative, axis=1),
        "share_rising": (relative > 0.5).mean(1),
        "best_cosine": run.decoded.cosine.max(1),
    }


def positions_doubt() -> Doubt:
    """A tiny GPT-2 of transformers: the same embeddings in another order give other states."""
    torch.manual_seed(0)
    model: Any = GPT2Model(
        GPT2Config(vocab_size=50, n_positions=16, n_embd=16, n_layer=1, n_head=2)
    )
    model.eval()
    ids = torch.tensor([[7, 7, 7]])
    with torch.no_grad():
        by_id = model(input_ids=ids).last_hidden_state
        given = model(inputs_embeds=model.wte(ids)).last_hidden_state
    same, moved = (by_id - given).abs().max(), (given[0, 0] - given[0, 2]).abs().max()
    return Doubt(
        "inputs_embeds does not skip position embeddings",
        f"GPT-2 of transformers, one token three times: inputs_embeds and input_ids differ by "
        f"{float(same):.1e}; its first and third position differ by {float(moved):.2f}",
    )


def run(setting: Setting) -> Outcome:
    """Several random starts at once: each moves as it would alone."""
    layer, unit = setting.layer(4, of=12), setting.unit(90, "resid_pre")
    steps = setting.size("steps", course=500, machine=500, quick=40)
    starts = setting.size("starts", course=1, machine=3, quick=3)
    made, bare = (
        maximize(model, site="resid_pre", layer=layer, unit=unit, n_starts=max(2, starts),
                 steps=steps, seed=setting.seed)
        for model in (setting.model, setting.untrained)
    )  # fmt: skip
    found, untrained = each_start(made), each_start(bare)
    rng = np.random.default_rng(setting.seed)
    n = len(made.activation)
    picks = list(halves(n, 5 * setting.draws, rng))
    null = {"best_cosine": float(made.start_decoded.cosine.max(1).mean())}
    values = {
        name: Value(
            float(np.median(each)),
            *interval([float(np.median(each[k])) for k in picks], float(np.median(each))),
            null.get(name, float("nan")), float(np.median(untrained[name])),
            of=len(made.neighbours) if name == "share_rising" else 0,
        )
        for name, each in found.items()
    }  # fmt: skip
    by = ERROR.format(n=len(picks)) + "the starts"
    said = f"{made.name}, {steps} steps of Adam, lr 0.001; positions: {made.settings['positions']}"
    n_text = f"{n} starts of 5 tokens"
    text = made.decoded.text[0] if made.decoded.text else ()
    near = np.median(made.neighbours_path[:, 0], axis=1)
    return Outcome(
        (
            Measured("L02.a", "both", {"orders": values["orders"]}, n_text,
                     f"log10 of |end| / |start|, median start; {said}", by),
            Measured("L02.b", "both", {k: values[k] for k in ("median_rise", "share_rising")},
                     f"{n_text}, {len(made.neighbours)} neighbours",
                     f"rise relative to the target's; {said}", by),
            Measured("L02.c", "both", {"best_cosine": values["best_cosine"]}, n_text,
                     f"median start; decodes to {' '.join(map(repr, text))}", by,
                     "the random starts themselves", null_in="at the random starts"),
        ),
        {
            "path": lines(
                {"target": (list(range(steps + 1)), made.path[:, 0]),
                 "median neighbour": (list(range(steps + 1)), near)},
                title=f"{made.name}: {made.path[0, 0]:.3g} to {made.path[-1, 0]:.3g}", x="step",
                y="activation", caption="First start.",
            )
        },
        (positions_doubt(),),
        (
            f"activation {made.path[0].round(3).tolist()} -> {made.path[-1].round(2).tolist()}",
            f"{made.share_start_tokens:.0%} of the tokens decode to their random start's own token",
        ),
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(script_main(LESSON, run, __file__))
