"""Reproducibility: a single optimum is found again; random embeddings are not called alike."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
import torch

import lens_probes as lp
from lens_probes.maximize import maximize, reproducibility
from lens_probes.maximize.objective import unit_objective
from lens_probes.maximize.reproducibility import _p, _similarity
from lens_probes.model.load import LensModel

pytestmark = pytest.mark.model

# A stream unit before block 0 with a penalty has one optimum: its own axis, at every token.
ONE_OPTIMUM: dict[str, Any] = {
    "site": "resid_pre", "layer": 0, "unit": 9, "l2": 2.0, "read": "mean", "learning_rate": 0.01,
    "position_embeddings": False,
}  # fmt: skip


def test_one_optimum_is_reproducible(tiny_model: LensModel) -> None:
    found = reproducibility(tiny_model, **ONE_OPTIMUM, n_restarts=5, n_null=19, steps=200)
    assert found.optima.n_distinct == 1
    np.testing.assert_allclose(found.optima.embedding_cosine, 1, atol=1e-3)
    np.testing.assert_allclose(found.optima.jaccard, 1)
    assert (found.p_distinct, found.p_embedding, found.p_decoded) == (0.05, 0.05, 0.05)
    assert found.n_decoded == 25
    assert min(found.null_distinct) > 15
    assert all(draw.activation.max() < found.optima.activation.min() for draw in found.null)


def test_starts_are_not_called_reproducible(tiny_model: LensModel) -> None:
    """A run that hardly moves gives random embeddings: p is spread evenly over (0, 1]."""
    p = []
    for seed in range(16):
        found = reproducibility(
            tiny_model, site="mlp_pre", layer=1, unit=4, n_restarts=4, n_null=9, steps=1,
            learning_rate=1e-6, seed=seed,
        )  # fmt: skip
        p.append((found.p_distinct, found.p_embedding, found.p_decoded))
    assert (np.min(p, axis=0) >= 0.1).all()
    embedding = np.array(p)[:, 1]
    assert 0.3 < embedding.mean() < 0.75
    assert (np.mean(np.array(p) <= 0.1, axis=0) < 0.3).all()
    assert (embedding <= 0.5).any()
    assert (embedding > 0.5).any()


def test_many_distinct_tokens_prove_nothing(tiny_model: LensModel) -> None:
    """The course counts distinct tokens (L04): random embeddings give as many."""
    found = reproducibility(
        tiny_model, site="mlp_pre", layer=1, unit=4, n_null=19, steps=1, learning_rate=1e-6
    )
    assert found.optima.n_distinct > 0.85 * found.n_decoded
    assert found.p_distinct > 0.05
    assert found.maximized.share_start_tokens == 1


def test_the_run_is_that_of_maximize(tiny_model: LensModel) -> None:
    options: dict[str, Any] = {
        "site": "q", "layer": 2, "unit": 4, "steps": 5, "l2": 0.1, "learning_rate": 0.01,
        "read": "mean", "n_tokens": 3, "position_embeddings": False, "seed": 7,
    }  # fmt: skip
    found = reproducibility(tiny_model, **options, n_restarts=3, n_null=2)
    run = maximize(tiny_model, **options, n_starts=3)
    np.testing.assert_array_equal(found.maximized.embeddings, run.embeddings)
    assert found.maximized.settings == run.settings
    np.testing.assert_array_equal(found.optima.activation, run.activation)


def test_the_null_has_the_norms_of_the_optima(
    tiny_model: LensModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[torch.Tensor] = []
    module: Any = importlib.import_module("lens_probes.maximize.reproducibility")
    original = module.decode

    def recorded(model: LensModel, embeddings: torch.Tensor) -> Any:
        drawn.append(embeddings)
        return original(model, embeddings)

    monkeypatch.setattr(module, "decode", recorded)
    found = reproducibility(tiny_model, **ONE_OPTIMUM, n_restarts=3, n_null=4, steps=20)
    norms = np.linalg.norm(found.maximized.embeddings, axis=-1)
    objective = unit_objective(
        tiny_model, site="resid_pre", layer=0, unit=9, n_tokens=5, read="mean",
        position_embeddings=False,
    )  # fmt: skip
    assert len(drawn) == 4
    for embeddings, draw in zip(drawn, found.null, strict=True):
        np.testing.assert_allclose(embeddings.norm(dim=-1), norms, rtol=1e-5)
        again = objective.of_embeddings(embeddings)[:, 0]
        np.testing.assert_allclose(draw.activation, again, atol=1e-6)
    assert (drawn[0] - drawn[1]).abs().max() > 1e-3


def test_similarity_by_hand() -> None:
    embeddings = np.array([[[1.0, 0], [0, 2]], [[1, 0], [0, -2]], [[0, 3], [3, 0]]])
    tokens = np.array([[1, 2], [2, 2], [3, 4]])
    got = _similarity(embeddings, tokens, np.zeros(3))
    np.testing.assert_allclose(got.embedding_cosine, [-0.6, 0, 0], atol=1e-12)
    np.testing.assert_allclose(got.jaccard, [0.5, 0, 0])
    assert got.n_distinct == 4


def test_p_counts_ties_whatever_the_order_of_summation() -> None:
    rng = np.random.default_rng(0)
    overlaps = rng.choice([0, 1 / 9, 1 / 4, 3 / 7], 45)
    null = [rng.permutation(overlaps).mean() for _ in range(200)]
    assert len(set(null)) > 1
    assert _p(null, max(null)) == 1
    assert _p([0.1, 0.2, 0.3], 0.3 + 1e-9) == 0.25
    assert _p([-14.0, -15.0, -14.0], -14) == 0.75


def test_p_of_no_number_is_none() -> None:
    assert np.isnan(_p([0.1, 0.2], float("nan")))
    assert np.isnan(_p([0.1, float("nan")], 0.3))


def test_refusals(tiny_model: LensModel) -> None:
    good: dict[str, Any] = {"site": "q", "layer": 0, "unit": 0, "steps": 1}
    for change, message in [
        ({"n_restarts": 1}, "n_restarts must be 2 or more; got 1"),
        ({"n_null": 0}, "n_null must be 1 or more; got 0"),
        ({"unit": 99}, "no unit 99"),
    ]:
        with pytest.raises(lp.InputError, match=message):
            reproducibility(tiny_model, **good | change)
