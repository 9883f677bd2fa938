"""Replication groups: which examples are independent evidence, and which are one word seen again.

Word types that are read at the same token are one piece of evidence: "can't", "don't" and "isn't"
all end in the token "'t", so a unit that follows that token seems to know fourteen words. A group
is a connected component of examples over word type and read token. All that used to count word
types counts groups: permutation, folds, nulls, control task, halves, replication.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

if TYPE_CHECKING:
    from lens_probes.examples import Examples

Group = Int[np.ndarray, " example"]


def joined(*ids: NDArray[np.generic]) -> Group:
    """Groups of examples that share any of their ids, numbered in order of first appearance.

    Each of `ids` is [example]; examples with an equal entry in one of them are in one group, and
    so are all that are linked through others (connected components). The numbers depend on which
    entries are equal, not on what they are called.
    """
    n = len(ids[0])
    nodes, width = [], n
    for values in ids:
        index = np.unique(values, return_inverse=True)[1]
        nodes.append(index + width)
        width += int(index.max(initial=-1)) + 1
    rows, columns = np.tile(np.arange(n), len(ids)), np.concatenate(nodes)
    links = coo_array((np.ones(len(rows), dtype=bool), (rows, columns)), shape=(width, width))
    component = connected_components(links, directed=False)[1][:n]
    return numbered(component)


def numbered(ids: NDArray[np.generic]) -> Group:
    """Equal ids [example] as equal numbers, 0 for the first that appears, then 1, and so on."""
    _, first, index = np.unique(ids, return_index=True, return_inverse=True)
    place = np.empty(len(first), dtype=np.int64)
    place[np.argsort(first, kind="stable")] = np.arange(len(first))
    group: Group = place[index]
    return group


def groups_of(examples: Examples) -> Group | None:
    """The group of each example; None where no word types (and no groups of one's own) are known.

    Word types joined where they share the token that is read; with the mean over a target's tokens
    read, word types alone. `own_group` takes their place.
    """
    if examples.own_group is not None:
        return numbered(examples.own_group.astype(str))
    if examples.word is None:
        return None
    word = examples.word.astype(str)
    return numbered(word) if examples.read == "mean" else joined(word, read_tokens(examples))


def seen_groups(examples: Examples, before: pd.DataFrame) -> Bool[np.ndarray, " example"] | None:
    """[example] whether its group was read `before` (`Examples.table` of another sample).

    New is what is new in word and in read token: what is linked to the earlier sample through
    neither. None where words are unknown on either side.
    """
    if examples.group is None or (before["group"] < 0).any():
        return None
    n = len(before)
    if examples.own_group is not None and "own_group" in before:
        ids = [np.concatenate([before["own_group"].astype(str), examples.own_group.astype(str)])]
    elif examples.word is None or before["word"].isna().any():
        return None
    else:
        ids = [np.concatenate([before["word"].astype(str), examples.word.astype(str)])]
        if examples.read != "mean" and (before["read_token"] >= 0).all():
            ids.append(np.concatenate([before["read_token"], read_tokens(examples)]))
    together = joined(*ids)
    seen: Bool[np.ndarray, " example"] = np.isin(together[n:], together[:n])
    return seen


def read_tokens(examples: Examples) -> Int[np.ndarray, " example"]:
    """[example] the id of the token at the read position."""
    read: Int[np.ndarray, " example"] = examples.tokens[np.arange(len(examples)), examples.position]
    return read


def group_names(examples: Examples) -> list[str]:
    """A name for each group: its word types, the first of them in order and how many more."""
    group = examples.group
    if group is None:
        return []
    named = examples.own_group if examples.word is None else examples.word
    assert named is not None
    words: list[set[str]] = [set() for _ in range(int(group.max(initial=-1)) + 1)]
    for number, word in zip(group.tolist(), named, strict=True):
        words[number].add(str(word))
    return [min(part) + (f" (+{len(part) - 1})" if len(part) > 1 else "") for part in words]


def mixed_examples(examples: Examples) -> Bool[np.ndarray, " example"]:
    """[example] in a group that has examples of both classes; none where the label is a number."""
    if examples.group is None or examples.value is not None:
        return np.zeros(len(examples), dtype=bool)
    group = examples.group
    ones = np.bincount(group, weights=examples.label)
    share = (ones / np.bincount(group))[group]
    mixed: Bool[np.ndarray, " example"] = (share > 0) & (share < 1)
    return mixed


def set_aside(examples: Examples) -> dict[str, int]:
    """Groups with examples of both classes, by name, and how many examples each has.

    They say nothing about the classes at the level of groups, and are left out of those tests.
    """
    if examples.group is None or (mixed := mixed_examples(examples)).sum() == 0:
        return {}
    names = group_names(examples)
    numbers, counts = np.unique(examples.group[mixed], return_counts=True)
    aside: dict[str, int] = {}
    for k, n in zip(numbers.tolist(), counts.tolist(), strict=True):
        aside[names[k]] = aside.get(names[k], 0) + n
    return aside


def groups_per_class(
    examples: Examples, use: Bool[np.ndarray, " example"] | None = None
) -> tuple[int, int]:
    """Groups of class 0 and of class 1, of all examples or of some; 0 where none are known."""
    if examples.group is None:
        return 0, 0
    use = np.ones(len(examples), dtype=bool) if use is None else use
    n0, n1 = (len(np.unique(examples.group[use & (examples.label == k)])) for k in (0, 1))
    return n0, n1
