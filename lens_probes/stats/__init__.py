"""Statistics of many units at once: arrays [example, unit] in, frozen results out.

No model, no files, no printing. Column names are those of the units table; beside every p-value
stands its log10, which never underflows.
"""

from lens_probes.stats._adjustment import spline_columns
from lens_probes.stats.adjusted import AdjustedTest, adjusted_test
from lens_probes.stats.agreement import Concordance, concordance
from lens_probes.stats.auc import Auc, auc
from lens_probes.stats.corrections import adjust, adjust_log10
from lens_probes.stats.correlation import Correlation, correlation
from lens_probes.stats.effect_agreement import EffectAgreement, effect_agreement
from lens_probes.stats.f_test import AucAgainstRest, FTest, auc_against_rest, f_test, pairwise_g
from lens_probes.stats.firth import Firth, firth
from lens_probes.stats.folds import folds_by_passage, folds_by_value, folds_by_word
from lens_probes.stats.group_effects import GroupEffects, group_effects
from lens_probes.stats.group_heldout import HeldoutAuc, heldout_auc
from lens_probes.stats.heldout import Heldout, HeldoutR, heldout_direction, heldout_r
from lens_probes.stats.hierarchical import adjust_hierarchical_log10
from lens_probes.stats.inputs import InTurn
from lens_probes.stats.logistic import Logistic, logistic
from lens_probes.stats.mean_auc import MeanAuc, mean_auc
from lens_probes.stats.moments import Moments, count_distinct, moments
from lens_probes.stats.nulls import (
    NullShares,
    relabel_tokens_null,
    relabel_tokens_null_r,
    relabel_words_null,
    relabel_words_null_f,
    relabel_words_null_r,
)
from lens_probes.stats.paired import Paired, paired
from lens_probes.stats.permutation import (
    MaxPermutation,
    max_permutation,
    resolution_f,
    resolution_r,
)
from lens_probes.stats.resolution import Resolution, resolution
from lens_probes.stats.shrinkage import Shrunk, shrink
from lens_probes.stats.sign_agreement import SignAgreement, sign_agreement
from lens_probes.stats.sparse_probe import SparseProbe, sparse_probe
from lens_probes.stats.splits import SplitTest, split_test
from lens_probes.stats.tails import chi2_tail, f_tail, normal_tail, student_tail
from lens_probes.stats.ttest import TTest, ttest
from lens_probes.stats.tuned_bound import tuned_at_least
from lens_probes.stats.welch import normalised_welch
from lens_probes.stats.word_level import WordLevel, word_level
from lens_probes.stats.word_level_classes import WordLevelF, heldout_highest, word_level_f
from lens_probes.stats.word_level_effects import (
    WordLevelEffects,
    word_level_paired,
    word_level_r,
)
from lens_probes.stats.zero_inflated import ZeroInflated, zero_inflated

__all__ = [
    "AdjustedTest",
    "Auc",
    "AucAgainstRest",
    "Concordance",
    "Correlation",
    "EffectAgreement",
    "FTest",
    "Firth",
    "GroupEffects",
    "Heldout",
    "HeldoutAuc",
    "HeldoutR",
    "InTurn",
    "Logistic",
    "MaxPermutation",
    "MeanAuc",
    "Moments",
    "NullShares",
    "Paired",
    "Resolution",
    "Shrunk",
    "SignAgreement",
    "SparseProbe",
    "SplitTest",
    "TTest",
    "WordLevel",
    "WordLevelEffects",
    "WordLevelF",
    "ZeroInflated",
    "adjust",
    "adjust_hierarchical_log10",
    "adjust_log10",
    "adjusted_test",
    "auc",
    "auc_against_rest",
    "chi2_tail",
    "concordance",
    "correlation",
    "count_distinct",
    "effect_agreement",
    "f_tail",
    "f_test",
    "firth",
    "folds_by_passage",
    "folds_by_value",
    "folds_by_word",
    "group_effects",
    "heldout_auc",
    "heldout_direction",
    "heldout_highest",
    "heldout_r",
    "logistic",
    "max_permutation",
    "mean_auc",
    "moments",
    "normal_tail",
    "normalised_welch",
    "paired",
    "pairwise_g",
    "relabel_tokens_null",
    "relabel_tokens_null_r",
    "relabel_words_null",
    "relabel_words_null_f",
    "relabel_words_null_r",
    "resolution",
    "resolution_f",
    "resolution_r",
    "shrink",
    "sign_agreement",
    "sparse_probe",
    "spline_columns",
    "split_test",
    "student_tail",
    "ttest",
    "tuned_at_least",
    "word_level",
    "word_level_f",
    "word_level_paired",
    "word_level_r",
    "zero_inflated",
]
