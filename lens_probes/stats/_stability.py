"""How often random halves of the groups put a unit among the first (stability selection)."""

from __future__ import annotations

import numpy as np

from lens_probes.stats._group_design import GroupDesign
from lens_probes.stats._selectors import ALONE, path_order, scores_alone
from lens_probes.stats.inputs import Bools, Floats, Ints

N_PAIRS = 50


class Halves:
    """How often halves of the groups put each unit among their first."""

    def __init__(self, design: GroupDesign, selector: str, most: int, seed: int) -> None:
        self.design, self.selector, self.most = design, selector, most
        rng = np.random.default_rng([seed, 1])
        self.halves: list[Bools] = []
        for _ in range(N_PAIRS):
            half = np.zeros(len(design.labels), dtype=bool)
            for label in (False, True):
                members = rng.permutation(np.flatnonzero(design.labels == label))
                odd = rng.integers(2) * (len(members) % 2)
                half[members[: len(members) // 2 + odd]] = True
            self.halves += [half, ~half]
        self.first: list[tuple[Floats, Ints]] = [(np.empty(0), np.empty(0, np.int64))] * (
            2 * N_PAIRS
        )
        self.width = 0

    def read(self, part: Floats) -> None:
        """One array, after those read before it."""
        alone = None
        if self.selector in ALONE:
            design = self.design
            alone = scores_alone(
                self.selector, design.means(part), design.groups.sizes, design.labels,
                np.array(self.halves),
            )  # fmt: skip
        for h, half in enumerate(self.halves):
            if alone is not None:
                order = np.argsort(-alone[h], kind="stable")[: self.most]
                size = alone[h, order]
            else:
                rows = half[self.design.groups.index]
                x = part[rows] - part[rows].mean(axis=0)
                spread = x.std(axis=0)
                z = x / np.where(spread > 0, spread, np.inf)
                order = path_order(self.selector, z, self.design.positive[rows], self.most)
                size = -np.arange(len(order), dtype=np.float64)
            sizes = np.concatenate([self.first[h][0], size])
            units = np.concatenate([self.first[h][1], self.width + order])
            best = np.argsort(-sizes, kind="stable")[: self.most]
            self.first[h] = sizes[best], units[best]
        self.width += part.shape[1]

    def shares(self) -> Floats:
        """The share of halves [unit]."""
        counts = np.zeros(self.width)
        for _, units in self.first:
            counts[units] += 1
        return counts / len(self.halves)


def expected_false(n_chosen: int, n_units: int, threshold: float, n_pairs: int = N_PAIRS) -> float:
    """The most false members to be expected of a set chosen by its share of halves.

    C(threshold, n_pairs) q^2 / p for q units chosen of p (Shah and Samworth 2013, theorem 2 and
    equation 8): false is a unit that a half chooses no more often than q / p, whose shares over
    pairs of halves are taken to have one peak. At most q. Infinite where the threshold is too low.
    """
    theta = n_chosen / n_units
    low = min(0.5 + theta**2, 0.5 + 1 / (2 * n_pairs) + 0.75 * theta**2)
    if threshold <= low or theta > 1 / np.sqrt(3):
        # Without the peak (their theorem 1, Markov's inequality), where that says anything.
        bound = theta / max(2 * threshold - 1, 1e-12)
    elif threshold <= 0.75:
        bound = theta / (2 * (2 * threshold - 1 - 1 / (2 * n_pairs)))
    else:
        bound = theta * 4 * (1 - threshold + 1 / (2 * n_pairs)) / (1 + 1 / n_pairs)
    return float(min(bound * n_chosen, n_chosen))
