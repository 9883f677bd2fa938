"""L02: optimise 5 embeddings for one residual dimension; its neighbours; what they decode to."""

import numpy as np

import lens_probes as lp
from lens_probes.course import Found, Outcome, Setting, doubts, script_main
from lens_probes.course.drawings import lines


def medians(run: lp.maximize.Maximized, starts: np.ndarray) -> Found:
    """The median start's orders of magnitude, neighbours relative to the target, best cosine."""
    rise = (run.path[-1] - run.path[0])[starts, None]
    relative = (run.neighbours_path[-1] - run.neighbours_path[0])[starts] / rise
    grown = np.abs(run.path[-1]) / np.maximum(np.abs(run.path[0]), 1e-9)
    rising = float(np.median((relative > 0.5).sum(1)))
    return {
        "orders": np.median(np.log10(grown[starts])),
        "median_rise": np.median(np.median(relative, axis=1)),
        "share_rising": (int(rising), len(run.neighbours)),
        "best_cosine": np.median(run.decoded.cosine[starts].max(1)),
    }


def run(setting: Setting) -> Outcome:
    """Several random starts at once: each moves as it would alone."""
    layer, unit = setting.layer(4, of=12), setting.unit(90, "resid_pre")
    steps = setting.size("steps", course=500, machine=500, quick=40)
    starts = max(2, setting.size("starts", course=1, machine=3, quick=3))
    made, bare = (
        lp.maximize.maximize(
            model, site="resid_pre", layer=layer, unit=unit, n_starts=starts, steps=steps,
            seed=setting.seed,
        )
        for model in (setting.model, setting.untrained)
    )  # fmt: skip
    found = setting.measure_items(
        lambda rows: medians(made, rows), starts, "starts",
        untrained=medians(bare, np.arange(starts)),
        null={"best_cosine": float(made.start_decoded.cosine.max(1).mean())},
        null_is="the random starts themselves", null_in="at the random starts",
        said=f"{starts} starts of 5 tokens, {len(made.neighbours)} neighbours",
    )  # fmt: skip
    how = f"{made.name}, {steps} steps of Adam, lr 0.001; positions: {made.settings['positions']}"
    text = made.decoded.text[0] if made.decoded.text else ()
    path, near = made.path[:, 0], np.median(made.neighbours_path[:, 0], axis=1)
    return Outcome(
        (
            found.claim("L02.a", "both", "orders", how=f"log10 of |end| / |start|; {how}"),
            found.claim("L02.b", "both", "median_rise", "share_rising",
                        how=f"rise relative to the target's; {how}"),
            found.claim("L02.c", "both", "best_cosine",
                        how=f"median start; decodes to {' '.join(map(repr, text))}"),
        ),
        {
            "path": lines(
                {"target": (range(steps + 1), path), "median neighbour": (range(steps + 1), near)},
                title=f"{made.name}: {path[0]:.3g} to {path[-1]:.3g}", x="step", y="activation",
                caption="First start.",
            )
        },
        (doubts.positions_are_added(),),
        (
            f"activation {made.path[0].round(3).tolist()} -> {made.path[-1].round(2).tolist()}",
            f"{made.share_start_tokens:.0%} of the tokens decode to their random start's own token",
        ),
    )  # fmt: skip


if __name__ == "__main__":
    script_main(run)
