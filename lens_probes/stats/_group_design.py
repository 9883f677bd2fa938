"""Labels of examples and of their groups, with enough groups to draw halves of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lens_probes.errors import InputError
from lens_probes.stats.groups import Groups, group_examples, group_labels
from lens_probes.stats.inputs import Bools, Floats

# Units are compared in halves of the groups, and each half needs two of each class.
LEAST_GROUPS = 4


@dataclass(frozen=True)
class GroupDesign:
    """Labels of the examples and of their groups."""

    positive: Bools
    groups: Groups
    labels: Bools

    @classmethod
    def of(cls, positive: Bools, groups: Any, n: int) -> GroupDesign:
        given = group_examples(np.arange(n) if groups is None else groups, n, what="group")
        labels = group_labels(given, positive)
        for label in (0, 1):
            count = int((labels == label).sum())
            if count < LEAST_GROUPS:
                raise InputError(
                    f"class {label} has {count} groups: choosing units needs {LEAST_GROUPS} or more"
                )
        return cls(positive, given, labels)

    def means(self, values: Floats) -> Floats:
        """Means over each group [group, unit]."""
        sums: Floats = self.groups.sums(values)
        return sums / self.groups.sizes[:, None]
