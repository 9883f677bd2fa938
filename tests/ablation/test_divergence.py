"""The Kullback-Leibler divergence of two next-token distributions, however far apart they are."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import special

from lens_probes.ablation.effects import Job, _check_finite, _divergence
from lens_probes.ablation.windows import Replacement
from lens_probes.errors import InputError

N_WORDS = 50


def divergence(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    log_p, log_q = (
        torch.from_numpy(values.astype(np.float32)).log_softmax(-1) for values in (first, second)
    )
    return _divergence(log_p.exp(), log_p, log_q).numpy()


def by_scipy(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    p, q = (
        special.softmax(values.astype(np.float32).astype(float), axis=-1)
        for values in (first, second)
    )
    return special.kl_div(p, q).sum(axis=-1)


@pytest.mark.parametrize("spread", [0.01, 1.0, 10.0, 60.0, 90.0])
def test_it_is_scipys(spread: float) -> None:
    rng = np.random.default_rng(int(spread))
    first, second = rng.normal(size=(2, 7, N_WORDS)) * spread
    found = divergence(first, second)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found, by_scipy(first, second), rtol=1e-4)


@pytest.mark.parametrize("gain", [19.0, 21.0, 60.0, 95.0, 300.0])
def test_a_token_may_gain_any_number_of_nats(gain: float) -> None:
    first = np.zeros((1, N_WORDS))
    first[0, 0] = -gain
    second = np.zeros((1, N_WORDS))
    np.testing.assert_allclose(divergence(first, second), by_scipy(first, second), rtol=1e-4)


def test_tiny_divergences_are_exact() -> None:
    rng = np.random.default_rng(0)
    first = rng.normal(size=(3, N_WORDS))
    second = first + 1e-4 * rng.normal(size=(3, N_WORDS))
    np.testing.assert_allclose(divergence(first, second), by_scipy(first, second), rtol=0.01)


def test_tokens_that_are_impossible_in_both_change_nothing() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 3, N_WORDS))
    wanted = divergence(first[:, 2:], second[:, 2:])
    first[:, :2] = second[:, :2] = -np.inf
    np.testing.assert_allclose(divergence(first, second), wanted, rtol=1e-6)
    first[:, 2] = -np.inf  # possible only without the units
    np.testing.assert_allclose(divergence(first, second), by_scipy(first, second), rtol=1e-5)


def test_what_is_not_finite_is_an_error() -> None:
    first = np.zeros((2, N_WORDS))
    second = first.copy()
    second[0, 3] = -np.inf
    second[1, 3] = np.nan
    found = divergence(first, second)
    assert not np.isfinite(found).any()
    job = Job(3, "mlp_pre", np.zeros((1, 4), bool), Replacement(np.zeros(4, np.float32)))
    for values in found:
        with pytest.raises(
            InputError, match=r"layer 3, site mlp_pre: .* is not finite: load it in"
        ):
            _check_finite(np.array([0.0, values]), job)
