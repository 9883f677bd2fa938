"""Two screens side by side."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import lens_probes as lp

pytestmark = pytest.mark.model
FEW: dict[str, Any] = {"n_exact": 20, "n_exact_windows": 4, "n_draws": 4, "sites": ["mlp_post"]}


def screened(model: lp.LensModel, seed: int) -> lp.Screen:
    tokens = np.random.default_rng(seed).integers(1, 400, (24, 12))
    return lp.screen(model, lp.Examples.from_tokens(tokens, 8, np.arange(24) % 2), **FEW)


def test_the_same_units_are_compared_and_other_models_by_depth(tiny_model: lp.LensModel) -> None:
    one, two = screened(tiny_model, 0), screened(tiny_model, 1)
    found = lp.compare(one, two)
    assert found.same_units
    assert len(found.units) == len(one.units)
    np.testing.assert_array_equal(found.units["effect_b"], two.units["effect"])
    used = one.units.groupby("layer")["used"].agg(lambda u: (u == "used").sum())
    assert found.layers["n_a"].tolist() == used.tolist()
    assert found.layers["rank_correlation"].between(-1, 1).all()
    same = lp.compare(one, one).layers
    assert same["rank_correlation"].to_numpy() == pytest.approx(1)
    assert (same["n_both"] == same["n_a"]).all()
    model = {"weights_sha256": "0" * 64, "n_layers": 5}
    other = replace(two, provenance={**two.provenance, "model": model})
    apart = lp.compare(one, other)
    assert not apart.same_units
    assert apart.units.empty
    assert set(apart.layers["screen"]) == {"a", "b"}
    assert apart.layers["depth"].between(0, 1).all()


def test_a_screen_is_compared_with_a_screen(tiny_model: lp.LensModel) -> None:
    one = screened(tiny_model, 0)
    with pytest.raises(lp.InputError, match="b must be a Screen, as a is") as error:
        lp.compare(one, one.units)
    assert "\n" not in str(error.value)
