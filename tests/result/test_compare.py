"""Two sweeps side by side."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from result_parts import ARRAYS, LABEL, swept

import lens_probes as lp


def test_the_same_units_are_compared_one_by_one() -> None:
    other = LABEL[::-1].copy()
    other[:20] = LABEL[:20]
    one, two = swept(), swept(label=other, word=None, group=range(len(LABEL)))
    found = lp.compare(one, two)
    assert found.same_units
    assert found.effect == "g_group"
    assert len(found.units) == 30
    row = found.layers.set_index(["layer", "site"]).loc[(2, "a")]
    here = found.units[(found.units["layer"] == 2) & (found.units["site"] == "a")]
    assert row["n_a"] == one.layers.set_index(["layer", "site"]).loc[(2, "a"), "n_significant"]
    assert row["r_effects"] == pytest.approx(np.corrcoef(here["effect_a"], here["effect_b"])[0, 1])
    same = lp.compare(one, one)
    assert (same.layers["n_both"] == same.layers["n_a"]).all()
    assert same.layers["r_effects"].to_numpy() == pytest.approx(1)


def test_other_models_are_compared_by_depth() -> None:
    one, two = swept(), swept([(0, "a"), (1, "a")])
    model = {"weights_sha256": "0" * 64, "n_layers": 2}
    found = lp.compare(one, replace(two, provenance={**two.provenance, "model": model}))
    assert not found.same_units
    assert found.units.empty
    assert found.layers["depth"].between(0, 1).all()
    assert found.layers.groupby("sweep").size().to_dict() == {"a": 6, "b": 2}
    with pytest.raises(lp.InputError, match="b must be a SweepResult, as a is"):
        lp.compare(one, ARRAYS)
    with pytest.raises(lp.InputError, match="a must be a SweepResult, a Screen or an Atlas"):
        lp.compare(ARRAYS, one)
