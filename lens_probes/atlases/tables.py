"""Tables of an atlas: its designs, a sample of rows, and the tokens of each tested row."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lens_probes.atlases.designs import PropertyDesign, Rows
from lens_probes.atlases.property import CONFOUNDS
from lens_probes.atlases.reading import RowMeans
from lens_probes.atlases.tokens import Reading


def design_table(designs: list[PropertyDesign]) -> pd.DataFrame:
    """One row a property: what is compared with what, by how many groups, with which confounds."""
    rows = []
    for one in designs:
        label = np.zeros(0) if one.test is None else one.test.label
        rows.append({
            "property": one.property.name, "section": one.property.section,
            "means": one.property.means or one.property.name, "level": one.level,
            "n_groups1": int((label == 1).sum()), "n_groups0": int((label == 0).sum()),
            "n_tokens": one.n_tokens, "n_unmatched": one.n_unmatched, "problem": one.problem,
            **{f"auc_{name}": one.confounds.get(name, np.nan) for name in CONFOUNDS},
        })  # fmt: skip
    return pd.DataFrame(rows)


def sample_table(means: RowMeans) -> pd.DataFrame:
    """[unit, token] values of the kept sample, centred, in 127ths of each unit's largest."""
    parts = []
    for key in means.keys:
        values = means.sample[key].T.astype(np.float64)
        values -= values.mean(axis=1, keepdims=True)
        scale = np.abs(values).max(axis=1, keepdims=True)
        parts.append(np.round(127 * values / np.where(scale > 0, scale, 1)).astype(np.int8))
    whole_sample = np.concatenate(parts)
    return pd.DataFrame(whole_sample, columns=[f"{i}" for i in range(whole_sample.shape[1])])


def token_table(reading: Reading, tested: list[PropertyDesign], rows: Rows) -> pd.DataFrame:
    """One row a token that was read, with its class in each tested property (-1: in neither)."""
    tokens = reading.tokens
    names = np.array(reading.documents, dtype=object)
    table = {
        "id": tokens.id, "word": tokens.word, "document": names[tokens.document],
        "chunk": tokens.chunk, "index": tokens.index, "position": tokens.position,
        "read": tokens.read,
    }  # fmt: skip
    members = rows.members.tocsr()
    for one in tested:
        assert one.test is not None
        label = np.full(len(tokens), -1, dtype=np.int8)
        for row, side in zip(one.test.rows, one.test.label, strict=True):
            examples = members.indices[members.indptr[row] : members.indptr[row + 1]]
            label[reading.token[examples]] = side
        table[f"class: {one.property.name}"] = label
    return pd.DataFrame(table)
