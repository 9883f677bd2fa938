"""One row per unit: the statistics of one layer and site, by column name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from lens_probes import stats
from lens_probes.activations.collect import Activations
from lens_probes.errors import InputError
from lens_probes.examples.classes import Classes
from lens_probes.examples.confounds import confound_table, independent_covariates
from lens_probes.examples.examples import Examples
from lens_probes.examples.folds import Folds
from lens_probes.units.statistics import group_statistics, statistics_of

SHRUNK = ("g_group_shrunk", "g_group_shrunk_low", "g_group_shrunk_high")


def in_turn(
    activations: Activations, keys: Iterable[tuple[int, str]] | None = None
) -> stats.InTurn:
    """Arrays of all layers and sites, or of some, for statistics that take several."""
    chosen = list(activations if keys is None else keys)
    widths = tuple(map(activations.n_units, chosen))
    return stats.InTurn(
        lambda index: activations[chosen[index]], widths, len(activations[chosen[0]])
    )


def unit_tables(
    activations: Activations,
    examples: Examples,
    covariates: pd.DataFrame | None,
    folds: Folds | None,
    min_per_group: int | None,
) -> pd.DataFrame:
    """`unit_table` of all layers and sites, one after the other."""
    tables = [
        unit_table(activations, key, examples, covariates, folds, min_per_group)
        for key in activations
    ]
    return pd.concat(tables, ignore_index=True)


def unit_table(
    activations: Activations,
    key: tuple[int, str],
    examples: Examples,
    covariates: pd.DataFrame | None,
    folds: Folds | None,
    min_per_group: int | None,
) -> pd.DataFrame:
    """Statistics of every unit of one layer and site; `folds` adds what the rigorous preset does.

    `min_per_group`: examples that a replication group needs to count; None leaves out the tests
    over groups.

    Raises InputError naming layer and site where an activation is not finite.
    """
    layer, site = key
    x = activations[key]
    try:
        given = _usable(covariates, len(examples))
        columns = statistics_of(examples.contrast, x, folds, given)
        if min_per_group is not None:
            columns |= group_statistics(x, examples, min_per_group)
    except ValueError as error:
        raise InputError(f"layer {layer}, site {site}: {error}{_remedy(x)}") from error
    names = list(activations.unit_names(key))
    index = {"layer": layer, "site": site, "unit": np.arange(x.shape[1]), "name": names}
    return pd.DataFrame(index | columns)


def _remedy(x: Any) -> str:
    """What to do where half precision, as which activations are no longer kept, has overflowed."""
    if not np.isinf(x).any():
        return ""
    return ". Is the model in float16 (up to 65,504)? Load it in float32 or bfloat16 (--dtype)"


def with_shrunk_effects(units: pd.DataFrame) -> pd.DataFrame:
    """Units with `g_group` shrunk over all of them (`stats.shrink`), if they have it.

    The standard error is the width of the interval over 2 x 1.96; NaN where it has no end.
    """
    if "g_group" not in units:
        return units
    g, low, high = (units[f"g_group{end}"].to_numpy(float) for end in ("", "_low", "_high"))
    with np.errstate(invalid="ignore"):
        se = (high - low) / (2 * 1.96)
    se[~(se > 0)] = np.nan
    if not (np.isfinite(g) & np.isfinite(se)).any():
        return units.assign(**dict.fromkeys(SHRUNK, np.nan))
    found = stats.shrink(g, se)
    values = found.shrunk, found.shrunk_low, found.shrunk_high
    return units.assign(**dict(zip(SHRUNK, values, strict=True)))


def covariates_of(examples: Examples, tokenizer: Any) -> pd.DataFrame | None:
    """Confounds that partial effects are controlled for; None without a tokenizer, and for several
    classes, which have no partial correlation."""
    label = examples.contrast.numbers
    if isinstance(examples.contrast, Classes):
        return None
    if examples.covariates is not None:
        return independent_covariates(pd.DataFrame(dict(examples.covariates)), label)
    if tokenizer is None:
        return None
    return independent_covariates(confound_table(examples, tokenizer), label)


def _usable(covariates: pd.DataFrame | None, n: int) -> Float[np.ndarray, "example k"] | None:
    if covariates is None or not 0 < len(covariates.columns) <= n - 3:
        return None
    return covariates.to_numpy(float)
