"""Statistics of many units at once: arrays [example, unit] in, frozen results out.

No model, no files, no printing. Column names are those of the units table; beside every p-value
stands its log10, which never underflows.
"""

from lens_probes.stats.auc import Auc, auc
from lens_probes.stats.corrections import adjust, adjust_log10
from lens_probes.stats.correlation import Correlation, correlation
from lens_probes.stats.logistic import Logistic, logistic
from lens_probes.stats.moments import Moments, moments
from lens_probes.stats.tails import chi2_tail, normal_tail, student_tail
from lens_probes.stats.ttest import TTest, ttest

__all__ = [
    "Auc",
    "Correlation",
    "Logistic",
    "Moments",
    "TTest",
    "adjust",
    "adjust_log10",
    "auc",
    "chi2_tail",
    "correlation",
    "logistic",
    "moments",
    "normal_tail",
    "student_tail",
    "ttest",
]
