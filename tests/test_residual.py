"""The residual stream: sums, hidden states, paths, causality; against raw models and plants."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from raw_activations import raw_activations
from tiny_models import CONFIGS
from transformers import AutoModelForCausalLM

import lens_probes as lp
from lens_probes import residual
from lens_probes.model.load import LensModel

pytestmark = pytest.mark.model
TOKENS = np.random.default_rng(0).integers(3, 390, (2, 9))
architectures = pytest.mark.parametrize("architecture", CONFIGS)

Models = dict[str, LensModel]
Folders = dict[str, Path]


def hooked(model: LensModel, name: str, change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """The model with an effect planted at one hook, for the length of a `with` block."""
    return model.tl.hooks(fwd_hooks=[(name, lambda value, hook: change(value))])


def raw_model(folder: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(folder).eval()


@architectures
def test_a_block_adds_attention_and_mlp(
    architecture: str, tiny_models: Models, tiny_folders: Folders
) -> None:
    model = tiny_models[architecture]
    raw = raw_activations(
        raw_model(tiny_folders[architecture]), architecture, torch.tensor(TOKENS[1])
    )
    for layer in range(model.n_layers):
        found = residual.block_sums(model, TOKENS, layer)
        for site in ("resid_pre", "attn_out", "mlp_out", "resid_post"):
            np.testing.assert_allclose(
                getattr(found, site)[1, -1], raw[layer, site], atol=2e-5, rtol=1e-5
            )
        assert found.resid_pre.shape == (2, 9, model.cfg.d_model)
        assert 0 <= found.max_absolute_error < 5e-6
        assert found.max_relative_error < 1e-6
        without = found.resid_pre + found.attn_out - found.resid_post  # the check can fail
        assert np.linalg.norm(without) > 0.05 * np.linalg.norm(found.resid_post)


def test_a_sum_that_does_not_close_is_seen(tiny_model: LensModel) -> None:
    with hooked(tiny_model, "blocks.1.hook_resid_post", lambda value: value + 0.5):
        found = residual.block_sums(tiny_model, TOKENS, 1)
        before = residual.block_sums(tiny_model, TOKENS, 0)
    assert found.max_absolute_error == pytest.approx(0.5, abs=1e-5)
    shortest = np.linalg.norm(found.resid_post, axis=-1).min()
    assert found.max_relative_error == pytest.approx(0.5 * np.sqrt(32) / shortest, rel=1e-4)
    assert before.max_absolute_error < 5e-6


@architectures
def test_hidden_states_are_those_of_hugging_face(
    architecture: str, tiny_models: Models, tiny_folders: Folders
) -> None:
    states = residual.hidden_states(tiny_models[architecture], TOKENS)
    with torch.no_grad():
        raw = raw_model(tiny_folders[architecture])(
            torch.tensor(TOKENS), output_hidden_states=True
        ).hidden_states
    reference = np.stack([one.numpy() for one in raw])
    assert states.hook.shape == reference.shape
    np.testing.assert_allclose(states.hugging_face, reference, atol=2e-5, rtol=1e-5)
    found = states.difference(reference)
    assert (found.hook[:-1] < 2e-5).all()
    assert found.hook[-1] > 0.1
    assert found.normed < 2e-5
    assert (found.hook_relative[:-1] < 1e-5).all()
    assert found.hook_relative[-1] > 0.1
    assert found.normed_relative < 1e-5
    doubled = states.difference(2 * reference)
    np.testing.assert_allclose(doubled.hook_relative[:-1], 0.5, rtol=1e-5)
    assert doubled.normed_relative == pytest.approx(0.5, rel=1e-5)
    assert states.difference(reference + 1).normed == pytest.approx(1, abs=1e-4)
    with pytest.raises(lp.InputError, match=r"must be \[\d, 2, 9, \d+\] \[state, sequence"):
        states.difference(reference[1:])


@architectures
def test_path_length_of_the_last_token(
    architecture: str, tiny_models: Models, tiny_folders: Folders
) -> None:
    model = tiny_models[architecture]
    found = residual.path_length(model, TOKENS, [2, -1])
    raw = raw_activations(
        raw_model(tiny_folders[architecture]), architecture, torch.tensor(TOKENS[1])
    )
    norm = torch.linalg.norm
    layers = range(model.n_layers)
    for values, expected in [
        (found.norm, [norm(raw[i, "resid_pre"]) for i in layers]),
        (found.step, [norm(raw[i, "resid_post"] - raw[i, "resid_pre"]) for i in layers]),
        (found.attention, [norm(raw[i, "attn_out"]) for i in layers]),
        (found.mlp, [norm(raw[i, "mlp_out"]) for i in layers]),
    ]:
        assert values.shape == (model.n_layers, 2)
        np.testing.assert_allclose(values[:, 1], expected, rtol=1e-4)
    straight = norm(raw[layers[-1], "resid_post"] - raw[0, "resid_pre"])
    np.testing.assert_allclose(found.straight[1], straight, rtol=1e-4)
    np.testing.assert_allclose(found.total, found.step.sum(0))
    assert (found.total >= found.straight).all()
    np.testing.assert_allclose(found.relative_step * found.norm, found.step)
    np.testing.assert_allclose(found.relative_attention * found.norm, found.attention)
    np.testing.assert_allclose(found.relative_mlp * found.norm, found.mlp)


def test_tokens_to_follow(tiny_model: LensModel) -> None:
    every = residual.path_length(tiny_model, TOKENS)
    assert every.step.shape == (3, 18)
    some = residual.path_length(tiny_model, TOKENS, [[1, -2], [4]])
    assert some.sequence.tolist() == [0, 0, 1]
    assert some.position.tolist() == [1, 7, 4]
    np.testing.assert_allclose(some.step, every.step[:, [1, 7, 9 + 4]], rtol=1e-6)
    one = residual.path_length(tiny_model, TOKENS[0], [1, 7])
    np.testing.assert_allclose(one.step, some.step[:, :2], rtol=1e-4)
    nested = residual.path_length(tiny_model, TOKENS[:1], [[1, 7]])
    np.testing.assert_array_equal(nested.step, one.step)


def leak(value: torch.Tensor) -> torch.Tensor:
    return value + value.mean(dim=1, keepdim=True)


@architectures
def test_a_shared_prefix_has_the_same_activations(architecture: str, tiny_models: Models) -> None:
    model = tiny_models[architecture]
    second = np.concatenate([TOKENS[0, :5], TOKENS[1]])
    found = residual.prefix_difference(model, TOKENS[0], second)
    assert found.n_shared == 5
    assert found.sites == ("q", "k", "v", "mlp_pre", "resid_post")
    assert found.on_prefix.shape == found.after.shape == (model.n_layers, 5)
    assert found.largest == found.on_prefix.max() < 1e-5
    assert (found.after > 1e-2).all()
    with hooked(model, "blocks.1.hook_resid_pre", leak):
        leaking = residual.prefix_difference(model, TOKENS[0], second)
    assert (leaking.on_prefix[0] < 1e-5).all()
    assert (leaking.on_prefix[1:] > 1e-3).all()


@architectures
def test_the_first_token_of_a_word_is_blind_to_the_rest(
    architecture: str, tiny_models: Models
) -> None:
    model = tiny_models[architecture]
    found = residual.sees_what(model, TOKENS[0], [4, 5, -3], n_replacements=3)
    assert found.positions.tolist() == [4, 5, 6]
    assert found.change.shape == (3, 3, model.n_layers + 1)
    np.testing.assert_array_equal(found.sees, np.triu(np.ones((3, 3), bool)))
    assert (found.change[np.tril_indices(3, -1)] < 1e-6).all()
    above = found.change[np.triu_indices(3, 1)]
    assert (above[:, 0] < 1e-6).all()  # embeddings see only themselves
    assert (above[:, 1:] > 1e-4).all()
    assert (found.change[range(3), range(3)] > 1e-2).all()
    assert found.replacements.shape == (3, 3)
    assert not (found.replacements == TOKENS[0, [4, 5, 6], None]).any()
    with hooked(model, "blocks.1.hook_resid_pre", leak):
        assert residual.sees_what(model, TOKENS[0], [4, 5, 6]).sees.all()


def test_sight_is_the_mean_relative_change(tiny_model: LensModel) -> None:
    put_in = [[7, 8], [9, 10]]
    found = residual.sees_what(tiny_model, TOKENS[0], [2, 3], replacements=put_in)
    base = residual.stream(tiny_model, TOKENS[0])[:, 0, [2, 3]]
    for changed in range(2):
        changes = []
        for token in put_in[changed]:
            text = TOKENS[0].copy()
            text[2 + changed] = token
            after = residual.stream(tiny_model, text)[:, 0, [2, 3]]
            changes.append(np.linalg.norm(after - base, axis=-1) / np.linalg.norm(base, axis=-1))
        np.testing.assert_allclose(
            found.change[changed], np.mean(changes, axis=0).T, atol=1e-6, rtol=1e-4
        )
    again = [residual.sees_what(tiny_model, TOKENS[0], [2, 3], seed=s).replacements for s in (1, 1)]
    np.testing.assert_array_equal(*again)


def test_refusals(tiny_model: LensModel) -> None:
    m, text = tiny_model, TOKENS[0]
    calls: list[tuple[Callable[[], object], str]] = [
        (lambda: residual.stream(m, [[1, 2], [3]]), "all of one length; got shape"),
        (lambda: residual.stream(m, [[0.5, 1.0]]), r"got shape \[1, 2\] of float64"),
        (lambda: residual.stream(m, []), "tokens must be whole numbers"),
        (lambda: residual.stream(m, [3, 400]), "token id 400 is outside .*0 to 399"),
        (lambda: residual.stream(m, [-1, 4]), "token id -1"),
        (lambda: residual.stream(m, [3] * 129), "129 tokens, the model takes 128"),
        (lambda: residual.block_sums(m, text, 3), "no layer 3"),
        (lambda: residual.path_length(m, TOKENS, [1]), "for each of 2 sequences"),
        (lambda: residual.path_length(m, TOKENS, [1, 9]), "position 9 is outside the 9 tokens"),
        (lambda: residual.path_length(m, TOKENS, [1, 0.5]), "must be whole numbers"),
        (lambda: residual.stream_correlation(m, text, outlier_z=0), "more than 0; got 0"),
        (lambda: residual.stream_correlation(m, text, sink_ratio=1), "more than 1; got 1"),
        (lambda: residual.attention_sinks(np.ones((4, 1, 2)), typical=[1, 2]), r"must be \[4\]"),
        (lambda: residual.token_correlations(m, TOKENS, 1, "q"), r"numbers \[position\]; got"),
        (lambda: residual.token_correlations(m, [1, 2], 1, "q"), "3 tokens or more; got 2"),
        (lambda: residual.token_correlations(m, text, 1, "qq"), "unknown site 'qq'"),
        (lambda: residual.prefix_difference(m, text, text[:4]), "share their first 4 tokens"),
        (lambda: residual.prefix_difference(m, text, text[1:]), "share their first 0 tokens"),
        (lambda: residual.sees_what(m, text, [9]), "not all inside the 9 tokens"),
        (lambda: residual.sees_what(m, text, [3, 2]), "in the order of the text"),
        (lambda: residual.sees_what(m, text, [2, 2]), "in the order of the text"),
        (lambda: residual.sees_what(m, text, []), "must be whole numbers"),
        (lambda: residual.sees_what(m, text, [2], n_replacements=0), "1 or more; got 0"),
        (lambda: residual.sees_what(m, text, [2], replacements=[[1], [2]]), r"must be \[1, n\]"),
        (
            lambda: residual.sees_what(m, text, [2], replacements=[[int(text[2])]]),
            "is the token that it replaces",
        ),
    ]
    for call, message in calls:
        with pytest.raises(lp.InputError, match=message) as caught:
            call()
        assert "\n" not in str(caught.value)
