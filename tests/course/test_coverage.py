"""Coverage of the intervals of findings over new groups of words, now and before.

A few common factors and their own noise move the groups; whole groups are drawn anew, so that an
interval has to know more than the noise of tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from scipy import stats as scipy_stats

from lens_probes import stats
from lens_probes.activations.collect import Activations
from lens_probes.course.data import Data, half_data
from lens_probes.course.intervals import half_width
from lens_probes.examples.examples import Examples
from lens_probes.sites import SiteShape

KEY = (0, "mlp_pre")
SHAPES = {"mlp_pre": SiteShape(None, 80)}
GROUPS, EACH, UNITS, DRAWS, WORLDS, ICC = 12, 4, 80, 30, 60, 0.3
NAMES = ("share", "accuracy", "median_size", "sd_r", "largest", "auc")
Floats = np.ndarray


def worlds(n: int, seed: int) -> Iterator[Data]:
    """Data of other groups of words; a third of the units is tuned."""
    rng = np.random.default_rng(seed)
    factors = rng.normal(size=(5, UNITS)) / np.sqrt(5)
    effect = np.where(np.arange(UNITS) < UNITS // 3, rng.uniform(0.4, 1.2, UNITS), 0)
    group = np.repeat(np.arange(2 * GROUPS), EACH)
    label = (group >= GROUPS).astype(int)
    examples = Examples.from_tokens(group[:, None], 0, label, group=group.tolist())
    for _ in range(n):
        moved = rng.normal(size=(2 * GROUPS, 5)) @ factors + rng.normal(size=(2 * GROUPS, UNITS))
        noise = rng.normal(size=(len(group), UNITS))
        x = np.sqrt(ICC / 2) * moved[group] + np.sqrt(1 - ICC) * noise + np.outer(label, effect)
        yield Data(examples, Activations({KEY: x}, SHAPES))


def numbers(sample: Data) -> Floats:
    """A number of each kind that the lessons report, in the order of NAMES."""
    x, label = sample.x, sample.examples.label
    r = stats.correlation(x, label.astype(float)).r
    t = r * np.sqrt((len(label) - 2) / (1 - r**2))
    significant = stats.student_tail(t, float(len(label) - 2))[0] <= 0.05 / x.shape[1]
    middle = (x[label == 0].mean(0) + x[label == 1].mean(0)) / 2
    right = ((x > middle) == (label == 1)[:, None]).mean(0)
    passed = significant & (t > 0)
    accuracy = right[passed].mean() if passed.any() else np.nan
    auc = stats.auc(x[:, :1], label).auc[0]
    return np.array(
        [significant.mean(), accuracy, np.median(np.abs(r)), r.std(), np.abs(r).max(), auc]
    )


def in_halves(sample: Data, n: int, seed: int) -> Iterator[Data]:
    """What is there now."""
    return half_data(sample, sample.group, n, seed, anew=True)


def with_replacement(sample: Data, n: int, seed: int) -> Iterator[Data]:
    """As many groups of each class as there are, drawn with replacement: what was there before."""
    rng = np.random.default_rng(seed)
    for _ in range(n):
        chosen = np.concatenate([start + rng.integers(0, GROUPS, GROUPS) for start in (0, GROUPS)])
        rows = np.concatenate([np.flatnonzero(sample.group == k) for k in chosen])
        yield sample.rows(rows, np.repeat(np.arange(2 * GROUPS), EACH))


def deviation(draws: list[float]) -> float:
    """Half the width of the interval that was there before."""
    return float(scipy_stats.t.ppf(0.975, len(draws) - 1) * np.std(draws, ddof=1))


def measured(
    draw: Callable[..., Iterator[Data]], half: Callable[[list[float]], float]
) -> tuple[Floats, Floats]:
    """Share of worlds whose interval holds the mean of all; its width, 1 being right: [number]."""
    made = list(worlds(200, 0))
    found = np.array([numbers(sample) for sample in made])
    halves = []
    for k, sample in enumerate(made[:WORLDS]):
        drawn = np.array([numbers(one) for one in draw(sample, DRAWS, k)])
        halves.append([half(column.tolist()) for column in drawn.T])
    covered = np.abs(found[:WORLDS] - np.nanmean(found, axis=0)) <= np.array(halves)
    width = np.median(halves, axis=0) / (1.96 * np.nanstd(found, axis=0))
    return covered.mean(0), width


def test_intervals_cover_95_of_100_and_covered_more() -> None:
    coverage, width = measured(in_halves, half_width)
    assert 0.92 <= coverage.mean() <= 0.98
    assert coverage.min() >= 0.85
    before, too_wide = measured(with_replacement, deviation)
    curved = [NAMES.index(name) for name in ("share", "median_size", "sd_r")]
    assert before[curved].mean() >= 0.97
    assert too_wide[curved].mean() > 1.05 * width[curved].mean()
