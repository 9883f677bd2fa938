"""L11: 8,192 tokens of running text, their lengths, three groups; one layer's activations."""

import numpy as np

import lens_probes as lp
from lens_probes.course import Outcome, Setting, script_main
from lens_probes.course.drawings import histograms


def run(setting: Setting) -> Outcome:
    """Lengths, groups, and how activations of the three groups are distributed."""
    n = setting.size("sequences", course=16, machine=8, quick=2)
    longest = min(512, int(setting.model.cfg.n_ctx) // 2)
    length = setting.size("tokens in a sequence", course=512, machine=longest, quick=longest // 2)
    probe = lp.TokenLengthProbe.course(
        setting.text, n_sequences=n, length=length, seed=setting.seed
    )
    examples, layer = setting.examples(probe), setting.layer(5, of=12)
    x = lp.collect(setting.model, examples, sites=["mlp_pre"], layers=[layer])[layer, "mlp_pre"]

    characters = examples.value
    assert characters is not None
    median = float(np.median(characters))
    groups = {
        f"shorter than {median:.0f}": characters < median,
        f"{median:.0f} characters": characters == median,
        f"longer than {median:.0f}": characters > median,
    }
    sizes = ", ".join(f"{name} {int(rows.sum()):,}" for name, rows in groups.items())
    return Outcome(
        figures={
            "groups": histograms(
                {name: x[rows] for name, rows in groups.items() if rows.any()},
                title=f"Layer {layer}: activations of short, middle and long tokens",
                caption=f"All units pooled; {len(characters):,} tokens.", x="activation",
            )
        },
        lines=(
            f"{len(characters):,} tokens, {characters.min():.0f} to {characters.max():.0f} "
            f"characters, median {median:.0f} (the course: 8,192 tokens, 1 to 16, median 4)",
            sizes,
        ),
    )  # fmt: skip


if __name__ == "__main__":
    script_main(run)
