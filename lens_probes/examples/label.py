"""What is asked of the units: two classes, pairs of them; beside it values and several classes.

Every question whose answer depends on the kind of label is asked of these objects: how it is
permuted, what that can resolve, which groups tell of it, how examples are held out.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray

from lens_probes import stats
from lens_probes.errors import InputError
from lens_probes.stats.inputs import several_arrays

Array = Float[np.ndarray, "example unit"]
Group = Int[np.ndarray, " example"]
Relabelled = Literal["class", "pair", "value"]


@dataclass(frozen=True, eq=False)
class Label(ABC):
    """The label of every example; a group is what is independent of the others.

    Attributes
    ----------
    token_p
        The test of examples, each counting as independent.
    group_noun
        What a class of this label is called.
    exact_p
        Whether permuting groups gives each unit a p of its own (`MaxPermutation.pooled_p`).
    least_groups
        Groups that a test over groups needs, in each class or in all.
    """

    token_p: ClassVar[str] = "score_p"
    group_noun: ClassVar[str] = "class"
    exact_p: ClassVar[bool] = True
    least_groups: ClassVar[int] = 2

    @property
    @abstractmethod
    def numbers(self) -> NDArray[Any]:
        """[example] the label as a number."""

    @abstractmethod
    def select(self, index: NDArray[Any]) -> Self:
        """The label of some examples."""

    @abstractmethod
    def problem(self) -> str:
        """Why no unit can be tested for it, in one line; "" where units can be."""

    @abstractmethod
    def describe(self) -> str:
        """What it is, in a few words."""

    @abstractmethod
    def of(self, example: int) -> str:
        """The label of one example, in words."""

    @abstractmethod
    def course_p(self, asked: str) -> str:
        """The p-value of a lesson that asks for `asked`."""

    @abstractmethod
    def counts(self, group: Group) -> tuple[int, ...]:
        """Groups of each class, or of all where a class is no part of them."""

    @abstractmethod
    def mixed(self, group: Group) -> Bool[np.ndarray, " example"]:
        """[example] in a group of several classes."""

    @abstractmethod
    def constant_in(self, group: Group) -> bool:
        """Whether it is the same for all examples of each group."""

    def own_control(self, group: Group | None) -> bool:
        """Whether every group has both of each pair, and is its own control."""
        return False

    def relabelled(self, group: Group) -> Relabelled:
        """What a relabelling moves: classes over groups, classes inside groups, or values."""
        return "pair" if self.own_control(group) else "class"

    def kept(self, group: Group, use: Bool[np.ndarray, " example"]) -> bool:
        """Whether a test of the groups in use still answers for all: half of each class."""
        few, many = self.select(use).counts(group[use]), self.counts(group)
        return all(2 * a >= b for a, b in zip(few, many, strict=True)) and min(few) > 1

    @abstractmethod
    def folds(self, group: Any, *, n_folds: int, seed: int, by_word: bool) -> NDArray[np.int64]:
        """Fold of each example; groups stay whole. ValueError where a fold could not be scored."""

    @abstractmethod
    def permute(self, x: Any, group: Group | None, **options: Any) -> stats.MaxPermutation:
        """`stats.max_permutation` of x [example, unit] as this label is relabelled over groups."""

    @abstractmethod
    def resolution(self, group: Group, *, n_permutations: int, alpha: float) -> stats.Resolution:
        """What that permutation can resolve."""

    @abstractmethod
    def token_log10_p(self, x: Array) -> Any:
        """[unit] log10 p of the test of examples, `token_p`; NaN for constant units."""

    @abstractmethod
    def null(self, x: Array, group: Group, **options: Any) -> stats.NullShares:
        """Error of the test of examples, with the label shuffled over groups."""


@dataclass(frozen=True, eq=False)
class ClassLabel(Label):
    """y [example]: the class, from 0; names: of each class."""

    y: Int[np.ndarray, " example"]
    names: tuple[str, ...]

    @property
    def numbers(self) -> NDArray[Any]:
        """[example] the class."""
        return self.y

    @property
    def sizes(self) -> list[int]:
        """Examples of each class."""
        sizes: list[int] = np.bincount(self.y, minlength=len(self.names)).tolist()
        return sizes

    def select(self, index: NDArray[Any]) -> Self:
        """The label of some examples."""
        return replace(self, y=self.y[index])

    def problem(self) -> str:
        """A class of fewer than two examples."""
        for name, n in zip(self.names, self.sizes, strict=True):
            if n < 2:
                return f"class {name!r} has {n} examples: 2 or more are needed in each."
        return ""

    def describe(self) -> str:
        """As "a (10) v b (12)"."""
        counted = zip(self.names, self.sizes, strict=True)
        return " v ".join(f"{name} ({n})" for name, n in counted)

    def of(self, example: int) -> str:
        """The name of its class."""
        return self.names[int(self.y[example])]

    def course_p(self, asked: str) -> str:
        """Without pairs t_p takes the place of paired_p."""
        return "t_p" if asked == "paired_p" else asked

    def counts(self, group: Group) -> tuple[int, ...]:
        """Groups of each class."""
        return tuple(len(np.unique(group[self.y == k])) for k in range(len(self.names)))

    def mixed(self, group: Group) -> Bool[np.ndarray, " example"]:
        """[example] in a group of several classes."""
        cells = np.unique(np.stack([group, self.y]), axis=1)[0]
        found: NDArray[np.bool_] = (np.bincount(cells) > 1)[group]
        return found

    def constant_in(self, group: Group) -> bool:
        """Whether no group has several classes."""
        return not self.mixed(group).any()

    def folds(self, group: Any, *, n_folds: int, seed: int, by_word: bool) -> NDArray[np.int64]:
        """`folds_by_word` or `folds_by_passage`."""
        make = stats.folds_by_word if by_word else stats.folds_by_passage
        fold = make(self.y, group, n_folds=n_folds, seed=seed)
        inside = [np.bincount(fold[self.y == k], minlength=n_folds) for k in range(len(self.names))]
        if np.min(inside) < 2:
            raise InputError("a fold would have fewer than 2 examples of a class")
        return fold


@dataclass(frozen=True, eq=False)
class TwoClasses(ClassLabel):
    """Class 0 and class 1. Statistic: t; effect: g, AUC."""

    def permute(self, x: Any, group: Group | None, **options: Any) -> stats.MaxPermutation:
        """Classes move over groups."""
        return stats.max_permutation(x, self.y, groups=group, **options)

    def resolution(self, group: Group, *, n_permutations: int, alpha: float) -> stats.Resolution:
        """What moving the classes over these groups can resolve."""
        n0, n1 = self.counts(group)
        return stats.resolution(
            "max_t", n_groups0=n0, n_groups1=n1, alpha=alpha, n_permutations=n_permutations
        )

    def token_log10_p(self, x: Array) -> Any:
        """[unit] of the logit's score test, n r^2."""
        return stats.chi2_tail(len(self.y) * stats.correlation(x, self.y).r ** 2)[1]

    def null(self, x: Array, group: Group, **options: Any) -> stats.NullShares:
        """Classes shuffled over groups."""
        return stats.relabel_words_null(x, self.y, group, **options)


@dataclass(frozen=True, eq=False)
class Pairs(TwoClasses):
    """Two classes whose examples come in pairs: pair [example], each id once in both classes.

    Statistic: paired t beside t. Where both of a pair are of one group (`own_control`), relabelling
    swaps the classes inside groups.
    """

    pair: Int[np.ndarray, " example"]

    def select(self, index: NDArray[Any]) -> Self:
        """The label of some examples."""
        return replace(self, y=self.y[index], pair=self.pair[index])

    def course_p(self, asked: str) -> str:
        """As asked."""
        return asked

    def own_control(self, group: Group | None) -> bool:
        """Whether every example has a partner of the same group in the other class."""
        if group is None:
            return False
        one, other = (
            dict(zip(self.pair[rows].tolist(), group[rows].tolist(), strict=True))
            for rows in (self.y == 0, self.y == 1)
        )
        return one == other

    def counts(self, group: Group) -> tuple[int, ...]:
        """All groups where each is its own control, else those of each class."""
        return (len(np.unique(group)),) if self.own_control(group) else super().counts(group)

    def permute(self, x: Any, group: Group | None, **options: Any) -> stats.MaxPermutation:
        """A group's pairs are swapped together: its occurrences are not independent."""
        if group is None or not self.own_control(group):
            return super().permute(x, group, **options)
        sides, index = np.unique(2 * group + self.y, return_inverse=True)
        every = several_arrays(x)
        means = stats.InTurn(
            lambda i: _means(every.read(i), index, len(sides)), every.widths, len(sides)
        )
        return stats.max_permutation(means, sides % 2, within=sides // 2, **options)

    def resolution(self, group: Group, *, n_permutations: int, alpha: float) -> stats.Resolution:
        """What swapping the classes inside these groups can resolve."""
        if not self.own_control(group):
            return super().resolution(group, n_permutations=n_permutations, alpha=alpha)
        (n,) = self.counts(group)
        return stats.resolution(
            "max_t", n_groups0=1, n_groups1=1, alpha=alpha, n_permutations=n_permutations,
            n_relabellings=2**n,
        )  # fmt: skip


def _means(x: Any, index: NDArray[np.int64], n_groups: int) -> Array:
    """Mean of each group's examples; [group, unit]."""
    order = np.argsort(index, kind="stable")
    counts = np.bincount(index, minlength=n_groups)
    sums = np.add.reduceat(x[order], np.cumsum(counts) - counts, axis=0, dtype=np.float64)
    means: Array = sums / counts[:, None]
    return means
