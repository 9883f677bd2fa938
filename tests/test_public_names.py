"""The names that users import, wherever the code behind them lives."""

from __future__ import annotations

import inspect
import pkgutil
import re
from types import ModuleType
from typing import Any

import pytest

import lens_probes as lp
from lens_probes import maximize, probes, report, residual, stats

NAMES = """
Activations Atlas CategoryProbe CausalCard ContextProbe Document Examples GrammarProbe InputError
LensModel NegationProbe Probe ProperNounProbe SITES Screen Site SmallestSet SweepResult Text
TextProbe TokenLengthProbe ablate atlas collect compare concat load_model load_sae load_text
maximize paint replicate residual screen smallest_set stats sweep sweep_activations units wrap_model
"""
OF_MODULES: dict[ModuleType, str] = {
    stats: """
AdjustedTest Auc AucAgainstRest FTest WordLevelF auc_against_rest f_tail f_test heldout_highest
pairwise_g relabel_words_null_f resolution_f word_level_f
Concordance Correlation EffectAgreement Firth GroupEffects Heldout
HeldoutAuc HeldoutR InTurn Logistic MaxPermutation MeanAuc Moments NullShares Paired Resolution
Shrunk SignAgreement SplitTest TTest WordLevel WordLevelEffects adjust adjust_hierarchical_log10
adjust_log10 adjusted_test auc chi2_tail concordance correlation count_distinct effect_agreement
firth folds_by_passage folds_by_value folds_by_word group_effects heldout_auc heldout_direction
heldout_r logistic max_permutation mean_auc moments normal_tail normalised_welch paired
relabel_tokens_null relabel_tokens_null_r relabel_words_null relabel_words_null_r resolution
resolution_r shrink sign_agreement spline_columns split_test student_tail ttest tuned_at_least
word_level word_level_paired word_level_r
""",
    probes: """
CategoryProbe ContextProbe GrammarProbe NegationProbe Probe ProperNounProbe TextProbe
TokenLengthProbe
""",
    maximize: """
Context Decoded Maximized MaximizedTokens Reproducibility Similarity TopContexts Winners
batch_winners maximize maximize_tokens reproducibility top_contexts
""",
    residual: """
BlockSums HiddenStateDifference HiddenStates PathLength PrefixDifference Sight Sink
StreamCorrelation TokenCorrelations attention_sinks block_sums hidden_states path_length
prefix_difference sees_what stream stream_correlation token_correlations typical_norm
""",
    report: """
TextHeatmap best_auc_map heatmap_html heatmap_text save_figure share_by_layer summary_html
""",
}


def test_the_package_has_the_names_that_users_rely_on() -> None:
    assert set(NAMES.split()) <= set(lp.__all__) == set(dir(lp))
    for name in lp.__all__:
        assert getattr(lp, name) is not None


@pytest.mark.parametrize("module", OF_MODULES, ids=lambda module: module.__name__)
def test_a_module_of_the_package_has_the_names_that_users_rely_on(module: ModuleType) -> None:
    assert set(OF_MODULES[module].split()) <= set(module.__all__)
    assert [name for name in module.__all__ if not hasattr(module, name)] == []


@pytest.mark.parametrize("name", ["ablate", "collect", "load_model", "load_text", "paint", "sweep"])
def test_a_step_stays_a_function_once_its_module_is_imported(name: str) -> None:
    function = getattr(lp, name)
    assert inspect.isfunction(function)
    assert inspect.getmodule(function) is not None
    assert getattr(lp, name) is function


def test_no_function_has_the_name_of_a_room() -> None:
    rooms = {one.name for one in pkgutil.iter_modules(lp.__path__)}
    assert {"ablation", "screening", "units"} <= rooms
    of_both = rooms.intersection(lp.__all__)
    assert all(inspect.ismodule(getattr(lp, name)) for name in of_both), of_both


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (lp.load_model, "source device dtype processing"),
        (lp.wrap_model, "tl_model tokenizer"),
        (lp.sweep, "model probe sites layers preset"),
        (lp.atlas, "model text properties sites layers max_tokens seed"),
        (lp.compare, "a b"),
        (lp.concat, "parts"),
        (lp.SweepResult.matrix, "layer site"),
        (lp.SweepResult.directions, ""),
        (lp.load_sae, "folder"),
        (lp.sweep_activations, "names word group preset n_permutations seed"),
        (lp.Site.from_function, "name base fn layers"),
        (lp.units.linear, "W b activation"),
        (lp.Examples.from_tokens, "tokens position label word source"),
        (stats.ttest, "x y"),
        (stats.logistic, "x y"),
        (stats.auc, "x y"),
        (stats.adjust, "p method family"),
        (stats.word_level, "x y word"),
        (stats.max_permutation, "x y groups n_permutations seed"),
        (lp.SweepResult.top, "n"),
        (lp.SweepResult.save, "folder"),
        (lp.SweepResult.load, "folder"),
        (lp.SweepResult.write_report, "path"),
    ],
)
def test_a_function_takes_the_arguments_that_the_guide_names(
    function: object, arguments: str
) -> None:
    assert callable(function)
    assert set(arguments.split()) <= set(inspect.signature(function).parameters)


def documented(function: Any) -> set[str]:
    """Names in the Parameters section of a docstring."""
    parts = re.split(r"^(\w[\w ]*)\n-+\n", inspect.getdoc(function) or "", flags=re.MULTILINE)
    section = dict(zip(parts[1::2], parts[2::2], strict=True)).get("Parameters", "")
    heads = re.findall(r"^(\S.*)\n {4}\S", section, re.MULTILINE)
    return {name.strip(" *") for head in heads for name in head.split(",")}


FUNCTIONS = {
    f"{module.__name__}.{name}": getattr(module, name)
    for module in (lp, stats, maximize, residual)
    for name in module.__all__
    if inspect.isroutine(getattr(module, name))
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_four_parameters_or_more_are_documented_each(name: str) -> None:
    parameters = list(inspect.signature(FUNCTIONS[name]).parameters)
    if len(parameters) >= 4:
        assert set(parameters) - documented(FUNCTIONS[name]) == set()
