"""L16: extreme units word by word; a second experiment; wrong splits of the same words."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

import numpy as np

import lens_probes as lp
from lens_probes.course import Doubt, Lesson, Measured, Outcome, Setting, script_main
from lens_probes.course.categories import (
    agreement,
    extremes,
    first_reading,
    new_words,
    second_reading,
    word_order,
    wrong_splits,
)
from lens_probes.course.claim import Value
from lens_probes.course.drawings import points, strips
from lens_probes.course.spread import INTERVAL, Reading, Sample, estimate, half_samples

LESSON = Lesson(
    "L16", "Categories: units, replication", "gpt2-large", ("L16.a", "L16.b"), (4_000, 4_000)
)
Both = Callable[[Sample, Sample], Mapping[str, float]]


def values(setting: Setting, of: Both, one: Reading, two: Reading) -> dict[str, Value]:
    """A number of two experiments: words of the second drawn again, wrong splits, untrained."""
    first, second = one.sample(), two.sample()
    found = of(first, second)
    bare = of(one.sample(untrained=True), two.sample(untrained=True))
    drawn = [of(first, part) for part in half_samples(second, setting.draws, setting.seed)]
    wrong = [of(*pair) for pair in wrong_splits(first, second, setting.draws, setting.seed)]
    return {
        name: estimate(
            value, [d[name] for d in drawn], null=[w[name] for w in wrong], untrained=bare[name]
        )
        for name, value in found.items()
    }


def run(setting: Setting) -> Outcome:
    """Units chosen in the first experiment; the same words again, and new words."""
    one, two, new = first_reading(setting), second_reading(setting), new_words(setting)
    key = (setting.layer(16, of=36), "mlp_out")

    def same_sentences(first: Sample, second: Sample) -> Mapping[str, float]:
        return word_order(second, key, extremes(second, key))

    def new_sentences(first: Sample, second: Sample) -> Mapping[str, float]:
        return word_order(second, key, extremes(first, key))

    draws = setting.draws
    by_word, null = INTERVAL["word"].format(n=draws), f"mean of {draws} wrong splits of the 8 words"
    repeat = values(setting, agreement, one, two)
    again = values(setting, agreement, one, new)
    measured = (
        Measured("L16.a", "course", values(setting, same_sentences, one, one),
                 "40 sentences, 4 v 4 words", f"layer {key[0]}; share of word pairs whose means "
                 "are in order, on the sentences that chose the units", by_word, null),
        Measured("L16.a", "rigorous", values(setting, new_sentences, one, new),
                 "8 v 8 further words", f"layer {key[0]}; the same units on new words", by_word,
                 null),
        Measured("L16.b", "course", repeat, "40 and 20 sentences, the same words",
                 "t of all units and layers", by_word, null),
        Measured("L16.b", "rigorous", again, "40 sentences of 8 words, 16 new words",
                 "t of all units and layers, other words", by_word, null),
    )  # fmt: skip
    sample, units = one.sample(), extremes(one.sample(), key)
    figures = {}
    for name, unit in zip(("largest", "smallest"), units, strict=True):
        groups: dict[str, dict[str, list[float]]] = {}
        for label, side in enumerate(one.examples.class_names):
            words = sorted(set(sample.word[sample.label == label]))
            x = sample.arrays[key][:, unit]
            groups[side] = {word: x[sample.word == word].tolist() for word in words}
        figures[f"{name}_t"] = strips(
            groups, title=f"L{key[0]}.mlp_out.{unit}, {name} t", y="activation",
            caption="All 40 sentences by word; the unit was chosen on them.",
        )  # fmt: skip
    t1, t2 = (
        np.concatenate([lp.stats.ttest(x, r.examples.label).t for x in r.sample().arrays.values()])
        for r in (one, two)
    )
    figures["t1_t2"] = points(
        {"units": (t1, t2)}, title=f"t of the two experiments: r {repeat['r'].value:.2f}", x="T1",
        y="T2", caption=f"All layers. Wrong splits: r {repeat['r'].null:.2f} on average.",
    )  # fmt: skip
    doubt = Doubt(
        "wrong splits of the same words replicate too",
        f"r of t: {repeat['r'].value:.2f} for the real split, {repeat['r'].null:.2f} for wrong "
        f"ones (mean); concordance {repeat['concordance'].value:.2f} v "
        f"{repeat['concordance'].null:.2f}; on new words r = {again['r'].value:.2f}",
    )
    return Outcome(measured, figures, (doubt,))


if __name__ == "__main__":
    sys.exit(script_main(LESSON, run, __file__))
