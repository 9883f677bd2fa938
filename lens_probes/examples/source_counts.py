"""How many examples and word types each source gives."""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Int
from numpy.typing import NDArray


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
