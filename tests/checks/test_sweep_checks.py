"""What counts as significant inside the checks."""

from __future__ import annotations

import numpy as np
import pytest
from word_examples import made_examples

from lens_probes.checks.sweep_checks import significant_units
from lens_probes.units.adjustment import Adjustment
from lens_probes.units.decision import preset_decision


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
