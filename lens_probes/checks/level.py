"""What the deciding test does in the design at hand, simulated from its own groups.

Null units are drawn for the groups of a sweep's examples: as unlike in spread, and as skewed, as
its units are. Where a class has few or small groups a permutation of their means can err.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy.typing import NDArray
from scipy import special

from lens_probes import stats
from lens_probes.checks.null_units import Kind, null_kinds, skewed_means
from lens_probes.examples.examples import Examples
from lens_probes.examples.label import ClassLabel, Label
from lens_probes.examples.replication_groups import groups_per_class
from lens_probes.stats.tuned_bound import simes_ratio
from lens_probes.units.adjustment import Adjustment
from lens_probes.units.decision import OF_GROUPS, Decision, groups_tested

N_FAMILIES, MOST_UNITS, MOST_VALUES, MOST_DRAWS = 200, 500, 5_000_000, 499
# An error up to this multiple of alpha is within the simulation's own error of alpha.
LIKE_ALPHA = 1.4
# Two looks at the same groups share alpha.
SHARED_BY = 2


@dataclass(frozen=True)
class DesignErrors:
    """What sweeps without any tuned unit do in a design.

    level: lowest and highest family-wise error of the deciding test over kinds of null units, the
    highest measured again with new units in the kind that had it. For max-T of two classes also
    what the worst kind asks for: evidence_level, the p at which the verdict errs in alpha of
    sweeps (alpha / 2 where it does so); simes_factor, by which `simes_level` is lowered for the
    bound to err in alpha of them (1 where it does so). None elsewhere.
    """

    level: tuple[float, float]
    evidence_level: float | None = None
    simes_factor: float | None = None

    def said(self, decided: Mapping[str, Any]) -> dict[str, Any]:
        """For the decision's record, with its `simes_level` lowered."""
        said: dict[str, Any] = {"level_at_this_design": list(self.level)}
        if self.simes_factor is not None:
            said["evidence_level"] = self.evidence_level
            said["simes_factor"] = self.simes_factor
            said["simes_level"] = decided["simes_level"] * self.simes_factor
        return said


def more_than_identity(unit_p: float, p_beyond: float, level: float) -> bool:
    """Whether a single unit's p over all units, or that of as many strong units, is evidence.

    level: alpha / SHARED_BY, or what the design asks for (`errors_at_this_design`).
    """
    return min(unit_p, p_beyond) <= level


def least_p(*counts: int, n_permutations: int, n_relabellings: int | None) -> float:
    """The smallest p that so many groups of each class can give; n_relabellings where all are used.

    Classes of equally many groups may change their names.
    """
    if n_relabellings is None:
        return 1 / (1 + n_permutations)
    equal = np.unique(counts, return_counts=True)[1]
    return math.prod(math.factorial(int(n)) for n in equal) / n_relabellings


def errors_at_this_design(
    units: pd.DataFrame,
    examples: Examples,
    decision: Decision,
    adjustment: Adjustment,
    threshold: float,
) -> DesignErrors | None:
    """Simulated errors for the groups of these examples; None where groups do not decide.

    Kinds of null units: normal group effects that are 2 % or 50 % of the variance between
    examples, with a spread of class 1's group means against class 0's as low, or as high, as the
    sweep's units have it; and examples as skewed to either side as its units are, drawn from a
    gamma distribution (5 and 95 % of units, without what is chance in few groups). A family is as
    many independent units as the test's `threshold` says there are, MOST_UNITS at most: where
    spreads differ the error grows with their number. Monte Carlo error of an error: 0.015.
    """
    if decision.level != "word" or examples.group is None:
        return None
    label, ids, use = groups_tested(examples, decision.min_per_group)
    _, first, group = np.unique(ids, return_index=True, return_inverse=True)
    most = MOST_VALUES // (N_FAMILIES * len(first))
    n_units = max(20, min(_independent_units(decision, threshold), most))
    design = _Design(examples, label.select(first), decision, adjustment, use, group, n_units)
    kinds = list(null_kinds(units, groups_per_class(examples, use), np.bincount(group)))
    errors = [design.error(kind, seed=0) for kind in kinds]
    best, worst = kinds[int(np.argmin(errors))], kinds[int(np.argmax(errors))]
    again = design.error(worst, seed=1)
    level = min(*errors, again), again
    if decision.method not in OF_GROUPS:
        both = [design.error_of_method(kind) for kind in (best, worst)]
        level = min(both), max(both)
    if decision.method != "max_t" or not label.exact_p:
        return DesignErrors(level)
    return DesignErrors(level, *design.verdict_and_bound(worst))


def _independent_units(decision: Decision, threshold: float) -> int:
    """How many independent units would set this threshold of |z|; 20 where it is not known.

    alpha = 1 - (1 - p)^m, with the two-sided normal p of the threshold. Where another method
    decides, as many as can be.
    """
    if decision.method not in OF_GROUPS:
        return MOST_UNITS
    if decision.method == "max_adjusted" or not np.isfinite(threshold):
        return 20
    p = 2 * special.ndtr(-threshold)
    m = np.log1p(-decision.alpha) / np.log1p(-p) if p > 0 else MOST_UNITS
    return int(np.clip(m, 20, MOST_UNITS))


@dataclass(frozen=True)
class _Design:
    """The label of each group [group], the tested examples `use` [example], and the group of each
    tested one; families of n_units units are drawn for them."""

    examples: Examples
    label: Label
    decision: Decision
    adjustment: Adjustment
    use: NDArray[np.bool_]
    group: NDArray[np.int64]
    n_units: int

    def error(self, kind: Kind, *, seed: int) -> float:
        """Family-wise error of the adjusted test, or of the max-T test."""
        decision, rng = self.decision, self._rng(seed)
        family = np.repeat(np.arange(N_FAMILIES), self.n_units)
        if decision.method == "max_adjusted":
            shorter = replace(decision, n_permutations=self._draws)
            x = np.zeros((len(self.examples), len(family)))
            x[self.use] = self._examples(kind, len(family), rng)
            return self._passed(self.adjustment.test([x], self.examples, shorter, family).p_family)
        means = self._means(kind, len(family), rng)
        test = self.label.permute(
            means, None, n_permutations=self._draws, seed=decision.seed, family=family,
            alpha=decision.alpha,
        )  # fmt: skip
        return self._passed(test.p_family)

    def error_of_method(self, kind: Kind) -> float:
        """Share of sweeps in which a unit's `pooled_p` passes the method of the decision."""
        # With nothing to find, layers first and then units errs as bh does.
        asked = self.decision.method
        method: Any = "bh" if asked == "hierarchical" else asked
        p = [stats.adjust(t.pooled_p, method=method) for t in self._tests(kind, 1, self._draws)]
        return self._passed(np.concatenate(p))

    def verdict_and_bound(self, kind: Kind) -> tuple[float, float]:
        """The level of evidence, and the factor of `simes_level`, that keep alpha here."""
        alpha, most = self.decision.alpha, min(self.decision.n_permutations, MOST_DRAWS)
        half = alpha / SHARED_BY
        tests = list(self._tests(kind, 2, self._draws))
        holds = _largest_level(_evidence(tests), alpha, half) == half
        if holds and _largest_level(_ratios(tests), alpha, 1.0) == 1:
            return half, 1.0
        # Seen again in as many more, and with p that are small enough to find the level.
        tests += self._tests(kind, 3, self._draws)
        factor = _largest_level(_ratios(tests), alpha, 1.0)
        if _largest_level(_evidence(tests), alpha, half) == half:
            return half, factor
        tests = list(self._tests(kind, 2, most))
        level, one = _largest_level(_evidence(tests), alpha, half), tests[0]
        return (0.0 if level < one.least_p else level), factor

    def _tests(self, kind: Kind, stream: int, n_draws: int) -> Iterator[stats.MaxPermutation]:
        """N_FAMILIES sweeps of n_units."""
        means = self._means(kind, N_FAMILIES * self.n_units, self._rng(stream))
        for k in range(N_FAMILIES):
            x = np.ascontiguousarray(means[:, k * self.n_units : (k + 1) * self.n_units])
            yield self.label.permute(
                x, None, n_permutations=n_draws, seed=self.decision.seed + k,
                alpha=self.decision.alpha, bound=True,
            )  # fmt: skip

    def _means(
        self, kind: Kind, n: int, rng: np.random.Generator
    ) -> Float[np.ndarray, "group unit"]:
        sizes = np.bincount(self.group).astype(np.float64)[:, None]
        means: NDArray[np.float64]
        if not kind.skew:
            spread = np.sqrt(kind.share + (1 - kind.share) / sizes)
            means = rng.standard_normal((len(sizes), n))
            means *= self._scale(kind) * spread
            return means
        means = np.sqrt(1 - kind.share) * skewed_means(kind.skew, sizes, n, rng)
        means += np.sqrt(kind.share) * rng.standard_normal(means.shape)
        means *= self._scale(kind)
        return means

    def _examples(
        self, kind: Kind, n: int, rng: np.random.Generator
    ) -> Float[np.ndarray, "tested unit"]:
        words = np.sqrt(kind.share) * rng.normal(size=(self._n_groups, n))
        noise = skewed_means(kind.skew, np.ones((len(self.group), 1)), n, rng)
        every: NDArray[np.float64] = words[self.group] + np.sqrt(1 - kind.share) * noise
        return self._scale(kind)[self.group] * every

    def _scale(self, kind: Kind) -> Float[np.ndarray, "group 1"]:
        """[group, 1] so that group means of a class are `ratios` times as spread as of class 0."""
        scale: NDArray[np.float64] = np.ones((self._n_groups, 1))
        if isinstance(self.label, ClassLabel):
            spread = kind.share + (1 - kind.share) / np.bincount(self.group)
            zero = spread[self.label.y == 0].mean()
            for k, ratio in enumerate(kind.ratios, start=1):
                one = self.label.y == k
                scale[one] = ratio * np.sqrt(zero / spread[one].mean())
        return scale

    @property
    def _n_groups(self) -> int:
        return len(self.label.numbers)

    @property
    def _draws(self) -> int:
        """About 100 relabellings, so many that p can be alpha: a test of few has its level."""
        alpha = self.decision.alpha
        enough = int(np.ceil(max(1, round(100 * alpha)) / alpha - 1e-9)) - 1
        return min(self.decision.n_permutations, enough)

    def _passed(self, p: Float[np.ndarray, " unit"]) -> float:
        """Share of families in which a unit passes."""
        lowest = np.nan_to_num(p, nan=1.0).reshape(N_FAMILIES, -1).min(axis=1)
        return float((lowest <= self.decision.alpha).mean())

    def _rng(self, stream: int) -> np.random.Generator:
        return np.random.default_rng([self.decision.seed, stream])


def _evidence(tests: list[stats.MaxPermutation]) -> Float[np.ndarray, " sweep"]:
    return np.array([min(float(test.p_family.min()), test.p_beyond) for test in tests])


def _ratios(tests: list[stats.MaxPermutation]) -> Float[np.ndarray, " sweep"]:
    return np.array([simes_ratio(test.value, test.simes_level) for test in tests])


def _largest_level(lowest: Float[np.ndarray, " sweep"], alpha: float, asked: float) -> float:
    """`asked`, or where more sweeps than alpha reach it what alpha of them reach."""
    if float((lowest <= asked).mean()) <= LIKE_ALPHA * alpha:
        return asked
    return float(np.sort(lowest)[int(alpha * len(lowest))]) * (1 - 1e-9)
