"""What else differs between the classes: frequency, length, position, capitals, spaces, tokens."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import wordfreq

from lens_probes import stats
from lens_probes.examples import Examples


def confound_table(examples: Examples, tokenizer: Any) -> pd.DataFrame:
    """Confounds [example, confound] that vary among the examples.

    log_frequency: Zipf frequency of the word (wordfreq), or log of the read token's count among
    the examples' tokens plus one where no words are given. The others come from the target's
    text: n_characters, n_tokens, position, capitalised, leading_space.
    """
    first = examples.position if examples.first is None else examples.first
    texts = [
        str(tokenizer.decode(row[start : end + 1], clean_up_tokenization_spaces=False))
        for row, start, end in zip(examples.tokens, first, examples.position, strict=True)
    ]
    table = pd.DataFrame(
        {
            "log_frequency": _log_frequency(examples),
            "n_characters": [float(len(text.strip())) for text in texts],
            "n_tokens": (examples.position - first + 1).astype(float),
            "position": examples.position.astype(float),
            "capitalised": [float(text.strip()[:1].isupper()) for text in texts],
            "leading_space": [float(text[:1].isspace()) for text in texts],
        }
    )
    return table.loc[:, table.nunique() > 1]


def confound_differences(table: pd.DataFrame, label: Any) -> dict[str, dict[str, float]]:
    """Mean of each confound in each class, and the AUC with which it alone tells them apart."""
    if table.empty or not len(table.columns):
        return {}
    auc = stats.auc(table.to_numpy(float), label).auc
    means = [table[label == value].mean() for value in (0, 1)]
    return {
        name: {"mean0": float(means[0][name]), "mean1": float(means[1][name]), "auc": float(auc[i])}
        for i, name in enumerate(table.columns)
    }


def independent_covariates(table: pd.DataFrame, label: Any) -> pd.DataFrame:
    """Confounds without those that the ones before them (and a constant) determine.

    Stops before the label itself would be determined, so that a partial correlation exists.
    """
    kept: list[str] = []
    basis = np.ones((len(table), 1))
    for name in table.columns:
        wider = np.column_stack([basis, table[name].to_numpy(float)])
        scaled = wider / np.linalg.norm(wider, axis=0)
        if np.linalg.matrix_rank(scaled, tol=1e-8) < wider.shape[1]:
            continue
        residual = label - wider @ np.linalg.lstsq(wider, label, rcond=None)[0]
        if np.linalg.norm(residual) < 1e-8 * np.linalg.norm(label):
            continue
        kept, basis = [*kept, name], wider
    return table[kept]


def _log_frequency(examples: Examples) -> list[float]:
    if examples.word is not None:
        return [float(wordfreq.zipf_frequency(str(word), "en")) for word in examples.word]
    counts = np.bincount(examples.tokens[examples.tokens >= 0])
    read = examples.tokens[np.arange(len(examples)), examples.position]
    return [float(value) for value in np.log(counts[read] + 1.0)]
