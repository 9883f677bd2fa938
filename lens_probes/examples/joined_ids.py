"""Ids joined to groups: what shares any of its ids, at once or through others, is one group."""

from __future__ import annotations

import numpy as np
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
