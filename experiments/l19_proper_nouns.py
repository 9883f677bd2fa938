"""L19: proper nouns in running text, one MLP layer; a second batch to check what was found."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import numpy as np

import lens_probes as lp
from lens_probes.findings import Lesson, Measured, Outcome, Setting, script_main
from lens_probes.findings.claim import Side, Value
from lens_probes.findings.drawings import points
from lens_probes.findings.profiles import max_t_threshold, wald, word_t
from lens_probes.findings.second_batch import holds, ranks
from lens_probes.findings.spread import (
    INTERVAL,
    NULL,
    Profile,
    Reading,
    Sample,
    bootstrap,
    interval,
    spread,
)
from lens_probes.report import heatmap_html

LESSON = Lesson("L19", "Proper nouns", "gpt2-medium", ("L19.a", "L19.b"), (33_000, 9_000))


def batch(setting: Setting, seed: int) -> Reading:
    """Targets of a few documents, many in one pass: as the lesson's batches of WikiText."""
    n = setting.size("tokens a class", course=220, machine=220, quick=60)
    characters = setting.size("characters of text", course=200_000, machine=60_000, quick=15_000)
    probe = lp.ProperNounProbe.course(
        setting.text, max_per_class=n, characters=characters, context="document", before=30,
        after=0, chunk=min(512, int(setting.model.cfg.n_ctx)), seed=seed,
    )  # fmt: skip
    layer = setting.layer(12, of=24)
    return setting.reading(setting.examples(probe), ["mlp_pre"], [layer], untrained=True)


def raw(sample: Sample) -> Mapping[str, float]:
    """As the lesson: share by Wald p, and how raw |beta| and -log p rank alike."""
    (key,) = sample.arrays
    fit = lp.stats.logistic(sample.arrays[key], sample.label)
    share = float(wald(sample, [key]).significant.mean())
    return {"share": share, "rank_correlation": ranks(fit.beta, fit.log10_wald_p)}


def per_sd(threshold: float) -> Profile:
    """Share over word types; ranks of beta per sd and of the score test."""

    def profile(sample: Sample) -> Mapping[str, float]:
        (key,) = sample.arrays
        fit = lp.stats.logistic(sample.arrays[key], sample.label)
        share = float((np.nan_to_num(np.abs(word_t(sample, key))) > threshold).mean())
        return {"share": share, "rank_correlation": ranks(fit.beta_std, fit.log10_score_p)}

    return profile


def run(setting: Setting) -> Outcome:
    """Two batches from other documents."""
    one, two = batch(setting, setting.seed), batch(setting, setting.seed + 1)
    first, second = one.sample(), two.sample()
    (key,) = first.arrays
    limit = max_t_threshold(first, min_per_word=1, seed=setting.seed)
    over_words = np.nan_to_num(np.abs(word_t(first, key))) > limit
    course = wald(first, [key]).significant
    n = "{1} v {0} tokens".format(*one.examples.n_per_class)
    second_n = "{1} v {0}".format(*two.examples.n_per_class)
    by_word, null = INTERVAL["word"].format(n=setting.draws), NULL.format(n=setting.draws)
    measured = []
    sides: tuple[tuple[Side, Profile, np.ndarray, str], ...] = (
        ("course", raw, course, "Wald p, Bonferroni; raw beta"),
        ("rigorous", per_sd(limit), over_words, "max-T over word types; beta per sd, score p"),
    )
    for side, profile, passed, how in sides:
        values = spread(profile, one, draws=setting.draws, seed=setting.seed)
        measured.append(Measured("L19.a", side, values, n, how, by_word, null))
        found = holds(first, second, passed)
        drawn = [holds(first, part, passed) for part in bootstrap(second, setting.draws, 1)]
        bare = holds(one.sample(untrained=True), two.sample(untrained=True), passed)
        kept = {
            name: Value(value, *interval([d[name] for d in drawn], value), untrained=bare[name])
            for name, value in found.items()
        }
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
                title=f"{course.mean():.0%} of the units pass", caption=n,
            ),
            "heatmap": heatmap_html(painted),
        },
        lines=(f"unit with the largest t: {top}, place {place} by Wald p, {fit.status[top]}",),
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(script_main(LESSON, run, __file__))
