"""Held-out folds and scores, nulls, control task, confounds, and the planted-truth audit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import binom
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import lens_probes as lp
from lens_probes import stats
from lens_probes.cli import main
from lens_probes.examples.confounds import (
    confound_differences,
    confound_table,
    independent_covariates,
)
from lens_probes.examples.folds import make_folds, passage_ids
from lens_probes.model.load import LensModel
from lens_probes.units.adjustment import Adjustment
from lens_probes.units.decision import preset_decision
from lens_probes.validate import audit as audit_module
from lens_probes.validate import audit_numbers
from lens_probes.validate.audit import METHODS, audit, plant
from lens_probes.validate.audit_numbers import Mean, Rate, coverage, false_verdicts, selection
from lens_probes.validate.checks import significant_units
from lens_probes.validate.controls import control_task, relabelling_null
from lens_probes.validate.heldout import baselines, cross_fitted_accuracy, fold_scores
from lens_probes.validate.toy import plant_toy


def words_and_labels(
    types: int = 16, per_word: int = 15
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Word index, label and word names of `types` words, half of each class."""
    index = np.repeat(np.arange(types), per_word)
    return index, index % 2, np.array([f"w{i}" for i in index], dtype=object)


def test_nulls_show_what_token_tests_do_to_word_identity() -> None:
    index, y, word = words_and_labels()
    rng = np.random.default_rng(0)
    identity = rng.normal(size=(16, 150))[index] + 0.5 * rng.normal(size=(240, 150))
    noise = rng.normal(size=(240, 150))
    for x, over_words in ((identity, 0.4), (noise, 0.0)):
        tokens = relabelling_null([x, x[:, :7]], y, alpha=0.05)
        words = relabelling_null([x, x[:, :7]], y, alpha=0.05, word=word)
        assert tokens["unit"] == pytest.approx(0.05, abs=0.01)
        assert tokens["family"] < 0.12
        assert words["n"] == tokens["n"] == 200
        if over_words:
            assert words["unit"] > over_words
            assert words["family"] > 0.9
        else:
            assert words["unit"] == pytest.approx(0.05, abs=0.03)


def test_control_task_tells_a_category_from_word_identity() -> None:
    index, y, word = words_and_labels()
    rng = np.random.default_rng(1)
    fold = rng.integers(0, 4, len(y))
    category = 2.0 * y[:, None] + 0.3 * rng.normal(size=(len(y), 5))
    identity = rng.normal(size=(16, 300))[index] + 0.1 * rng.normal(size=(len(y), 300))
    good = control_task(category, y, word, fold)
    bad = control_task(identity, y, word, fold)
    assert good.task_auc > 0.98
    assert good.selectivity > 0.2
    assert abs(bad.selectivity) < 0.12
    assert bad.control_auc_low <= bad.control_auc <= bad.control_auc_high
    assert good.selectivity == pytest.approx(good.task_auc - good.control_auc)


def test_baselines_equal_scikit_learn_and_chance_is_chance() -> None:
    rng = np.random.default_rng(2)
    y = np.arange(120) % 2
    fold = (np.arange(120) // 2) % 4
    x = rng.normal(size=(120, 300)).astype(np.float32) + 1000
    x[:, :40] += (0.35 * y)[:, None]
    got = baselines(x, y, fold)
    aucs = []
    for k in range(4):
        train, test = fold != k, fold == k
        model = make_pipeline(
            StandardScaler(),
            FunctionTransformer(lambda z: z / np.sqrt(300)),
            LogisticRegression(C=1.0, tol=1e-10, max_iter=5000),
        )
        model.fit(x[train].astype(float), y[train])
        score = model.decision_function(x[test].astype(float))
        aucs.append(stats.auc(score[:, None], y[test]).auc[0])
    assert got.logistic_probe_auc_heldout == pytest.approx(np.mean(aucs), abs=1e-9)
    assert got.mean_difference_auc_heldout > got.best_unit_auc_heldout > 0.4
    null = [baselines(rng.normal(size=(120, 60)), y, fold).best_unit_auc_heldout for _ in range(40)]
    assert np.mean(null) == pytest.approx(0.5, abs=0.04)


def test_cross_fitting_takes_the_flattery_away() -> None:
    """Units without any effect: chosen in sample they look better than chance, cross-fitted not."""
    rng = np.random.default_rng(3)
    y = np.arange(100) % 2
    fold = rng.permutation(np.arange(100) % 5)
    arrays = [rng.normal(size=(100, 4000)), rng.normal(size=(100, 10))]

    def choose(train: np.ndarray) -> list[np.ndarray]:
        return [stats.ttest(x[train], y[train]).t_p < 0.01 for x in arrays]

    everything = np.ones(100, dtype=bool)
    in_sample = stats.logistic(arrays[0][:, choose(everything)[0]], y).accuracy.mean()
    (first, positive), (_, none) = cross_fitted_accuracy(arrays, y, fold, choose)
    assert in_sample > 0.58
    assert first == pytest.approx(0.5, abs=0.03)
    assert positive == pytest.approx(0.5, abs=0.03)
    assert np.isnan(none) or 0 <= none <= 1


def made_examples(n: int = 120, **given: object) -> lp.Examples:
    tokens = np.random.default_rng(0).integers(1, 300, (n, 6))
    tokens[:, -1] = 1 + np.arange(n) % 12  # each word type is read at its own token
    examples = lp.Examples.from_tokens(
        tokens, -1, np.arange(n) % 2, [f"w{i % 12}" for i in range(n)]
    )
    return replace(examples, **given)


def test_folds_hold_out_whole_words_and_whole_passages() -> None:
    examples = made_examples(source=np.array([f"s{i % 11}" for i in range(120)], dtype=object))
    folds = make_folds(examples)
    assert folds.main_name == "word"
    for fold, groups in ((folds.word, examples.word), (folds.passage, examples.source)):
        assert fold is not None
        for name in set(groups):
            assert len(set(fold[groups == name])) == 1
        for k in set(fold):
            assert set(examples.label[fold == k]) == {0, 1}
    # Two word types read at each token: they are one group, and held out together.
    tokens = examples.tokens.copy()
    read = tokens[:, -1] = examples.label + 2 * (np.arange(120) % 12 // 4)
    shared = make_folds(replace(examples, tokens=tokens)).word
    assert shared is not None
    for token in set(read.tolist()):
        assert len(set(examples.word[read == token])) == 2
        assert len(set(shared[read == token])) == 1
    two_words = replace(examples, word=np.array([f"w{i % 2}" for i in range(120)], dtype=object))
    folds = make_folds(two_words)
    assert folds.word is None
    assert folds.main_name == "passage"
    assert "no held-out scores by word" in folds.notes[0]


def test_passages_of_one_text_never_share_a_token() -> None:
    rng = np.random.default_rng(4)
    offset = np.sort(rng.choice(3000, 120, replace=False))
    examples = made_examples(
        document=np.array(["book"] * 120, dtype=object), offset=offset, source=None
    )
    ids = passage_ids(examples)
    assert ids is not None
    assert len(set(ids)) > 3
    for i in range(119):
        if offset[i + 1] - offset[i] < 6:
            assert ids[i] == ids[i + 1]
    assert passage_ids(made_examples(source=None)) is None


@pytest.mark.model
def test_confounds_are_read_off_the_target(tiny_model: LensModel) -> None:
    tokenizer = tiny_model.tokenizer
    words = [" can", "Never", " nobody", "it"]
    rows = [tokenizer("We" + word)["input_ids"] for word in words]
    examples = replace(
        lp.Examples.from_tokens(rows, -1, [0, 1, 1, 0], [w.strip().lower() for w in words]),
        first=np.array([len(tokenizer("We")["input_ids"])] * 4),
    )
    table = confound_table(examples, tokenizer)
    assert table["n_characters"].tolist() == [3, 5, 6, 2]
    assert table["capitalised"].tolist() == [0, 1, 0, 0]
    assert table["leading_space"].tolist() == [1, 0, 1, 0]
    assert table["n_tokens"].tolist() == [len(row) - 1 for row in rows] or "n_tokens" not in table
    assert table["log_frequency"].iloc[3] > table["log_frequency"].iloc[2] > 0
    assert confound_differences(table, examples.label)["n_characters"]["auc"] == 1.0


def test_covariates_are_independent_and_leave_the_label_free() -> None:
    rng = np.random.default_rng(5)
    y = np.arange(60) % 2
    a = rng.normal(size=60)
    table = pd.DataFrame({"a": a, "twice": 2 * a + 1, "b": rng.normal(size=60), "y": y * 3.0})
    assert list(independent_covariates(table, y).columns) == ["a", "b"]


def test_audit_keeps_its_promises_and_notices_a_broken_method(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    table = audit([plant(seed) for seed in range(4)]).set_index("method")
    assert table["kept"].all()
    assert table.loc["score test of tokens, Holm", "word_identity_called_tuned"] > 0.1
    assert table.loc["max-T over groups of words", "word_identity_called_tuned"] < 0.01
    assert table.loc["Wald test of tokens, Bonferroni", "recall"] < 0.9

    monkeypatch.setattr(audit_numbers, "causal_cards", lambda *_: [])
    for broken in (
        replace(METHODS[0], find=lambda planted: np.ones(len(planted.kind), dtype=bool)),
        replace(METHODS[0], find=lambda planted: np.zeros(len(planted.kind), dtype=bool)),
    ):
        assert not audit([plant(0)], [broken])["kept"].any()
        monkeypatch.setattr(audit_module.audit, "__defaults__", ((broken,),))
        assert main(["audit", "--seeds", "1"]) == 1
        assert "BROKEN" in capsys.readouterr().out
    assert main(["audit", "--seeds", "0"]) == 2


@pytest.mark.model
@pytest.mark.parametrize("outlier", [1.0, 300.0])
def test_a_layers_probe_is_the_l2_logistic_regression_of_scikit_learn(outlier: float) -> None:
    rng = np.random.default_rng(5)
    y = np.repeat([0, 1], [50, 70])
    x = rng.normal(size=(120, 300)) + 0.3 * y[:, None]
    x[::17] *= outlier
    fold = rng.permutation(np.arange(120) % 4)
    have = fold_scores(x, y, fold).score[:, 2]
    for k in range(4):
        train = fold != k
        z = (x - x[train].mean(0)) / x[train].std(0) / np.sqrt(x.shape[1])
        fit = LogisticRegression(C=1.0, tol=1e-10, max_iter=10_000).fit(z[train], y[train])
        want = fit.decision_function(z[~train])
        np.testing.assert_allclose(have[~train], want, atol=2e-5, rtol=1e-4)


def test_audit_of_numbers_keeps_its_bounds_and_notices_broken_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines = [*coverage(12, 0.3), *selection(12, 20), false_verdicts(24, 20)]
    assert all(line.kept for line in lines), "\n".join(map(str, lines))
    word = stats.group_effects
    monkeypatch.setattr(stats, "group_effects", lambda x, y, _: word(x, y, np.arange(len(y))))
    assert not any(line.kept for line in coverage(12, 0.3)), "intervals that count examples"
    chosen = [Mean("chosen on all words", np.random.default_rng(0).normal(0.8, 0.1, 40), 0.5, 0.02)]
    assert not chosen[0].kept
    assert "BROKEN" in str(chosen[0])


@pytest.mark.parametrize(("count", "kept"), [(0, True), (8, True), (20, False)])
def test_a_rate_is_broken_where_its_bound_would_hardly_give_it(count: int, kept: bool) -> None:
    assert Rate("at most", count, 100, 0.0, 0.05).kept is kept
    assert Rate("at least", 100 - count, 100, 0.95, 1.0).kept is kept


@pytest.mark.parametrize("bounds", [(0.0, 0.07), (0.8, 1.0)])
@pytest.mark.parametrize("n", [10, 60, 1500])
def test_what_a_rate_could_have_noticed_is_called_broken_in_four_of_five_audits(
    n: int, bounds: tuple[float, float]
) -> None:
    noticed = Rate("some", 0, n, *bounds).noticed
    broken = sum(
        binom.pmf(k, n, noticed) for k in range(n + 1) if not Rate("some", k, n, *bounds).kept
    )
    assert broken == pytest.approx(0.8)
    assert f"{noticed:.3f}" in str(Rate("some", 0, n, *bounds))
    values = np.random.default_rng(n).normal(size=n)
    mean = Mean("some", values, 0.5, 0.02)
    error = values.std(ddof=1) / np.sqrt(n)
    at = np.random.default_rng(1).normal(0.5 + mean.noticed, error, 20_000)
    assert np.mean(np.abs(at - 0.5) > 0.02 + 3 * error) == pytest.approx(0.8, abs=0.02)


def test_too_few_simulations_notice_nothing_and_the_default_an_error_of_a_fifth() -> None:
    assert np.isnan(Rate("some", 1, 1, 0.0, 0.2).noticed)
    assert "none" in str(Rate("some", 1, 1, 0.0, 0.2))
    assert Rate("toy models at 10 seeds", 0, 60, 0.0, 0.07).noticed < 0.21
    assert Rate("sweeps at 10 seeds", 0, 100, 0.0, 0.06).noticed < 0.2


def test_causal_cards_of_toy_models() -> None:
    apart, used, unused = audit_numbers.causal_cards(1, 1)
    assert (apart.n, used.n, unused.n) == (1, 4, 4)
    assert used.count >= 3
    assert unused.count == 0


def test_audit_of_a_toy_language_model() -> None:
    before = torch.get_rng_state()
    planted = plant_toy(0)
    assert torch.equal(torch.get_rng_state(), before)
    constant = planted.kind == "constant"
    assert (planted.x[:, constant].std(0) == 0).all()
    table = audit([planted]).set_index("method")
    assert table.loc["max-T over groups of words", ["precision", "recall"]].tolist() == [1.0, 1.0]
    assert table.loc["score test of tokens, Holm", "precision"] < 0.9


def test_max_t_keeps_its_level_where_the_token_test_does_not() -> None:
    """400 simulations of word identity without any category: family-wise error of both tests."""
    index, y, word = words_and_labels(types=12, per_word=6)
    rng = np.random.default_rng(6)
    max_t = tokens = 0
    for _ in range(400):
        x = 0.9 * rng.normal(size=(12, 25))[index] + 0.45 * rng.normal(size=(72, 25))
        test = stats.max_permutation(x, y, groups=word, n_permutations=199)
        max_t += bool((test.p_family <= 0.05).any())
        adjusted = stats.adjust(stats.ttest(x, y).t_p, method="bonferroni")
        tokens += bool((adjusted <= 0.05).any())
    assert max_t / 400 <= 0.07
    assert tokens / 400 > 0.5


def test_only_too_few_words_count_as_nothing_found_a_broken_array_is_an_error() -> None:
    examples = made_examples()
    decision = preset_decision("rigorous")
    x = np.random.default_rng(7).normal(size=(120, 5))
    family = np.zeros(5, dtype=np.int64)
    x[:, 1] += 20 * examples.label
    given = ([x], examples, decision, family, Adjustment.of(examples, None))
    assert significant_units(*given)[0].tolist() == [False, True, False, False, False]
    ones, words = examples.label == 1, examples.word
    for few in (ones, ones | (words == "w0")):
        assert not significant_units(*given, rows=few)[0].any()
    enough = ones | np.isin(words, ["w0", "w2", "w4"])
    assert significant_units(*given, rows=enough)[0][1]
    x[3, 2] = np.nan
    with pytest.raises(ValueError, match="unit 2"):
        significant_units(*given)
    with pytest.raises(ValueError, match="unit 2"):
        significant_units(*given, rows=np.ones(120, dtype=bool))
