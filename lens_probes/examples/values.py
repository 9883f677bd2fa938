"""A number of each example as the label."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray

from lens_probes import stats
from lens_probes.errors import InputError
from lens_probes.examples.label import Array, Group, Label, Relabelled

ENOUGH_GROUPS = 20


@dataclass(frozen=True, eq=False)
class Values(Label):
    """value [example]: a number; its name with the unit of measure. Statistic: r."""

    value: Float[np.ndarray, " example"]
    name: str

    token_p: ClassVar[str] = "r_p"
    group_noun: ClassVar[str] = "group"
    exact_p: ClassVar[bool] = False
    least_groups: ClassVar[int] = 3

    @property
    def numbers(self) -> NDArray[Any]:
        """[example] the value."""
        return self.value

    def select(self, index: NDArray[Any]) -> Self:
        """The label of some examples."""
        return replace(self, value=self.value[index])

    def problem(self) -> str:
        """Fewer than three examples, or one value."""
        if len(self.value) >= 3 and np.ptp(self.value) > 0:
            return ""
        return (
            f"{len(self.value)} examples with {len(set(self.value.tolist()))} different "
            "values: 3 examples and 2 values or more are needed."
        )

    def describe(self) -> str:
        """As "length (1 to 12)"."""
        return f"{self.name} ({self.value.min():g} to {self.value.max():g})"

    def of(self, example: int) -> str:
        """As "length 7"."""
        return f"{self.name} {self.value[example]:g}"

    def course_p(self, asked: str) -> str:
        """Values have one test."""
        return "r_p"

    def counts(self, group: Group) -> tuple[int, ...]:
        """All groups."""
        return (len(np.unique(group)),)

    def mixed(self, group: Group) -> Bool[np.ndarray, " example"]:
        """None: a number is no class."""
        return np.zeros(len(group), dtype=bool)

    def constant_in(self, group: Group) -> bool:
        """Whether all examples of a group have one value."""
        cells = set(zip(group.tolist(), self.value.tolist(), strict=True))
        return len(cells) == len(np.unique(group))

    def kept(self, group: Group, use: Bool[np.ndarray, " example"]) -> bool:
        """Half of the groups, or ENOUGH_GROUPS: the noise of means must not follow the value (long
        words are rare, and their means noisy)."""
        few, many = len(np.unique(group[use])), len(np.unique(group))
        return few >= min(ENOUGH_GROUPS, max(3, many / 2))

    def relabelled(self, group: Group) -> Relabelled:
        """Values over groups."""
        return "value"

    def folds(self, group: Any, *, n_folds: int, seed: int, by_word: bool) -> NDArray[np.int64]:
        """`folds_by_value`."""
        fold = stats.folds_by_value(self.value, group, n_folds=n_folds, seed=seed)
        inside = [self.value[fold == k] for k in range(n_folds)]
        if min(len(np.unique(v)) for v in inside) < 2 or min(map(len, inside)) < 3:
            raise InputError("a fold would have fewer than 3 examples, or one value")
        return fold

    def permute(self, x: Any, group: Group | None, **options: Any) -> stats.MaxPermutation:
        """Values move over groups."""
        return stats.max_permutation(x, self.value, groups=group, statistic="slope", **options)

    def resolution(self, group: Group, *, n_permutations: int, alpha: float) -> stats.Resolution:
        """What moving the values over these groups can resolve."""
        return stats.resolution_r(
            self.value, groups=group, n_permutations=n_permutations, alpha=alpha
        )

    def token_log10_p(self, x: Array) -> Any:
        """[unit] of r."""
        return stats.correlation(x, self.value).log10_r_p

    def null(self, x: Array, group: Group, **options: Any) -> stats.NullShares:
        """Values shuffled over groups."""
        return stats.relabel_words_null_r(x, self.value, group, **options)
