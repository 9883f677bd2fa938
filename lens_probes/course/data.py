"""What a lesson reads: examples with their activations, some of their rows, other labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lens_probes.activations.collect import Activations
from lens_probes.course.intervals import halves
from lens_probes.examples.examples import Examples
from lens_probes.examples.ids import numbered
from lens_probes.examples.replication_groups import groups_per_class, mixed_examples

Array = NDArray[np.floating[Any]]
Ids = NDArray[np.int64]

# Relabellings drawn for each one that is wanted, before it is clear that there are no others.
_TRIES = 50


@dataclass(frozen=True, eq=False)
class Data:
    """Examples, and what was read at them in some layers and sites, row by row.

    Attributes
    ----------
    bare
        The same examples read with untrained weights of the architecture, or None.
    is_trained
        False for those.
    """

    examples: Examples
    activations: Activations
    bare: Data | None = None
    is_trained: bool = True

    @property
    def untrained(self) -> Data:
        """The same examples read with untrained weights."""
        assert self.bare is not None
        return self.bare

    def __len__(self) -> int:
        return len(self.examples)

    @property
    def label(self) -> NDArray[Any]:
        """[example] class, or the value of a continuous label."""
        return self.examples.contrast.numbers

    @property
    def word(self) -> NDArray[np.str_]:
        """[example] word type, or the number of the example where there is none."""
        word = self.examples.word
        return np.arange(len(self)).astype(str) if word is None else word.astype(str)

    @property
    def arrays(self) -> list[Array]:
        """[example, unit] of each layer and site."""
        return [self.activations[key] for key in self.activations]

    @property
    def x(self) -> Array:
        """[example, unit] of the one layer and site that was read."""
        (key,) = self.activations
        return self.activations[key]

    @property
    def group(self) -> Ids:
        """[example] what is drawn and relabelled as one: a pair, or a replication group.

        A group with examples of both classes is two.
        """
        examples = self.examples
        if examples.pair is not None:
            return numbered(examples.pair)
        if examples.group is None:
            return np.arange(len(self))
        mixed = mixed_examples(examples).any()
        return numbered(2 * examples.group + examples.label) if mixed else examples.group

    @property
    def counted(self) -> str:
        """Examples, word types and groups of each class, in words."""
        examples = self.examples
        n0, n1 = examples.n_per_class
        w0, w1 = (len(set(self.word[examples.label == k].tolist())) for k in (0, 1))
        g0, g1 = groups_per_class(examples)
        name0, name1 = examples.class_names
        said = f"{n1} {name1} v {n0} {name0} examples"
        return said if examples.word is None else f"{said}, {w1} v {w0} words, {g1} v {g0} groups"

    @property
    def token_counts(self) -> str:
        """Tokens of each class's words under this tokenizer: a confound where they differ."""
        assert self.examples.first is not None
        size = self.examples.position - self.examples.first + 1
        said = []
        for label, name in enumerate(self.examples.class_names):
            counts = sorted(Counter(size[self.label == label].tolist()).items())
            said.append(f"{name}: " + ", ".join(f"{n} x {k} tokens" for k, n in counts))
        return "; ".join(said)

    def only(self, *sites: str, layer: int | None = None) -> Data:
        """Some sites, of all layers or of one."""
        shapes = {site: self.activations.shapes[site] for site in sites}
        keys = [k for k in self.activations if k[1] in sites and layer in (None, k[0])]
        part = Activations({key: self.activations[key] for key in keys}, shapes)
        bare = None if self.bare is None else self.bare.only(*sites, layer=layer)
        return replace(self, activations=part, bare=bare)

    def rows(self, rows: NDArray[Any], group: Ids | None = None) -> Data:
        """Some examples, in this order; `group` [row]: what counts as one group among them."""
        examples = replace(self.examples, pair=None).select(rows)
        if self.examples.pair is not None:
            pair = self.examples.pair[rows] if group is None else group
            examples = replace(examples, pair=pair)
        elif group is not None:
            examples = replace(examples, own_group=group.astype(str).astype(object))
        bare = None if self.bare is None else self.bare.rows(rows, group)
        return replace(self, examples=examples, activations=self.activations.some(rows), bare=bare)

    def relabelled(self, label: NDArray[Any]) -> Data:
        """The same rows with other labels."""
        name = "label" if self.examples.value is None else "value"
        changes: dict[str, Any] = {name: label}
        if self.examples.value is not None:
            changes["label"] = (label > np.median(label)).astype(np.int64)
        bare = None if self.bare is None else self.bare.relabelled(label)
        return replace(self, examples=replace(self.examples, **changes), bare=bare)

    def by_word(self, unit: int) -> dict[str, dict[str, list[float]]]:
        """Activations of a unit of the one layer and site, by class and word."""
        return {
            name: {
                word: self.x[(self.word == word) & (self.label == k), unit].tolist()
                for word in sorted(set(self.word[self.label == k].tolist()))
            }
            for k, name in enumerate(self.examples.class_names)
        }

    def unpaired(self) -> Data:
        """The same examples without their pairs."""
        bare = None if self.bare is None else self.bare.unpaired()
        return replace(self, examples=replace(self.examples, pair=None), bare=bare)

    def like(self, other: Data) -> Data:
        """This, or what untrained weights give, as the other data are."""
        return self if other.is_trained else self.untrained

    def balanced(self, n: int, seed: int) -> Data:
        """n examples of each class at random, in their order."""
        rng = np.random.default_rng([seed, n])
        chosen = [
            rng.choice(np.flatnonzero(self.examples.label == k), n, replace=False) for k in (0, 1)
        ]
        return self.rows(np.sort(np.concatenate(chosen)))


def half_data(data: Data, ids: Ids, n: int, seed: int, *, anew: bool) -> Iterator[Data]:
    """Half of the ids of each class, each half followed by the rest; every id counts twice.

    Twice, as what passes a test depends on how much there is. `anew`: the second time as a group
    of its own; else as the same group, as what holds groups out must know it.
    """
    rng = np.random.default_rng([seed, 1])
    rows_of = [np.flatnonzero(ids == k) for k in np.unique(ids)]
    if data.examples.value is not None or data.examples.pair is not None:
        strata = [np.arange(len(rows_of))]
    else:
        of = np.array([data.label[rows[0]] for rows in rows_of])
        strata = [np.flatnonzero(of == label) for label in np.unique(of)]
    times = 1 if data.examples.value is not None else 2
    for parts in zip(*(halves(len(one), n, rng) for one in strata), strict=True):
        half = [one[part] for one, part in zip(strata, parts, strict=True)]
        chosen = np.tile(np.concatenate(half), times)
        rows = np.concatenate([rows_of[k] for k in chosen])
        copy = np.repeat(np.arange(len(chosen)), [len(rows_of[k]) for k in chosen])
        yield data.rows(rows, copy if anew or data.examples.pair is not None else ids[rows])


def shuffled_data(data: Data, n: int, seed: int) -> Iterator[Data]:
    """The same rows with labels permuted over groups; those of pairs swapped within pairs.

    The real labelling and its mirror image, which tells the same two sets of words apart, are no
    null: they are drawn again. Fewer than n, or none, where there is hardly another.
    """
    rng = np.random.default_rng([seed, 2])
    label = data.label
    _, first, group = np.unique(data.group, return_index=True, return_inverse=True)
    if data.examples.pair is not None:
        drawn = (label ^ rng.integers(0, 2, len(first))[group] for _ in range(_TRIES * n))
    else:
        drawn = (rng.permutation(label[first])[group] for _ in range(_TRIES * n))
    mirror = label if data.examples.value is not None else 1 - label
    others = (one for one in drawn if (one != label).any() and (one != mirror).any())
    for other in islice(others, n):
        yield data.relabelled(other)
