"""Planted units: those that the output reads are called used, and no others."""

from __future__ import annotations

import os

import pytest

import lens_probes as lp
from lens_probes.checks.toy_use import DOUBLED, ENCODED, IDLE, USED, toy_of_use

pytestmark = pytest.mark.model
# `make torture` runs as many as are promised: 20 and 200.
RUNS = int(os.environ.get("SCREENS", "2"))


@pytest.mark.parametrize("seed", range(RUNS))
def test_used_units_of_any_size_are_found_and_no_others(seed: int) -> None:
    toy = toy_of_use(seed)
    found = lp.screen(toy.model, toy.examples, seed=seed)
    used = found.units["used"].to_numpy() == "used"
    assert set(toy.kind[used]) == {USED, DOUBLED}
    assert used[(toy.kind == USED) | (toy.kind == DOUBLED)].all()
    other = found.units["used"][(toy.kind == ENCODED) | (toy.kind == IDLE)]
    assert set(other) == {"no measured use"}
    assert bool(found.calibration["valid"].all())


def test_without_a_used_unit_none_is_called_used() -> None:
    wrong = 0
    for seed in range(10 * RUNS):
        toy = toy_of_use(500 + seed, used=False)
        found = lp.screen(toy.model, toy.examples, seed=seed, n_exact=40)
        wrong += bool((found.units["used"] == "used").any())
    assert wrong <= max(2, 0.07 * 10 * RUNS)
