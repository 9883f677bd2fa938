"""What a permutation test relabels: groups, their strata, and the statistic of each relabelling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from lens_probes.arrays import array_of
from lens_probes.errors import InputError
from lens_probes.stats._permuted import NormalisedWelch, Statistic, StudentisedSlope
from lens_probes.stats._permuted_classes import NormalisedWelchF
from lens_probes.stats.groups import Groups, group_examples, group_labels, group_values
from lens_probes.stats.inputs import Floats, Ints, check_classes, check_labels, check_values
from lens_probes.stats.relabel import code_values, count_relabellings

PermutedStatistic = Literal["welch", "slope", "student", "welch_f"]


@dataclass(frozen=True)
class Design:
    """What is relabelled: groups, the stratum and the code of each, the centred value of a code."""

    items: Groups
    stratum: Ints
    codes: Any
    contrast: Floats
    two_classes: bool
    strata: bool
    several: bool = False

    @classmethod
    def of(
        cls, y: Any, n: int, groups: Any, within: Any, statistic: PermutedStatistic | None
    ) -> Design:
        labels = array_of("y", y)
        several = statistic == "welch_f"
        two = labels.dtype.kind in "fiub" and bool(np.isin(labels, (0, 1)).all())
        two = two and not (statistic == "slope" and len(np.unique(labels)) > 1) and not several
        if several:
            values = check_classes(labels, n, per_class=1).astype(np.float64)
        elif two:
            values = check_labels(labels, n, per_class=1).astype(np.float64)
        else:
            values = check_values(labels, n, what="y")
        items = group_examples(np.arange(n) if groups is None else groups, n, what="group")
        if len(items.sizes) < 3:
            raise InputError(
                f"there are {len(items.sizes)} groups: a permutation test needs at least 3"
            )
        stratum = _strata(items, within, n)
        of_group = group_labels(items, values == 1) if two else group_values(items, values)
        codes, contrast = code_values(of_group.astype(np.float64))
        if several:
            _check_classes_of_groups(codes, within)
        if count_relabellings(codes, stratum, most=2) < 2:
            what = "both labels" if two else "two values"
            raise InputError(f"no passage has {what}: there is nothing to permute inside them")
        return cls(items, stratum, codes, contrast, two, within is not None, several)

    @property
    def n_groups(self) -> tuple[int, int]:
        if not self.two_classes:
            return len(self.codes), 0
        n1 = int((self.codes == 1).sum())
        return len(self.codes) - n1, n1

    def statistic(self, table: Any, asked: PermutedStatistic | None) -> Statistic:
        if self.several:
            return NormalisedWelchF(self.codes, table)
        lone = self.two_classes and min(self.n_groups) < 2
        student = asked == "student" or (lone and not self.strata)
        if self.two_classes and not self.strata and not student:
            return NormalisedWelch(self.codes == 1, table)
        return StudentisedSlope(self.contrast, self.codes, table, self.stratum, not student)

    def student(self, r: Floats) -> Floats:
        """Student t of a correlation over all groups; centring inside strata costs their means."""
        dof = len(self.codes) - 1 - len(np.unique(self.stratum))
        with np.errstate(divide="ignore", invalid="ignore"):
            t: Floats = r * np.sqrt(dof / np.maximum(1 - r**2, 0.0))
        return t


def _check_classes_of_groups(codes: npt.NDArray[Any], within: Any) -> None:
    few = np.bincount(codes)
    if few.min() < 2:
        raise InputError(
            f"class {int(few.argmin())} has {int(few.min())} group: Welch's F needs at least 2 of "
            "each class"
        )
    if within is not None:
        raise InputError("several classes are not permuted within passages: leave out within=")


def _strata(items: Groups, within: Any, n: int) -> Ints:
    """The stratum (passage) of each group."""
    if within is None:
        return np.zeros(len(items.sizes), dtype=np.int64)
    passages = group_examples(within, n, what="within")
    stratum = passages.index[items.order[items.starts]]
    strays = np.flatnonzero(passages.index != stratum[items.index])
    if len(strays):
        raise InputError(
            f"group {items.name(int(items.index[strays[0]]))} has examples in more than one "
            "passage of within=: groups must lie inside passages"
        )
    return stratum


def mirrored(contrast: Floats, stratum: Ints) -> bool:
    """Whether minus the contrast is one of its relabellings."""
    forth = contrast[np.lexsort((contrast, stratum))]
    back = -contrast[np.lexsort((-contrast, stratum))]
    return bool(np.allclose(forth, back, rtol=0, atol=1e-12))
