"""L09: paired t test of nouns and verbs; the two extreme units on an unseen passage."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import numpy as np

import lens_probes as lp
from lens_probes.course import Lesson, Measured, Outcome, Setting, script_main
from lens_probes.course.grammar import PASSAGE, lone_words, marked
from lens_probes.course.profiles import (
    count_tested,
    max_t_threshold,
    share_of_tested,
    untrained_by_itself,
    word_z,
)
from lens_probes.course.spread import INTERVAL, NULL, Profile, Sample, spread
from lens_probes.report import heatmap_html

LESSON = Lesson(
    "L09", "Nouns against verbs", "EleutherAI/gpt-neo-125M", ("L09.a", "L09.b"), (2_400, 1_600)
)
ALPHA = 0.05


def paired_shares(sample: Sample) -> Mapping[str, float]:
    """The lesson's test: noun k with verb k in the order of the lists, Bonferroni."""
    (x,) = sample.arrays.values()
    n = min((sample.label == 0).sum(), (sample.label == 1).sum())
    rows = np.concatenate([np.flatnonzero(sample.label == k)[:n] for k in (0, 1)])
    found = lp.stats.paired(x[rows], sample.label[rows], n_pairings=0)
    passed = np.nan_to_num(found.paired_p, nan=1.0) <= ALPHA / x.shape[1]
    return _both(passed, found.paired_t, sample)


def word_shares(threshold: float) -> Profile:
    """Unpaired, over word types, the largest |t| of the layer."""

    def profile(sample: Sample) -> Mapping[str, float]:
        (key,) = sample.arrays
        t = word_z(sample, key)
        return _both(np.nan_to_num(np.abs(t)) > threshold, t, sample)

    return profile


def _both(passed: np.ndarray, t: np.ndarray, sample: Sample) -> dict[str, float]:
    n = count_tested(sample, list(sample.arrays))
    chosen = {"share": passed, "share_noun": passed & (t < 0), "share_verb": passed & (t > 0)}
    shares = {name: share_of_tested(some, n) for name, some in chosen.items()}
    return shares | {f"{name}_of": n for name in chosen}


def run(setting: Setting) -> Outcome:
    """Lone words as in the lesson; and last tokens after a space and a BOS token, unpaired."""
    layer = setting.layer(8, of=12)
    plain, spaced = lone_words(setting, layer), lone_words(setting, layer, bos=True)
    course = spread(paired_shares, plain, draws=setting.draws, seed=setting.seed)

    def over_words(sample: Sample) -> Profile:
        return word_shares(max_t_threshold(sample, min_per_word=1, seed=setting.seed))

    words = untrained_by_itself(
        spread(over_words(spaced.sample()), spaced, draws=setting.draws, seed=setting.seed),
        spaced, over_words,
    )  # fmt: skip
    x, label = plain.activations[layer, "mlp_pre"], plain.examples.label
    pairs = lp.stats.paired(x, label, plain.examples.pair)
    t = lp.stats.ttest(x, label).t
    best = int(np.nanargmax(np.abs(t)))
    by_word, null = INTERVAL["word"].format(n=setting.draws), NULL.format(n=setting.draws)
    tokens = setting.model.tokenizer(PASSAGE, add_special_tokens=False)["input_ids"]
    painted = [
        lp.paint(setting.model, [tokens[: int(setting.model.cfg.n_ctx)]], layer=layer,
                 site="mlp_pre", unit=int(unit), titles=[title])[0]
        for title, unit in (("noun unit", np.nanargmin(t)), ("verb unit", np.nanargmax(t)))
    ]  # fmt: skip
    return Outcome(
        (
            Measured("L09.a", "course", course, "100 nouns, 100 verbs",
                     f"layer {layer}, paired t in the order of the lists", by_word, null),
            Measured("L09.a", "rigorous", words, "100 nouns, 100 verbs",
                     f"layer {layer}, after a BOS token, unpaired, max-T", by_word, null),
            marked(setting, plain, "course"),
            marked(setting, spaced, "rigorous"),
        ),
        {"heatmap": heatmap_html(painted)},
        lines=(
            f"L{layer}.mlp_pre.{best}: t {t[best]:.1f}; paired {pairs.paired_t[best]:.1f} paired, "
            f"{pairs.paired_t_low[best]:.1f} to {pairs.paired_t_high[best]:.1f} at random",
        ),
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(script_main(LESSON, run, __file__))
