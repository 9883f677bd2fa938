"""Statistics of many units at once: arrays [example, unit] in, frozen results out.

No model, no files, no printing. Column names are those of the units table; beside every p-value
stands its log10, which never underflows.
"""

from lens_probes.stats.auc import Auc, auc
from lens_probes.stats.corrections import adjust, adjust_log10
from lens_probes.stats.correlation import Correlation, correlation
from lens_probes.stats.firth import Firth, firth
from lens_probes.stats.folds import folds_by_passage, folds_by_word
from lens_probes.stats.heldout import Heldout, heldout_direction
from lens_probes.stats.logistic import Logistic, logistic
from lens_probes.stats.moments import Moments, moments
from lens_probes.stats.nulls import NullShares, relabel_tokens_null, relabel_words_null
from lens_probes.stats.permutation import MaxPermutation, max_permutation
from lens_probes.stats.resolution import Resolution, resolution
from lens_probes.stats.tails import chi2_tail, normal_tail, student_tail
from lens_probes.stats.ttest import TTest, ttest
from lens_probes.stats.word_level import WordLevel, word_level

__all__ = [
    "Auc",
    "Correlation",
    "Firth",
    "Heldout",
    "Logistic",
    "MaxPermutation",
    "Moments",
    "NullShares",
    "Resolution",
    "TTest",
    "WordLevel",
    "adjust",
    "adjust_log10",
    "auc",
    "chi2_tail",
    "correlation",
    "firth",
    "folds_by_passage",
    "folds_by_word",
    "heldout_direction",
    "logistic",
    "max_permutation",
    "moments",
    "normal_tail",
    "relabel_tokens_null",
    "relabel_words_null",
    "resolution",
    "student_tail",
    "ttest",
    "word_level",
]
