"""What is computed of every unit, by kind of label: columns of the units table."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

import numpy as np
from jaxtyping import Float

from lens_probes import stats
from lens_probes.examples.classes import Classes
from lens_probes.examples.examples import Examples
from lens_probes.examples.folds import Folds
from lens_probes.examples.label import Label, Pairs, TwoClasses
from lens_probes.examples.values import Values
from lens_probes.units.decision import testable_groups, tested_rows

Array = Float[np.ndarray, "example unit"]
Covariates = Float[np.ndarray, "example k"]
_WORD_T = ("word_t", "word_dof", "word_p", "log10_word_p")
_SPREAD = ("icc", "effective_n", "word_sd0", "word_sd1", "word_skew")
_EFFECTS = tuple(
    f"{name}_group{end}" for name in ("g", "auc", "accuracy") for end in ("", "_low", "_high")
)
_WORD_F = ("word_F", "word_F_dof", "word_p", "log10_word_p", "word_eta_squared")


@singledispatch
def statistics_of(
    label: Label, x: Array, folds: Folds | None, covariates: Covariates | None
) -> dict[str, Any]:
    """Every statistic that counts examples, by column name.

    folds: of the rigorous preset, which adds held-out scores; None leaves them out.
    """
    raise NotImplementedError(type(label).__name__)


@statistics_of.register
def _two_classes(
    label: TwoClasses, x: Array, folds: Folds | None, covariates: Covariates | None
) -> dict[str, Any]:
    y, columns = label.y, dict[str, Any]()
    for part in (stats.moments, stats.ttest, stats.logistic, stats.auc):
        columns |= vars(part(x, y))
    if isinstance(label, Pairs):
        found = vars(stats.paired(x, y, label.pair))
        per_unit = {k: v for k, v in found.items() if np.shape(v) == (x.shape[1],)}
        columns |= per_unit
    if folds is None:
        return columns
    fits = stats.firth(x, y)
    columns |= {"firth_p": fits.firth_p, "log10_firth_p": fits.log10_firth_p}
    for suffix, fold in (("heldout", folds.main), ("heldout_passage", folds.passage)):
        scores = None if fold is None else stats.heldout_direction(x, y, fold)
        for name in ("accuracy", "auc"):
            columns[f"{name}_{suffix}"] = (
                np.nan if scores is None else getattr(scores, f"{name}_heldout")
            )
    if covariates is not None:
        partial = stats.correlation(x, y, covariates=covariates)
        for name in ("partial_r", "partial_r_p", "log10_partial_r_p"):
            columns[name] = getattr(partial, name)
    return columns


@statistics_of.register
def _values(
    label: Values, x: Array, folds: Folds | None, covariates: Covariates | None
) -> dict[str, Any]:
    mean = x.mean(0, dtype=np.float64)
    r = stats.correlation(x, label.value, covariates=covariates)
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
        main = folds.main
        columns["r_heldout"] = (
            np.nan if main is None else stats.heldout_r(x, label.value, main).r_heldout
        )
    return columns


@statistics_of.register
def _several_classes(
    label: Classes, x: Array, folds: Folds | None, covariates: Covariates | None
) -> dict[str, Any]:
    """Beside F the class that each unit is highest for: the one with the largest AUC against the
    rest. `direction` is 1 throughout: a unit is for its class, whatever the others are."""
    f, against = stats.f_test(x, label.y), stats.auc_against_rest(x, label.y)
    constant = np.isnan(f.F)
    columns: dict[str, Any] = {}
    for k, n in enumerate(f.sizes):
        columns |= {f"n{k}": n, f"mean{k}": f.means[k], f"sd{k}": f.sds[k]}
    columns |= {"n_distinct": stats.count_distinct(x), "direction": np.where(constant, 0.0, 1.0)}
    columns |= {name: value for name, value in vars(f).items() if name.startswith(_OF_F)}
    columns["highest"] = np.where(constant, -1, np.nan_to_num(against.auc, nan=-1.0).argmax(axis=0))
    for k in range(len(f.sizes)):
        columns |= {f"auc{k}": against.auc[k], f"auc_se{k}": against.auc_se[k]}
    columns["status"] = np.where(constant, "constant", "ok")
    if folds is not None:
        for suffix, fold in (("heldout", folds.main), ("heldout_passage", folds.passage)):
            columns[f"auc_{suffix}"] = (
                np.nan if fold is None else stats.heldout_highest(x, label.y, fold)
            )
    return columns


_OF_F = ("F", "log10_F", "eta", "score", "log10_score", "welch", "log10_welch")


def group_statistics(x: Array, examples: Examples, min_per_group: int) -> dict[str, Any]:
    """The tests over replication groups by column name; NaN where groups cannot be tested."""
    label, own_control = examples.contrast, examples.own_control
    names = _group_columns(label, own_control=own_control)
    if not testable_groups(examples, min_per_group):
        return dict.fromkeys(names, np.nan)
    assert examples.group is not None
    use = tested_rows(examples, min_per_group)
    part, group = x[use], examples.group[use]
    found = _over_groups(label.select(use), part, group, min_per_group, own_control=own_control)
    return {name: found[name] for name in names}


@singledispatch
def _group_columns(label: Label, *, own_control: bool) -> tuple[str, ...]:
    return _WORD_T if own_control else (*_WORD_T, *_SPREAD, *_EFFECTS)


@_group_columns.register
def _(label: Values, *, own_control: bool) -> tuple[str, ...]:
    return ("word_r",)  # its t has no exact tail where values are skewed


@_group_columns.register
def _(label: Classes, *, own_control: bool) -> tuple[str, ...]:
    return (*_WORD_F, *(f"word_sd{k}" for k in range(len(label.names))), "word_skew")


@singledispatch
def _over_groups(
    label: Any, x: Array, group: Any, min_per_group: int, *, own_control: bool
) -> dict[str, Any]:
    if own_control:
        return vars(stats.word_level_paired(x, label.y, group))
    found = vars(stats.word_level(x, label.y, group, min_per_word=min_per_group))
    return found | vars(stats.group_effects(x, label.y, group))


@_over_groups.register
def _(
    label: Values, x: Array, group: Any, min_per_group: int, *, own_control: bool
) -> dict[str, Any]:
    return vars(stats.word_level_r(x, label.value, group, min_per_word=min_per_group))


@_over_groups.register
def _(
    label: Classes, x: Array, group: Any, min_per_group: int, *, own_control: bool
) -> dict[str, Any]:
    found = stats.word_level_f(x, label.y, group)
    sds = {f"word_sd{k}": sd for k, sd in enumerate(found.word_sds)}
    return vars(found) | sds
