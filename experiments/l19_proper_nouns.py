"""L19: proper nouns in running text, one MLP layer; a second batch to check what was found."""

from __future__ import annotations

import sys
from typing import Literal

import numpy as np

import lens_probes as lp
from lens_probes.course import Lesson, Measured, Outcome, Setting, script_main
from lens_probes.course.claim import Side, Value
from lens_probes.course.drawings import points
from lens_probes.course.profiles import untrained_by_itself, wald
from lens_probes.course.second_batch import (
    beyond_max_t,
    by_tokens,
    by_words,
    halves,
    holds,
    with_new_words,
)
from lens_probes.course.spread import (
    INTERVAL,
    NULL,
    Profile,
    Reading,
    half_samples,
    interval,
    spread,
)
from lens_probes.report import heatmap_html
from lens_probes.texts.load import Text

LESSON = Lesson("L19", "Proper nouns", "gpt2-medium", ("L19.a", "L19.b"), (33_000, 9_000))


def batch(setting: Setting, text: Text, seed: int) -> Reading:
    """Targets of a few documents, many in one pass: as the lesson's batches of WikiText."""
    n = setting.size("tokens a class", course=220, machine=220, quick=60)
    characters = setting.size("characters of text", course=200_000, machine=60_000, quick=15_000)
    probe = lp.ProperNounProbe.course(
        text, max_per_class=n, characters=characters, context="document", before=30,
        after=0, chunk=min(512, int(setting.model.cfg.n_ctx)), seed=seed,
    )  # fmt: skip
    layer = setting.layer(12, of=24)
    return setting.reading(setting.examples(probe), ["mlp_pre"], [layer], untrained=True)


def run(setting: Setting) -> Outcome:
    """Two batches from other documents."""
    here, there = halves(setting.text)
    one, two = batch(setting, here, setting.seed), batch(setting, there, setting.seed + 1)
    first, second = one.sample(), two.sample()
    (key,) = first.arrays
    limit, over_words = beyond_max_t(first, setting.seed)
    tests = wald(first, [key])
    course = tests.significant
    bare = one.sample(untrained=True), two.sample(untrained=True)
    untrained = {"course": wald(bare[0], [key]).significant,
                 "rigorous": beyond_max_t(bare[0], setting.seed)[1]}  # fmt: skip
    n = "{1} v {0} tokens".format(*one.examples.n_per_class)
    second_n = "{1} v {0}".format(*two.examples.n_per_class)
    by_word, null = INTERVAL["word"].format(n=setting.draws), NULL.format(n=setting.draws)
    measured = []
    sides: tuple[tuple[Side, Profile, np.ndarray, str], ...] = (
        ("course", by_tokens, course, "Wald p, Bonferroni; raw beta"),
        ("rigorous", by_words(limit), over_words, "max-T over groups, lone ones too; beta per "
         "sd of tokens against |z| of groups"),
    )  # fmt: skip
    for side, profile, passed, how in sides:
        values = spread(profile, one, draws=setting.draws, seed=setting.seed)
        if side == "rigorous":
            values = untrained_by_itself(
                values, one, lambda sample: by_words(beyond_max_t(sample, setting.seed)[0])
            )
            second, bare = (
                with_new_words(first, second),
                (bare[0], with_new_words(bare[0], bare[1])),
            )
            second_n = "{1} v {0} of other word types".format(*np.bincount(second.label))
        measured.append(Measured("L19.a", side, values, n, how, by_word, null))
        by: Literal["token", "word"] = "word" if side == "rigorous" else "token"
        found = holds(first, second, passed, by=by)
        drawn = [
            holds(first, part, passed, by=by) for part in half_samples(second, setting.draws, 1)
        ]
        plain = holds(*bare, untrained[side], by=by)
        kept = {
            name: Value(value, *interval([d[name] for d in drawn], value), untrained=plain[name],
                        of=int(found.get(f"{name}_of", 0)))
            for name, value in found.items() if not name.endswith("_of")
        }  # fmt: skip
        measured.append(
            Measured("L19.b", side, kept, f"{n}; second batch {second_n}",
                     f"best unit and the units significant in the first batch ({how})", by_word)
        )  # fmt: skip
    fit = lp.stats.logistic(first.arrays[key], first.label)
    top = int(np.nanargmax(lp.stats.ttest(first.arrays[key], first.label).t))
    row = int(np.flatnonzero(one.examples.label == 1)[0])
    tokens = one.examples.tokens[row][one.examples.tokens[row] >= 0][:200]
    painted = lp.paint(setting.model, [tokens], layer=key[0], site=key[1], unit=top)
    place = 1 + int((fit.wald_p < fit.wald_p[top]).sum())
    return Outcome(
        tuple(measured),
        {
            "funnel": points(
                {"units": (fit.beta, -fit.log10_wald_p)}, x="beta", y="-log10 p (Wald)",
                title=f"{tests.share:.0%} of the tested units pass", caption=n,
            ),
            "heatmap": heatmap_html(painted),
        },
        lines=(f"unit with the largest t: {top}, place {place} by Wald p, {fit.status[top]}",),
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(script_main(LESSON, run, __file__))
