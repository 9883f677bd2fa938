"""L22: negation over all layers, significant share and accuracy; words of decay; the doubts."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import numpy as np

import lens_probes as lp
from lens_probes.course import Lesson, Measured, Outcome, Setting, script_main
from lens_probes.course.drawings import lines
from lens_probes.course.negation import (
    counted,
    course_values,
    doubts,
    held_out_values,
    keys_of,
    negation_reading,
    rigorous_reading,
    word_values,
)
from lens_probes.course.profiles import layer_shares, too_few_words, wald, word_z
from lens_probes.course.spread import INTERVAL, NULL, Sample, pick, spread
from lens_probes.probes.contrasts import Contrast
from lens_probes.texts.load import Document, Text
from lens_probes.units.decision import MIN_PER_WORD

LESSON = Lesson("L22", "Negation over the layers", "gpt2-large", ("L22.a", "L22.b", "L22.c"),
                (171_600, 36_200))  # fmt: skip
WORDS = {
    "other": ("shiny", "warm", "painted", "wooden", "polished", "round", "yellow", "fresh",
              "solid", "soft", "heavy", "quiet"),
    "decay": ("rusty", "dead", "corroded", "rotten", "broken", "decayed", "empty", "ruined",
              "withered", "faded", "missing", "useless"),
}  # fmt: skip
FRAMES = (
    "Beside the road we saw a {}",
    "The one they had kept was {}",
    "Everything there looked {}",
)


def lack_words(setting: Setting, layer: int, unit: int, sign: float) -> Measured:
    """L22.a: AUC of words of decay against other adjectives, in the unit's direction."""
    made = tuple(
        Document(f"{word} {i}", word, frame.format(word))
        for words in WORDS.values() for word in words for i, frame in enumerate(FRAMES)
    )  # fmt: skip
    contrast = Contrast("decay", WORDS, Text("frames", made, "sentences given with the words"))
    examples = setting.examples(lp.CategoryProbe(words=contrast, max_per_class=None))
    reading = setting.reading(examples, ["mlp_pre"], [layer])

    def profile(sample: Sample) -> Mapping[str, float]:
        x = sample.arrays[layer, "mlp_pre"][:, [unit]]
        return {"auc": float(lp.stats.auc(sign * x, sample.label).auc[0])}

    values = spread(profile, reading, draws=5 * setting.draws, seed=setting.seed)
    return Measured(
        "L22.a", "both", values, f"12 v 12 adjectives in {len(FRAMES)} frames",
        f"L{layer}.mlp_pre.{unit}, the unit of L21's depth with the strongest evidence over word "
        "types and higher for negation",
        INTERVAL["word"].format(n=5 * setting.draws), NULL.format(n=5 * setting.draws),
    )  # fmt: skip


def run(setting: Setting) -> Outcome:
    """Every layer's MLP units, as the lesson decides and over word types."""
    reading = negation_reading(setting)
    keys = keys_of(reading, "mlp_pre")
    sample = reading.sample().only(keys)
    layers, share, accuracy = layer_shares(sample, wald)
    _, bare, _ = layer_shares(reading.sample(untrained=True).only(keys), wald)
    extended = rigorous_reading(setting)
    best = (setting.layer(13, of=36), "mlp_pre")
    evidence = word_z(extended.sample(), best, MIN_PER_WORD)
    if np.isnan(evidence).all():
        evidence = lp.stats.ttest(sample.arrays[best], sample.label).t
    unit = int(np.nanargmax(evidence))
    course = course_values(setting, reading, keys)
    words, honest = word_values(setting, extended, keys), held_out_values(setting, extended, keys)
    few, few_draws = too_few_words(extended.sample()), setting.few_draws
    by_word, null = INTERVAL["word"].format(n=setting.draws), NULL.format(n=setting.draws)
    n, n_extended = counted(reading), counted(extended)
    depth = "early: highest of the first third of the layers; late: mean of the last sixth"
    low = "low: mean of the first third of the layers; highest: the last layer"
    return Outcome(
        (
            lack_words(setting, best[0], unit, 1.0),
            Measured("L22.b", "course", pick(course, "early", "late"), n,
                     f"Wald p, Bonferroni in each layer; {depth}", by_word, null),
            Measured("L22.b", "rigorous", pick(words, "early", "late"), n_extended,
                     f"max-T over groups and all layers; {depth}", by_word, null, missing=few),
            Measured("L22.c", "course", pick(course, "low_layers", "highest"), n,
                     f"in-sample accuracy of significant units higher for negation; {low}",
                     by_word, null),
            Measured("L22.c", "rigorous", pick(honest, "low_layers", "highest"), n_extended,
                     f"chosen on some word types, scored on others; {low}",
                     INTERVAL["word"].format(n=few_draws), NULL.format(n=few_draws)),
        ),
        {
            "share": lines(
                {"trained": (layers, share), "untrained": (layers, bare)},
                title=f"Significant units: at most {share.max():.0%}, last layer {share[-1]:.0%}",
                x="layer", y="share of tested units", percent=True,
                caption=f"{n}. The course: up to 70 % in early layers, about 25 % in late ones.",
            ),
            "accuracy": lines(
                {"in sample": (layers, accuracy)}, x="layer", y="mean accuracy", percent=True,
                title="Accuracy of significant units higher for negation",
                caption="Chosen and scored on the same examples, which flatters them.",
            ),
        },
        tuple(doubts(setting, reading, keys)),
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(script_main(LESSON, run, __file__))
