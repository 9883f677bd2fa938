"""Intervals of a replication's lines hold the truth of their units, and are no wider than that."""

import numpy as np
import pytest

from lens_probes import stats

UNITS, PER_GROUP = 120, 6
NAMES = ("signs", "auc", "effects")


def second_samples(sizes, icc, together, size, n, common=5):
    """n samples of the same units: share `together` of what a group says is in few directions."""
    rng = np.random.default_rng([*sizes, int(100 * icc), int(100 * together), int(10 * size)])
    load = rng.normal(size=(common, UNITS))
    load /= np.sqrt(np.square(load).sum(axis=0))
    true = size * rng.normal(size=UNITS)
    group = np.repeat(np.arange(sum(sizes)), PER_GROUP)
    y = (group >= sizes[0]).astype(int)

    def one():
        own = rng.normal(size=(sum(sizes), UNITS))
        shared = rng.normal(size=(sum(sizes), common)) @ load
        said = np.sqrt(1 - together) * own + np.sqrt(together) * shared
        x = np.sqrt(icc) * said[group] + np.sqrt(1 - icc) * rng.normal(size=(len(y), UNITS))
        return x + y[:, None] * true

    first = true + 0.4 * rng.normal(size=UNITS)
    return first, (np.abs(first) > np.median(np.abs(first))), y, group, [one() for _ in range(n)]


def intervals(sizes, icc, together, size, n=100):
    """By name: value and ends [sample, 3] of what each statistic says of the second samples."""
    first, found, y, group, samples = second_samples(sizes, icc, together, size, n)
    sign, few = np.sign(first), {"n_permutations": 1}
    rows = {name: [] for name in NAMES}
    for x in samples:
        signs = stats.sign_agreement(x, y, group, sign, found, **few)
        every = stats.mean_auc(x, y, group, sign, found, **few)
        again = stats.effect_agreement(x, y, group, first, **few)
        rows["signs"].append((signs.share, signs.low, signs.high))
        rows["auc"].append((every.auc, every.low, every.high))
        rows["effects"].append((again.r, again.low, again.high))
    return {name: np.array(said) for name, said in rows.items()}


@pytest.mark.parametrize("together", [0.0, 0.6])
@pytest.mark.parametrize("size", [0.0, 0.6])
@pytest.mark.parametrize(("sizes", "icc"), [((12, 12), 0.1), ((12, 30), 0.6)])
def test_each_interval_holds_the_truth_and_is_not_wide(sizes, icc, size, together):
    for name, said in intervals(sizes, icc, together, size).items():
        value, low, high = said.T
        # Of a correlation the median: its draws have a long tail towards 0.
        truth = np.median(value) if name == "effects" else value.mean()
        assert np.mean((low <= truth) & (truth <= high)) >= 0.88, name
        # Widest where noise moves all units in few directions, which effects then seem to follow.
        wide = 1.8 if together else 1.5
        assert np.median(high - low) <= 2 * wide * 1.96 * value.std(ddof=1), name
