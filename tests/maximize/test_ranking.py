"""Running top k, sample and moments equal a search through everything, in any batches."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lens_probes.maximize import ranking
from lens_probes.maximize.corpus import context_keys
from lens_probes.maximize.ranking import NOTHING, Moments, Reservoir, RunningTop

SPLITS = [1, 7, 64, 1000]


def in_parts(x: np.ndarray, size: int) -> list[slice]:
    return [slice(at, at + size) for at in range(0, len(x), size)]


def brute_top(x: np.ndarray, k: int, key: np.ndarray | None = None) -> np.ndarray:
    """Row numbers [rank, unit] by sorting each column: large first, then early first."""
    columns = []
    for values in x.T:
        order = sorted(range(len(x)), key=lambda row: (-values[row], row))
        if key is not None:
            seen: set[int] = set()
            order = [r for r in order if not (key[r] in seen or seen.add(key[r]))]
        columns.append(order[:k])
    return np.array(columns).T


@pytest.mark.parametrize("size", SPLITS)
@pytest.mark.parametrize("kind", ["continuous", "ties", "negative", "constant", "zeros"])
def test_top_k_equals_brute_force(kind: str, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranking, "_UNITS_AT_ONCE", 16)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((300, 40)).astype(np.float32)
    if kind == "ties":
        x = np.round(x)
    if kind == "negative":
        x = -np.abs(x) - 1e6
    if kind == "constant":
        x[:] = -3
    if kind == "zeros":  # 0.0 and -0.0 are equal, whatever their bits
        x = np.where(rng.random(x.shape) < 0.5, np.float32(-0.0), np.float32(0.0))
    token = np.arange(300) * 3 + 5_000_000_000
    top, bottom = RunningTop(20, 40), RunningTop(20, 40, smallest=True)
    for part in in_parts(x, size):
        top.update(torch.from_numpy(x[part]), token[part])
        bottom.update(torch.from_numpy(x[part]), token[part])
    for got, want in [(top, brute_top(x, 20)), (bottom, brute_top(-x, 20))]:
        np.testing.assert_array_equal(got.token, token[want])
        np.testing.assert_array_equal(got.value, np.take_along_axis(x, want, 0))


@pytest.mark.parametrize("size", SPLITS)
def test_tokens_of_one_key_count_once(size: int) -> None:
    rng = np.random.default_rng(1)
    x = np.round(2 * rng.standard_normal((300, 40))).astype(np.float32)
    key = rng.integers(0, 25, 300).astype(np.uint64)
    top = RunningTop(12, 40)
    for part in in_parts(x, size):
        top.update(torch.from_numpy(x[part]), np.arange(300)[part], key[part])
    np.testing.assert_array_equal(top.token, brute_top(x, 12, key))
    assert (np.diff(np.sort(key[top.token], axis=0), axis=0) > 0).all()


def test_fewer_tokens_than_k_leave_ranks_empty() -> None:
    top = RunningTop(5, 2)
    top.update(torch.tensor([[1.0, 4.0], [2.0, 3.0]]), np.array([10, 11]))
    top.update(torch.empty(0, 2), np.empty(0, np.int64))
    np.testing.assert_array_equal(top.token[:3], [[11, 10], [10, 11], [NOTHING, NOTHING]])
    keyed = RunningTop(5, 1)
    for _ in range(2):
        keyed.update(torch.ones(3, 1), np.arange(3), np.zeros(3, np.uint64))
    np.testing.assert_array_equal(keyed.token[:, 0], [0] + [NOTHING] * 4)


def test_sample_is_the_same_in_any_batches_and_carries_its_values() -> None:
    x = np.random.default_rng(2).standard_normal((900, 3)).astype(np.float32)
    samples = []
    for size in SPLITS:
        reservoir = Reservoir(50, 3, seed=4)
        for part in in_parts(x, size):
            reservoir.update(torch.from_numpy(x[part]), np.arange(900)[part])
        samples.append(reservoir.result())
    for token, values in samples:
        np.testing.assert_array_equal(token, samples[0][0])
        np.testing.assert_array_equal(values, x[token])
    assert len(set(samples[0][0].tolist())) == 50
    short = Reservoir(50, 3, seed=4)
    short.update(torch.from_numpy(x[:7]), np.arange(7))
    assert sorted(short.result()[0].tolist()) == list(range(7))


def test_every_token_is_as_likely_to_be_drawn() -> None:
    drawn, first = np.zeros(60), np.zeros(60)
    for seed in range(1000):
        reservoir = Reservoir(6, 1, seed)
        for part in in_parts(np.arange(60), 25):
            numbers = np.arange(60)[part]
            reservoir.update(torch.zeros(len(numbers), 1), numbers)
        token, _ = reservoir.result()
        drawn[token] += 1
        first[token[0]] += 1
    # Chi-square with 59 degrees of freedom: beyond 110 in fewer than one of 10,000 calibrated runs.
    assert ((drawn - 100) ** 2 / (100 * 0.9)).sum() * 59 / 60 < 110
    assert ((first - 1000 / 60) ** 2 / (1000 / 60)).sum() < 110


def test_moments_equal_numpy_far_from_zero() -> None:
    x = (np.random.default_rng(3).standard_normal((1000, 700)) + 30_000).astype(np.float32)
    moments = Moments(700)
    for part in [slice(0, 1), slice(1, 1), slice(1, 400), slice(400, 1000)]:
        moments.update(torch.from_numpy(x[part]))
    assert moments.n == 1000
    np.testing.assert_allclose(moments.mean, x.astype(np.float64).mean(0), rtol=1e-12)
    np.testing.assert_allclose(moments.sd, x.astype(np.float64).std(0), rtol=1e-9)


@pytest.mark.parametrize("n", [1, 3, 200])
def test_keys_are_equal_where_the_last_n_tokens_are(n: int) -> None:
    tokens = np.random.default_rng(4).integers(0, 3, (20, 30))
    keys = context_keys(tokens, n)
    by_context: dict[tuple[int, ...], set[int]] = {}
    for row, key in zip(tokens.tolist(), keys.tolist(), strict=True):
        for p in range(30):
            by_context.setdefault(tuple(row[max(0, p + 1 - n) : p + 1]), set()).add(key[p])
    assert all(len(found) == 1 for found in by_context.values())
    assert len({next(iter(found)) for found in by_context.values()}) == len(by_context)
