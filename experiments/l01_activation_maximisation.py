"""L01: two ways to ask what a unit responds to: observe tokens, or optimise the input."""

import numpy as np

import lens_probes as lp
from lens_probes.course import Outcome, Setting, script_main
from lens_probes.course.drawings import lines


def run(setting: Setting) -> Outcome:
    """One residual dimension both ways, and the four assumptions as numbers."""
    model = setting.model
    layer, unit = setting.layer(4, of=12), setting.unit(90, "resid_pre")
    steps = setting.size("steps", course=500, machine=60, quick=10)
    n = setting.size("windows", course=1000, machine=40, quick=12)
    text = setting.some_text(course=32_000_000, machine=400_000, quick=100_000)
    seen = lp.maximize.top_contexts(
        model, text, site="resid_pre", layer=layer, units=[unit], n_windows=n,
        length=min(32, int(model.cfg.n_ctx)), k=5, n_random=5, per_quantile=3, seed=setting.seed,
    )  # fmt: skip
    made = lp.maximize.maximize(
        model, site="resid_pre", layer=layer, unit=unit, steps=steps, seed=setting.seed
    )
    highest = float(seen.top.value[0, 0])
    reached = float(made.activation[0])
    top = ", ".join(repr(one.token) for one in seen.contexts(unit, kinds=("top",)))
    rise = np.abs(made.neighbours_path[-1] - made.neighbours_path[0]).mean()
    return Outcome(
        figures={
            "path": lines(
                {made.name: (list(range(steps + 1)), made.path[:, 0])}, x="step", y="activation",
                title=f"Optimised embeddings reach {reached:.3g}; real text {highest:.3g}",
                caption=f"{seen.n_counted:,} tokens of text were read.",
            )
        },
        lines=(
            f"observation: {made.name} is highest ({highest:.3g}) at {top} of {seen.n_counted:,} "
            f"tokens; mean {seen.mean[0]:.3g}, sd {seen.sd[0]:.3g}",
            f"intervention: optimised embeddings give {reached:.3g} after {steps} steps",
            f"1. one unit = one feature? commonest token has {seen.top_token_share[0]:.0%} of the "
            "top 5",
            f"2. activation = importance? not shown by either; neighbours moved by {rise:.3g}",
            "3. input continuous? the optimum is no text: best cosine to a token "
            f"{made.decoded.cosine.max():.2f}",
            f"4. readable? it decodes to {made.decoded.text and made.decoded.text[0]}",
        ),
    )  # fmt: skip


if __name__ == "__main__":
    script_main(run)
