"""Numbers that several lessons take from a sweep: shares and accuracies by depth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lens_probes import stats
from lens_probes.course.claim import Value
from lens_probes.course.spread import Key, Profile, Reading, Sample
from lens_probes.units.decision import MIN_PER_WORD

ALPHA = 0.05
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Tests:
    """One layer (its sites joined): which units are significant, their direction and accuracy.

    `n_tested` of them are not constant: what shares are of, as in the layers of a result.
    """

    significant: Bools
    direction: Floats
    accuracy: Floats
    n_tested: int

    @property
    def share(self) -> float:
        """Share of the tested units that is significant."""
        return share_of_tested(self.significant, self.n_tested)


Decide = Callable[[Sample, list[Key]], Tests]


def wald(sample: Sample, keys: list[Key]) -> Tests:
    """The course's decision for L19 to L23: Wald p of the logit, Bonferroni over the family.

    Separated units have no Wald p and count as not significant.
    """
    fits = [stats.logistic(sample.arrays[key], sample.label) for key in keys]
    p = np.concatenate([fit.wald_p for fit in fits])
    beta = np.concatenate([fit.beta for fit in fits])
    n_tested = sum(int((fit.status != "constant").sum()) for fit in fits)
    passed = np.nan_to_num(p, nan=1.0) <= ALPHA / max(1, n_tested)
    accuracy = np.concatenate([fit.accuracy for fit in fits])
    return Tests(passed, np.nan_to_num(np.sign(beta)), accuracy, n_tested)


def student(sample: Sample, keys: list[Key]) -> Tests:
    """The course's decision for L15: Student's t, Bonferroni over the family."""
    t = np.concatenate([student_t(sample.arrays[key], sample.label) for key in keys])
    p = stats.student_tail(t, float(len(sample.label) - 2))[0]
    passed = np.nan_to_num(p, nan=1.0) <= ALPHA / max(1, int(np.isfinite(p).sum()))
    n_tested = count_tested(sample, keys)
    return Tests(passed, np.nan_to_num(np.sign(t)), np.full(len(t), np.nan), n_tested)


def count_tested(sample: Sample, keys: Sequence[Key]) -> int:
    """Units that are not constant."""
    return sum(int((x != x[:1]).any(axis=0).sum()) for x in (sample.arrays[key] for key in keys))


def share_of_tested(significant: Bools, n_tested: int) -> float:
    """Significant units of the tested ones."""
    return float(significant.sum() / max(1, n_tested))


def student_t(x: NDArray[np.floating[Any]], label: NDArray[Any]) -> Floats:
    """Student's t [unit] alone: `stats.ttest` without its intervals, for many draws.

    NaN for a constant unit.
    """
    n, ones = len(label), label == 1
    centred = x.astype(np.float64) - x[:1]
    mean0, mean1 = centred[~ones].mean(0), centred[ones].mean(0)
    n1 = int(ones.sum())
    within = ((centred[~ones] - mean0) ** 2).sum(0) + ((centred[ones] - mean1) ** 2).sum(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        t: Floats = (mean1 - mean0) / np.sqrt(within / (n - 2) * (1 / n1 + 1 / (n - n1)))
    return t


def words_beyond(threshold: float, min_per_word: int = MIN_PER_WORD) -> Decide:
    """The rigorous decision: |z| of group means beyond a max-T threshold over all units."""

    def decide(sample: Sample, keys: list[Key]) -> Tests:
        t = np.concatenate([word_z(sample, key, min_per_word) for key in keys])
        sign = np.nan_to_num(np.sign(t))
        passed = np.nan_to_num(np.abs(t)) > threshold
        return Tests(passed, sign, np.full(len(t), np.nan), count_tested(sample, keys))

    return decide


def word_z(sample: Sample, key: Key, min_per_word: int = 1) -> Floats:
    """Normalised Welch t [unit] of group means; NaN with fewer than 2 groups of a class."""
    n = np.bincount(sample.copy)
    rows = np.flatnonzero(n[sample.copy] >= min_per_word)
    rows = rows[np.argsort(sample.copy[rows], kind="stable")]
    _, starts, sizes = np.unique(sample.copy[rows], return_index=True, return_counts=True)
    label = sample.label[rows][starts]
    x = sample.arrays[key]
    if min((label == 0).sum(), (label == 1).sum()) < 2:
        return np.full(x.shape[1], np.nan)
    means = np.add.reduceat(x[rows].astype(np.float64), starts, axis=0) / sizes[:, None]
    varies = (means != means[:1]).any(axis=0)
    return np.where(varies, stats.normalised_welch(means, label == 1), np.nan)


def max_t_threshold(
    sample: Sample,
    *,
    min_per_word: int = MIN_PER_WORD,
    n_permutations: int = 1000,
    seed: int = 0,
) -> float:
    """Threshold of |z| over groups and all units; inf where so few groups cannot decide."""
    n = np.bincount(sample.copy)
    part = sample.take(np.flatnonzero(n[sample.copy] >= min_per_word))
    for label in (0, 1):
        if len(set(part.copy[part.label == label])) < 2:
            return float("inf")
    test = stats.max_permutation(
        list(part.arrays.values()), part.label, groups=part.copy, n_permutations=n_permutations,
        seed=seed, alpha=ALPHA,
    )  # fmt: skip
    return float(np.max(test.threshold))


def too_few_words(sample: Sample, min_per_word: int = MIN_PER_WORD) -> str:
    """Why no test over groups can reject, or ""."""
    n = np.bincount(sample.copy)
    often = n[sample.copy] >= min_per_word
    zero, one = (len(set(sample.copy[often & (sample.label == label)])) for label in (0, 1))
    if 2 / comb(zero + one, one) <= ALPHA and min(zero, one) > 1:
        return ""
    return (
        f"{one} v {zero} groups of words with {min_per_word} examples or more: whatever the "
        "activations, no test over groups can reject"
    )


def untrained_by_itself(
    values: Mapping[str, Value],
    reading: Reading,
    profile_of: Callable[[Sample], Profile],
    keys: list[Key] | None = None,
) -> dict[str, Value]:
    """The values, the untrained model's decided by its own threshold and its own units."""
    if reading.untrained is None:
        return dict(values)
    sample = reading.sample(untrained=True)
    sample = sample if keys is None else sample.only(keys)
    own = profile_of(sample)(sample)
    return {name: replace(value, untrained=own[name]) for name, value in values.items()}


def by_layer(keys: Sequence[Key]) -> dict[int, list[Key]]:
    """Layer -> its keys: the sites of a layer are one family."""
    found: dict[int, list[Key]] = {}
    for key in keys:
        found.setdefault(key[0], []).append(key)
    return found


def share_profile(decide: Decide) -> Profile:
    """Share of tested units that are significant, by depth.

    early: the highest share of the first third of the layers; late: the mean of the last sixth.
    low_layers, highest: mean accuracy of significant units that are higher for class 1, in the
    first third of the layers and in the last. share: mean over layers; last, before: of the last
    quarter of the layers and of the rest. n_significant, share_positive: significant units of all
    layers, and how many of them are positive. `NAME_of` counts what the share NAME is of.
    """

    def profile(sample: Sample) -> Mapping[str, float]:
        tests = {
            layer: decide(sample, keys) for layer, keys in by_layer(list(sample.arrays)).items()
        }
        layers = sorted(tests)
        share = np.array([tests[layer].share for layer in layers])
        tested = np.array([tests[layer].n_tested for layer in layers])
        signs = np.concatenate([t.direction[t.significant] for t in tests.values()])
        n = len(layers)
        third, sixth, quarter = max(1, n // 3), max(1, n // 6), max(1, n // 4)
        low = [_accuracy(tests[layer]) for layer in layers[:third]]
        return {
            "early": float(share[:third].max()),
            "early_of": int(tested[share[:third].argmax()]),
            "late": float(share[-sixth:].mean()),
            "late_of": int(tested[-sixth:].sum()),
            "low_layers": _mean(low),
            "highest": _accuracy(tests[layers[-1]]),
            "share": float(share.mean()),
            "share_of": int(tested.sum()),
            "last": float(share[-quarter:].mean()),
            "last_of": int(tested[-quarter:].sum()),
            "before": float(share[:-quarter].mean()) if n > quarter else float("nan"),
            "before_of": int(tested[:-quarter].sum()),
            "n_significant": float(len(signs)),
            "share_positive": float((signs > 0).mean()) if len(signs) else float("nan"),
            "share_positive_of": len(signs),
        }

    return profile


def layer_shares(sample: Sample, decide: Decide) -> tuple[list[int], Floats, Floats]:
    """Layers; in each the share of tested units that are significant, accuracy of positive ones."""
    tests = {layer: decide(sample, keys) for layer, keys in by_layer(list(sample.arrays)).items()}
    layers = sorted(tests)
    share = np.array([tests[layer].share for layer in layers])
    return layers, share, np.array([_accuracy(tests[layer]) for layer in layers])


def balanced_rows(label: NDArray[Any], n: int, seed: int) -> NDArray[np.int64]:
    """n rows of each class at random, in their order."""
    rng = np.random.default_rng([seed, n])
    rows = [rng.choice(np.flatnonzero(label == k), n, replace=False) for k in (0, 1)]
    return np.sort(np.concatenate(rows))


def _accuracy(tests: Tests) -> float:
    return _mean(tests.accuracy[tests.significant & (tests.direction > 0)].tolist())


def _mean(values: list[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")
