"""Several classes as the label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lens_probes import stats
from lens_probes.examples.label import Array, ClassLabel, Group


@dataclass(frozen=True, eq=False)
class Classes(ClassLabel):
    """Three classes or more. Statistic: F; effect: eta squared, AUC of each against the rest."""

    def permute(self, x: Any, group: Group | None, **options: Any) -> stats.MaxPermutation:
        """Classes move over groups."""
        return stats.max_permutation(x, self.y, groups=group, statistic="welch_f", **options)

    def resolution(self, group: Group, *, n_permutations: int, alpha: float) -> stats.Resolution:
        """What moving the classes over these groups can resolve."""
        return stats.resolution_f(self.y, groups=group, n_permutations=n_permutations, alpha=alpha)

    def null(self, x: Array, group: Group, **options: Any) -> stats.NullShares:
        """Classes shuffled over groups."""
        return stats.relabel_words_null_f(x, self.y, group, **options)

    def course_p(self, asked: str) -> str:
        """F, which the lessons' tests of two classes are special cases of."""
        return "F_p"

    def token_log10_p(self, x: Array) -> Any:
        """[unit] of the score test, n eta squared."""
        return stats.f_test(x, self.y).log10_score_p
