"""Effect sizes with intervals over groups: what k0 v k1 independent groups can say.

Intervals that count examples (g_low, g_high, auc_se) cover the truth in half of the cases where
word types carry much of the variance, and have no width where the classes are apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from lens_probes.errors import InputError
from lens_probes.stats import _group_rows as rows
from lens_probes.stats.groups import group_examples, group_labels
from lens_probes.stats.inputs import (
    Bools,
    Floats,
    Ints,
    Labels,
    PerUnit,
    Units,
    check_labels,
    check_units,
    chunks,
    refuse_nonfinite,
)

# How many groups' worth of the variance of alike examples is blended into a measured one.
_BLEND = 0.25
# Values are divided by their span, so that this share of a squared gap is rounding.
_ROUNDING = 1e-28


@dataclass(frozen=True)
class GroupEffects:
    """Effects in which each group counts once, with 95 % intervals; every array is [unit].

    g_group: difference of the means of the group means over the pooled sd of one example (between
    and within groups), times Hedges' small-sample factor. auc_group: P(class 1 > class 0) for an
    example of a random group of each class. accuracy_group: mean of the two classes' accuracies
    at the midpoint of their means, in the unit's direction. A constant unit is NaN; a unit without
    variance inside the classes has infinite g. n_groups0 and n_groups1 count the groups.
    """

    g_group: PerUnit
    g_group_low: PerUnit
    g_group_high: PerUnit
    auc_group: PerUnit
    auc_group_low: PerUnit
    auc_group_high: PerUnit
    accuracy_group: PerUnit
    accuracy_group_low: PerUnit
    accuracy_group_high: PerUnit
    n_groups0: int
    n_groups1: int


def group_effects(x: Units, y: Labels, groups: Any) -> GroupEffects:
    """Effects of x [example, unit] for labels y [example] over groups [example] of one class each.

    Groups are what was drawn: word types, or whatever examples share. Those of a class stand for
    further groups; all examples of a group may be alike, and a group of 200 says no more than a
    group of 5.

    g: for a hypothetical effect d the squared error of g is v0 / k0 + v1 / k1 (variances of the
    group means) + d^2 / 2f over the variance of one example, f being Satterthwaite's degrees of
    freedom of that variance (its parts between and within groups); the interval holds every d that
    is not refused by a t of as many degrees of freedom as those parts have. With one example a
    group it is nearly the noncentral-t interval of `ttest`. Its end is infinite where too few
    groups bound nothing.
    AUC: each group is placed among the groups of the other class, and its placement counts once
    (DeLong's components over clusters, Obuchowski 1997); accuracy likewise, with the share of a
    group's examples that are right. Both have the interval of `share_interval`. The accuracy's
    threshold and direction are fitted to the same examples, which its interval does not know: see
    `heldout_direction`.

    Raises ValueError for a group with both labels, fewer than 2 groups of a class, and whatever
    ttest refuses.
    """
    x = check_units(x)
    positive = check_labels(y, int(x.shape[0]))
    split = split_groups(groups, positive)
    table = np.empty((x.shape[1], rows.COLUMNS))
    for first, part in chunks(x, max_units=256):
        if not np.isfinite(part).all():
            refuse_nonfinite(part, first)
        values = np.ascontiguousarray(part.T)
        out = table[first : first + len(values)]
        rows.group_rows(
            values, rows.sorting_order(values), split.group, split.weight, split.k0, out
        )
        if not np.isfinite(out[:, rows.SPAN]).all():
            refuse_nonfinite(part, first)
    table[table[:, rows.SPAN] == 0] = np.nan
    column = dict(enumerate(np.ascontiguousarray(table.T)))
    k0, k1 = split.k0, split.k1
    return GroupEffects(
        *_g_interval(column, split),
        *share_interval(column[rows.AUC], column[rows.AUC_V0], column[rows.AUC_V1], k0, k1),
        *share_interval(
            0.5 * (column[rows.HIT0] + column[rows.HIT1]),
            0.25 * column[rows.HIT_V0],
            0.25 * column[rows.HIT_V1],
            k0,
            k1,
        ),
        n_groups0=k0,
        n_groups1=k1,
    )


@dataclass(frozen=True)
class SplitGroups:
    """group [example], numbered with the k0 of class 0 first and then the k1 of class 1;
    weight [example], one over the size of its group."""

    group: Ints
    weight: Floats
    k0: int
    k1: int


def split_groups(groups: Any, positive: Bools) -> SplitGroups:
    """Groups of one class each, 2 or more of both."""
    grouped = group_examples(groups, len(positive), what="group")
    labels = group_labels(grouped, positive)
    k0, k1 = int((~labels).sum()), int(labels.sum())
    if min(k0, k1) < 2:
        raise InputError(
            f"there are {k0} groups of class 0 and {k1} of class 1: at least 2 of each are needed"
        )
    order = np.argsort(labels, kind="stable")
    number = np.empty(len(order), dtype=np.int64)
    number[order] = np.arange(len(order))
    return SplitGroups(number[grouped.index], 1.0 / grouped.sizes[grouped.index], k0, k1)


def share_interval(
    share: Floats, v0: Floats, v1: Floats, k0: int, k1: int, *, apart: float = 1.0
) -> tuple[Floats, Floats, Floats]:
    """A share of comparisons (AUC, balanced accuracy) with its 95 % interval, all [unit].

    v0 and v1 are the parts of its variance from the k0 groups of class 0 and the k1 of class 1.
    Wilson's interval for as many independent comparisons as the variance is worth, with a t for
    its degrees of freedom. A variance near share 0 or 1 is known badly, and not at all for
    separated classes: it is blended with what k0 v k1 groups are worth if the examples of a group
    are all alike (Hanley and McNeil's variance at AUC 1, as Newcombe 2006 uses it). So a separated
    unit has an interval: with 12 v 12 groups AUC is at least 0.85. In a mean over units, worth
    `apart` independent ones, what is not known of each averages out.
    """
    blend = _BLEND / (k0 + k1) / apart
    v0, v1 = v0 + 0.25 * blend / k0, v1 + 0.25 * blend / k1
    worth = (v0 + v1) / (share * (1 - share) + blend)
    q = _quantile(_dof((v0, k0 - 1.0), (v1, k1 - 1.0)))
    return share, *wilson_interval(share, worth, q)


def wilson_interval(share: Floats, worth: Floats, q: Floats) -> tuple[Floats, Floats]:
    """Wilson's interval of shares of 1 / worth independent comparisons each, q the quantile."""
    spread = q**2 * worth
    centre = (share + 0.5 * spread) / (1 + spread)
    half = np.sqrt(spread * (share * (1 - share) + 0.25 * spread)) / (1 + spread)
    return np.clip(centre - half, 0.0, 1.0), np.clip(centre + half, 0.0, 1.0)


def _g_interval(column: Mapping[int, Floats], split: SplitGroups) -> tuple[Floats, Floats, Floats]:
    """g over groups with the limits of its interval."""
    k0, k1, n = split.k0, split.k1, len(split.group)
    v0, v1 = column[rows.MEAN_V0], column[rows.MEAN_V1]
    between = ((k0 - 1) * k0 * v0 + (k1 - 1) * k1 * v1) / (k0 + k1 - 2)
    rest = max(n - k0 - k1, 1)
    alone = float(np.square(split.weight).sum()) / (k0 + k1)  # mean of 1 / size over groups
    within = column[rows.WITHIN] / rest * (1 - alone)
    variance = between + within
    variance[variance < _ROUNDING * column[rows.GAP] ** 2] = 0.0
    f = np.where(variance == 0, k0 + k1 - 2.0, _dof((between, k0 + k1 - 2.0), (within, rest)))
    factor = np.exp(special.gammaln(0.5 * f) - special.gammaln(0.5 * f - 0.5)) / np.sqrt(0.5 * f)
    q = _quantile(_dof((v0, k0 - 1.0), (v1, k1 - 1.0)))
    bend = 1 - q**2 / (2 * f)
    with np.errstate(divide="ignore", invalid="ignore"):
        g = factor * column[rows.GAP] / np.sqrt(variance)
        noise = (v0 + v1) / variance
        root = q * np.sqrt(noise * bend + g**2 / (2 * f))
        low, high = (g - root) / bend, (g + root) / bend
    low, high = np.where(bend <= 0, -np.inf, low), np.where(bend <= 0, np.inf, high)
    alike = np.isinf(g)
    return g, np.where(alike, g, low), np.where(alike, g, high)


def _dof(*parts: tuple[Floats, float]) -> Floats:
    """Satterthwaite's degrees of freedom [unit] of a sum of variances with their own."""
    with np.errstate(divide="ignore", invalid="ignore"):
        total = np.sum([v for v, _ in parts], axis=0) ** 2
        dof: Floats = total / np.sum([v**2 / part for v, part in parts], axis=0)
    return dof


def _quantile(dof: Floats) -> Floats:
    """The 97.5 % quantile of t."""
    q: Floats = special.stdtrit(dof, 0.975)
    return q
