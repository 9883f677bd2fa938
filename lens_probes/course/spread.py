"""A number with its interval, its word-type null and its untrained value: one function, four times.

A profile turns activations and labels into a few numbers. Run on the examples it gives the value,
on halves of the replication groups (word types, joined where they are read at one token) the
interval, on labels shuffled over groups the draws of the null, and on the activations of
untrained weights what the architecture alone gives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lens_probes.activations.collect import Activations
from lens_probes.course.claim import Value
from lens_probes.course.intervals import ERROR, estimate, halves, interval, mean
from lens_probes.course.parts import ends_of
from lens_probes.examples.examples import Examples
from lens_probes.examples.joined_ids import numbered
from lens_probes.examples.replication_groups import mixed_examples

__all__ = [
    "INTERVAL", "NULL", "By", "Key", "Profile", "Reading", "Sample", "estimate", "half_samples",
    "halves", "interval", "mean", "pick", "resampled_groups", "shuffles", "spread",
]  # fmt: skip

Key = tuple[int, str]
Array = NDArray[np.floating[Any]]
By = Literal["word", "sequence"]

INTERVAL = {
    "word": ERROR + "the groups of words of each class",
    "sequence": ERROR + "the sequences",
}
NULL = (
    "mean of {n} relabellings of groups of words, class sizes kept, without the real one and its "
    "mirror image"
)
# Relabellings drawn for each one that is wanted, before it is clear that there are no others.
_TRIES = 50


@dataclass(frozen=True)
class Sample:
    """Activations [example, unit] by layer and site, with labels, words and groups of their rows.

    `group` numbers the replication groups, `copy` as well: one that counts twice has two copies.
    """

    arrays: Mapping[Key, Array]
    label: NDArray[Any]
    word: NDArray[np.object_]
    group: NDArray[np.int64]
    copy: NDArray[np.int64]

    def take(self, rows: NDArray[np.int64], copy: NDArray[np.int64] | None = None) -> Sample:
        """Some rows, in this order."""
        return Sample(
            {key: x[rows] for key, x in self.arrays.items()},
            self.label[rows],
            self.word[rows],
            self.group[rows],
            self.copy[rows] if copy is None else copy,
        )

    def relabelled(self, label: NDArray[Any]) -> Sample:
        """The same rows with other labels."""
        return replace(self, label=label)

    def only(self, keys: list[Key]) -> Sample:
        """Some layers and sites."""
        return replace(self, arrays={key: self.arrays[key] for key in keys})


# Numbers by name; `NAME_of` says what the share NAME is of, and is no number of its own.
Profile = Callable[[Sample], Mapping[str, float]]


@dataclass(frozen=True)
class Reading:
    """Examples, what was read at them, and the same of untrained weights (or None)."""

    examples: Examples
    activations: Activations
    untrained: Activations | None = None

    def sample(self, *, untrained: bool = False) -> Sample:
        """All of it as a sample."""
        arrays = self.untrained if untrained else self.activations
        assert arrays is not None
        examples = self.examples
        word = examples.word
        if word is None:
            word = np.array([f"example {i}" for i in range(len(examples))], dtype=object)
        label = examples.contrast.numbers
        group = resampled_groups(examples)
        return Sample(arrays.arrays, label, word, group, group)


def resampled_groups(examples: Examples) -> NDArray[np.int64]:
    """Replication groups, numbered; one with examples of both classes is two groups."""
    if examples.group is None:
        return np.arange(len(examples))
    group = examples.group
    if mixed_examples(examples).any():
        group = numbered(2 * group + examples.label)
    return group


def spread(
    profile: Profile,
    reading: Reading,
    *,
    draws: int,
    null_draws: int | None = None,
    seed: int = 0,
    keys: list[Key] | None = None,
) -> dict[str, Value]:
    """Every number of a profile with interval, null and untrained value.

    Parameters
    ----------
    draws, null_draws
        Halves of the groups, and relabellings (as many, by default).
    keys
        Layers and sites that the profile reads; None is all.
    """
    sample = reading.sample()
    keys = list(sample.arrays) if keys is None else keys
    sample = sample.only(keys)
    found = profile(sample)
    drawn = _table(profile, half_samples(sample, draws, seed))
    null = _table(profile, shuffles(sample, draws if null_draws is None else null_draws, seed))
    bare: Mapping[str, float] = {}
    if reading.untrained is not None:
        bare = profile(reading.sample(untrained=True).only(keys))
    values = {}
    for name, value in found.items():
        if name.endswith("_of"):
            continue
        lower, upper = ends_of(name, Value(float(value)))
        values[name] = estimate(
            value, drawn.get(name, []), null=null.get(name, []), lower=lower, upper=upper,
            untrained=float(bare.get(name, np.nan)), of=int(found.get(f"{name}_of", 0)),
        )  # fmt: skip
    return values


def half_samples(sample: Sample, n: int, seed: int) -> Iterator[Sample]:
    """Half of the groups of each class, each followed by the rest; every group counts twice.

    Twice, as what passes a test depends on how many groups there are.
    """
    rng = np.random.default_rng([seed, 1])
    rows_of = [np.flatnonzero(sample.copy == k) for k in np.unique(sample.copy)]
    if sample.label.dtype.kind == "f":
        groups = [np.arange(len(rows_of))]
    else:
        of = np.array([sample.label[rows[0]] for rows in rows_of])
        groups = [np.flatnonzero(of == label) for label in np.unique(of)]
    for parts in zip(*(halves(len(group), n, rng) for group in groups), strict=True):
        half = [group[part] for group, part in zip(groups, parts, strict=True)]
        chosen = np.tile(np.concatenate(half), 2)
        rows = [rows_of[k] for k in chosen]
        copy = np.repeat(np.arange(len(rows)), [len(part) for part in rows])
        yield sample.take(np.concatenate(rows), copy)


def shuffles(sample: Sample, n: int, seed: int) -> Iterator[Sample]:
    """The same sample with labels (or values) shuffled over replication groups.

    The real labelling and its mirror image, which tells the same two sets of words apart, are no
    null: they are drawn again. Fewer than n, or none, where there is hardly another.
    """
    rng = np.random.default_rng([seed, 2])
    _, first, type_of = np.unique(sample.copy, return_index=True, return_inverse=True)
    of_type = sample.label[first]
    mirror = of_type.max() + of_type.min() - of_type if of_type.dtype.kind != "f" else of_type
    drawn = (rng.permutation(of_type) for _ in range(_TRIES * n))
    others = (one for one in drawn if (one != of_type).any() and (one != mirror).any())
    for label in islice(others, n):
        yield sample.relabelled(label[type_of])


def pick(values: Mapping[str, Value], *names: str) -> dict[str, Value]:
    """Some numbers, in this order."""
    return {name: values[name] for name in names}


def _table(profile: Profile, samples: Iterator[Sample]) -> dict[str, list[float]]:
    table: dict[str, list[float]] = {}
    for sample in samples:
        if len(np.unique(sample.label)) < 2:
            continue
        for name, value in profile(sample).items():
            table.setdefault(name, []).append(float(value))
    return table
