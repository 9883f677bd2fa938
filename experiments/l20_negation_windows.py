"""L20: targets, windows and one unit's logistic regression for negation against affirmation."""

from __future__ import annotations

import sys

import numpy as np

import lens_probes as lp
from lens_probes.course import Lesson, Outcome, Setting, script_main
from lens_probes.course.drawings import strips
from lens_probes.course.negation import counted, negation_reading
from lens_probes.report import heatmap_html

LESSON = Lesson(
    "L20", "Negation in a text: targets and windows", "gpt2-large", (), (109_200, 18_200)
)


def run(setting: Setting) -> Outcome:
    """Draw the windows, fit one unit, paint it."""
    reading = negation_reading(setting)
    examples = reading.examples
    assert examples.word is not None
    layer = setting.layer(13, of=36)
    x = reading.activations[layer, "mlp_pre"]
    auc = lp.stats.auc(x, examples.label).auc
    unit = int(np.argmax(auc))
    fit = lp.stats.logistic(x[:, [unit]], examples.label)
    name = f"L{layer}.mlp_pre.{unit}"
    rows = np.flatnonzero(examples.label == 1)[:3].tolist()
    painted = lp.paint(
        setting.model, [examples.tokens[row] for row in rows], layer=layer, site="mlp_pre",
        unit=unit, targets=[int(examples.position[row]) for row in rows],
    )  # fmt: skip
    classes = {}
    for label, class_name in enumerate(examples.class_names):
        words = sorted(set(examples.word[examples.label == label]))
        classes[class_name] = {word: x[examples.word == word, unit].tolist() for word in words}
    found = "; ".join(f"{what} {n:,}" for what, n in examples.counts.items())
    return Outcome(
        figures={
            "heatmap": heatmap_html(painted),
            "words": strips(
                classes, title=f"{name}: AUC {auc[unit]:.3f}", y="activation",
                caption="Every example by its word type. The unit was chosen on these examples.",
            ),
        },
        lines=(
            f"targets: {found}",
            f"windows: {examples.tokens.shape[0]} x {examples.tokens.shape[1]} tokens, target at "
            f"{sorted(set(examples.position.tolist()))} (the course: 90 + 1 + 10)",
            counted(reading),
            f"{name}: beta {fit.beta[0]:.3g}, log10 p {fit.log10_wald_p[0]:.1f}, accuracy "
            f"{fit.accuracy[0]:.1%}, status {fit.status[0]}",
        ),
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(script_main(LESSON, run, __file__))
