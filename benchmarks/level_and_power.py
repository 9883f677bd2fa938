"""Level and power of the tests over groups, over a grid of designs, into docs/statistics.md.

    python benchmarks/level_and_power.py [--quick] [--only WORDS]

Each row simulates families of 200 units without an effect (level: the share of families in which
any unit passes, nominal 0.05) and the same with one unit in ten tuned (power: the share of tuned
units that pass). Units are the sum of a group's own effect, what is crossed with groups (speaker,
era, a curve in log frequency; classes are unbalanced in it) and noise of single examples, with
total variance 1. With --quick or --only the table is printed and no file changes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lens_probes import stats

Floats = npt.NDArray[np.float64]
PAGE = Path(__file__).parents[1] / "docs" / "statistics.md"
BEGIN, END = "<!-- level and power: begin -->", "<!-- level and power: end -->"
ALPHA, UNITS, TUNED, DRAWS = 0.05, 200, 10, 499
# Mean and standard deviation of max(z - 1.5, 0) for a normal z.
RECTIFIED = (0.02931, 0.14828)


@dataclass(frozen=True)
class Design:
    """A row of the grid. sizes: fewest and most examples a group, drawn evenly on a log scale.

    ratio: variance of group effects, class 1 over class 0. speaker, era, frequency: shares of the
    variance. size_class: whether class 1 has all the large groups. effect: shift of tuned units.
    """

    n0: int
    n1: int
    sizes: tuple[int, int] = (10, 10)
    icc: float = 0.4
    ratio: float = 1.0
    tail: str = "normal"
    speaker: float = 0.0
    era: float = 0.0
    frequency: float = 0.0
    size_class: bool = False
    value: bool = False
    effect: float = 1.0

    def words(self) -> str:
        """The row's first cell."""
        low, high = self.sizes
        parts = [
            f"{self.n0 + self.n1}, a value" if self.value else f"{self.n0} v {self.n1}",
            f"{low}" if low == high else f"{high} v {low}" if self.size_class else f"{low}-{high}",
            f"icc {self.icc}",
        ]
        shares = {"speaker": self.speaker, "era": self.era, "frequency": self.frequency}
        parts += [f"{name} {share:.0%}" for name, share in shares.items() if share]
        variances = f"{1 / self.ratio:g} v 1" if self.ratio < 1 else f"1 v {self.ratio:g}"
        parts += [f"variances {variances}"] if self.ratio != 1 else []
        parts += [f"tails {self.tail}"] if self.tail != "normal" else []
        return "; ".join(parts)


@dataclass(frozen=True)
class Sample:
    """Examples of one draw of a design: label, group, speaker, era, log_count are [example]."""

    label: Floats
    group: npt.NDArray[np.int64]
    speaker: npt.NDArray[np.int64]
    era: npt.NDArray[np.int64]
    log_count: Floats


GRID = (
    Design(6, 6, effect=2.0),
    Design(12, 12, effect=1.2),
    Design(30, 30, (5, 200), effect=0.8),
    Design(12, 12, (5, 200), size_class=True, effect=1.2),
    Design(12, 12, icc=0.1, effect=0.9),
    Design(12, 12, icc=0.6, effect=1.3),
    Design(12, 12, tail="t4", effect=1.2),
    Design(30, 10, effect=1.2),
    Design(40, 5, effect=1.5),
    Design(30, 10, ratio=4, effect=1.8),
    Design(40, 5, ratio=9, effect=3.0),
    Design(12, 30, ratio=1 / 9, effect=2.0),
    Design(24, 24, icc=0.02, tail="rectified", effect=0.4),
    Design(24, 24, (6, 30), size_class=True, icc=0.02, tail="rectified", effect=0.4),
    Design(12, 12, era=0.1, effect=1.2),
    Design(30, 30, era=0.1, effect=0.9),
    Design(6, 6, speaker=0.3, effect=2.0),
    Design(12, 12, speaker=0.3, effect=1.2),
    Design(30, 10, (5, 200), speaker=0.3, effect=1.0),
    Design(6, 6, frequency=0.3, effect=2.0),
    Design(12, 12, frequency=0.3, effect=1.5),
    Design(30, 30, frequency=0.3, effect=1.0),
    Design(40, 10, frequency=0.3, effect=1.5),
    Design(30, 10, (5, 200), speaker=0.2, frequency=0.2, icc=0.1, effect=1.0),
    Design(20, 20, value=True, effect=0.5),
    Design(20, 20, (5, 200), value=True, speaker=0.3, effect=0.5),
    Design(20, 20, value=True, frequency=0.3, effect=0.6),
)


def draw_sample(design: Design, rng: np.random.Generator) -> Sample:
    """Groups, their sizes, and what is crossed with them and leans to class 1 (or high values)."""
    n = design.n0 + design.n1
    lean = np.repeat([0.0, 1.0], [design.n0, design.n1])
    low, high = design.sizes
    sizes = np.round(np.exp(rng.uniform(np.log(low), np.log(high), n))).astype(np.int64)
    if design.size_class:
        sizes = np.where(lean == 1, high, low).astype(np.int64)
    label = lean
    if design.value:
        label = rng.normal(size=n)
        lean = 1 / (1 + np.exp(-2 * label))
    group = np.repeat(np.arange(n), sizes)
    side = lean[group]
    return Sample(
        label[group], group, _leaning(side, 12, rng), _leaning(side, 5, rng),
        (rng.normal(size=n) + 1.2 * lean)[group],
    )  # fmt: skip


def _leaning(side: Floats, levels: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """A level for each example; high levels are more frequent where side is 1."""
    tilt = np.linspace(-1.5, 1.5, levels)
    weights = np.exp(np.outer(2 * side - 1, tilt))
    edges = np.cumsum(weights / weights.sum(axis=1, keepdims=True), axis=1)
    level: npt.NDArray[np.int64] = (rng.random(len(side))[:, None] > edges[:, :-1]).sum(axis=1)
    return level


def draw_units(
    design: Design, sample: Sample, n_units: int, effect: float, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Units [example, unit]; every TUNED-th follows the label with the given effect."""

    def noise(n: int) -> Any:
        if design.tail == "normal":
            return rng.standard_normal((n, n_units), np.float32)
        if design.tail == "rectified":
            above = np.maximum(rng.standard_normal((n, n_units)) - 1.5, 0)
            return (above - RECTIFIED[0]) / RECTIFIED[1]
        return rng.standard_t(4, size=(n, n_units)) / np.sqrt(2)

    group, first = sample.group, np.unique(sample.group, return_index=True)[1]
    rest = 1 - design.speaker - design.era - design.frequency
    spread = np.where(sample.label[first] == 1, np.sqrt(design.ratio), 1.0)
    x = np.sqrt(rest * design.icc) * (noise(len(first)) * spread[:, None])[group]
    x += np.sqrt(rest * (1 - design.icc)) * noise(len(group))
    for share, level in ((design.speaker, sample.speaker), (design.era, sample.era)):
        if share:
            x += np.sqrt(share) * rng.standard_normal((level.max() + 1, n_units))[level]
    if design.frequency:
        z = sample.log_count[first][:, None]
        line, bend, step = rng.standard_normal((3, n_units))
        curve = line * z + bend * z**2 / 2 + step * np.tanh(2 * z)
        x += np.sqrt(design.frequency) * ((curve - curve.mean(axis=0)) / curve.std(axis=0))[group]
    x[:, ::TUNED] += effect * sample.label[:, None]
    return x.astype(np.float32)


Test = Callable[[Design, Sample, npt.NDArray[np.float32], npt.NDArray[np.int64]], Any]


def _maximum(design: Design, sample: Sample, x: Any, family: Any) -> Any:
    return stats.max_permutation(
        x, sample.label, groups=sample.group, family=family, n_permutations=DRAWS
    ).p_family


def _pooled(design: Design, sample: Sample, x: Any, family: Any) -> Any:
    if design.value:
        return None
    tests = [
        stats.max_permutation(
            x[:, family == k], sample.label, groups=sample.group, n_permutations=DRAWS, bound=True
        )
        for k in np.unique(family)
    ]
    return np.concatenate([stats.adjust(test.pooled_p, method="bh") for test in tests])


def _welch(design: Design, sample: Sample, x: Any, family: Any) -> Any:
    if design.value:
        return None
    p = stats.word_level(x, sample.label, sample.group).word_p
    return stats.adjust(p, method="bh", family=family)


def _adjusted(design: Design, sample: Sample, x: Any, family: Any) -> Any:
    fixed = [sample.speaker] * (design.speaker > 0) + [sample.era] * (design.era > 0)
    curve = stats.spline_columns(sample.log_count) if design.frequency else None
    return stats.adjusted_test(
        x, sample.label, groups=sample.group, fixed=fixed or None, covariates=curve,
        family=family, n_draws=DRAWS,
    ).p_family  # fmt: skip


def _tokens(design: Design, sample: Sample, x: Any, family: Any) -> Any:
    p = stats.correlation(x, sample.label).r_p
    return stats.adjust(p, method="holm", family=family)


TESTS: dict[str, Test] = {
    "max_permutation": _maximum,
    "one unit's p, BH": _pooled,
    "Welch's own tail, BH": _welch,
    "adjusted_test": _adjusted,
    "tokens, Holm": _tokens,
}


def level_and_power(
    design: Design, *, n_designs: int, n_families: int, tests: dict[str, Test] = TESTS
) -> dict[str, tuple[float, float]]:
    """(level, power) of each test; NaN where a test does not apply."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in tests}
    family = np.repeat(np.arange(n_families), UNITS)
    for seed in range(n_designs):
        rng = np.random.default_rng(seed)
        sample = draw_sample(design, rng)
        null = draw_units(design, sample, len(family), 0.0, rng)
        some = family < max(1, n_families // 5)
        tuned = draw_units(design, sample, int(some.sum()), design.effect, rng)
        for name, test in tests.items():
            p, hit = test(design, sample, null, family), test(design, sample, tuned, family[some])
            if p is None:
                found[name].append((np.nan, np.nan))
                continue
            wrong = (p.reshape(n_families, UNITS) <= ALPHA).any(axis=1).mean()
            found[name].append((float(wrong), float((hit[::TUNED] <= ALPHA).mean())))
    return {
        name: (float(np.mean([a for a, _ in pairs])), float(np.mean([b for _, b in pairs])))
        for name, pairs in found.items()
    }


def row(words: str, cells: dict[str, tuple[float, float]]) -> str:
    """A line of the table."""
    shown = ["" if np.isnan(a) else f"{a:.2f} / {b:.2f}" for a, b in cells.values()]
    return f"| {words} | {' | '.join(shown)} |"


def main() -> None:
    """Run the grid, print it, and put it into the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="2 designs of 10 families a row")
    parser.add_argument("--only", default="", help="rows whose first cell has these words")
    options = parser.parse_args()
    size = (
        {"n_designs": 2, "n_families": 10} if options.quick else {"n_designs": 10, "n_families": 40}
    )
    lines = [
        f"| groups; examples a group | {' | '.join(TESTS)} |", "|---" * (len(TESTS) + 1) + "|",
    ]  # fmt: skip
    print("\n".join(lines), flush=True)
    for design in GRID:
        if options.only in design.words():
            lines.append(row(design.words(), level_and_power(design, **size)))
            print(lines[-1], flush=True)
    if options.quick or options.only:
        return
    before, rest = PAGE.read_text().split(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n\n" + "\n".join(lines) + f"\n\n{END}" + rest.split(END)[1])


if __name__ == "__main__":
    main()
