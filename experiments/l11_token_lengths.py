"""L11: 8,192 tokens of running text, their lengths, three groups; one layer's activations."""

from __future__ import annotations

import sys

import numpy as np

import lens_probes as lp
from lens_probes.course import Lesson, Outcome, Setting, script_main
from lens_probes.course.drawings import lines
from lens_probes.course.length import length_examples

LESSON = Lesson("L11", "Token length: the data", "EleutherAI/gpt-neo-125M", (), (1_700, 220))


def run(setting: Setting) -> Outcome:
    """Lengths, groups, and how activations of the three groups are distributed."""
    examples = length_examples(setting)
    assert examples.value is not None
    length = examples.value
    layer = setting.layer(5, of=12)
    x = lp.collect(setting.model, examples, sites=["mlp_pre"], layers=[layer])[layer, "mlp_pre"]
    median = float(np.median(length))
    groups = {
        f"shorter than {median:.0f}": length < median,
        f"{median:.0f} characters": length == median,
        f"longer than {median:.0f}": length > median,
    }
    edges = np.linspace(np.quantile(x, 0.001), np.quantile(x, 0.999), 81)
    middle = (edges[1:] + edges[:-1]) / 2
    curves = {
        name: (middle.tolist(), np.histogram(x[rows], edges, density=True)[0].tolist())
        for name, rows in groups.items() if rows.any()
    }  # fmt: skip
    sizes = ", ".join(f"{name} {int(rows.sum()):,}" for name, rows in groups.items())
    return Outcome(
        figures={
            "groups": lines(
                curves, title=f"Layer {layer}: activations of short, middle and long tokens",
                caption=f"All units pooled; {len(length):,} tokens.", x="activation", y="density",
            )
        },
        lines=(
            f"{len(length):,} tokens, {length.min():.0f} to {length.max():.0f} characters, median "
            f"{median:.0f} (the course: 8,192 tokens, 1 to 16, median 4)",
            sizes,
        ),
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(script_main(LESSON, run, __file__))
