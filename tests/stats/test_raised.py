"""Products in float32 change no maximum, no count and no p of a permutation test."""

import numpy as np
import pytest

from lens_probes import stats
from lens_probes.stats._maxima import family_maxima
from lens_probes.stats._permuted import NormalisedWelch
from lens_probes.stats._raised import FIRST, N_BINS, STEP
from lens_probes.stats.groups import group_examples
from lens_probes.stats.inputs import several_arrays
from lens_probes.stats.relabel import sample_relabellings


def values_of(kind: str, k: int, rng: np.random.Generator) -> np.ndarray:
    """[group, unit]: normal, heavy tails, few different values, sorted, apart, far from zero."""
    x = rng.normal(size=(k, 90))
    if kind == "heavy":
        return np.exp(3 * x)
    if kind == "few values":
        return np.round(x)
    if kind == "sorted":
        return np.sort(x, axis=0)
    if kind == "apart":
        return x + 1e4 * (np.arange(k) < k // 3)[:, None]
    return x + 1e5 if kind == "far" else x


@pytest.mark.parametrize("kind", ["normal", "heavy", "few values", "sorted", "apart", "far"])
@pytest.mark.parametrize(("k", "n1"), [(9, 4), (48, 24), (45, 5), (33, 2), (400, 130)])
def test_maxima_and_counts_are_those_of_float64(kind: str, k: int, n1: int) -> None:
    rng = np.random.default_rng([k, n1])
    x, y = values_of(kind, k, rng), np.arange(k) >= k - n1
    table = sample_relabellings(y.astype(np.int8), np.zeros(k, np.int64), n=300, seed=1)
    family = np.arange(90) // 45
    items = group_examples(np.arange(k), k, what="group")
    statistic = NormalisedWelch(y, table)
    nothing = np.zeros(k, np.int64)
    z = np.abs([stats.normalised_welch(x, row.astype(int)) for row in table])
    for count in (False, True):
        arrays = several_arrays(x)
        tops = family_maxima(arrays, items, nothing, statistic, family, count=count).tops
        want = np.stack([z[:, family == f].max(axis=1) for f in (0, 1)])
        np.testing.assert_allclose(tops.best, want, rtol=1e-9)
        if not count:
            continue
        # A z on the edge of a bin may be rounded to either side.
        place = (z - FIRST) / STEP
        sure = np.abs(place - np.round(place)) > 1e-6
        wrong = 0
        for b in range(len(table)):
            bins = np.minimum(place[b][z[b] >= FIRST].astype(int), N_BINS - 1)
            wrong += int(np.abs(np.bincount(bins, minlength=N_BINS) - tops.counts[b]).sum())
        assert wrong <= 2 * int((~sure).sum())
        assert tops.tails.sum() == tops.counts.sum()


def test_sums_that_round_alike_at_every_addition_change_no_p() -> None:
    """Near copies of a step over many groups: float32 errs far beyond what chance rounding does."""
    n, rng = 3000, np.random.default_rng(0)
    y = np.zeros(n, dtype=np.int64)
    y[rng.permutation(n)[: int(0.85 * n)]] = 1
    x = np.repeat((np.arange(n) < 0.56 * n).astype(float)[:, None], 60, axis=1)
    x[rng.integers(0, n, 60), np.arange(60)] += 1e-4
    narrow, wide = (
        stats.max_permutation(x, y, n_permutations=400, bound=bound, seed=2)
        for bound in (False, True)  # in float32 with a second look, in float64
    )
    np.testing.assert_array_equal(narrow.p_family, wide.p_family)
