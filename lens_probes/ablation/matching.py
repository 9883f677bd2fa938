"""Random units that are like the top ones, in what the measured windows have of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray

Units = NDArray[np.int64]
_NEAREST = 10
_NEAREST_SHARE = 20
_CLOSE_SQUARE = 1.2
_CLOSE, _WIDER = 0.05, 4
_SMALLEST = 1e-9
_FARTHEST = 2.0


@dataclass(frozen=True)
class Profile:
    """What random units shall share with the top ones.

    What an ablation does grows with the size of the change it makes, whichever units they are. So
    that is made equal, in the very windows that are measured: units that tell a few words apart
    vary more or less with the words there. No label and no effect takes part.

    Attributes
    ----------
    mean
        [unit] mean over the tokens of the measured windows where the unit is replaced.
    size
        [unit] root mean square of the change there: with `kind="mean"` the standard deviation
        about the mean of the other half.
    """

    mean: Float[np.ndarray, " unit"]
    size: Float[np.ndarray, " unit"]


def profile_of(
    changes: Iterable[
        tuple[Float[np.ndarray, "position unit"], Float[np.ndarray, "position unit"]]
    ],
) -> Profile:
    """Of all units of a layer and site, from what they are and what replaces it (`changes`)."""
    total: Any = 0.0
    square: Any = 0.0
    n = 0
    for old, new in changes:
        wide = old.astype(np.float64)
        total = total + wide.sum(axis=0)
        square = square + ((wide - new) ** 2).sum(axis=0)
        n += len(wide)
    return Profile(total / n, np.maximum(np.sqrt(square / n), _SMALLEST))


def as_large(profile: Profile, unit: int, others: Units) -> Bool[np.ndarray, " other"]:
    """Which others change less than twice as much as a unit, and more than half as much."""
    ratio: NDArray[np.float64] = profile.size[unit] / profile.size[others]
    return (ratio > 1 / _FARTHEST) & (ratio < _FARTHEST)


def match_table(profile: Profile, top: Units, matched: Sequence[Units]) -> dict[str, float]:
    """Mean, and size of the change, of the top units and of those in the matched sets."""
    found = {}
    for name, units in (("top", top), ("matched", np.concatenate(matched))):
        found[f"mean_{name}"] = float(profile.mean[units].mean())
        found[f"size_{name}"] = float(np.sqrt((profile.size[units] ** 2).mean()))
    return found


def unlike(size_top: float, size_matched: float) -> str:
    """In what the random sets are not like the top units: "" where they are."""
    ratio = (size_matched / size_top) ** 2
    if 1 / _CLOSE_SQUARE < ratio < _CLOSE_SQUARE:
        return ""
    return f"ablating the random sets changes {ratio:.2g} times as much, and no unit is nearer"


def _nearest(profile: Profile, best: Units, others: Units) -> list[Units]:
    """For each top unit the other units, nearest in mean and log size first."""
    features = np.stack([profile.mean, np.log(profile.size)], axis=1)
    spread = features[np.concatenate([best, others])].std(axis=0)
    features = features / np.where(spread > 0, spread, 1.0)
    return [
        others[np.argsort(((features[others] - features[unit]) ** 2).sum(axis=1), kind="stable")]
        for unit in best
    ]


class Matcher:
    """Draws sets that are like the top units one by one, and as a whole.

    Top units often change more than most, so that what is nearest to each changes less: some
    others then have to change more.
    """

    def __init__(self, profile: Profile, best: Units, others: Units) -> None:
        self._profile, self._best = profile, best
        self._nearest = _nearest(profile, best, others)
        self._pool = max(_NEAREST, len(others) // _NEAREST_SHARE)
        self._square, self._mean = profile.size**2, profile.mean
        self._wanted = self._totals(best)
        self._spread = float(profile.mean[others].std()) * len(best) or 1.0

    def nearest(self, n: int, most: int) -> Units:
        """Different units, so that each top unit has n that are as large as it (`as_large`).

        The next is the nearest to the top unit that has fewest of them so far, until all have n,
        there are no more, or `most` are drawn in all: few top units that are larger than the others
        get theirs too.
        """
        pairs = zip(self._best.tolist(), self._nearest, strict=True)
        near = [units[as_large(self._profile, unit, units)] for unit, units in pairs]
        is_near = np.zeros((len(near), len(self._mean)), dtype=bool)
        for row, units in zip(is_near, near, strict=True):
            row[units] = True
        places = [iter(units.tolist()) for units in near]
        used: dict[int, None] = {}
        counts, turns = np.zeros(len(near)), np.zeros(len(near))
        while len(used) < most and counts.min() < n:
            i = int(np.lexsort((turns, counts))[0])
            unit = next((unit for unit in places[i] if unit not in used), None)
            if unit is None:
                counts[i] = np.inf
            else:
                used[unit] = None
                counts += is_near[:, unit]
                turns[i] += 1
        return np.array(list(used), dtype=np.int64)

    def like_best(self, n: int) -> Units:
        """The n units nearest to the best one."""
        return self._nearest[0][:n]

    def draw(self, rng: np.random.Generator) -> Units:
        """One set: for each top unit one of the nearest, exchanged until the whole is near.

        Each is exchanged three times at most, for any that brings the whole nearer: where nothing
        is near, sets should stay different rather than all become the one that is nearest.
        """
        taken = np.zeros(len(self._mean), dtype=bool)
        units = np.empty(len(self._nearest), dtype=np.int64)
        for i in rng.permutation(len(units)).tolist():
            units[i] = rng.choice(self._free(i, self._pool, taken))
            taken[units[i]] = True
        total = self._totals(units)
        distance = float(self._distance(*total))
        for pool in (self._pool, _WIDER * self._pool, _WIDER * self._pool):
            for i in rng.permutation(len(units)).tolist():
                if distance < _CLOSE:
                    break
                free = self._free(i, pool, taken)
                square = total[0] - self._square[units[i]] + self._square[free]
                mean = total[1] - self._mean[units[i]] + self._mean[free]
                apart = self._distance(square, mean)
                nearer = np.flatnonzero(apart < distance)
                if len(nearer):
                    chosen = int(rng.choice(nearer))
                    taken[units[i]], taken[free[chosen]] = False, True
                    units[i], distance = free[chosen], float(apart[chosen])
                    total = (square[chosen], mean[chosen])
        return np.sort(units)

    def _free(self, i: int, pool: int, taken: NDArray[np.bool_]) -> Units:
        """The nearest to a top unit that are not taken yet."""
        near = self._nearest[i][: pool + len(self._nearest)]
        return near[~taken[near]][:pool]

    def _totals(self, units: Units) -> tuple[Any, Any]:
        return self._square[units].sum(), self._mean[units].sum()

    def _distance(self, square: Any, mean: Any) -> Any:
        """From the top units: log ratio of squared change, difference of mean in sd over units."""
        apart = np.abs(mean - self._wanted[1]) / self._spread
        return np.abs(np.log(square / self._wanted[0])) + apart
