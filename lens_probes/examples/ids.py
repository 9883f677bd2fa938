"""Ids of examples: joined to groups by what they share, numbered, counted by source."""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Int
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

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


def counts_by_source(
    source: NDArray[np.object_] | None,
    label: Int[np.ndarray, " example"],
    word: NDArray[np.object_] | None,
    n_classes: int,
) -> pd.DataFrame:
    """Examples (n0, n1 ...) and word types (n_types0 ...) of each source, most examples first.

    Parameters
    ----------
    source, word
        [example] passage group and word type, or None.
    label
        [example] class, from 0 to `n_classes` - 1.
    """
    if source is None:
        return pd.DataFrame(columns=["source", "n0", "n1", "n_types0", "n_types1"])
    table = pd.DataFrame({"source": source})
    classes = range(n_classes)
    for k in classes:
        table[f"n{k}"] = (label == k).astype(np.int64)
    table = table.groupby("source", sort=False).sum()
    for k in classes:
        here = label == k
        words = None if word is None else pd.Series(word[here])
        types = 0 if words is None else words.groupby(source[here]).nunique()
        table[f"n_types{k}"] = types
    table = table.fillna(0).astype(np.int64).reset_index()
    order = (-table[[f"n{k}" for k in classes]].sum(axis=1)).argsort(kind="stable")
    return table.iloc[order].reset_index(drop=True)
