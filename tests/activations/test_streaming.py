"""A sweep from a store reads one layer and site at a time, and finds what it finds in memory."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import lens_probes as lp
from lens_probes.activations import passes
from lens_probes.activations.shard_folder import StoredArrays
from lens_probes.model.load import LensModel

pytestmark = pytest.mark.model


@pytest.fixture
def examples() -> lp.Examples:
    """Twelve word types in six passages, six examples each."""
    rng = np.random.default_rng(0)
    rows = rng.integers(1, 400, (72, 12))
    rows[:, -1] = 1 + np.arange(72) % 12  # each word is its own token, and so its own group
    words = [f"w{i % 12}" for i in range(72)]
    return lp.Examples.from_tokens(
        rows, -1, np.arange(72) % 2, words, [f"s{i % 6}" for i in range(72)]
    )


@pytest.mark.parametrize("method", ["max_t", "holm"])
def test_arrays_of_a_store_are_read_in_turn(
    method: Any,
    tiny_model: LensModel,
    examples: lp.Examples,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: dict[str, Any] = {"sites": ["k", "z"], "method": method, "n_permutations": 99}
    in_memory = lp.sweep(tiny_model, examples, **given)
    monkeypatch.setattr(passes, "EXAMPLES_PER_SHARD", 20)
    alive: list[weakref.ref[Any]] = []
    most, n_read = [0], [0]
    read = StoredArrays.__getitem__

    def watched(self: StoredArrays, key: tuple[int, str]) -> Any:
        array = read(self, key)
        gc.collect()  # what only a cycle holds is given back whenever memory is short
        alive[:] = [one for one in alive if one() is not None] + [weakref.ref(array)]
        most[0] = max(most[0], len({id(one()) for one in alive}))
        n_read[0] += 1
        return array

    monkeypatch.setattr(StoredArrays, "__getitem__", watched)
    gc.collect()
    gc.freeze()  # only what the sweep makes is looked through at each read
    try:
        from_store = lp.sweep(tiny_model, examples, store=tmp_path, **given)
    finally:
        gc.unfreeze()
    assert n_read[0] > 5 * 6  # six arrays, many times each
    assert most[0] <= 3  # of six: the one in hand, and the last of a loop until its next is read
    pd.testing.assert_frame_equal(from_store.units, in_memory.units, check_exact=True)
    pd.testing.assert_frame_equal(from_store.layers, in_memory.layers, check_exact=True)
    pd.testing.assert_frame_equal(from_store.evidence, in_memory.evidence, check_exact=True)
    assert from_store.validation == in_memory.validation


def test_statistics_of_several_arrays_take_them_in_turn() -> None:
    rng = np.random.default_rng(1)
    arrays = [rng.normal(size=(60, width)).astype(np.float32) for width in (3, 5)]
    y, word = np.arange(60) % 2, np.array([f"w{i % 10}" for i in range(60)])
    turn = lp.stats.InTurn(arrays.__getitem__, (3, 5), 60)
    for test in (
        lambda x: lp.stats.max_permutation(x, y, groups=word, n_permutations=99).p_family,
        lambda x: lp.stats.split_test(x, y, word, alpha_unit=0.05).null_shares,
    ):
        np.testing.assert_array_equal(test(turn), test(arrays))
    rows = np.arange(60) < 40
    some = turn.rows(rows)
    assert (len(some), some.n_examples, some.widths) == (2, 40, (3, 5))
    for part, whole in zip(some, arrays, strict=True):
        np.testing.assert_array_equal(part, whole[rows])
