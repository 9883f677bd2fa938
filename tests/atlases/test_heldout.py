"""The error rate of held-out rules against a null's."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lens_probes.atlases.heldout import Search, error_rates


def search_of(rule: np.ndarray, auc: np.ndarray) -> Search:
    """A search whose halves agree on `rule` (-1: they do not)."""
    other = np.where(rule < 0, 99, rule)
    return Search(np.stack([rule, other]), np.stack([auc, auc]), pd.DataFrame())


def test_units_beyond_a_null_of_their_own_kind_have_a_low_rate() -> None:
    rng = np.random.default_rng(0)
    rule = np.repeat([0, 1, 2, -1], [100, 100, 20, 80])
    auc = np.concatenate([np.full(100, 0.95), rng.uniform(0.3, 0.7, 200)])
    null = search_of(rng.integers(0, 12, 300), rng.uniform(0.3, 0.8, 300))
    rate = error_rates(search_of(rule, auc), null)
    assert (rate[:100] <= 0.02).all()
    assert (rate[100:220] > 0.2).all()
    assert (rate[220:] == 1).all()


def test_a_rule_that_the_null_has_is_held_against_its_own_alone() -> None:
    rule = np.repeat([0, 1], [60, 5])
    real = search_of(rule, np.full(65, 0.9))
    null = search_of(np.full(40, 1), np.full(40, 0.99))
    rate = error_rates(real, null)
    assert (rate[:60] <= 0.05).all()
    assert (rate[60:] == 1).all()
