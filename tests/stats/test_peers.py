"""Units against others of their size: the level, what stands out, the bound on what was missed."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from lens_probes.errors import InputError
from lens_probes.stats.peers import FEWEST_PEERS, against_peers, missed_at_most, typical_effect

N = 400


def units(rng: np.random.Generator, dof: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Effects that follow the squared size, with the spread that random directions have."""
    size = np.exp(rng.normal(size=N))
    return size**2 * rng.chisquare(dof, N) / dof, size


def passing(effect: np.ndarray, size: np.ndarray) -> np.ndarray:
    return against_peers(effect, size).log10_p < np.log10(0.05 / N)


@pytest.mark.parametrize("dof", [1, 3, 30])
def test_the_level_holds_where_directions_are_random(dof: int) -> None:
    rng = np.random.default_rng(dof)
    errors = sum(passing(*units(rng, dof)).any() for _ in range(300))
    assert errors <= 25  # 0.05 of 300 and 2.6 standard deviations


def test_planted_units_stand_out_also_where_they_are_many_and_of_any_size() -> None:
    rng = np.random.default_rng(0)
    for share in (0.01, 0.1, 0.3):
        effect, size = units(rng)
        used = rng.permutation(N) < share * N
        effect[used] *= 100
        assert (passing(effect, size) == used).all()


def test_without_the_size_large_units_would_stand_in_for_used_ones() -> None:
    effect, size = units(np.random.default_rng(1))
    effect[size.argmin()] *= 100  # planted where little is written
    found = against_peers(effect, size)
    assert int(found.z.argmax()) == int(size.argmin()) != int(effect.argmax())


def test_units_that_are_measured_worse_do_not_pass_by_their_error() -> None:
    rng = np.random.default_rng(5)
    wrong, unaware = 0, 0
    for _ in range(200):
        effect, size = units(rng, 30)
        noise = np.where(rng.random(N) < 0.1, 0.8, 0.05)
        seen = effect * np.exp(noise * rng.normal(size=N))
        found = against_peers(seen, size, seen * noise)
        wrong += (found.log10_p < np.log10(0.05 / N)).any()
        unaware += passing(seen, size).any()
    assert wrong <= 20 < unaware


def test_what_has_no_effect_or_size_has_no_p_and_is_no_peer() -> None:
    effect, size = units(np.random.default_rng(2))
    whole = against_peers(effect, size)
    more = against_peers(np.r_[effect, 0.0, 1.0], np.r_[size, 1.0, 0.0])
    assert np.isnan(more.z[-2:]).all()
    assert np.isnan(more.log10_p[-2:]).all()
    np.testing.assert_array_equal(more.z[:-2], whole.z)


def test_few_units_are_not_compared() -> None:
    few = FEWEST_PEERS - 1
    found = against_peers(np.ones(few) + np.arange(few), np.ones(few))
    assert np.isnan(found.z).all()
    assert np.isnan(found.scale)


def test_a_quantile_is_stayed_below_by_its_share() -> None:
    rng = np.random.default_rng(3)
    size = np.exp(rng.normal(size=5000))
    effect = size**2 * np.exp(rng.normal(size=5000))
    found = against_peers(effect, size)
    for share in (0.5, 0.95):
        below = effect < typical_effect(found, size, norm.ppf(share))
        assert np.mean(below) == pytest.approx(share, abs=0.02)


def test_shapes_that_do_not_fit_are_one_line() -> None:
    with pytest.raises(InputError, match="of equal n"):
        against_peers(np.ones(3), np.ones(4))


def test_the_bound_on_what_was_missed_covers() -> None:
    assert missed_at_most(np.array([0]), np.array([100]), np.array([1000])) == 29  # 3 of 100
    assert missed_at_most(np.array([0]), np.array([10]), np.array([10])) == 0
    assert missed_at_most(np.array([0, 0]), np.array([10, 0]), np.array([10, 7])) == 17
    rng = np.random.default_rng(4)
    covered = 0
    for _ in range(400):
        missed = rng.random((2, 500)) < np.array([[0.002], [0.03]])
        seen = missed[:, :100].sum(axis=1)
        covered += missed_at_most(seen, np.full(2, 100), np.full(2, 500)) >= missed.sum()
    assert covered >= 370
    with pytest.raises(InputError, match="no more than"):
        missed_at_most(np.array([2]), np.array([1]), np.array([5]))
