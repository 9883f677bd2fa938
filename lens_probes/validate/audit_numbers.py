"""Are the numbers beside the test what they say? Simulations where the truth is known."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import special
from scipy.stats import binom

from lens_probes import stats
from lens_probes.ablate import ablate
from lens_probes.ablate.inference import family_test
from lens_probes.ablate.swap import Writes
from lens_probes.ablate.verdict import UNUSED, USED
from lens_probes.validate.folds import N_FOLDS
from lens_probes.validate.heldout import fold_scores
from lens_probes.validate.nested import nested_best
from lens_probes.validate.planted import DECOY, READ, planted_examples, planted_model
from lens_probes.verdict import SHARED_BY, more_than_identity

Floats = NDArray[np.float64]
ALPHA, PER_WORD = 0.05, 6
_DOUBT = 0.01  # a bound is broken where so rare a count, if it were kept, came out


@dataclass(frozen=True)
class Rate:
    """In how many of n simulations something happened, and how often it may: low to high."""

    name: str
    count: int
    n: int
    low: float
    high: float

    @property
    def kept(self) -> bool:
        """Whether the count is one that a rate inside the bounds gives."""
        too_many = binom.sf(self.count - 1, self.n, self.high) < _DOUBT
        too_few = binom.cdf(self.count, self.n, self.low) < _DOUBT
        return not (too_many or too_few)

    def __str__(self) -> str:
        rate, bound = f"{self.count} of {self.n} ({self.count / self.n:.3f})", self._bound()
        return f"{self.name:<74}{rate:>20}  {bound}: {'kept' if self.kept else 'BROKEN'}"

    def _bound(self) -> str:
        return f"at most {self.high:g}" if self.low == 0 else f"at least {self.low:g}"


@dataclass(frozen=True)
class Mean:
    """Mean of numbers that should be `wanted`, give or take `within`."""

    name: str
    values: Floats
    wanted: float
    within: float

    @property
    def kept(self) -> bool:
        """Whether the mean is inside, or beyond by no more than three of its standard errors."""
        error = self.values.std(ddof=1) / np.sqrt(len(self.values))
        return bool(abs(self.values.mean() - self.wanted) <= self.within + 3 * error)

    def __str__(self) -> str:
        mean = f"{self.values.mean():.3f}"
        bound = f"{self.wanted:g} within {self.within:g}: {'kept' if self.kept else 'BROKEN'}"
        return f"{self.name:<74}{mean:>20}  {bound}"


def audit_numbers(seeds: int) -> Iterator[Rate | Mean]:
    """Selection, intervals, verdicts and the causal card, one line after the other.

    Parameters
    ----------
    seeds
        Toy models of the causal card; ten times as many sweeps and twenty times as many sets.
    """
    for words in (12, 24):
        yield from selection(words, 10 * seeds)
        for icc in (0.1, 0.3, 0.6):
            yield from coverage(words, icc)
        yield false_verdicts(words, 10 * seeds)
    yield from coherent_sets(20 * seeds)
    yield from causal_cards(seeds)


def word_units(
    words: int, units: int, icc: float, rng: np.random.Generator, effect: float = 0.0
) -> tuple[Floats, NDArray[np.int64], NDArray[np.int64]]:
    """Units [example, unit] of total variance 1, labels and word of each of 2 x `words` words."""
    word = np.repeat(np.arange(2 * words), PER_WORD)
    label = (word >= words).astype(np.int64)
    x = np.sqrt(icc) * rng.normal(size=(2 * words, units))[word]
    x += np.sqrt(1 - icc) * rng.normal(size=(len(word), units)) + effect * label[:, None]
    return x, label, word


def selection(words: int, n: int) -> list[Mean]:
    """Held-out AUC of what null sweeps choose: three layers of units that follow words only."""
    found = []
    for seed in range(n):
        rng = np.random.default_rng([words, seed])
        arrays = [word_units(words, 60, 0.6, rng) for _ in range(3)]
        _, label, word = arrays[0]
        fold = stats.folds_by_word(label, word, n_folds=N_FOLDS, seed=seed)
        best = nested_best([fold_scores(x, label, fold) for x, _, _ in arrays], label, fold, word)
        found.append([best.unit.auc, best.mean_difference.auc, best.logistic_probe.auc])
    names = ("best unit", "best layer's mean difference", "best layer's probe")
    return [
        Mean(f"held-out AUC of a null sweep's {name}, {words} + {words} words", values, 0.5, 0.02)
        for name, values in zip(names, np.array(found).T, strict=True)
    ]


def coverage(words: int, icc: float, units: int = 1500) -> list[Rate]:
    """95 % intervals of g and AUC over groups, for effects of 0, 0.5 and 1."""
    inside: dict[str, list[NDArray[np.bool_]]] = {"g": [], "AUC": []}
    for effect in (0.0, 0.5, 1.0):
        rng = np.random.default_rng([words, int(100 * icc), int(10 * effect)])
        found = stats.group_effects(*word_units(words, units // 3, icc, rng, effect))
        auc = float(special.ndtr(effect / np.sqrt(2)))
        inside["g"].append((found.g_group_low <= effect) & (effect <= found.g_group_high))
        inside["AUC"].append((found.auc_group_low <= auc) & (auc <= found.auc_group_high))
    return [
        Rate(
            f"interval of {name} holds the truth, {words} + {words} words, icc {icc:g}",
            int(np.sum(within)), units, 0.92, 1.0,
        )
        for name, within in inside.items()
    ]  # fmt: skip


def false_verdicts(words: int, n: int) -> Rate:
    """Null sweeps of 200 units that follow words, called more than word identity."""
    count = 0
    for seed in range(n):
        x, label, word = word_units(words, 200, 0.6, np.random.default_rng([words, 7, seed]))
        test = stats.max_permutation(
            x, label, groups=word, n_permutations=499, seed=seed, bound=True
        )
        count += more_than_identity(float(test.p_family.min()), test.p_beyond, ALPHA / SHARED_BY)
    name = f"null sweep called more than word identity, {words} + {words} words"
    return Rate(name, count, n, 0.0, 0.06)


def coherent_sets(n: int) -> list[Rate]:
    """In a linear model, sets that change together: write swaps as the null of their effect."""
    like_any, three_times = (
        sum(linear_p(seed, gain)[0] <= ALPHA for seed in range(n)) for gain in (1.0, 3.0)
    )
    return [
        Rate("linear model, set read like any: p <= .05", like_any, n, 0.0, 0.07),
        Rate("linear model, set read 3 times as much: p <= .05", three_times, n, 0.8, 1.0),
    ]


def linear_p(seed: int, gain: float) -> tuple[float, float]:
    """p of a set that moves together and is read `gain` times as much: by swaps, by other sets.

    In a linear model the divergence is a quadratic form of what is written.
    """
    units, width, top_units, windows = 200, 16, 12, 24
    rng = np.random.default_rng([1, seed])
    write = rng.normal(size=(units, width)) * np.exp(0.3 * rng.normal(size=(units, 1)))
    reader = rng.normal(size=(width, width)) * np.exp(rng.normal(size=(width, 1)))
    read = write @ reader
    top, others = np.arange(top_units), np.arange(top_units, units)
    side = np.where(np.arange(windows) % 2, 1.0, -1.0)[:, None] * rng.choice([-1, 1], top_units)
    change = np.sqrt(0.9) * side + np.sqrt(0.1) * rng.normal(size=(windows, top_units))
    own = gain**2 * np.square(change @ read[top]).sum(axis=1).mean()
    lengths = Writes("mlp_post", np.linalg.norm(write, axis=1))
    into, scale = lengths.swaps(top, others, 60, seed=seed)
    swaps = np.square((change * scale[:, None]) @ read[into]).sum(axis=2).mean(axis=1)
    apart = rng.normal(size=(windows, units))
    sets = np.array([rng.choice(others, top_units, replace=False) for _ in range(60)])
    changes = np.moveaxis(apart[:, sets], 1, 0)
    random = np.square(changes @ read[sets]).sum(axis=2).mean(axis=1)
    p = [family_test(np.array([[own]]), [null[None]], ALPHA).alone[0] for null in (swaps, random)]
    return p[0], p[1]


def causal_cards(n: int) -> list[Rate]:
    """The causal card on toy language models: tuned units that nothing reads, and read ones."""
    apart, used, unused = 0, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(n):
            null, card = (
                ablate(
                    planted_model(Path(folder) / f"{seed}-{read}", seed, read=read, silent=False),
                    planted_examples(seed), layers=[0], top=READ + DECOY, n_nulls=40,
                    n_unit_nulls=88, n_windows=24, n_controls=1, untrained=False, seed=seed,
                )
                for read in (0, READ)
            )  # fmt: skip
            apart += int((null.sets["p"] <= ALPHA).any())
            verdicts = card.units.set_index("unit")["verdict"].reindex(range(READ))
            used += int((verdicts == USED).sum())
            unused += int((verdicts == UNUSED).sum())
    return [
        Rate("toy models, tuned units that nothing reads: set's p <= .05", apart, n, 0.0, 0.07),
        Rate("toy models, units that are read: used", used, READ * n, 0.8, 1.0),
        Rate(f"toy models, units that are read: {UNUSED}", unused, READ * n, 0.0, 0.05),
    ]
