"""L23: negation in queries, keys and values: one family of q + k + v in each layer."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import numpy as np

from lens_probes.course import Lesson, Measured, Outcome, Setting, negation, script_main
from lens_probes.course.drawings import lines
from lens_probes.course.profiles import (
    Decide,
    layer_shares,
    max_t_threshold,
    share_of_tested,
    student_t,
    too_few_words,
    untrained_by_itself,
    wald,
    words_beyond,
)  # fmt: skip
from lens_probes.course.spread import INTERVAL, NULL, Profile, Sample, pick, spread

LESSON = Lesson(
    "L23", "Negation in Q, K and V", "gpt2-large", ("L23.a", "L23.b", "L23.c"), (169_800, 34_400)
)
SITES = ("q", "k", "v")


def by_site(decide: Decide) -> Profile:
    """Share of significant units of each site, the least of them, and the ratio of their |g|."""

    def profile(sample: Sample) -> Mapping[str, float]:
        share, size, of = {}, {}, {}
        for site in SITES:
            keys = [key for key in sample.arrays if key[1] == site]
            tests = [decide(sample, [key]) for key in keys]
            passed = np.concatenate([one.significant for one in tests])
            of[f"share_{site}_of"] = sum(one.n_tested for one in tests)
            # g is t times a number that is the same for all units.
            t = [np.abs(student_t(sample.arrays[key], sample.label)) for key in keys]
            share[f"share_{site}"] = share_of_tested(passed, of[f"share_{site}_of"])
            chosen = np.concatenate(t)[passed]
            size[site] = float(chosen.mean()) if len(chosen) else np.nan
        ratio = max(size.values()) / min(size.values())
        least = min(share, key=share.__getitem__)
        lowest = {"least_share": share[least], "least_share_of": of[f"{least}_of"], "ratio": ratio}
        return lowest | share | of

    return profile


def run(setting: Setting) -> Outcome:
    """Every layer's q, k and v."""
    reading = negation.negation_reading(setting)
    keys = negation.keys_of(reading, *SITES)
    sample = reading.sample().only(keys)
    extended = negation.rigorous_reading(setting)
    course, words = (
        negation.course_values(setting, reading, keys),
        negation.word_values(setting, extended, keys),
    )
    honest = negation.held_out_values(setting, extended, keys)
    few_words = too_few_words(extended.sample())
    few = setting.few_draws

    def over_words(of: Sample) -> Profile:
        return by_site(words_beyond(max_t_threshold(of, seed=setting.seed)))

    beyond = over_words(extended.sample().only(keys))
    sites = {
        "course": spread(by_site(wald), reading, draws=few, seed=setting.seed, keys=keys),
        "rigorous": untrained_by_itself(
            spread(beyond, extended, draws=few, seed=setting.seed, keys=keys),
            extended, over_words, keys,
        ),
    }  # fmt: skip
    by_word, null = INTERVAL["word"].format(n=setting.draws), NULL.format(n=setting.draws)
    n, n_extended = negation.counted(reading), negation.counted(extended)
    depth = "early: highest of the first third of the layers; late: mean of the last sixth"
    low = "low: mean of the first third of the layers; highest: the last layer"
    distinct = [len(np.unique(sample.arrays[0, site], axis=0)) for site in SITES]
    shown = {}
    for site in SITES:
        layers, share, _ = layer_shares(sample.only(negation.keys_of(reading, site)), wald)
        shown[site] = (layers, share)
    return Outcome(
        (
            Measured("L23.a", "course", pick(course, "early", "late"), n,
                     f"Wald p, one family of q + k + v a layer; {depth}", by_word, null),
            Measured("L23.a", "rigorous", pick(words, "early", "late"), n_extended,
                     f"max-T over groups, all layers and sites; {depth}", by_word, null,
                     missing=few_words),
            Measured("L23.b", "course", pick(course, "low_layers", "highest"), n,
                     f"in-sample accuracy of significant positive units; {low}", by_word, null),
            Measured("L23.b", "rigorous", pick(honest, "low_layers", "highest"), n_extended,
                     f"chosen on some word types, scored on others; {low}",
                     INTERVAL["word"].format(n=few), NULL.format(n=few)),
            Measured("L23.c", "course", sites["course"], n, "Wald p, a family a site and layer",
                     INTERVAL["word"].format(n=few), NULL.format(n=few)),
            Measured("L23.c", "rigorous", sites["rigorous"], n_extended, "max-T over groups",
                     INTERVAL["word"].format(n=few), NULL.format(n=few), missing=few_words),
        ),
        {
            "share": lines(
                shown, title="Significant units of q, k and v by layer", x="layer", percent=True,
                y="share of tested units", caption=f"{n}. Each site its own family here.",
            )
        },
        lines=(
            "layer 0 rows of q, k, v with distinct values: "
            + ", ".join(f"{s} {d} of {len(sample.label)}" for s, d in zip(SITES, distinct,
                                                                          strict=True)),
        ),
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(script_main(LESSON, run, __file__))
