"""What each unit is tuned to: its best and second property, and what is left of the second."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy.typing import NDArray

from lens_probes.atlases.designs import PropertyDesign, Rows
from lens_probes.atlases.reading import RowMeans
from lens_probes.stats.many_labels import ManyLabels, normal_of_t, z_of_label

_COLLINEAR = 0.95


def unit_table(
    means: RowMeans,
    rows: Rows,
    designs: Sequence[PropertyDesign],
    tests: ManyLabels,
) -> pd.DataFrame:
    """One row a unit: best and second property by |z|, their p over units and properties.

    `partial_second` is the z of the second property given the first (`partial_z`); `selectivity`
    the part of the best |z| that no other property reaches, 0 to 1. A unit that is constant on
    the words of every property has no best one ("").
    """
    size = np.abs(np.nan_to_num(tests.value))
    units = np.arange(size.shape[1])
    order = np.argsort(-size, axis=0, kind="stable")
    best = order[0]
    second = order[1] if len(size) > 1 else best
    names = np.array([one.property.name for one in designs], dtype=object)
    flat = size[best, units] == 0
    places = pd.DataFrame(
        [
            (key[0], key[1], number, name)
            for key in means.keys
            for number, name in enumerate(means.names[key])
        ],
        columns=["layer", "site", "unit", "name"],
    )
    alone = np.zeros(len(units)) if len(size) < 2 else size[second, units]
    with np.errstate(divide="ignore", invalid="ignore"):
        selectivity = np.where(flat, np.nan, 1 - alone / size[best, units])
    return places.assign(**{
        "best": np.where(flat, "", names[best]),
        "t_best": tests.value[best, units],
        "p_best": tests.p_family[best, units],
        "q_best": tests.q[best, units],
        "second": np.where(flat | (len(size) < 2), "", names[second]),
        "t_second": np.where(len(size) < 2, np.nan, tests.value[second, units]),
        "p_second": np.where(len(size) < 2, np.nan, tests.p_family[second, units]),
        "partial_second": _partials(means, rows, designs, best, second),
        "selectivity": selectivity,
    })  # fmt: skip


def _partials(
    means: RowMeans,
    rows: Rows,
    designs: Sequence[PropertyDesign],
    best: NDArray[np.int64],
    second: NDArray[np.int64],
) -> Float[np.ndarray, " unit"]:
    found = np.full(len(best), np.nan)
    start = 0
    for key, width in zip(means.keys, means.widths, strict=True):
        both = np.stack([best[start : start + width], second[start : start + width]], axis=1)
        pairs, which = np.unique(both, axis=0, return_inverse=True)
        for number, (a, b) in enumerate(pairs.tolist()):
            test = designs[b].test
            if test is None or a == b:
                continue
            units = np.flatnonzero(which == number)
            values = means.sums[key][np.ix_(test.rows, units)] / means.n[test.rows, None]
            share = rows.share[test.rows, a]
            found[start + units] = partial_z(values, test.label, test.pair, share)
        start += width
    return found


def partial_z(
    x: Float[np.ndarray, "row unit"],
    label: NDArray[np.int64],
    pair: NDArray[np.int64] | None,
    other: Float[np.ndarray, " row"],
) -> Float[np.ndarray, " unit"]:
    """z of a label given another property (`other` [row], the share of tokens that have it).

    Of rows: the regression of means on both; of pairs: the differences on those of the other, at
    none of it. Robust to unequal spreads (HC3 of MacKinnon and White 1985). NaN where the other
    property is nearly the label itself (R squared above 0.95).
    """
    values = x.astype(np.float64)
    if pair is None:
        target = label.astype(np.float64) - label.mean()
        beside = [np.ones(len(label)), *([other] if other.std() > 0 else [])]
    else:
        low, high = (
            rows[np.argsort(pair[rows], kind="stable")]
            for rows in (np.flatnonzero(label == 0), np.flatnonzero(label == 1))
        )
        values, other = values[high] - values[low], other[high] - other[low]
        target, beside = np.ones(len(other)), [other] if other.any() else []
    full = np.column_stack([*beside, target])
    rest = target
    if beside:
        q, _ = np.linalg.qr(np.column_stack(beside))
        rest = target - q @ (q.T @ target)
    if rest @ rest < (1 - _COLLINEAR) * (target @ target):
        return np.full(x.shape[1], np.nan)
    inverse = np.linalg.pinv(full)
    leverage = np.einsum("ij,ji->i", full, inverse)
    slope = rest @ values / (rest @ rest)
    left = values - full @ (inverse @ values)
    weight = (rest / np.maximum(1 - leverage, 0.05)) ** 2
    error = np.sqrt(weight @ left**2) / (rest @ rest)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = slope / error
    return np.nan_to_num(normal_of_t(t, max(len(rest) - full.shape[1], 1)))


def property_table(
    units: pd.DataFrame,
    tests: ManyLabels,
    designs: Sequence[PropertyDesign],
    heldout: pd.DataFrame,
    alpha: float,
) -> pd.DataFrame:
    """One row a property, layer and site: units tested and significant, and the best unit.

    `share_significant`: by the p over all units and properties; `share_q`: by q;
    `share_positive`: of the significant, those higher where the property is.
    """
    parts = []
    place: dict[Any, Any] = dict(units.groupby(["layer", "site"], sort=False).indices)
    for i, one in enumerate(designs):
        for (layer, site), here in place.items():
            value = tests.value[i, here]
            tested = ~np.isnan(value)
            n = int(tested.sum())
            hit = tests.p_family[i, here] <= alpha
            by_q = tests.q[i, here] <= alpha
            top = here[int(np.abs(np.nan_to_num(value)).argmax())]
            parts.append({
                "property": one.property.name, "layer": layer, "site": site, "n_tested": n,
                "n_significant": int(hit.sum()),
                "share_significant": hit.sum() / n if n else np.nan,
                "share_q": by_q.sum() / n if n else np.nan,
                "share_positive": (value[hit] > 0).mean() if hit.any() else np.nan,
                "best_unit": units["name"].iloc[top], "best_t": tests.value[i, top],
            })  # fmt: skip
    return pd.DataFrame(parts).merge(heldout, on=["property", "layer", "site"], how="left")


def shares_beyond(
    means: RowMeans, designs: Sequence[PropertyDesign], threshold: float
) -> pd.DataFrame:
    """Share of the units of each property, layer and site whose |z| reaches a threshold."""
    parts = []
    for key in means.keys:
        for one in designs:
            assert one.test is not None
            z = z_of_label(means.means(key, one.test.rows), one.test.label, one.test.pair)
            parts.append({
                "property": one.property.name, "layer": key[0], "site": key[1],
                "untrained_share_significant": (np.abs(z) >= threshold).mean(),
            })  # fmt: skip
    return pd.DataFrame(parts)
