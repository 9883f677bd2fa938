"""Are the numbers beside the test what they say? Simulations where the truth is known."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import special
from scipy.stats import beta, binom

from lens_probes import stats
from lens_probes.ablation import ablate
from lens_probes.ablation.card import CausalCard
from lens_probes.ablation.inference import family_test
from lens_probes.ablation.swap import Writes
from lens_probes.ablation.verdict import UNUSED, USED
from lens_probes.checks.heldout import fold_scores
from lens_probes.checks.level import SHARED_BY, more_than_identity
from lens_probes.checks.nested import nested_best
from lens_probes.checks.planted import DECOY, READ, planted_examples, planted_model
from lens_probes.examples.folds import N_FOLDS

Floats = NDArray[np.float64]
ALPHA, PER_WORD = 0.05, 6
_DOUBT = 0.01  # a bound is broken where so rare a count, if it were kept, came out
_NOTICED = 0.8  # share of audits that must call broken what is said to be noticed
_WIDE = 3.0  # standard errors of a mean beyond its bound


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
        return self._least_broken > self.count > self._most_broken

    @property
    def noticed(self) -> float:
        """The true rate nearest to its bound that 4 of 5 such audits would call broken.

        NaN where there are too few simulations to call any.
        """
        if self.low == 0:
            k = self._least_broken
            return float(beta.ppf(_NOTICED, k, self.n - k + 1)) if k <= self.n else np.nan
        k = self._most_broken
        return float(beta.ppf(1 - _NOTICED, k + 1, self.n - k)) if k >= 0 else np.nan

    @property
    def _least_broken(self) -> int:
        counts = np.arange(self.n + 2)
        return int(counts[binom.sf(counts - 1, self.n, self.high) < _DOUBT][0])

    @property
    def _most_broken(self) -> int:
        counts = np.arange(-1, self.n + 1)
        return int(counts[binom.cdf(counts, self.n, self.low) < _DOUBT][-1])

    def __str__(self) -> str:
        rate = f"{self.count} of {self.n} ({self.count / self.n:.3f})"
        bound = f"at most {self.high:g}" if self.low == 0 else f"at least {self.low:g}"
        return _line(self, rate, bound, "none" if np.isnan(self.noticed) else f"{self.noticed:.3f}")


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
        return bool(abs(self.values.mean() - self.wanted) <= self.within + _WIDE * self._error)

    @property
    def noticed(self) -> float:
        """How far off a true mean is that 4 of 5 such audits would call broken."""
        return float(self.within + (_WIDE + special.ndtri(_NOTICED)) * self._error)

    @property
    def _error(self) -> float:
        return float(self.values.std(ddof=1) / np.sqrt(len(self.values)))

    def __str__(self) -> str:
        bound = f"{self.wanted:g} within {self.within:g}"
        return _line(self, f"{self.values.mean():.3f}", bound, f"{self.noticed:.3f} off")


def _line(said: Rate | Mean, found: str, bound: str, noticed: str) -> str:
    kept = "kept" if said.kept else "BROKEN"
    return f"{said.name:<74}{found:>20}{bound:>19}: {kept:<6}{noticed:>11}"


HEADER = f"{'':<74}{'came out':>20}{'bound':>19}  {'':<6}{'noticed':>11}"


def audit_numbers(seeds: int) -> Iterator[Rate | Mean]:
    """Selection, intervals, verdicts and the causal card, one line after the other.

    Parameters
    ----------
    seeds
        Toy models with units that are read; six times as many in which none is, ten times as many
        sweeps and twenty times as many sets. With 10 a rate of 0.2 where at most 0.07 is meant is
        noticed in 4 of 5 audits; `Rate.noticed` says what each line can notice.
    """
    for words in (12, 24):
        yield from selection(words, 10 * seeds)
        for icc in (0.1, 0.3, 0.6):
            yield from coverage(words, icc)
        yield false_verdicts(words, 10 * seeds)
    yield from coherent_sets(20 * seeds)
    yield from causal_cards(seeds, 6 * seeds)


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


def causal_cards(n_read: int, n_silent: int) -> list[Rate]:
    """The causal card on toy language models: some with units that are read, some with none."""
    apart, used, unused = 0, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(n_silent):
            apart += int((_card(Path(folder), seed, 0).sets["p"] <= ALPHA).any())
        for seed in range(n_read):
            units = _card(Path(folder), seed, READ).units.set_index("unit")
            verdicts = units["verdict"].reindex(range(READ))
            used += int((verdicts == USED).sum())
            unused += int((verdicts == UNUSED).sum())
    units_read = READ * n_read
    nothing = "toy models, tuned units that nothing reads: set's p <= .05"
    return [
        Rate(nothing, apart, n_silent, 0.0, 0.07),
        Rate("toy models, units that are read: used", used, units_read, 0.8, 1.0),
        Rate(f"toy models, units that are read: {UNUSED}", unused, units_read, 0.0, 0.05),
    ]


def _card(folder: Path, seed: int, read: int) -> CausalCard:
    model = planted_model(folder / f"{seed}-{read}", seed, read=read, silent=False)
    return ablate(
        model, planted_examples(seed), layers=[0], top=READ + DECOY, n_nulls=40, n_unit_nulls=88,
        n_windows=24, n_controls=1, untrained=False, seed=seed,
    )  # fmt: skip
