"""What L15 and L16 share: three experiments on two categories of words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from lens_probes import stats
from lens_probes.course.profiles import student, student_t
from lens_probes.course.setting import Setting
from lens_probes.course.spread import Key, Reading, Sample, shuffles
from lens_probes.probes import CategoryProbe


def first_reading(setting: Setting) -> Reading:
    """T1: 40 sentences with one target each, MLP output of all layers."""
    return setting.reading(setting.examples(CategoryProbe.course()), ["mlp_out"])


def second_reading(setting: Setting) -> Reading:
    """T2: 20 new sentences with several of the same eight words."""
    probe = CategoryProbe(sentences="multi", max_per_class=None)
    return setting.reading(setting.examples(probe), ["mlp_out"])


def new_words(setting: Setting) -> Reading:
    """A natural sentence for each of eight further words a class."""
    probe = CategoryProbe(sentences="new", max_per_class=None)
    return setting.reading(setting.examples(probe), ["mlp_out"])


def agreement(first: Sample, second: Sample) -> dict[str, float]:
    """Correlation of t over all units and layers, signs of T1's significant units, concordance."""
    keys = list(first.arrays)
    t = [
        np.concatenate([student_t(s.arrays[key], s.label) for key in keys]) for s in (first, second)
    ]
    passed = [
        np.concatenate([student(s, [key]).significant for key in keys]) for s in (first, second)
    ]
    found = stats.concordance(t[0], passed[0], t[1], passed[1])
    return {
        "r": found.pearson_r,
        "sign_agreement": found.sign_agreement,
        "concordance": found.concordance,
    }


def wrong_splits(
    first: Sample, second: Sample, n: int, seed: int
) -> Iterator[tuple[Sample, Sample]]:
    """Both experiments under the same random split of the first one's words.

    Words of the second that the first does not have keep their class.
    """
    for relabelled in shuffles(first, n, seed):
        of_word: Mapping[str, int] = dict(
            zip(relabelled.word.astype(str), relabelled.label.tolist(), strict=True)
        )
        pairs = zip(second.word.astype(str), second.label.tolist(), strict=True)
        label = np.array([of_word.get(word, own) for word, own in pairs])
        if min((label == 0).sum(), (label == 1).sum()) >= 2:
            yield relabelled, second.relabelled(label)


def extremes(sample: Sample, key: Key) -> tuple[int, int]:
    """Units with the largest and the smallest t."""
    t = student_t(sample.arrays[key], sample.label)
    return int(np.nanargmax(t)), int(np.nanargmin(t))


def word_order(sample: Sample, key: Key, units: tuple[int, int]) -> dict[str, float]:
    """Share of pairs of words, one of each class, whose means are in the order of the classes."""
    x = sample.arrays[key]
    used, first = np.unique(sample.copy, return_index=True)
    label = sample.label[first]
    found = {}
    for name, unit, sign in (("order_positive", units[0], 1), ("order_negative", units[1], -1)):
        means = sign * np.array([x[sample.copy == k, unit].mean() for k in used])
        found[name] = float((means[label == 1][:, None] > means[label == 0][None]).mean())
    return found
