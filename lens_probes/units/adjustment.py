"""The test given what is crossed with the words: speakers, documents, frequency, length, date."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray

from lens_probes import stats
from lens_probes.errors import InputError
from lens_probes.examples.classes import Classes
from lens_probes.examples.confounds import adjustment
from lens_probes.examples.examples import Examples
from lens_probes.stats.inputs import several_arrays
from lens_probes.units.decision import Decision, groups_tested

SPLINES = ("log_frequency",)


@dataclass(frozen=True)
class Adjustment:
    """What the covariate-adjusted test takes out of the label and of every unit.

    fixed [example]: speaker or document, numbered, or None; columns [example, k] numbers, log
    frequency as a natural spline; names of what they are; left_out: what could not be, and why.
    """

    fixed: Int[np.ndarray, " example"] | None
    columns: Float[np.ndarray, "example k"]
    names: tuple[str, ...]
    left_out: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, examples: Examples, tokenizer: Any) -> Adjustment:
        """From the examples' own covariates, or from all confounds that can be known."""
        if isinstance(examples.contrast, Classes):
            return cls(None, np.zeros((len(examples), 0)), ())
        fixed, table = None, pd.DataFrame(dict(examples.covariates or {}))
        left_out: dict[str, str] = {}
        if examples.covariates is None and tokenizer is not None:
            fixed, table = adjustment(examples, tokenizer)
            left_out = dict(table.attrs["left_out"])
        parts = [
            stats.spline_columns(table[name]) if name in SPLINES else table[[name]].to_numpy(float)
            for name in table.columns
        ]
        columns = np.column_stack(parts) if parts else np.zeros((len(examples), 0))
        names = (*([] if fixed is None else ["source or document"]), *map(str, table.columns))
        return cls(fixed, columns, names, left_out)

    def test(
        self,
        arrays: list[Any] | stats.InTurn,
        examples: Examples,
        decision: Decision,
        family: NDArray[np.int64],
        rows: Bool[np.ndarray, " example"] | None = None,
    ) -> stats.AdjustedTest:
        """`stats.adjusted_test` of all examples, or of some rows.

        Raises ValueError where these effects determine the label, or groups are too few.
        """
        if isinstance(examples.contrast, Classes):
            raise InputError("the test given confounds takes two classes or a value")
        label, group, use = groups_tested(examples, decision.min_per_group, rows)
        columns = self.columns[use]
        return stats.adjusted_test(
            several_arrays(arrays).rows(use),
            label.numbers,
            groups=group,
            fixed=None if self.fixed is None else self.fixed[use],
            covariates=columns[:, np.ptp(columns, axis=0) > 0] if columns.size else None,
            n_draws=decision.n_permutations,
            seed=decision.seed,
            family=family,
            alpha=decision.alpha,
        )

    def described(self, test: stats.AdjustedTest) -> dict[str, Any]:
        """For the result's provenance: what was taken out, and how the draws were made."""
        return {
            "given": list(self.names),
            "left_out": self.left_out,
            "method": test.method,
            "why": test.why,
            "dof": test.dof,
            "effective_groups": test.effective_groups,
            "largest_share": test.largest_share,
            "n_draws": test.n_draws,
            "threshold": [float(value) for value in test.threshold],
        }
