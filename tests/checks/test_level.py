"""What a sweep says that its test, its verdict and its bound do in its own design."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import lens_probes as lp
from lens_probes import stats
from lens_probes.checks import level
from lens_probes.checks.level import DesignErrors, errors_at_this_design
from lens_probes.units.adjustment import Adjustment
from lens_probes.units.decision import Decision


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(level, "N_FAMILIES", 80)
    monkeypatch.setattr(level, "MOST_UNITS", 200)


NO_CONFOUNDS = Adjustment(None, np.zeros((0, 0)), ())


def null_units(
    groups: tuple[int, int], sizes: tuple[int, int], sds: tuple[float, float], kind: str, n: int
) -> tuple[np.ndarray, lp.Examples]:
    """Units [example, unit] without any effect, and their examples."""
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(sum(groups)), np.repeat(sizes, groups))
    label = (group >= groups[0]).astype(int)
    sd = np.array(sds)[(np.arange(sum(groups)) >= groups[0]).astype(int)][:, None]
    x = (sd * rng.normal(size=(sum(groups), n)))[group]
    x += sd[group] * rng.normal(size=(len(group), n))
    if kind == "rectified":
        x = np.maximum(rng.normal(size=(len(group), n)) - 2, 0)
    tokens = np.stack([group, group], axis=1)
    return x, lp.Examples.from_tokens(tokens, -1, label=label, word=[f"w{g}" for g in group])


def errors_of(x: np.ndarray, examples: lp.Examples, method: str = "max_t") -> DesignErrors:
    found = stats.word_level(x, examples.label, examples.group, min_per_word=1)
    names = ("word_sd0", "word_sd1", "word_skew")
    units = pd.DataFrame({name: getattr(found, name) for name in names})
    column = "p_family" if method == "max_t" else "pooled_p"
    decision = Decision(
        "rigorous", column, method, "model", 0.05, "word", min_per_group=1  # type: ignore[arg-type]
    )  # fmt: skip
    errors = errors_at_this_design(units, examples, decision, NO_CONFOUNDS, 4.5)
    assert errors is not None
    return errors


@pytest.mark.parametrize("method", ["max_t", "bh", "hierarchical"])
def test_equal_normal_groups_hold_the_level(method: str) -> None:
    errors = errors_of(*null_units((24, 24), (12, 12), (1, 1), "normal", 500), method)
    assert 0.0 < errors.level[0] <= errors.level[1] <= 0.15
    assert errors.evidence_level == (0.025 if method == "max_t" else None)


def test_rectified_units_of_groups_of_unlike_size_are_seen_to_err() -> None:
    """The max-T test errs in 0.90 of such sweeps."""
    errors = errors_of(*null_units((24, 24), (6, 30), (1, 1), "rectified", 500))
    assert errors.level[1] > 0.3
    assert errors.evidence_level == 0.0
    assert errors.simes_factor is not None
    assert errors.simes_factor < 0.2


def test_the_bound_is_lowered_until_it_holds_where_spreads_differ() -> None:
    x, examples = null_units((12, 30), (4, 4), (3, 1), "normal", 200 * 80)
    errors = errors_of(x[:, :500], examples)
    assert errors.simes_factor is not None
    wrong = np.zeros(2)
    for run in range(80):
        test = stats.max_permutation(
            x[:, 200 * run : 200 * (run + 1)], examples.label, groups=examples.group,
            n_permutations=199, seed=run, bound=True,
        )  # fmt: skip
        levels = np.array([1, errors.simes_factor]) * test.simes_level
        wrong += [stats.tuned_at_least(test.value, level) > 0 for level in levels]
    assert wrong[0] / 80 > 0.1
    assert wrong[1] / 80 <= 0.05 + 2.5 * np.sqrt(0.05 * 0.95 / 80)
