"""Correlations of states and of tokens, outlying dimensions, attention sinks."""

from __future__ import annotations

import inspect
from unittest.mock import Mock

import numpy as np
import pytest
import scipy.stats
import torch
from tiny_models import CONFIGS

from lens_probes import maximize, residual
from lens_probes.activations.collect import read_all_positions
from lens_probes.maximize.reading import SinkCount
from lens_probes.model.load import LensModel
from lens_probes.residual.correlation import robust_z
from lens_probes.residual.sinks import SINK_RATIO, is_sink

pytestmark = pytest.mark.model
TOKENS = np.random.default_rng(0).integers(3, 390, (2, 9))
Models = dict[str, LensModel]


@pytest.mark.parametrize("architecture", CONFIGS)
def test_stream_correlation_is_pearsons(architecture: str, tiny_models: Models) -> None:
    model = tiny_models[architecture]
    states = residual.stream(model, TOKENS)
    found = residual.stream_correlation(model, TOKENS, outlier_z=2.5)
    assert found.r.shape == found.r_masked.shape == (model.n_layers, 2, 9)
    np.testing.assert_allclose(found.norm, np.linalg.norm(states, axis=-1), rtol=1e-5)
    spread = scipy.stats.median_abs_deviation(states, axis=-1, scale="normal")[..., None]
    outlying = np.abs(states - np.median(states, -1, keepdims=True)) > 2.5 * spread
    np.testing.assert_allclose(found.outlying_share, outlying.mean((1, 2)))
    assert found.n_masked.sum() > 0
    for layer, n, p in np.ndindex(*found.r.shape):
        x, y = states[layer, n, p], states[layer + 1, n, p]
        keep = ~(outlying[layer, n, p] | outlying[layer + 1, n, p])
        assert found.r[layer, n, p] == pytest.approx(scipy.stats.pearsonr(x, y)[0], abs=1e-5)
        masked = scipy.stats.pearsonr(x[keep], y[keep])[0]
        assert found.r_masked[layer, n, p] == pytest.approx(masked, abs=1e-5)
        assert found.n_masked[layer, n, p] == (~keep).sum()


def test_planted_outlier_dimensions_are_named_and_masked(tiny_model: LensModel) -> None:
    def plant(value: torch.Tensor, hook: object) -> torch.Tensor:
        value = value.clone()
        value[..., 5], value[..., 17] = 300.0, -200.0
        return value

    before = residual.stream_correlation(tiny_model, TOKENS)
    with tiny_model.tl.hooks(fwd_hooks=[("blocks.1.hook_resid_pre", plant)]):
        found = residual.stream_correlation(tiny_model, TOKENS)
    assert before.outlier_dimensions(1) == before.outlier_dimensions(3) == ()
    assert found.outlier_dimensions(0) == ()
    for state in (1, 2, 3):
        assert set(found.outlier_dimensions(state)) == {5, 17}
    assert (found.r[1] > 0.99).all()
    assert np.median(before.r[1]) < 0.95
    assert (found.n_masked[1:] >= 2).all()
    assert np.median(found.r_masked[1]) < 0.95


def test_a_planted_sink_is_found_by_its_norm(tiny_model: LensModel) -> None:
    def plant(value: torch.Tensor, hook: object) -> torch.Tensor:
        value = value.clone()
        value[1, 3] *= 200
        return value

    assert residual.stream_correlation(tiny_model, TOKENS).sinks == ()
    with tiny_model.tl.hooks(fwd_hooks=[("blocks.1.hook_resid_pre", plant)]):
        found = residual.stream_correlation(tiny_model, TOKENS)
    assert {(s.state, s.sequence, s.position) for s in found.sinks} == {
        (1, 1, 3), (2, 1, 3), (3, 1, 3)
    }  # fmt: skip
    top = found.sinks[0]
    ratio = found.norm[top.state, 1, 3] / np.median(found.norm[top.state])
    assert top.ratio == pytest.approx(ratio)
    assert top.ratio == max(s.ratio for s in found.sinks) > 50
    assert found.at_sink.sum() == 3  # blocks 0 (leaving), 1 and 2
    assert found.at_sink[:, 1, 3].all()
    # Alone it cannot stand out; against the typical norm of a text it does.
    alone = found.norm[:, 1:, 3:4]
    assert residual.attention_sinks(alone) == ()
    typical = residual.typical_norm(found.norm)
    assert len(residual.attention_sinks(alone, typical=typical)) == 3


def test_robust_z_of_normal_values_is_normal() -> None:
    z = robust_z(np.random.default_rng(1).normal(5, 3, (4, 400_000)))
    for threshold in (1.0, 2.0, 3.0):
        expected = 2 * scipy.stats.norm.sf(threshold)
        np.testing.assert_allclose((z > threshold).mean(), expected, rtol=0.06)
    assert robust_z(np.array([2.0, 2.0, 2.0, 7.0])).tolist() == [0, 0, 0, np.inf]


@pytest.mark.parametrize("site", ["mlp_pre", "k", "resid_post"])
def test_token_correlations(site: str, tiny_models: Models) -> None:
    model = tiny_models["llama"]
    found = residual.token_correlations(model, TOKENS[0], 1, site)
    values = read_all_positions(model, TOKENS[:1], 1, site)[0]
    np.testing.assert_allclose(found.activations, values, rtol=1e-6)
    assert found.activations.shape == (9, model.shapes[site].n_units)
    expected = np.corrcoef(values)
    np.testing.assert_allclose(found.r, expected, atol=1e-6)
    assert found.first_with_others == pytest.approx(expected[0, 1:].mean(), abs=1e-6)
    pairs = [expected[i, j] for i in range(1, 9) for j in range(i + 1, 9)]
    assert found.among_others == pytest.approx(np.mean(pairs), abs=1e-6)


def test_one_rule_for_sinks() -> None:
    """`maximize` takes the same rule and the same threshold."""
    assert is_sink(np.array([9.9, 10.0, 50.0]), 1.0).tolist() == [False, True, True]
    for function in (maximize.batch_winners, maximize.top_contexts):
        assert inspect.signature(function).parameters["sink_factor"].default == SINK_RATIO
    place = Mock(sink_factor=SINK_RATIO, layer=0, stream="resid_pre", exclude_sinks=False)
    norm = np.array([[80.0, 1.0, 1.0, 1.0, 1.0, 9.9, 10.0]])
    place.read.return_value = (None, norm)
    sinks = SinkCount(place, [np.zeros(7, np.int32)])
    found = sinks.find(np.zeros((1, 7), np.int64), norm, np.ones((1, 7), bool))
    assert np.flatnonzero(found).tolist() == [0, 6]
    sinks_of_states = residual.attention_sinks(norm[None], typical=[1.0])
    assert {one.position for one in sinks_of_states} == {0, 6}
