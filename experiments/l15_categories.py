"""L15: dental hygiene against furniture over all layers; what word identity alone gives."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping

from lens_probes.checks.controls import word_splits
from lens_probes.course import Doubt, Lesson, Measured, Outcome, Setting, script_main
from lens_probes.course.categories import first_reading
from lens_probes.course.claim import Value
from lens_probes.course.drawings import lines
from lens_probes.course.profiles import (
    layer_shares,
    max_t_threshold,
    share_profile,
    student,
    untrained_by_itself,
    words_beyond,
)
from lens_probes.course.spread import INTERVAL, Profile, Sample, pick, spread

LESSON = Lesson(
    "L15", "Dental hygiene and furniture", "gpt2-large", ("L15.a", "L15.b"), (1_200, 1_200)
)
PARTS = {"L15.a": ("share", "last", "before"), "L15.b": ("share_positive", "n_significant")}
ENOUGH = 10


def too_few(claim: str, values: Mapping[str, Value]) -> str:
    """Why a balance cannot be judged, or ""."""
    n = values["n_significant"].value
    if claim != "L15.b" or n >= ENOUGH:
        return ""
    return f"{n:.0f} significant units: a balance needs {ENOUGH} or more"


def run(setting: Setting) -> Outcome:
    """MLP output of every layer at the target of 40 sentences."""
    reading = first_reading(setting)
    sample = reading.sample()
    limit = max_t_threshold(sample, seed=setting.seed)
    draws = setting.draws
    by_word = INTERVAL["word"].format(n=draws)
    null = f"mean of {draws} random splits of the same 8 words"
    n = "{1} dental v {0} furniture sentences, 4 v 4 words".format(*reading.examples.n_per_class)
    course = spread(share_profile(student), reading, draws=draws, seed=setting.seed)

    def over_words(sample: Sample) -> Profile:
        return share_profile(words_beyond(max_t_threshold(sample, seed=setting.seed)))

    words = untrained_by_itself(
        spread(share_profile(words_beyond(limit)), reading, draws=draws, seed=setting.seed),
        reading, over_words,
    )  # fmt: skip
    measured = []
    for claim, parts in PARTS.items():
        measured += [
            Measured(claim, "course", pick(course, *parts), n,
                     "Student's t, Bonferroni in each layer", by_word, null,
                     missing=too_few(claim, course)),
            Measured(claim, "rigorous", pick(words, *parts), n,
                     f"max-T over groups and layers: |z| of group means beyond {limit:.3g} "
                     "(4 v 4 words: the smallest p is 2/70)", by_word, null,
                     missing=too_few(claim, words)),
        ]  # fmt: skip
    layers, share, _ = layer_shares(sample, student)
    _, bare, _ = layer_shares(reading.sample(untrained=True), student)
    arrays = [sample.arrays[key] for key in sample.arrays]
    splits = word_splits(arrays, reading.examples, alpha=0.05, seed=setting.seed)
    return Outcome(
        tuple(measured),
        {
            "share": lines(
                {"trained": (layers, share), "untrained": (layers, bare)},
                x="layer",
                percent=True,
                title=f"Significant units: {share.mean():.1%} of a layer on average",
                y="share of tested units",
                caption=f"{n}. Student's t, Bonferroni in each layer.",
            )
        },
        (
            Doubt(
                "8 words can be told apart by word identity alone",
                f"units that pass (Bonferroni over all): {splits['share']:.2%} under the real "
                f"split of the words, {splits['other_splits_median']:.2%} (median) and up to "
                f"{splits['other_splits_max']:.2%} under {splits['n']} splits of the same words, "
                f"p = {splits['p']:.3f}",
            ),
        ),
        (token_counts(setting),),
    )


def token_counts(setting: Setting) -> str:
    """Tokens of each class's words under this tokenizer: a confound where they differ."""
    examples = first_reading(setting).examples
    assert examples.first is not None
    size = examples.position - examples.first + 1
    said = []
    for label, name in enumerate(examples.class_names):
        counts = Counter(size[examples.label == label].tolist())
        said.append(f"{name}: " + ", ".join(f"{n} x {k} tokens" for k, n in sorted(counts.items())))
    return "; ".join(said)


if __name__ == "__main__":
    sys.exit(script_main(LESSON, run, __file__))
