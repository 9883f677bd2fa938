"""Nulls and the control task: what a test of tokens does to word identity."""

from __future__ import annotations

import numpy as np
import pytest

from lens_probes import stats
from lens_probes.checks.controls import control_task, relabelling_null
from lens_probes.examples.label import TwoClasses


def words_and_labels(
    types: int = 16, per_word: int = 15
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Word index, label and word names of `types` words, half of each class."""
    index = np.repeat(np.arange(types), per_word)
    return index, index % 2, np.array([f"w{i}" for i in index], dtype=object)


def test_nulls_show_what_token_tests_do_to_word_identity() -> None:
    index, y, _ = words_and_labels()
    rng = np.random.default_rng(0)
    identity = rng.normal(size=(16, 150))[index] + 0.5 * rng.normal(size=(240, 150))
    noise = rng.normal(size=(240, 150))
    for x, over_words in ((identity, 0.4), (noise, 0.0)):
        label = TwoClasses(y, ("a", "b"))
        tokens = relabelling_null([x, x[:, :7]], label, np.arange(len(y)), alpha=0.05)
        words = relabelling_null([x, x[:, :7]], label, index, alpha=0.05)
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
