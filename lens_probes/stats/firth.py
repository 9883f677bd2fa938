"""Firth's penalised logit for every unit at once: finite also where the classes separate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from lens_probes.stats import _logit as logit
from lens_probes.stats import _rows as rows
from lens_probes.stats._options import checked_options
from lens_probes.stats._start import start_block
from lens_probes.stats.inputs import (
    Floats,
    Labels,
    PerUnit,
    TextPerUnit,
    Units,
    check_labels,
    check_units,
)
from lens_probes.stats.logistic import START_COLUMNS, overlapping
from lens_probes.stats.sums import sum_blocks
from lens_probes.stats.tails import chi2_tail

FirthStatus = Literal["ok", "constant", "not_converged"]


@dataclass(frozen=True)
class Firth:
    """Penalised logits; every array is [unit]. Positive firth_beta: class 1 is higher.

    firth_p is the penalised likelihood ratio test of the slope. NaN where firth_status is
    constant or not_converged.
    """

    firth_beta: PerUnit
    firth_p: PerUnit
    log10_firth_p: PerUnit
    firth_status: TextPerUnit


@checked_options
def firth(x: Units, y: Labels) -> Firth:
    """Firth's (1993) logit of labels y [example] on each unit of x [example, unit].

    The penalty, half the log determinant of the information, keeps the estimate finite under
    separation, where it ranks units that all share one maximum likelihood ratio (Heinze and
    Schemper 2002). The null model fixes beta at 0 inside the full information matrix, as R's
    logistf and the `firthmodels` package do. A CUDA tensor is read to the CPU in chunks.

    Raises ValueError for NaN or infinite x, labels that are not 0 or 1, and a class with fewer
    than 2 examples.

    Examples
    --------
    >>> import numpy as np
    >>> from lens_probes import stats
    >>> x, y = np.array([[1.0, 0.0], [2.0, 1.0], [4.0, 0.0], [5.0, 2.0]]), np.array([0, 0, 1, 1])
    >>> stats.firth(x, y).firth_p.round(2)
    array([0.11, 0.64])
    """
    x = check_units(x)
    positive = check_labels(y, int(x.shape[0]))
    n, n0 = len(positive), int((~positive).sum())
    fits = np.full((int(x.shape[1]), logit.FITS), np.nan)

    def work(block: Floats, table: Floats, units: slice) -> None:
        starts = np.full((len(block), 3), np.nan)
        start_block(block, n, n0, table, START_COLUMNS, overlapping(table), starts)
        starts[:, 2] = 0.5 * (table[:, rows.MEAN0] + table[:, rows.MEAN1])
        varies = np.minimum(table[:, rows.LOW0], table[:, rows.LOW1]) < np.maximum(
            table[:, rows.HIGH0], table[:, rows.HIGH1]
        )
        logit.firth_block(block, n, n0, varies, starts, fits[units])

    sums = sum_blocks(x, positive, work=work)
    status: TextPerUnit = np.select(
        [sums.constant, fits[:, logit.CONVERGED] != 1.0],
        ["constant", "not_converged"],
        default="ok",
    )
    fits[status != "ok"] = np.nan
    p, log10_p = chi2_tail(fits[:, logit.LLR])
    return Firth(fits[:, logit.SLOPE] / sums.scale, p, log10_p, status)
