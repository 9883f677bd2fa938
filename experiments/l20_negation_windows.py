"""L20: find "not" and "can" in a text, cut their windows, fit one unit, paint it."""

import numpy as np

import lens_probes as lp
from lens_probes.course import Outcome, Setting, script_main
from lens_probes.course.drawings import strips


def run(setting: Setting) -> Outcome:
    """90 tokens before the target, the target, 10 after; one logistic regression."""
    windows, layer = setting.negation(), setting.layer(13, of=36)
    data = windows.only("mlp_pre", layer=layer)
    examples = data.examples

    auc = lp.stats.auc(data.x, examples.label).auc
    unit = int(np.argmax(auc))
    fit = lp.stats.logistic(data.x[:, [unit]], examples.label)
    name = f"L{layer}.mlp_pre.{unit}"
    found = "; ".join(f"{what} {n:,}" for what, n in examples.counts.items())
    return Outcome(
        figures={
            "heatmap": setting.heatmap(data, unit),
            "words": strips(
                data.by_word(unit), title=f"{name}: AUC {auc[unit]:.3f}", y="activation",
                caption="Every example by its word type. The unit was chosen on these examples.",
            ),
        },
        lines=(
            f"targets: {found}",
            f"windows: {examples.tokens.shape[0]} x {examples.tokens.shape[1]} tokens, target at "
            f"{sorted(set(examples.position.tolist()))} (the course: 90 + 1 + 10)",
            data.counted,
            f"{name}: beta {fit.beta[0]:.3g}, log10 p {fit.log10_wald_p[0]:.1f}, accuracy "
            f"{fit.accuracy[0]:.1%}, status {fit.status[0]}",
        ),
    )  # fmt: skip


if __name__ == "__main__":
    script_main(run)
