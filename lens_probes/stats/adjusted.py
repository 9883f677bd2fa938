"""A test over groups that takes out what is crossed with them: speakers, eras, word frequency.

Words are crossed with speakers and eras, and differ in frequency. Where the classes are unbalanced
in these, a test over words alone finds the speaker and calls it the property.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from jaxtyping import Float64, Shaped

from lens_probes.errors import InputError, choice
from lens_probes.stats._adjustment import GroupModel, group_model
from lens_probes.stats._maxima import family_p
from lens_probes.stats._options import checked_options
from lens_probes.stats.corrections import families, family_ids
from lens_probes.stats.inputs import (
    Floats,
    Ints,
    InTurn,
    Labels,
    Numbers,
    PerUnit,
    Units,
    check_values,
    several_arrays,
)
from lens_probes.stats.relabel import (
    MANY,
    all_relabellings,
    count_relabellings,
    sample_relabellings,
)

Method = Literal["sign flips", "permutation"]

# Below this many groups that carry the comparison, sign flips have clearly less power.
FEW = 8


@dataclass(frozen=True)
class AdjustedTest:
    """Family-wise p-values of a label, given fixed effects and covariates.

    adjusted_t [unit]: partial t of the label over groups, with dof degrees of freedom; positive
    where the unit rises with the label. p_family [unit]: its family-wise p, with log10_p_family.
    families [family]: the ids given (or 0); threshold [family]: p_family is at most alpha exactly
    where |adjusted_t| exceeds it (inf where no p can be that small, NaN where no unit is tested).
    effective_groups: how many equal groups would carry the comparison as these do (1 / sum of
    squared shares), largest_share: the share of one. exact: all n_distinct draws were used (a
    number that stops at 10**15); otherwise a sample of n_draws, and p = (1 + b) / (1 + n_draws).
    method: what was drawn; why: on what ground, in one line. A unit that is constant or that the
    adjustment determines is NaN.
    """

    adjusted_t: PerUnit
    p_family: PerUnit
    log10_p_family: PerUnit
    families: Shaped[np.ndarray, " family"]
    threshold: Float64[np.ndarray, " family"]
    dof: int
    n_groups: int
    effective_groups: float
    largest_share: float
    n_distinct: int
    n_draws: int
    exact: bool
    method: str
    why: str


@checked_options
def adjusted_test(
    x: Units | Sequence[Units] | InTurn,
    y: Labels,
    *,
    groups: Any,
    fixed: Any = None,
    covariates: Any = None,
    n_draws: int = 1000,
    seed: int = 0,
    family: Numbers | None = None,
    alpha: float = 0.05,
    method: Literal["auto", "sign flips", "permutation"] = "auto",
    icc: float = 0.3,
) -> AdjustedTest:
    """Test units x [example, unit] for a label y [example], two classes or a value, adjusted.

    groups [example]: the units of replication (words). fixed [example], or a list of such: ids
    (speakers, eras) whose effects are taken out. covariates [example, k]: numbers whose linear
    effects are taken out; see spline_columns for curved ones. x and family as in max_permutation.

    Label and units are whitened inside groups for an intraclass correlation of `icc` (a wrong one
    costs power, not the level), and regressed on the rest. What is left are one number a group and
    unit, uncorrelated but for the effects taken out, and the label's contrast over groups. Each
    draw changes the contrast, takes the effects out of it again, so that every draw has the same
    variance (De Santis, Goeman, Hemerik, Davenport and Finos 2025), and correlates it with the
    numbers; the maximum of |r| over the family gives p (Westfall and Young 1993).

    method: "sign flips" turn the signs of the groups' scores (the wild cluster bootstrap of
    scores, Kline and Santos 2012), all 2^(G - 1) of them where these are at most n_draws; groups
    may differ in spread. "permutation" deals the contrast out again to whole groups (Freedman and
    Lane 1983; Draper and Stoneman 1966): it has more power where few groups face many, but needs
    groups of one spread, and a label that is constant in each. "auto" takes sign flips unless even
    all of them cannot reach alpha and a permutation can.

    Parameters
    ----------
    x
        [example, unit] activations, or several such arrays over the same examples (layers, sites),
        whose units follow each other.
    y
        [example] two classes, or a value.
    groups
        [example] the units of replication (words).
    fixed
        [example] ids (speakers, eras) whose effects are taken out, or a list of such.
    covariates
        [example, k] numbers whose linear effects are taken out; see `spline_columns` for curved
        ones.
    n_draws
        Draws of the null, or all of them where there are no more.
    seed
        Of the draws: the same seed gives the same result.
    family
        [unit] ids of the families that maxima are taken over; None: one.
    alpha
        What a p has to reach, for method="auto" and the threshold.
    method
        `"sign flips"`, `"permutation"`, or `"auto"`: see above.
    icc
        Intraclass correlation that label and units are whitened for.

    Raises
    ------
    ValueError
        NaN or infinite values, a constant label, effects that determine it, fewer than 3 groups, a
        label that varies inside a group with method="permutation", and wrong shapes.
    """
    arrays = several_arrays(x)
    label = check_values(y, arrays.n_examples)
    family = None if family is None else family_ids(family)
    choice("method", method, ("auto", "sign flips", "permutation"))
    if n_draws < 1 or not 0 < alpha < 1 or not 0 <= icc < 1:
        raise InputError(
            f"n_draws is {n_draws}, alpha {alpha} and icc {icc}: the first must be at least 1, "
            "alpha between 0 and 1, icc at least 0 and below 1"
        )
    model = group_model(label, groups, fixed, covariates, icc=icc)
    used, why = _choose(model, method, alpha)
    draws = _signs(model, n_draws, seed) if used == "sign flips" else _deals(model, n_draws, seed)
    members = list(families(family, sum(arrays.widths)))
    r, tops = _correlations(arrays, model, draws, members)
    p, threshold = family_p(r, tops.T, members, exact=draws.exact, alpha=alpha)
    return AdjustedTest(
        adjusted_t=_student(r, model.dof),
        p_family=p,
        log10_p_family=np.log10(p),
        families=np.array([0]) if family is None else np.unique(family),
        threshold=_student(threshold, model.dof),
        dof=model.dof,
        n_groups=len(model.contrast),
        effective_groups=model.effective_groups,
        largest_share=model.largest_share,
        n_distinct=draws.n_distinct,
        n_draws=len(draws.table),
        exact=draws.exact,
        method=used,
        why=why,
    )


@dataclass(frozen=True)
class _Draws:
    """table [draw, group] of codes, and values, which turns rows of it into contrasts."""

    table: npt.NDArray[Any]
    values: Floats
    flips: bool
    n_distinct: int
    exact: bool

    def contrasts(self, rows: slice) -> Floats:
        """Rows as contrasts [draw, group]."""
        part = self.table[rows]
        drawn: Floats = part * self.values if self.flips else self.values[part]
        return drawn


def _choose(model: GroupModel, method: str, alpha: float) -> tuple[Method, str]:
    """What is drawn, and the ground for it."""
    g = len(model.contrast)
    size = f"{model.effective_groups:.1f} of {g} groups carry the comparison"
    if method == "permutation" or (method == "auto" and model.constant and 0.5 ** (g - 1) > alpha):
        if not model.constant:
            raise InputError(
                "y varies inside a group: a permutation of groups needs one label each; use "
                "method='sign flips'"
            )
        asked = "asked for" if method == "permutation" else f"{g} groups have too few sign flips"
        return "permutation", f"{asked}; groups of one spread are assumed; {size}"
    few = model.effective_groups < FEW
    power = "so few have little power, and their spreads matter" if few else "spreads may differ"
    return "sign flips", f"{size}; {power}"


def _signs(model: GroupModel, n_draws: int, seed: int) -> _Draws:
    """Signs of all groups; the first keeps its own, since turning all changes nothing."""
    n = len(model.contrast)
    n_distinct = min(2 ** (n - 1), MANY)
    exact = n_distinct <= n_draws
    if exact:
        bits = np.arange(n_distinct)[:, None] >> np.arange(n - 1) & 1
    else:
        bits = np.random.default_rng(seed).integers(0, 2, (n_draws, n - 1), dtype=np.int8)
    table = np.ones((len(bits), n), dtype=np.int8)
    table[:, 1:] -= 2 * bits.astype(np.int8)
    return _Draws(table, model.contrast, True, n_distinct, exact)


def _deals(model: GroupModel, n_draws: int, seed: int) -> _Draws:
    """The contrast's values dealt out again to the groups; equal ones count once."""
    rounded = np.round(model.contrast, 12)
    _, first, codes = np.unique(rounded, return_index=True, return_inverse=True)
    codes = codes.astype(np.min_scalar_type(len(first)))
    one = np.zeros(len(codes), dtype=np.int64)
    n_distinct = count_relabellings(codes, one, most=MANY)
    exact = n_distinct <= n_draws
    table = (
        all_relabellings(codes, one)
        if exact
        else sample_relabellings(codes, one, n=n_draws, seed=seed)
    )
    return _Draws(table, model.contrast[first], False, n_distinct, exact)


def _correlations(
    arrays: InTurn, model: GroupModel, draws: _Draws, members: list[npt.NDArray[np.intp]]
) -> tuple[Floats, Floats]:
    """r [unit] of the real contrast, and the largest |r| [draw, family] of the drawn ones."""
    place = np.empty(sum(arrays.widths), dtype=np.int64)
    for k, indices in enumerate(members):
        place[indices] = k
    r = np.empty(len(place))
    tops = np.zeros((len(draws.table), len(members)))
    for first, numbers in model.numbers(arrays):
        units = slice(first, first + numbers.shape[1])
        r[units] = model.direction(model.contrast[None, :])[0] @ numbers
        _raise_tops(tops, numbers, model, draws, place[units])
    return r, tops


def _raise_tops(
    tops: Floats, numbers: Floats, model: GroupModel, draws: _Draws, family: Ints
) -> None:
    """Raise tops [draw, family] to the largest |r| of this run of units."""
    usable = np.flatnonzero(~np.isnan(numbers[0]))
    if len(usable) == 0:
        return
    columns = usable[np.argsort(family[usable], kind="stable")]
    here, starts = np.unique(family[columns], return_index=True)
    values = np.ascontiguousarray(numbers[:, columns].T)
    for first in range(0, len(tops), 512):
        rows = slice(first, min(first + 512, len(tops)))
        size = values @ model.direction(draws.contrasts(rows)).T
        best = np.maximum.reduceat(np.abs(size, out=size), starts, axis=0)
        part = tops[rows]
        part[:, here] = np.maximum(part[:, here], best.T)


def _student(r: Floats, dof: int) -> Floats:
    """Student t of a partial correlation."""
    with np.errstate(divide="ignore"):
        t: Floats = r * np.sqrt(dof / np.maximum(1 - r**2, 0.0))
    return t
