"""Embedding, unembedding, final norm, MLP weights and partial passes, on every back end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hooked_tiny import hooked_tiny
from tiny_models import CONFIGS
from transformers import AutoModelForCausalLM

import lens_probes as lp
from lens_probes.model.backends import HAS_HOOKED_TRANSFORMER
from lens_probes.model.load import LensModel
from lens_probes.model.options import Processing

pytestmark = pytest.mark.model
TOKENS = torch.randint(3, 390, (2, 11), generator=torch.Generator().manual_seed(0))
hooked_only = pytest.mark.skipif(not HAS_HOOKED_TRANSFORMER, reason="4.x has bridges only")
BACKENDS = ["bridge", pytest.param("hooked", marks=hooked_only)]
HAS_POSITION_EMBEDDINGS = {"gpt2": True, "gpt_neo": True, "llama": False, "pythia": False}

Load = Callable[..., LensModel]


@pytest.fixture(scope="module")
def load(tiny_folders: dict[str, Path]) -> Load:
    """Tiny models by architecture, back end and processing, each loaded once."""
    loaded: dict[tuple[str, str, str], LensModel] = {}

    def one(architecture: str, backend: str, processing: Processing = "none") -> LensModel:
        key = architecture, backend, processing
        if key not in loaded:
            build = lp.load_model if backend == "bridge" else hooked_tiny
            loaded[key] = build(tiny_folders[architecture], processing=processing)
        return loaded[key]

    return one


def raw_model(folder: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(folder).eval()


def cached(model: LensModel) -> tuple[torch.Tensor, Any]:
    with torch.no_grad():
        logits, cache = model.run_with_cache(TOKENS)
    return logits, cache


def is_view(tensor: torch.Tensor, model: LensModel) -> bool:
    storages = {p.untyped_storage().data_ptr() for p in model.tl.parameters()}
    return tensor.untyped_storage().data_ptr() in storages


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("architecture", CONFIGS)
def test_weights_are_those_of_hugging_face(
    architecture: str, backend: str, load: Load, tiny_folders: dict[str, Path]
) -> None:
    model, raw = load(architecture, backend), raw_model(tiny_folders[architecture])
    torch.testing.assert_close(model.embedding(), raw.get_input_embeddings().weight, rtol=0, atol=0)
    torch.testing.assert_close(
        model.unembedding(), raw.get_output_embeddings().weight.T, rtol=0, atol=0
    )
    assert model.unembedding_bias().shape == (400,)
    assert not model.unembedding_bias().any()
    path = {
        "gpt2": "transformer.h.{}.mlp.c_proj",
        "gpt_neo": "transformer.h.{}.mlp.c_proj",
        "llama": "model.layers.{}.mlp.down_proj",
        "pythia": "gpt_neox.layers.{}.mlp.dense_4h_to_h",
    }[architecture]
    for layer in range(model.n_layers):
        weight = raw.get_submodule(path.format(layer)).weight
        if architecture != "gpt2":  # GPT-2's Conv1D is [in, out] already
            weight = weight.T
        found = model.mlp_output_weights(layer)
        torch.testing.assert_close(found, weight, rtol=0, atol=0)
        if backend == "bridge":  # converting to a HookedTransformer copies
            assert is_view(found, model)
    for part in (model.embedding(), model.unembedding(), found):
        assert not part.requires_grad


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("architecture", CONFIGS)
def test_final_norm_is_hugging_faces_last_hidden_state(
    architecture: str, backend: str, load: Load, tiny_folders: dict[str, Path]
) -> None:
    model = load(architecture, backend)
    last = cached(model)[1][f"blocks.{model.n_layers - 1}.hook_resid_post"]
    with torch.no_grad():
        states = raw_model(tiny_folders[architecture])(TOKENS, output_hidden_states=True)
        normed = model.final_norm(last)
        torch.testing.assert_close(normed, states.hidden_states[-1], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(model.final_norm(last[1, 4]), normed[1, 4], atol=1e-6, rtol=1e-5)
    assert (last - states.hidden_states[-1]).abs().max() > 0.1


@pytest.mark.parametrize("processing", ["none", "standard"])
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("architecture", CONFIGS)
def test_parts_are_of_the_model_as_loaded(
    architecture: str, backend: str, processing: Processing, load: Load
) -> None:
    """What the forward pass does with each part, whatever has been folded into it."""
    model = load(architecture, backend, processing)
    logits, cache = cached(model)
    close = {"atol": 2e-5, "rtol": 1e-5}
    torch.testing.assert_close(cache["hook_embed"], model.embedding()[TOKENS], rtol=0, atol=0)
    assert model.has_position_embeddings is HAS_POSITION_EMBEDDINGS[architecture]
    added = cache["blocks.0.hook_resid_pre"] - cache["hook_embed"]
    assert bool(added.any()) is model.has_position_embeddings
    if model.has_position_embeddings:
        torch.testing.assert_close(added, cache["hook_pos_embed"].expand_as(added), **close)
    normed = model.final_norm(cache[f"blocks.{model.n_layers - 1}.hook_resid_post"])
    lens = normed @ model.unembedding() + model.unembedding_bias()
    torch.testing.assert_close(lens.detach(), logits, **close)
    for layer in range(model.n_layers):
        post = cache[f"blocks.{layer}.mlp.hook_post"]
        written = cache[f"blocks.{layer}.hook_mlp_out"]
        # Differences between positions, so that the bias drops out.
        torch.testing.assert_close(
            post.diff(dim=1) @ model.mlp_output_weights(layer), written.diff(dim=1), **close
        )


@pytest.mark.parametrize("processing", ["none", "standard"])
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("architecture", CONFIGS)
def test_run_from_any_layer_equals_the_full_pass(
    architecture: str, backend: str, processing: Processing, load: Load
) -> None:
    model = load(architecture, backend, processing)
    logits, cache = cached(model)
    close = {"atol": 1e-6, "rtol": 1e-6}
    last = cache[f"blocks.{model.n_layers - 1}.hook_resid_post"]
    with torch.no_grad():
        for layer in range(model.n_layers):
            residual = cache[f"blocks.{layer}.hook_resid_pre"]
            torch.testing.assert_close(model.run_from(layer, residual), logits, **close)
            stopped = model.run_from(layer, residual, stop_at_layer=model.n_layers)
            torch.testing.assert_close(stopped, last, **close)
            if layer + 1 < model.n_layers:
                found = model.run_from(layer, residual, stop_at_layer=layer + 1)
                torch.testing.assert_close(
                    found, cache[f"blocks.{layer + 1}.hook_resid_pre"], **close
                )
        # The earlier blocks are whole again, and no hook has stayed.
        torch.testing.assert_close(cached(model)[0], logits, rtol=0, atol=0)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("architecture", CONFIGS)
def test_hooks_act_in_a_partial_pass_as_in_a_full_one(
    architecture: str, backend: str, load: Load
) -> None:
    model = load(architecture, backend)
    _, cache = cached(model)

    def silence(value: torch.Tensor, hook: object) -> torch.Tensor:
        value[:, 3:, ..., 1] = 2.0  # in place, as hooks often do
        return value

    for name in ("blocks.2.mlp.hook_post", "blocks.1.hook_resid_pre", "blocks.1.attn.hook_z"):
        residual = cache["blocks.1.hook_resid_pre"].clone()
        before = residual.clone()
        with torch.no_grad():
            full = model.run_with_hooks(TOKENS, fwd_hooks=[(name, silence)])
            found = model.run_from(1, residual, fwd_hooks=[(name, silence)])
        torch.testing.assert_close(found, full, atol=1e-6, rtol=1e-6)
        assert (found - cached(model)[0]).abs().max() > 1e-3
        assert torch.equal(residual, before)


@pytest.mark.parametrize("backend", BACKENDS)
def test_earlier_blocks_do_not_run_and_come_back_after_an_error(backend: str, load: Load) -> None:
    model = load("gpt2", backend)
    logits, cache = cached(model)
    ran: list[str] = []
    with (
        model.tl.hooks(
            fwd_hooks=[
                (f"blocks.{i}.hook_mlp_out", lambda value, hook, i=i: ran.append(i))
                for i in range(3)
            ]
        ),
        torch.no_grad(),
    ):
        model.run_from(2, cache["blocks.2.hook_resid_pre"])
    assert ran == [2]

    def fail(value: torch.Tensor, hook: object) -> None:
        raise KeyError("a mistake in a hook")

    with pytest.raises(KeyError, match="a mistake"), torch.no_grad():
        model.run_from(
            2, cache["blocks.2.hook_resid_pre"], fwd_hooks=[("blocks.2.hook_mlp_out", fail)]
        )
    torch.testing.assert_close(cached(model)[0], logits, rtol=0, atol=0)


@pytest.mark.parametrize("backend", BACKENDS)
def test_gradients_reach_the_residual_stream(backend: str, load: Load) -> None:
    model = load("gpt2", backend)
    residual = cached(model)[1]["blocks.2.hook_resid_pre"].clone().requires_grad_()
    model.run_from(2, residual)[0, 4].max().backward()
    assert residual.grad is not None
    assert residual.grad[0, :5].abs().max() > 0
    assert not residual.grad[0, 5:].any()  # causal
    assert not residual.grad[1].any()


@pytest.mark.bundled
def test_bundled_model() -> None:
    model = lp.load_model("bundled")
    with torch.no_grad():
        logits, cache = model.run_with_cache(TOKENS[:1])
        for layer in (0, 17, 29):
            found = model.run_from(layer, cache[f"blocks.{layer}.hook_resid_pre"])
            torch.testing.assert_close(found, logits, atol=1e-6, rtol=1e-6)
        normed = model.final_norm(cache["blocks.29.hook_resid_post"])
        lens = normed @ model.unembedding() + model.unembedding_bias()
        torch.testing.assert_close(lens, logits, atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(model.embedding().T, model.unembedding(), rtol=0, atol=0)  # tied
    torch.testing.assert_close(cache["hook_embed"], model.embedding()[TOKENS[:1]], rtol=0, atol=0)
    assert model.mlp_output_weights(3).shape == (1536, 576)
    assert not model.has_position_embeddings


def test_refusals(load: Load) -> None:
    model = load("gpt2", "bridge")
    good = torch.zeros(1, 4, 32)

    def keep(value: torch.Tensor, hook: object) -> torch.Tensor:
        return value

    for layer, residual, options, message in [
        (3, good, {}, "no layer 3: this model has layers 0 to 2"),
        (1, torch.zeros(1, 4, 31), {}, r"has 32 numbers on its last axis; got \[1, 4, 31\]"),
        (1, torch.zeros(1, 4, 32, dtype=torch.long), {}, "of torch.int64"),
        (1, torch.zeros(4, 32), {}, r"\[batch, position, d_model\].* got \[4, 32\]"),
        (1, torch.zeros(1, 129, 32), {}, "at most 128 positions"),
        (1, good, {"stop_at_layer": 1}, "must be None or 2 to 3 for a run from layer 1; got 1"),
        (1, good, {"stop_at_layer": 4}, "got 4"),
        (1, good, {"stop_at_layer": 1.5}, "got 1.5"),
        (
            1,
            good,
            {"fwd_hooks": [("blocks.1.hook_mlp_ou", keep)]},
            "did you mean 'blocks.1.hook_mlp_",
        ),
        (1, good, {"fwd_hooks": [("blocks.0.hook_mlp_out", keep)]}, "only layers 1 to 2 run"),
        (1, good, {"fwd_hooks": [("hook_embed", keep)]}, "'hook_embed' would not fire"),
        (1, good, {"fwd_hooks": [("pos_embed.hook_out", keep)]}, "would not fire"),
        (
            1,
            good,
            {"fwd_hooks": [("blocks.2.hook_resid_pre", keep)], "stop_at_layer": 2},
            "only layers 1 to 1 run",
        ),
        (
            1,
            good,
            {"fwd_hooks": [("ln_final.hook_scale", keep)], "stop_at_layer": 3},
            "would not fire",
        ),
    ]:
        with pytest.raises(lp.InputError, match=message) as caught:
            model.run_from(layer, residual, **options)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 200  # no list of all hook names
    with pytest.raises(lp.InputError, match="no layer 7"):
        model.mlp_output_weights(7)
    with pytest.raises(lp.InputError, match="on its last axis"):
        model.final_norm(torch.zeros(3))
