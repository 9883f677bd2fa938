"""L08: 100 nouns and 100 verbs as lone words: where the units of one MLP layer sit."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import numpy as np

from lens_probes.course import Doubt, Lesson, Measured, Outcome, Setting, script_main
from lens_probes.course.drawings import points
from lens_probes.course.grammar import lone_words, sinks_said
from lens_probes.course.spread import INTERVAL, Sample, spread

LESSON = Lesson(
    "L08", "Nouns and verbs: offsets of units", "EleutherAI/gpt-neo-125M", ("L08.a",), (1_600, 800)
)


def offsets(sample: Sample) -> Mapping[str, float]:
    """Share of units whose mean is further from 0 than their sd over words, and below 0."""
    (x,) = sample.arrays.values()
    mean, sd = x.mean(0, dtype=np.float64), x.std(0, ddof=1, dtype=np.float64)
    fixed = np.abs(mean) > sd
    return {
        "share_offset": float(fixed.mean()),
        "share_negative": float((mean[fixed] < 0).mean()) if fixed.any() else np.nan,
    }


def run(setting: Setting) -> Outcome:
    """Lone words as in the lesson, and after a BOS token."""
    layer = setting.layer(8, of=12)
    plain, spaced = lone_words(setting, layer), lone_words(setting, layer, bos=True)
    by_word = INTERVAL["word"].format(n=setting.draws)
    values = {
        name: spread(offsets, reading, draws=setting.draws, null_draws=0, seed=setting.seed)
        for name, reading in (("plain", plain), ("bos", spaced))
    }
    x = plain.activations[layer, "mlp_pre"]
    label = plain.examples.label
    means = [x[label == k].mean(0) for k in (0, 1)]
    counts = plain.examples.spans
    tokens = [f"{k} tokens: {(counts == k).sum()}" for k in np.unique(counts)]
    t_of = f"n = 20 a class {np.sqrt(10) * 0.5:.1f}, n = 200 {np.sqrt(100) * 0.5:.1f}"
    return Outcome(
        (
            Measured(
                "L08.a", "course", values["plain"], "100 nouns, 100 verbs",
                f"layer {layer}, mean over a word's tokens, no BOS token", by_word,
            ),
            Measured(
                "L08.a", "rigorous", values["bos"], "100 nouns, 100 verbs",
                f"layer {layer}, leading space, last token, after a BOS token", by_word,
            ),
        ),
        {
            "means": points(
                {"units": (means[0], means[1])}, x="mean over nouns", y="mean over verbs",
                title="Units keep an offset of their own, whatever the word",
                caption="Each point is a unit: its mean over 100 nouns and over 100 verbs.",
            )
        },
        (Doubt("t is not an effect size", f"Hedges' g of 0.5 gives t = {t_of}"),),
        (f"words by token count: {', '.join(tokens)}", sinks_said(setting, plain.examples)),
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(script_main(LESSON, run, __file__))
