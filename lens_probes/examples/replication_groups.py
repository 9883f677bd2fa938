"""Replication groups: which examples are independent evidence, and which are one word seen again.

Word types that are read at the same token are one piece of evidence: "can't", "don't" and "isn't"
all end in the token "'t", so a unit that follows that token seems to know fourteen words. A group
is a connected component of examples over word type and read token. All that used to count word
types counts groups: permutation, folds, nulls, control task, halves, replication.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Bool

from lens_probes.examples.examples import Examples
from lens_probes.examples.ids import joined


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
            ids.append(np.concatenate([before["read_token"], examples.read_tokens]))
    together = joined(*ids)
    seen: Bool[np.ndarray, " example"] = np.isin(together[n:], together[:n])
    return seen


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
    if examples.group is None:
        return np.zeros(len(examples), dtype=bool)
    return examples.contrast.mixed(examples.group)


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
) -> tuple[int, ...]:
    """Groups of each class, of all examples or of some; 0 where none are known."""
    classes = range(len(examples.class_names))
    if examples.group is None:
        return tuple(0 for _ in classes)
    use = np.ones(len(examples), dtype=bool) if use is None else use
    return tuple(len(np.unique(examples.group[use & (examples.label == k)])) for k in classes)
