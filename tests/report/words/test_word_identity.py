"""The verdict: its own alpha, and the smallest effect that it would have seen."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import lens_probes as lp
from lens_probes import stats
from lens_probes.checks.toy import toy_model
from lens_probes.report.words.word_identity import POWER, smallest_effect, verdict
from lens_probes.units.decision import METHODS

UNITS = 60


def decided(k0: int, k1: int, **changed: Any) -> dict[str, Any]:
    """A decision as `sweep` records it, with the threshold of units of nothing."""
    y = np.arange(k0 + k1) >= k0
    x = np.random.default_rng(0).normal(size=(k0 + k1, UNITS))
    test = stats.max_permutation(x, y, groups=np.arange(k0 + k1), n_permutations=400)
    return {
        "level": "word", "method": "max_t", "alpha": 0.05, "n_families": 1,
        "n_words_tested": [k0, k1],
        "threshold": test.threshold.tolist(), "p_beyond": 0.5, "exact": False,
        "n_permutations": 400, "n_relabellings": 10**6,
    } | changed  # fmt: skip


def result_of(decision: dict[str, Any], p: float = 0.4) -> Any:
    units = pd.DataFrame({"p_corrected": [1.0, p, np.nan]})
    return SimpleNamespace(provenance={"decision": decision}, units=units, validation={})


@pytest.mark.parametrize(("k0", "k1"), [(12, 12), (8, 20)])
def test_a_unit_of_the_smallest_effect_passes_in_the_promised_share_of_draws(
    k0: int, k1: int
) -> None:
    effect = smallest_effect(result_of(decided(k0, k1)))
    assert effect is not None
    y, rng, passed = np.arange(k0 + k1) >= k0, np.random.default_rng(1), []
    for seed in range(250):
        x = rng.normal(size=(k0 + k1, UNITS))
        x[:, 0] += effect * y
        test = stats.max_permutation(x, y, groups=np.arange(k0 + k1), n_permutations=200, seed=seed)
        passed.append(test.p_family[0] <= 0.05)
    assert np.mean(passed) == pytest.approx(POWER, abs=0.08)  # 250 draws: se 0.025


def test_fewer_groups_and_larger_thresholds_need_a_larger_effect() -> None:
    one = decided(12, 12)
    seen = smallest_effect(result_of(one))
    assert seen is not None
    assert smallest_effect(result_of(one | {"n_words_tested": [6, 6]})) > seen
    assert smallest_effect(result_of(one | {"threshold": [1.5 * one["threshold"][0]]})) > seen
    several = one | {"threshold": [*one["threshold"], np.nan, 0.5 * one["threshold"][0]]}
    assert smallest_effect(result_of(several)) == seen


@pytest.mark.parametrize(
    "changed",
    [
        {"level": "pair"},
        {"level": "token"},
        {"method": "bh"},
        {"n_words_tested": [24]},
        {"threshold": []},
    ],
)
def test_where_max_t_over_two_classes_did_not_decide_there_is_no_smallest_effect(
    changed: dict[str, Any],
) -> None:
    assert smallest_effect(result_of(decided(12, 12, **changed))) is None


@pytest.mark.parametrize(
    ("p", "p_beyond", "alpha", "word"),
    [
        (0.02, 0.9, 0.05, "more than"),
        (0.03, 0.9, 0.05, "not shown"),
        (0.9, 0.025, 0.05, "more than"),
        (0.9, 0.03, 0.05, "not shown"),
        (0.04, 0.9, 0.1, "more than"),
        (0.02, 0.9, 0.02, "not shown"),
    ],
)
def test_each_of_two_looks_has_half_of_the_verdicts_own_alpha(
    p: float, p_beyond: float, alpha: float, word: str
) -> None:
    decision = decided(12, 12, p_beyond=p_beyond, alpha=alpha)
    said = verdict(result_of(decision, p))
    assert said.startswith(f"Verdict: {word}")
    assert f"The smallest p of a unit is {p:g}, that of so many strong units {p_beyond:g}." in said
    assert f"Each counts at half of alpha, {alpha / 2:g}." in said
    seen = f"{smallest_effect(result_of(decision)):.1f} standard deviations of group means"
    assert (seen in said) == (word == "not shown")
    assert ("significant in 80% of such sweeps" in said) == (word == "not shown")


def test_p_of_a_unit_is_over_all_families() -> None:
    assert "p of a unit is 0.12," in verdict(result_of(decided(12, 12, n_families=3), 0.04))
    assert "p of a unit is 1," in verdict(result_of(decided(12, 12, n_families=30), 0.04))


@pytest.mark.parametrize(
    ("needed", "word"), [(0.025, "more than"), (0.015, "not shown"), (0.0, "undecided.")]
)
def test_a_design_that_errs_asks_for_a_smaller_p(needed: float, word: str) -> None:
    said = verdict(result_of(decided(12, 12, evidence_level=needed), 0.02))
    assert said.startswith(f"Verdict: {word}")
    assert ("each counts at 0.015 only" in said) == (needed == 0.015)
    weak = verdict(result_of(decided(12, 12, evidence_level=needed), 0.2))
    assert weak.startswith("Verdict: not shown")


def test_an_effect_larger_than_any_is_not_said_to_have_been_seen() -> None:
    one = decided(12, 12)
    said = verdict(result_of(one | {"threshold": [3 * one["threshold"][0]]}))
    assert "Even a difference of 5.0 standard deviations" in said


@pytest.mark.parametrize(
    "changed",
    [{"p_beyond": None}, {"p_beyond": np.nan}, {"level": "pair"}, {"method": "bh"}],
)
def test_no_verdict_where_max_t_over_groups_did_not_decide(changed: dict[str, Any]) -> None:
    assert verdict(result_of(decided(12, 12, **changed))) == ""


@pytest.mark.model
def test_values_take_max_t_and_say_so_for_any_other_correction() -> None:
    rng, word = np.random.default_rng(0), np.repeat(np.arange(24), 4)
    tokens = rng.integers(40, 80, (len(word), 6))
    tokens[:, -1] = word
    examples = lp.Examples.from_tokens(tokens, -1, word=[f"w{i}" for i in word], value=word % 7)
    model, short = toy_model(0), {"sites": ["mlp_pre"], "untrained": False}
    for method in METHODS[2:]:
        with pytest.raises(lp.InputError) as error:
            lp.sweep(model, examples, method=method, **short)
        assert str(error.value) == (
            f"method {method} needs an exact p of each unit, which values have not: use method "
            "max_t or max_adjusted. Or decide with level token and method holm."
        )
    for options in ({"method": "max_adjusted"}, {"method": "bh", "level": "token"}):
        result = lp.sweep(model, examples, **options, **short)
        assert result.provenance["decision"]["method"] == options["method"]
        assert result.units["p_corrected"].notna().any()
