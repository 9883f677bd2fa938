"""What L19 asks of two batches: how effect and evidence rank, what holds in the second."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lens_probes import stats
from lens_probes.findings.spread import Sample


def ranks(beta: NDArray[np.float64], log10_p: NDArray[np.float64]) -> float:
    """Spearman's correlation of |beta| with -log p, over units that have both."""
    known = np.isfinite(beta) & np.isfinite(log10_p)
    none = np.zeros(int(known.sum()))
    return stats.concordance(np.abs(beta[known]), none, -log10_p[known], none).spearman_r


def holds(first: Sample, second: Sample, passed: NDArray[np.bool_]) -> dict[str, float]:
    """AUC of the first batch's best unit in the second, and signs of its significant units."""
    x1, x2 = (next(iter(sample.arrays.values())) for sample in (first, second))
    t1, t2 = stats.ttest(x1, first.label).t, stats.ttest(x2, second.label).t
    best = int(np.nanargmax(np.abs(t1)))
    auc = float(stats.auc(x2[:, [best]], second.label).auc[0])
    found = stats.concordance(t1, passed, t2, passed)
    return {
        "auc_second": auc if t1[best] > 0 else 1 - auc,
        "sign_agreement": found.sign_agreement, "r": found.pearson_r,
    }  # fmt: skip
