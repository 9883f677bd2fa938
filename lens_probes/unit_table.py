"""One row per unit: the statistics of one layer and site, by column name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from lens_probes import stats
from lens_probes.activations import Activations
from lens_probes.decision import MIN_PER_WORD, words_with_both_labels
from lens_probes.errors import InputError
from lens_probes.examples import Examples
from lens_probes.sites import unit_name
from lens_probes.validate.confounds import confound_table, independent_covariates
from lens_probes.validate.folds import Folds


def unit_table(
    activations: Activations,
    key: tuple[int, str],
    examples: Examples,
    extra: tuple[Folds, pd.DataFrame | None] | None,
) -> pd.DataFrame:
    """Statistics of every unit of one layer and site; `extra` adds what the rigorous preset does.

    Raises InputError naming layer and site where an activation is not finite.
    """
    layer, site = key
    x, shape = activations[key], activations.shapes[site]
    try:
        columns = unit_statistics(x, examples.label)
        if extra is not None:
            columns |= rigorous_statistics(x, examples, *extra)
    except ValueError as error:
        raise InputError(f"layer {layer}, site {site}: {error}") from error
    names = [unit_name(layer, site, unit, shape) for unit in range(x.shape[1])]
    index = {"layer": layer, "site": site, "unit": np.arange(x.shape[1]), "name": names}
    return pd.DataFrame(index | columns)


def unit_statistics(
    x: Float[np.ndarray, "example unit"], y: Int[np.ndarray, " example"]
) -> dict[str, Any]:
    """Every token-level statistic of the units of one layer and site, by column name."""
    columns: dict[str, Any] = {}
    for part in (stats.moments, stats.ttest, stats.logistic, stats.auc):
        columns |= vars(part(x, y))
    return columns


def rigorous_statistics(
    x: Float[np.ndarray, "example unit"],
    examples: Examples,
    folds: Folds,
    covariates: pd.DataFrame | None,
) -> dict[str, Any]:
    """What the rigorous preset adds for each unit: Firth, words, held-out scores, partial r."""
    y, word = examples.label, examples.word
    if word is not None and words_with_both_labels(examples):
        word = None
    fits, words = stats.firth(x, y), stats.word_level(x, y, word, min_per_word=MIN_PER_WORD)
    columns: dict[str, Any] = {"firth_p": fits.firth_p, "log10_firth_p": fits.log10_firth_p}
    for name in ("word_t", "word_p", "log10_word_p", "icc", "effective_n"):
        columns[name] = getattr(words, name)
    for suffix, fold in (("heldout", folds.main), ("heldout_passage", folds.passage)):
        scores = None if fold is None else stats.heldout_direction(x, y, fold)
        for name in ("accuracy", "auc"):
            columns[f"{name}_{suffix}"] = (
                np.nan if scores is None else getattr(scores, f"{name}_heldout")
            )
    if covariates is not None and 0 < len(covariates.columns) <= len(y) - 3:
        partial = stats.correlation(x, y, covariates=covariates.to_numpy(float))
        for name in ("partial_r", "partial_r_p", "log10_partial_r_p"):
            columns[name] = getattr(partial, name)
    return columns


def covariates_of(examples: Examples, tokenizer: Any) -> pd.DataFrame | None:
    """Confounds that partial effects are controlled for; None without a tokenizer."""
    if tokenizer is None:
        return None
    return independent_covariates(confound_table(examples, tokenizer), examples.label)
