"""Running summaries of every unit over a stream of tokens, in memory that does not grow with it."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int, UInt64
from numpy.typing import NDArray

from lens_probes.maximize.corpus import scatter

NOTHING = -1
_UNITS_AT_ONCE = 512
_LEAST = torch.iinfo(torch.int64).min


class RunningTop:
    """The k largest (or smallest) values of every unit, and the numbers of their tokens.

    Exact, and the same however the tokens come in batches: the sooner token wins a tie. With keys
    given, tokens of the same key count as one, by the largest value (the sooner at a tie).

    Attributes
    ----------
    value, token
        [rank, unit], best first; where fewer than k tokens came, token is -1.
    """

    def __init__(self, k: int, n_units: int, *, smallest: bool = False) -> None:
        self._sign = -1.0 if smallest else 1.0
        self._value = np.full((k, n_units), -np.inf, dtype=np.float32)
        self.token = np.full((k, n_units), NOTHING, dtype=np.int64)
        self._key = np.zeros((k, n_units), dtype=np.uint64)

    @property
    def value(self) -> Float[np.ndarray, "rank unit"]:
        """Values, best first."""
        return self._value * np.float32(self._sign)

    def update(
        self,
        values: torch.Tensor,
        token: Int[np.ndarray, " token"],
        key: UInt64[np.ndarray, " token"] | None = None,
    ) -> None:
        """Take in values [token, unit] of tokens with rising numbers."""
        if not len(token):
            return
        for first in range(0, values.shape[1], _UNITS_AT_ONCE):
            units = slice(first, first + _UNITS_AT_ONCE)
            part = values[:, units] * self._sign + 0.0  # -0.0 becomes 0.0: they are equal
            rows = _largest_rows(part, len(self.token), key)
            best = torch.gather(part, 0, rows.clamp(min=0)).cpu().numpy()
            row = rows.cpu().numpy()
            best[row == NOTHING] = -np.inf
            self._merge(units, best, np.where(row == NOTHING, NOTHING, token[row]), key, row)

    def _merge(
        self,
        units: slice,
        value: NDArray[np.float32],
        token: NDArray[np.int64],
        key: NDArray[np.uint64] | None,
        row: NDArray[np.int64],
    ) -> None:
        k = len(self.token)
        value = np.concatenate([self._value[:, units], value])
        token = np.concatenate([self.token[:, units], token])
        order = np.lexsort((token, -value), axis=0)
        value, token = np.take_along_axis(value, order, 0), np.take_along_axis(token, order, 0)
        if key is not None:
            keys = np.concatenate([self._key[:, units], key[row]])
            keys = np.take_along_axis(keys, order, 0)
            again = _seen_above(keys)
            value[again], token[again] = -np.inf, NOTHING
            order = np.argsort(token == NOTHING, axis=0, kind="stable")
            value, token = np.take_along_axis(value, order, 0), np.take_along_axis(token, order, 0)
            self._key[:, units] = np.take_along_axis(keys, order, 0)[:k]
        self._value[:, units], self.token[:, units] = value[:k], token[:k]


class Reservoir:
    """A uniform random sample of the tokens with all their units, the same in any batching.

    Each token has a random number of its own, made from the seed and its number in the corpus; the
    sample is the tokens with the smallest ones (bottom-k sampling: Cohen & Kaplan 2007).
    """

    def __init__(self, size: int, n_units: int, seed: int) -> None:
        self._size = size
        self._seed = scatter(np.array([seed], dtype=np.uint64))
        self._draw = np.empty(0, dtype=np.uint64)
        self._token = np.empty(0, dtype=np.int64)
        self._values = np.empty((size, n_units), dtype=np.float32)

    def update(self, values: torch.Tensor, token: Int[np.ndarray, " token"]) -> None:
        """Take in values [token, unit]."""
        draw = scatter(token.astype(np.uint64) ^ self._seed)
        n = len(self._draw)
        rows = np.arange(len(token))
        if n == self._size:
            rows = np.flatnonzero(draw < self._draw.max())
        draws = np.concatenate([self._draw, draw[rows]])
        tokens = np.concatenate([self._token, token[rows]])
        kept = np.arange(len(draws))
        if len(draws) > self._size:
            kept = np.sort(np.argpartition(draws, self._size - 1)[: self._size])
        old, new = kept[kept < n], kept[kept >= n]
        # New rows go where old ones leave, so that the large array is never copied.
        slots = np.setdiff1d(np.arange(len(kept)), old)
        place = np.empty_like(kept)
        place[old], place[slots] = old, new
        self._draw, self._token = draws[place], tokens[place]
        taken = torch.from_numpy(rows[new - n]).to(values.device)
        self._values[slots] = values[taken].cpu().numpy()

    def result(self) -> tuple[Int[np.ndarray, " token"], Float[np.ndarray, "token unit"]]:
        """Tokens in random order, with their values; the first n are a random sample of n."""
        order = np.argsort(self._draw)
        return self._token[order], self._values[order]


class Moments:
    """Mean and standard deviation (n in the denominator) of every unit, in float64."""

    def __init__(self, n_units: int) -> None:
        self.n = 0
        self.mean = np.zeros(n_units)
        self._squares = np.zeros(n_units)

    @property
    def sd(self) -> Float[np.ndarray, " unit"]:
        """Standard deviation."""
        return np.sqrt(self._squares / max(self.n, 1))

    def update(self, values: torch.Tensor) -> None:
        """Take in values [token, unit] (pairwise: Chan, Golub & LeVeque 1983)."""
        n = len(values)
        if not n:
            return
        for first in range(0, values.shape[1], _UNITS_AT_ONCE):
            units = slice(first, first + _UNITS_AT_ONCE)
            var, mean = torch.var_mean(values[:, units].double(), dim=0, correction=0)
            step = mean.cpu().numpy() - self.mean[units]
            self.mean[units] += step * n / (self.n + n)
            self._squares[units] += n * var.cpu().numpy()
            self._squares[units] += step**2 * self.n * n / (self.n + n)
        self.n += n


def _largest_rows(part: torch.Tensor, k: int, key: NDArray[np.uint64] | None) -> torch.Tensor:
    """Rows of the k largest values of each column, sooner ones first at ties; -1 if there are none.

    Float bits and row make one integer, so that no two are equal and `topk` has one answer.
    """
    n = len(part)
    bits = part.contiguous().view(torch.int32)
    bits = torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits).long()
    rank = bits * 2**32 + torch.arange(n - 1, -1, -1, device=part.device)[:, None]
    if key is not None:
        rank = _largest_of_each_key(rank, key)
    best = torch.topk(rank.T.contiguous(), min(k, n), dim=1).values.T
    return torch.where(best == _LEAST, NOTHING, n - 1 - (best & 0xFFFFFFFF))


def _largest_of_each_key(rank: torch.Tensor, key: NDArray[np.uint64]) -> torch.Tensor:
    _, group, count = np.unique(key, return_inverse=True, return_counts=True)
    repeated = np.flatnonzero(count[group] > 1)
    if not len(repeated):
        return rank
    rows = torch.from_numpy(repeated).to(rank.device)
    number = torch.from_numpy(np.unique(group[repeated], return_inverse=True)[1]).to(rank.device)
    index = number[:, None].expand(-1, rank.shape[1])
    of_rows = rank[rows]
    largest = torch.full((int(number.max()) + 1, rank.shape[1]), _LEAST, device=rank.device)
    largest = largest.scatter_reduce(0, index, of_rows, "amax")
    rank = rank.clone()
    rank[rows] = torch.where(of_rows == largest[number], of_rows, _LEAST)
    return rank


def _seen_above(key: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Whether a key stands higher up in its column."""
    order = np.argsort(key, axis=0, kind="stable")
    ordered = np.take_along_axis(key, order, 0)
    again = np.zeros(key.shape, dtype=np.bool_)
    np.put_along_axis(again, order[1:], ordered[1:] == ordered[:-1], 0)
    return again
