"""L12: every MLP unit's correlation with token length, raw and given the token's frequency."""

from __future__ import annotations

import sys

import numpy as np

from lens_probes.course import Doubt, Lesson, Measured, Outcome, Setting, script_main
from lens_probes.course.claim import Side
from lens_probes.course.drawings import lines
from lens_probes.course.length import length_examples, length_sums, length_values
from lens_probes.course.spread import INTERVAL, pick

LESSON = Lesson(
    "L12", "Token length over the layers", "EleutherAI/gpt-neo-125M",
    ("L12.a", "L12.b", "L12.c", "L12.d"), (8_200, 1_000),
)  # fmt: skip
PARTS = {
    "L12.a": ("shift",),
    "L12.b": ("share_negative", "median_size"),
    "L12.c": ("median_first",),
    "L12.d": ("sd_last", "sd_middle", "size_last", "size_middle"),
}


def run(setting: Setting) -> Outcome:
    """As the lesson: raw r of every token. Rigorous: given the log count, first tokens left out."""
    examples = length_examples(setting)
    layer = setting.layer(5, of=12)
    by = INTERVAL["sequence"].format(n=setting.draws)
    null = f"lengths shuffled over token types, {setting.draws} times"
    measured = []
    sides: tuple[tuple[Side, bool, str], ...] = (
        ("course", False, "Pearson r with length, all tokens"),
        ("rigorous", True, "r given the log of the token's count in the text; first tokens out"),
    )
    for side, partial, how in sides:
        values = length_values(setting, layer, partial=partial)
        for claim, parts in PARTS.items():
            said = how
            if claim == "L12.a":
                said = f"layer {layer}: longer minus not longer than the median, in sd, mean unit"
            n = f"{len(examples):,} tokens"
            measured.append(Measured(claim, side, pick(values, *parts), n, said, by, null))
    sums = length_sums(setting, untrained=False)
    curves, first = {}, []
    for name, partial in (("raw", False), ("given frequency", True)):
        weight = sums.weights(skip_first=partial, draws=0, seed=0)[0]
        r, _ = sums.correlations(weight, partial=partial)
        layers = list(range(len(r)))
        first.append(float(np.nanmedian(r[0])))
        for quantile in (0.05, 0.5, 0.95):
            curves[f"{name}, {quantile:.0%}"] = (layers, np.nanquantile(r, quantile, axis=1))
    return Outcome(
        tuple(measured),
        {
            "r": lines(
                curves, title="Correlation with token length by layer", x="layer", y="r",
                caption="Quantiles over units; given frequency: first tokens left out.",
            )
        },
        (
            Doubt(
                "token length is confounded with frequency",
                f"median r of layer 0: {first[0]:+.3f} raw, {first[1]:+.3f} given frequency",
            ),
        ),
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(script_main(LESSON, run, __file__))
