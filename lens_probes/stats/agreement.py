"""Do two experiments find the same units? Signs, significance and effects side by side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats as scipy_stats

from lens_probes.errors import InputError
from lens_probes.stats.inputs import Bools, Floats, Numbers, to_numpy


@dataclass(frozen=True)
class Concordance:
    """Agreement of two experiments over the same units; each share stands beside its counts.

    Of n_units units with an effect in both (n_left_out have none, NaN, in one or both):
    n_significant1, n_significant2, n_either (significant in at least one), n_both (in both).
    concordance = n_concordant / n_either, where the n_concordant are significant in both with
    the same sign (lesson L16). Among the n_significant1: sign_agreement is the share with the
    same sign in the second (n_same_sign), significant_again the share significant there
    (n_both). pearson_r and spearman_r are those of the effects over all n_units, Pearson over
    the n_finite with finite ones. A share of nothing, and r of fewer than 3 units or of constant
    effects, is NaN.
    """

    n_units: int
    n_left_out: int
    n_significant1: int
    n_significant2: int
    n_either: int
    n_both: int
    n_concordant: int
    concordance: float
    n_same_sign: int
    sign_agreement: float
    significant_again: float
    n_finite: int
    pearson_r: float
    spearman_r: float


def concordance(
    effect1: Numbers, significant1: Numbers, effect2: Numbers, significant2: Numbers
) -> Concordance:
    """Agreement of effects (t, r, beta) [unit] with significance [unit] in two experiments.

    A unit with NaN in either effect was not tested in both: it is left out and counted. An effect
    of exactly 0 agrees with no sign.

    Parameters
    ----------
    effect1, effect2
        [unit] effect (t, r, beta) in each experiment.
    significant1, significant2
        [unit] True or False.

    Raises
    ------
    ValueError
        Arrays that are not [unit] of one length, and significance that is not True or False (or 0
        or 1).
    """
    first, second = _effects(effect1, "effect1"), _effects(effect2, "effect2")
    passed1, passed2 = _passed(significant1, "significant1"), _passed(significant2, "significant2")
    lengths = [len(first), len(passed1), len(second), len(passed2)]
    if len(set(lengths)) > 1:
        raise InputError(
            f"effect1, significant1, effect2 and significant2 have lengths {lengths}: all must be "
            "[unit] over the same units"
        )
    tested = ~(np.isnan(first) | np.isnan(second))
    first, second = first[tested], second[tested]
    passed1, passed2 = passed1[tested], passed2[tested]
    same = (np.sign(first) == np.sign(second)) & (first != 0)
    either, both = int((passed1 | passed2).sum()), int((passed1 & passed2).sum())
    n1 = int(passed1.sum())
    concordant, same1 = int((passed1 & passed2 & same).sum()), int((passed1 & same).sum())
    finite = np.isfinite(first) & np.isfinite(second)
    return Concordance(
        n_units=len(first),
        n_left_out=len(tested) - len(first),
        n_significant1=n1,
        n_significant2=int(passed2.sum()),
        n_either=either,
        n_both=both,
        n_concordant=concordant,
        concordance=_share(concordant, either),
        n_same_sign=same1,
        sign_agreement=_share(same1, n1),
        significant_again=_share(both, n1),
        n_finite=int(finite.sum()),
        pearson_r=_r(first[finite], second[finite]),
        spearman_r=_r(scipy_stats.rankdata(first), scipy_stats.rankdata(second)),
    )


def _effects(values: Numbers, what: str) -> Floats:
    effects = to_numpy(values, what)
    if effects.ndim != 1 or effects.dtype.kind not in "fiub":
        raise InputError(
            f"{what} has shape {effects.shape} and dtype {effects.dtype}: it must be numbers [unit]"
        )
    return effects.astype(np.float64)


def _passed(values: Numbers, what: str) -> Bools:
    """Significance as booleans; a NaN is refused rather than read as True."""
    passed = _effects(values, what)
    if not np.isin(passed, (0.0, 1.0)).all():
        odd = passed[~np.isin(passed, (0.0, 1.0))][0]
        raise InputError(
            f"{what} has the value {odd:g}: it must be True or False (or 1 or 0); "
            "count an untested unit as False"
        )
    significant: Bools = passed == 1
    return significant


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")


def _r(a: Floats, b: Floats) -> float:
    """Pearson r; NaN for fewer than 3 pairs or a constant side."""
    if len(a) < 3 or (a == a[0]).all() or (b == b[0]).all():
        return float("nan")
    a, b = a - a.mean(), b - b.mean()
    return float((a / np.linalg.norm(a)) @ (b / np.linalg.norm(b)))
