"""Which words are compared for a property: matched word types, or one word with and without it.

Where a word type always has a property or never, its types are compared with others of like
frequency, length and form, each counted once by the mean of its tokens. Where it has it here and
not there (its place, what stands before it), each word type is compared with itself.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array, csc_array

from lens_probes.atlases.property import CONFOUNDS, Property
from lens_probes.atlases.tokens import Reading
from lens_probes.stats.auc import class_auc
from lens_probes.stats.many_labels import RowLabel

WORDS, INSIDE = "word types", "inside word types"
MOST, RATIO = 100, 3
MOST_IN_PASSAGES = 0.2
LEAST_TOKENS, LEAST_GROUPS, LEAST_PAIRS = 2, 4, 8
# Distances of one: a factor 1.5 in frequency, two letters, a quarter of the tokens of a word.
_SCALES = {"frequency": np.log(1.5), "length": 2.0, "capitals": 0.25, "pieces": 0.25, "space": 0.25}
_FAR, _NEVER = 1.5, 1e6
_BALANCED = 0.07  # the AUC of a confound may be so far from 0.5 before fewer partners are taken


@dataclass(frozen=True, eq=False)
class PropertyDesign:
    """What is compared for one property: rows of the means and the class of each.

    `problem` says why it cannot be tested in this text, or "". `confounds`: AUC of each confound
    between the classes, after matching; `n_unmatched` word types have the property and no partner.
    """

    property: Property
    level: str = WORDS
    test: RowLabel | None = None
    n_tokens: int = 0
    n_unmatched: int = 0
    confounds: dict[str, float] = field(default_factory=dict)
    problem: str = ""


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of means, each over some examples: word types, or their tokens with a property.

    Attributes
    ----------
    members
        [row, example] sparse: the examples of each row.
    inside
        [row] whether it is a part of a word type: its examples are then taken about their chunk's
        mean, as what a chunk is about would pass for a property that comes in passages.
    group
        [row] the word type it is of.
    share
        [row, property] share of its tokens that have each property.
    half
        [group] 0 or 1: the half of the word types that it is in.
    """

    members: csc_array
    inside: Bool[np.ndarray, " row"]
    group: Int[np.ndarray, " row"]
    share: Float[np.ndarray, "row property"]
    half: Int[np.ndarray, " group"]


def design_all(
    properties: Sequence[Property], reading: Reading, seed: int
) -> tuple[list[PropertyDesign], Rows]:
    """The comparison of each property, and the rows that they need."""
    examples = reading.examples
    group = examples.group
    assert group is not None
    labels = [one.labels(reading.tokens)[reading.token] for one in properties]
    features = _features(reading, group)
    kept: list[tuple[NDArray[np.int64], int]] = []  # examples and group of each row
    place: dict[Any, int] = {}
    chunk = reading.tokens.chunk[reading.token]
    designs = [
        _design(one, label, group, chunk, features, kept, place, _seed(one.name, seed))
        for one, label in zip(properties, labels, strict=True)
    ]
    rows = np.repeat(np.arange(len(kept)), [len(part) for part, _ in kept])
    columns = np.concatenate([part for part, _ in kept]) if kept else np.zeros(0, np.int64)
    ones = np.ones(len(rows), dtype=np.float32)
    members = coo_array((ones, (rows, columns)), shape=(len(kept), len(examples))).tocsc()
    has = np.stack([label == 1 for label in labels], axis=1).astype(np.float32)
    sizes = np.asarray(members.sum(axis=1))
    of_row = np.array([g for _, g in kept], dtype=np.int64)
    half = _halves(designs, of_row, int(group.max()) + 1, seed)
    inside = np.zeros(len(kept), dtype=bool)
    for one in designs:
        if one.test is not None and one.level == INSIDE:
            inside[one.test.rows] = True
    return designs, Rows(members, inside, of_row, (members @ has) / sizes[:, None], half)


def _seed(name: str, seed: int) -> int:
    """Relabellings of each property are its own."""
    return zlib.crc32(f"{seed} {name}".encode())


def _features(reading: Reading, group: NDArray[np.int64]) -> pd.DataFrame:
    """Confounds of each word type: its frequency in what is read, and means over its tokens."""
    tokens, used = reading.tokens, reading.token
    written = tokens.written[used]
    n = np.bincount(group)

    def mean(values: Any) -> NDArray[np.float64]:
        return np.bincount(group, weights=np.asarray(values, np.float64)) / n

    table = {
        "frequency": np.log(n),
        "length": mean([len(word) for word in written]),
        "capitals": mean([word[:1].isupper() for word in written]),
        "pieces": mean(~tokens.starts_word[used]),
        "space": mean(tokens.spaced[used]),
    }
    return pd.DataFrame(table)


def _design(
    one: Property,
    label: NDArray[np.int8],
    group: NDArray[np.int64],
    chunk: NDArray[np.int64],
    features: pd.DataFrame,
    kept: list[tuple[NDArray[np.int64], int]],
    place: dict[Any, int],
    seed: int,
) -> PropertyDesign:
    n_groups = len(features)
    n1 = np.bincount(group, weights=label == 1, minlength=n_groups)
    n0 = np.bincount(group, weights=label == 0, minlength=n_groups)
    none = np.bincount(group, weights=label == -1, minlength=n_groups)
    both = (n1 > 0) & (n0 > 0)
    n_tokens = int(n1.sum())
    if n1[both].sum() > n1.sum() / 2:
        if (share := _in_passages(label, chunk)) > MOST_IN_PASSAGES:
            problem = (
                f"it comes in passages ({share:.0%} of its variance lies between chunks of text): "
                "words are no replicates of it"
            )
            return PropertyDesign(one, INSIDE, n_tokens=n_tokens, problem=problem)
        chosen = np.flatnonzero(np.minimum(n1, n0) >= LEAST_TOKENS)
        chosen = chosen[np.argsort(-np.minimum(n1, n0)[chosen], kind="stable")][:MOST]
        if len(chosen) < LEAST_PAIRS:
            problem = (
                f"{len(chosen)} word types are there with and without it, {LEAST_PAIRS} are needed"
            )
            return PropertyDesign(one, INSIDE, n_tokens=n_tokens, problem=problem)
        rows = [
            _row(
                (one.name, g, side), np.flatnonzero((group == g) & (label == side)), g, kept, place
            )
            for side in (0, 1)
            for g in chosen.tolist()
        ]
        sides, pairs = np.repeat([0, 1], len(chosen)), np.tile(np.arange(len(chosen)), 2)
        return PropertyDesign(
            one, INSIDE, RowLabel(np.array(rows), sides, pairs, seed), n_tokens,
        )  # fmt: skip
    whole = (none == 0) & ~both & (n1 + n0 >= LEAST_TOKENS)
    ones, zeros = np.flatnonzero(whole & (n1 > 0)), np.flatnonzero(whole & (n0 > 0))
    names = [name for name in CONFOUNDS if name not in one.unmatched]
    scaled = (features[names] / pd.Series({n: _SCALES[n] for n in names})).to_numpy(float)
    ones, zeros, n_unmatched = matched(scaled, ones, zeros, np.asarray(n1, np.float64))
    if min(len(ones), len(zeros)) < LEAST_GROUPS:
        problem = f"{len(ones)} word types that have it have partners, {LEAST_GROUPS} are needed"
        return PropertyDesign(one, n_tokens=n_tokens, n_unmatched=n_unmatched, problem=problem)
    chosen = np.concatenate([zeros, ones])
    rows = [_row(g, np.flatnonzero(group == g), g, kept, place) for g in chosen.tolist()]
    sides = np.repeat([0, 1], [len(zeros), len(ones)])
    auc = class_auc(features.to_numpy(float)[zeros], features.to_numpy(float)[ones])
    return PropertyDesign(
        one, WORDS, RowLabel(np.array(rows), sides, None, seed), n_tokens, n_unmatched,
        dict(zip(CONFOUNDS, auc.tolist(), strict=True)),
    )  # fmt: skip


def _in_passages(label: NDArray[np.int8], chunk: NDArray[np.int64]) -> float:
    """Share of a label's variance that lies between chunks, beyond what chance would put there."""
    known = label >= 0
    y, ids = (label[known] == 1).astype(float), np.unique(chunk[known], return_inverse=True)[1]
    n = np.bincount(ids)
    between = float((n * (np.bincount(ids, weights=y) / n - y.mean()) ** 2).sum())
    spread = y.var()
    if spread == 0 or len(n) < 2 or len(y) <= len(n):
        return 0.0
    within = (len(y) * spread - between) / (len(y) - len(n))
    typical = (len(y) - (n**2).sum() / len(y)) / (len(n) - 1)
    extra = max(between / (len(n) - 1) - within, 0.0) / typical
    return float(extra / (extra + within))


def _row(
    key: Any,
    examples: NDArray[np.int64],
    group: int,
    kept: list[tuple[NDArray[np.int64], int]],
    place: dict[Any, int],
) -> int:
    """The row of a key, made if it is not there."""
    if key not in place:
        place[key] = len(kept)
        kept.append((examples, group))
    return place[key]


def matched(
    features: Float[np.ndarray, "group feature"],
    ones: NDArray[np.int64],
    zeros: NDArray[np.int64],
    size: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Groups with the property, the most frequent first, and others like them; how many have none.

    Each has up to three partners, each of those one, so that their distances have the smallest
    sum (the assignment problem); who is far away in any feature is no partner. Fewer are taken
    where the classes would differ in a feature.
    """
    most = np.argsort(-size[ones], kind="stable")[: 2 * MOST]
    ones = ones[most]
    if not len(ones) or not len(zeros):
        return ones[:0], zeros[:0], len(ones)
    if not features.shape[1]:  # all are alike: any of them, not those that the text has first
        zeros = np.random.default_rng(0).permutation(zeros)
    gaps = np.abs(features[ones][:, None] - features[zeros][None])
    cost = np.square(gaps).sum(axis=2)
    cost[(gaps > _FAR).any(axis=2)] = _NEVER
    tried = []
    for ratio in range(int(np.clip(2 * MOST // len(ones) - 1, 1, RATIO)), 0, -1):
        rows, columns = linear_sum_assignment(np.tile(cost, (ratio, 1)))
        near = cost[rows % len(ones), columns] < _NEVER
        rows, columns = rows[near] % len(ones), columns[near]
        paired = np.unique(rows)[:MOST]
        partners = zeros[np.sort(columns[np.isin(rows, paired)])]
        if not len(paired):
            return ones[:0], zeros[:0], len(ones)
        uneven = np.abs(class_auc(features[partners], features[ones[paired]]) - 0.5).max(
            initial=0.0
        )
        tried.append((uneven, ones[paired], partners, len(ones) - len(np.unique(rows))))
        if uneven <= _BALANCED:
            break
    return min(tried, key=lambda one: one[0])[1:]


def _halves(
    designs: Sequence[PropertyDesign], of_row: NDArray[np.int64], n_groups: int, seed: int
) -> NDArray[np.int64]:
    """[group] half of the word types, so that those of each property are in both."""
    rng = np.random.default_rng(seed)
    half = np.full(n_groups, -1)
    tests = [one.test for one in designs if one.test is not None]
    for test in sorted(tests, key=lambda test: int((test.label == 1).sum())):
        for side in (1, 0):
            groups = of_row[test.rows[test.label == side]]
            free = rng.permutation(groups[half[groups] < 0])
            lead = int((half[groups] == 0).sum() > (half[groups] == 1).sum())
            half[free] = (np.arange(len(free)) + lead) % 2
    half[half < 0] = rng.integers(0, 2, int((half < 0).sum()))
    return half
