"""What L20 to L23 share: the windows, the two decisions, and the lesson's doubts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np

from lens_probes import stats
from lens_probes.checks.heldout import cross_fitted_accuracy
from lens_probes.course.claim import Value
from lens_probes.course.profiles import (
    ALPHA,
    balanced_rows,
    layer_shares,
    max_t_threshold,
    share_profile,
    untrained_by_itself,
    wald,
    words_beyond,
)
from lens_probes.course.setting import Doubt, Setting
from lens_probes.course.spread import Key, Profile, Reading, Sample, spread
from lens_probes.examples.replication_groups import groups_per_class
from lens_probes.probes import NegationProbe
from lens_probes.texts.load import Text
from lens_probes.units.decision import MIN_PER_WORD

SITES = ("mlp_pre", "q", "k", "v")
BEFORE = 90
LARGER_N = (50, 100, 300)


def negation_reading(setting: Setting) -> Reading:
    """The lesson's windows: 90 tokens, the target, 10 more; all sites of all layers."""
    n = setting.size("windows a class, at most", course=300, machine=300, quick=30)
    probe = NegationProbe.course(_text(setting), max_per_class=n, seed=setting.seed)
    return setting.reading(setting.examples(probe), SITES)


def rigorous_reading(setting: Setting) -> Reading:
    """Windows of the extended words: enough word types for a test over them."""
    n = setting.size("windows a class of more words", course=300, machine=150, quick=24)
    probe = NegationProbe(_text(setting), words="extended", max_per_class=n, seed=setting.seed)
    return setting.reading(setting.examples(probe), SITES)


def _text(setting: Setting) -> Text:
    """The whole text, of which a quick look reads a part."""
    if setting.scale != "quick":
        return setting.text
    whole = setting.text.n_characters
    return setting.some_text(course=whole, machine=whole, quick=600_000)


def keys_of(reading: Reading, *sites: str) -> list[Key]:
    """Keys of some sites, in the order of the layers."""
    return [key for key in reading.activations if key[1] in sites]


def counted(reading: Reading) -> str:
    """Examples and word types, in words."""
    n0, n1 = reading.examples.n_per_class
    words = reading.examples.word
    assert words is not None
    sizes = [Counter(words[reading.examples.label == label].tolist()) for label in (0, 1)]
    w0, w1 = (len(of) for of in sizes)
    often0, often1 = (sum(n >= MIN_PER_WORD for n in of.values()) for of in sizes)
    g0, g1 = groups_per_class(reading.examples)
    return (
        f"{n1} negations v {n0} affirmations of {w1} v {w0} word types ({often1} v {often0} with "
        f"{MIN_PER_WORD} or more) in {g1} v {g0} groups"
    )


def course_values(setting: Setting, reading: Reading, keys: list[Key]) -> dict[str, Value]:
    """Shares and accuracies as the lesson decides, with interval, null and untrained value."""
    return setting.once(
        ("read", "course values", reading.examples.digest, tuple(keys)),
        lambda: spread(
            share_profile(wald), reading, draws=setting.draws, seed=setting.seed, keys=keys
        ),
    )


def word_values(setting: Setting, reading: Reading, keys: list[Key]) -> dict[str, Value]:
    """Shares of units that pass the max-T test over word types."""

    def profile_of(sample: Sample) -> Profile:
        return share_profile(words_beyond(max_t_threshold(sample, seed=setting.seed)))

    values = spread(
        profile_of(reading.sample().only(keys)), reading, draws=setting.draws, seed=setting.seed,
        keys=keys,
    )  # fmt: skip
    return untrained_by_itself(values, reading, profile_of, keys)


def held_out_values(setting: Setting, reading: Reading, keys: list[Key]) -> dict[str, Value]:
    """Accuracy of significant positive units, chosen on some word types and scored on others."""
    draws = setting.few_draws
    return spread(held_out_accuracy, reading, draws=draws, seed=setting.seed, keys=keys)


def held_out_accuracy(sample: Sample) -> Mapping[str, float]:
    """low_layers: mean of the first third of the layers; highest: the last layer."""
    layers = sorted({layer for layer, _ in sample.arrays})
    low = layers[: max(1, len(layers) // 3)]
    wanted = [key for key in sample.arrays if key[0] in low or key[0] == layers[-1]]
    fold = word_folds(sample)
    if fold is None:
        return {"low_layers": float("nan"), "highest": float("nan")}
    found = held_out_of_keys(sample.only(wanted), fold)
    by_key = dict(zip(wanted, found, strict=True))
    return {
        "low_layers": _mean([by_key[key] for key in wanted if key[0] in low]),
        "highest": _mean([by_key[key] for key in wanted if key[0] == layers[-1]]),
    }


def held_out_of_keys(sample: Sample, fold: np.ndarray) -> list[float]:
    """Cross-fitted accuracy of the positive significant units of every key."""
    arrays = list(sample.arrays.values())

    def choose(train: np.ndarray) -> list[np.ndarray]:
        chosen = []
        for x in arrays:
            r = stats.correlation(x[train], sample.label[train].astype(float)).r
            p = stats.chi2_tail(train.sum() * r**2)[0]
            chosen.append(np.nan_to_num(p, nan=1.0) <= ALPHA / x.shape[1])
        return chosen

    scores = cross_fitted_accuracy(arrays, sample.label, fold, choose)
    return [positive for _, positive in scores]


def word_folds(sample: Sample) -> np.ndarray | None:
    """Folds that hold out groups of words; None where there are too few."""
    for n_folds in (4, 3, 2):
        try:
            return stats.folds_by_word(sample.label, sample.group, n_folds=n_folds)
        except ValueError:
            continue
    return None


def doubts(setting: Setting, reading: Reading, keys: list[Key]) -> Iterator[Doubt]:
    """Power, selection and word identity, each with its number."""
    sample = reading.sample().only(keys)
    smallest = min(reading.examples.n_per_class)
    said, biased = [], []
    for n in (n for n in LARGER_N if n <= smallest):
        part = sample.take(balanced_rows(sample.label, n, setting.seed))
        _, share, accuracy = layer_shares(part, wald)
        said.append(f"{n} a class: {share[0]:.0%} in layer 0, {share[-1]:.0%} in the last")
        biased.append(f"{n} a class: {np.nanmean(accuracy):.1%}" if share.any() else f"{n}: none")
    yield Doubt("the share of significant units depends on n", "; ".join(said) or "too few windows")
    honest = held_out_accuracy(sample)
    yield Doubt(
        "the in-sample accuracy of selected units is biased",
        f"in sample, mean over layers: {'; '.join(biased) or 'too few windows'}; on held-out word "
        f"types: {honest['low_layers']:.1%} in low layers, {honest['highest']:.1%} in the last",
    )
    yield Doubt("word identity: a contrast with no negation in it", _no_negation(setting, sample))
    yield Doubt("word identity: leaving 'not' out", _without(sample, "not"))


def _no_negation(setting: Setting, sample: Sample) -> str:
    """can/could v may/will among the affirmations, against negation at the same n."""
    words = sample.word.astype(str)
    own = (sample.label == 0) & np.isin(words, ["can", "could", "may", "will"])
    control = sample.take(np.flatnonzero(own))
    control = control.relabelled(np.isin(control.word.astype(str), ["may", "will"]).astype(int))
    n = int(min((control.label == 0).sum(), (control.label == 1).sum()))
    if n < 5 or n > min((sample.label == 0).sum(), (sample.label == 1).sum()):
        return "too few affirmations"
    shares = []
    for part in (control, sample):
        _, share, _ = layer_shares(part.take(balanced_rows(part.label, n, setting.seed)), wald)
        shares.append(f"{share[: max(1, len(share) // 3)].max():.0%} early, {share[-1]:.0%} last")
    return f"can/could v may/will, {n} a class: {shares[0]}; negation at that n: {shares[1]}"


def _without(sample: Sample, word: str) -> str:
    """Recall of one word by the best unit of each depth, fitted with and without it."""
    target = sample.word.astype(str) == word
    layers = sorted({layer for layer, _ in sample.arrays})
    chosen = sorted({layers[0], layers[len(layers) // 3], layers[-1]})
    rest = ~target
    if not target.any() or (sample.label[rest] == 1).sum() < 2:
        return f"too few examples without {word!r}"
    said = []
    for key in (key for key in sample.arrays if key[0] in chosen):
        recalls = [recall(sample, key, rows, target) for rows in (rest | target, rest)]
        said.append(f"layer {key[0]} {recalls[0]:.0%} with it, {recalls[1]:.0%} without")
    return f"share of {word!r} that the best unit of a layer recognises: " + "; ".join(said)


def recall(sample: Sample, key: Key, rows: np.ndarray, target: np.ndarray) -> float:
    """Share of target examples beyond the midpoint of the best unit, chosen on some rows."""
    x = sample.arrays[key].astype(np.float64)
    one, zero = rows & (sample.label == 1), rows & (sample.label == 0)
    gap = x[one].mean(0) - x[zero].mean(0)
    within = np.sqrt((x[one].var(0) + x[zero].var(0)) / 2)
    best = int(np.argmax(np.abs(gap) / np.where(within > 0, within, np.inf)))
    middle = (x[one, best].mean() + x[zero, best].mean()) / 2
    return float(((x[target, best] - middle) * np.sign(gap[best]) > 0).mean())


def _mean(values: list[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")
