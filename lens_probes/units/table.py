"""One row per unit: the statistics of one layer and site, by column name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from lens_probes import stats
from lens_probes.activations.collect import Activations
from lens_probes.errors import InputError
from lens_probes.examples.confounds import confound_table, independent_covariates
from lens_probes.examples.examples import Examples
from lens_probes.examples.folds import Folds
from lens_probes.units.decision import testable_groups, tested_rows

SHRUNK = ("g_group_shrunk", "g_group_shrunk_low", "g_group_shrunk_high")
_EFFECTS = ("g", "auc", "accuracy")


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
        if examples.value is not None:
            columns = correlation_statistics(x, examples, covariates, folds)
        else:
            columns = unit_statistics(x, examples.label)
            if examples.pair is not None:
                columns |= _columns(stats.paired(x, examples.label, examples.pair), x.shape[1])
            if folds is not None:
                columns |= rigorous_statistics(x, examples, folds, covariates)
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


def unit_statistics(
    x: Float[np.ndarray, "example unit"], y: Int[np.ndarray, " example"]
) -> dict[str, Any]:
    """Every token-level statistic of the units of one layer and site, by column name."""
    columns: dict[str, Any] = {}
    for part in (stats.moments, stats.ttest, stats.logistic, stats.auc):
        columns |= vars(part(x, y))
    return columns


def correlation_statistics(
    x: Float[np.ndarray, "example unit"],
    examples: Examples,
    covariates: pd.DataFrame | None,
    folds: Folds | None,
) -> dict[str, Any]:
    """With a continuous label: r and partial r in place of the two-class columns."""
    assert examples.value is not None
    mean = x.mean(0, dtype=np.float64)
    r = stats.correlation(x, examples.value, covariates=_usable(covariates, len(examples)))
    columns = {
        "n": len(x),
        "mean": mean,
        "sd": np.sqrt(np.square(x - mean).sum(0) / (len(x) - 1)),
        "n_distinct": stats.count_distinct(x),
        "direction": np.nan_to_num(np.sign(r.r)),
        **vars(r),
        "status": np.where(np.isnan(r.r), "constant", "ok"),
    }
    if folds is not None:
        columns["r_heldout"] = (
            np.nan
            if folds.main is None
            else stats.heldout_r(x, examples.value, folds.main).r_heldout
        )
    return columns


def rigorous_statistics(
    x: Float[np.ndarray, "example unit"],
    examples: Examples,
    folds: Folds,
    covariates: pd.DataFrame | None,
) -> dict[str, Any]:
    """What the rigorous preset adds for each unit: Firth, held-out scores, partial r."""
    y, fits = examples.label, stats.firth(x, examples.label)
    columns: dict[str, Any] = {"firth_p": fits.firth_p, "log10_firth_p": fits.log10_firth_p}
    for suffix, fold in (("heldout", folds.main), ("heldout_passage", folds.passage)):
        scores = None if fold is None else stats.heldout_direction(x, y, fold)
        for name in ("accuracy", "auc"):
            columns[f"{name}_{suffix}"] = (
                np.nan if scores is None else getattr(scores, f"{name}_heldout")
            )
    given = _usable(covariates, len(y))
    if given is not None:
        partial = stats.correlation(x, y, covariates=given)
        for name in ("partial_r", "partial_r_p", "log10_partial_r_p"):
            columns[name] = getattr(partial, name)
    return columns


def group_statistics(
    x: Float[np.ndarray, "example unit"], examples: Examples, min_per_group: int
) -> dict[str, Any]:
    """The tests over replication groups by column name; NaN where groups cannot be tested."""
    names = ["word_t", "word_dof", "word_p", "log10_word_p"]
    pairs, value = examples.own_control, examples.value
    if value is not None:
        names = ["word_r"]  # its t has no exact tail where values are skewed
    elif not pairs:
        names += ["icc", "effective_n", "word_sd0", "word_sd1", "word_skew"]
        names += [f"{name}_group{end}" for name in _EFFECTS for end in ("", "_low", "_high")]
    if not testable_groups(examples, min_per_group):
        return dict.fromkeys(names, np.nan)
    assert examples.group is not None
    use = tested_rows(examples, min_per_group)
    part, y, group = x[use], examples.label[use], examples.group[use]
    if pairs:
        found = vars(stats.word_level_paired(part, y, group))
    elif value is not None:
        found = vars(stats.word_level_r(part, value[use], group, min_per_word=min_per_group))
    else:
        found = vars(stats.word_level(part, y, group, min_per_word=min_per_group))
        found = found | vars(stats.group_effects(part, y, group))
    return {name: found[name] for name in names}


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
    """Confounds that partial effects are controlled for; None without a tokenizer."""
    label = examples.contrast.numbers
    if examples.covariates is not None:
        return independent_covariates(pd.DataFrame(dict(examples.covariates)), label)
    if tokenizer is None:
        return None
    return independent_covariates(confound_table(examples, tokenizer), label)


def _usable(covariates: pd.DataFrame | None, n: int) -> Float[np.ndarray, "example k"] | None:
    if covariates is None or not 0 < len(covariates.columns) <= n - 3:
        return None
    return covariates.to_numpy(float)


def _columns(result: Any, n_units: int) -> dict[str, Any]:
    """Fields of a frozen result that have one value for each unit."""
    return {
        name: values
        for name, values in vars(result).items()
        if isinstance(values, np.ndarray) and values.shape == (n_units,)
    }
