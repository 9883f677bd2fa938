"""Maximisation by gradient: against Hugging Face, finite differences and known optima."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hooked_tiny import hooked_tiny
from tiny_models import CONFIGS, save_tiny
from transformers import AutoModelForCausalLM

import lens_probes as lp
from lens_probes.maximize import maximize
from lens_probes.maximize.gradient import decode, random_embeddings, start_sd
from lens_probes.maximize.objective import unit_objective
from lens_probes.model.backends import HAS_HOOKED_TRANSFORMER
from lens_probes.model.load import LensModel
from lens_probes.sites import SITES

pytestmark = pytest.mark.model

PLANTED = 11  # unit of q in layer 0


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[LensModel, float]:
    """A GPT-2 with w planted as one query unit of layer 0, and the highest value it can have.

    The unit is w . (gain * z + bias) + b, where z, the normalised stream, has mean 0 and a length
    of at most sqrt(d_model): by Cauchy and Schwarz that is w . bias + b + sqrt(d_model) times the
    length of w * gain less its mean.
    """
    folder = save_tiny("gpt2", tmp_path_factory.mktemp("planted"))
    raw: Any = AutoModelForCausalLM.from_pretrained(folder)
    block = raw.transformer.h[0]
    w = torch.from_numpy(np.random.default_rng(5).normal(size=32)).float()
    with torch.no_grad():
        block.attn.c_attn.weight[:, PLANTED] = w
        block.attn.c_attn.bias[PLANTED] = 0.5
    raw.save_pretrained(folder)
    gain, bias = block.ln_1.weight.detach().double(), block.ln_1.bias.detach().double()
    direction = w.double() * gain
    best = w.double() @ bias + 0.5 + 32**0.5 * (direction - direction.mean()).norm()
    return lp.load_model(folder), float(best)


@pytest.fixture(
    scope="module", params=["bridge", "hooked"] if HAS_HOOKED_TRANSFORMER else ["bridge"]
)
def either(
    request: pytest.FixtureRequest, tiny_folders: dict[str, Path], tiny_models: dict[str, LensModel]
) -> LensModel:
    """A tiny GPT-2 on each back end."""
    if request.param == "bridge":
        return tiny_models["gpt2"]
    return hooked_tiny(tiny_folders["gpt2"], processing="none")


@pytest.mark.parametrize(
    ("architecture", "positions"),
    [(name, True) for name in CONFIGS] + [("gpt2", False), ("gpt_neo", False)],
)
def test_paths_are_those_of_hugging_face(
    architecture: str,
    positions: bool,
    tiny_models: dict[str, LensModel],
    tiny_folders: dict[str, Path],
) -> None:
    """First and last row of the path, from `inputs_embeds`, which adds position embeddings."""
    model = tiny_models[architecture]
    run = maximize(
        model, site="resid_post", layer=1, unit=9, n_starts=2, steps=4, learning_rate=0.01,
        read="mean", position_embeddings=positions, n_neighbours=4,
    )  # fmt: skip
    raw: Any = AutoModelForCausalLM.from_pretrained(tiny_folders[architecture]).eval()
    removed = 0.0 if positions else raw.transformer.wpe.weight[:5].detach()
    for row, embeddings in ((0, run.start_embeddings), (-1, run.embeddings)):
        with torch.no_grad():
            inputs = torch.from_numpy(embeddings) - removed
            states = raw(inputs_embeds=inputs, output_hidden_states=True).hidden_states
        expected = states[2].mean(1).numpy()
        np.testing.assert_allclose(run.path[row], expected[:, 9], atol=2e-5)
        near = expected[:, list(run.neighbours)]
        np.testing.assert_allclose(run.neighbours_path[row], near, atol=2e-5)
    assert run.path.shape == (5, 2)
    assert run.neighbours == (7, 8, 10, 11)
    np.testing.assert_array_equal(run.activation, run.path[-1])


def test_the_gradient_equals_finite_differences(tiny_folders: dict[str, Path]) -> None:
    model = lp.load_model(tiny_folders["gpt2"], dtype="float64")
    objective = unit_objective(model, site="z", layer=1, unit=20, n_tokens=3, read="mean")
    at = random_embeddings(model, (2, 3), np.random.default_rng(3))
    assert at.dtype == torch.float64
    values, gradient = objective.with_gradient(at)
    for place in [(0, 0, 4), (0, 2, 31), (1, 1, 0), (1, 2, 17)]:
        step = torch.zeros_like(at)
        step[place] = 1e-5
        up, down = objective.of_embeddings(at + step), objective.of_embeddings(at - step)
        slope = float((up - down)[place[0], 0]) / 2e-5
        assert slope == pytest.approx(float(gradient[place]), rel=1e-5, abs=1e-9)
        assert (up - down)[1 - place[0], 0] == 0  # the other start does not feel it
    torch.testing.assert_close(values, objective.of_embeddings(at))


def test_inserted_rows_of_the_embedding_equal_tokens(either: LensModel) -> None:
    tokens = np.random.default_rng(0).integers(1, 400, (300, 7))  # more than one batch
    rows = either.embedding()[torch.from_numpy(tokens)]
    for site, layer in (("mlp_post", 2), ("q", 0), ("resid_pre", 1)):
        objective = unit_objective(either, site=site, layer=layer, unit=9, n_tokens=7)
        as_tokens = objective.of_tokens(tokens)
        examples = lp.Examples.from_tokens(tokens, -1, np.arange(300) % 2)
        collected = lp.collect(either, examples, sites=[site], layers=layer)[layer, site][:, 9]
        np.testing.assert_allclose(as_tokens, collected, atol=1e-6)
        inserted = objective.of_embeddings(rows)[:, 0].numpy()
        np.testing.assert_allclose(inserted, collected, atol=1e-6)
        _, gradient = objective.with_gradient(rows)
        at_tokens = objective.gradient_at_tokens(tokens)
        torch.testing.assert_close(at_tokens, gradient, atol=1e-6, rtol=1e-5)
        assert gradient.abs().max() > 1e-3


@pytest.mark.parametrize("architecture", CONFIGS)
def test_beats_ten_thousand_random_starts(
    architecture: str, tiny_models: dict[str, LensModel]
) -> None:
    model = tiny_models[architecture]
    rng = np.random.default_rng(1)
    random = random_embeddings(model, (10_000, 5), np.random.default_rng(99))
    for site in rng.choice(sorted(model.shapes), 4, replace=False):
        place = {
            "site": str(site),
            "layer": int(rng.integers(model.n_layers)),
            "unit": int(rng.integers(model.shapes[site].n_units)),
        }
        run = maximize(model, **place, steps=40, learning_rate=0.015)
        best = unit_objective(model, **place, n_tokens=5).of_embeddings(random)[:, 0].max()
        assert run.activation[0] > float(best), place
        assert run.activation[0] > run.path[0, 0]


def test_reaches_a_planted_optimum_behind_the_norm(planted: tuple[LensModel, float]) -> None:
    model, best = planted
    run = maximize(
        model, site="q", layer=0, unit=PLANTED, n_starts=3, steps=150, learning_rate=0.02
    )
    assert (run.path[0] < 0.7 * best).all()
    np.testing.assert_allclose(run.activation, best, rtol=0.01)
    assert (run.path <= best * (1 + 1e-5)).all()


@pytest.mark.parametrize(("read", "places"), [("last", 1), ("mean", 5)])
def test_reaches_the_optimum_of_a_linear_unit(
    read: Any, places: int, tiny_model: LensModel
) -> None:
    """A stream unit before block 0: -x / k + l2 * x^2 is least at x = 1 / (2 * l2 * k)."""
    run = maximize(
        tiny_model, site="resid_pre", layer=0, unit=9, l2=2.0, read=read, n_starts=2, steps=250,
        learning_rate=0.01, position_embeddings=False,
    )  # fmt: skip
    expected = np.zeros((2, 5, 32))
    expected[:, 5 - places :, 9] = 1 / (2 * 2.0 * places)
    np.testing.assert_allclose(run.embeddings, expected, atol=0.01 * expected.max())
    np.testing.assert_allclose(run.activation, 1 / (2 * 2.0 * places), rtol=0.01)
    assert np.abs(run.neighbours_path[-1]).max() < 0.01 * run.activation.min()


def test_starts_have_the_spread_of_the_embedding_and_move_alone(tiny_model: LensModel) -> None:
    options: dict[str, Any] = {"site": "mlp_pre", "layer": 1, "unit": 3, "steps": 3}
    one = maximize(tiny_model, **options)
    four = maximize(tiny_model, **options, n_starts=4)
    np.testing.assert_array_equal(four.start_embeddings[:1], one.start_embeddings)
    np.testing.assert_allclose(four.path[:, :1], one.path, atol=1e-5)
    many = maximize(tiny_model, **options | {"steps": 1}, n_starts=200)
    sd = float(np.std(tiny_model.tl.W_E.detach().double().numpy(), ddof=1))
    assert start_sd(tiny_model) == pytest.approx(sd)
    assert many.settings["start_sd"] == pytest.approx(sd)
    assert many.start_embeddings.std() == pytest.approx(sd, rel=0.02)
    assert abs(many.start_embeddings.mean()) < 0.02 * sd
    other = maximize(tiny_model, **options, seed=1)
    assert np.abs(other.start_embeddings - one.start_embeddings).max() > sd
    # Adam's first step is the learning rate, in the sign of the gradient.
    moved = np.abs(many.embeddings - many.start_embeddings)
    assert np.median(moved) == pytest.approx(0.001, rel=1e-3)


def test_neighbours_are_the_nearest_units_of_the_head(tiny_models: dict[str, LensModel]) -> None:
    model = tiny_models["llama"]  # heads of 8 units

    def near(unit: int, site: str, n: int) -> tuple[int, ...]:
        objective = unit_objective(model, site=site, layer=0, unit=unit, n_tokens=1, n_neighbours=n)
        return objective.neighbours

    assert near(9, "q", 4) == (8, 10, 11, 12)
    assert near(9, "q", 99) == (8, 10, 11, 12, 13, 14, 15)
    assert near(95, "mlp_pre", 3) == (92, 93, 94)
    assert near(95, "mlp_pre", 0) == ()


def test_decoding_is_by_cosine(tiny_model: LensModel, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    matrix = tiny_model.embedding().double().numpy()
    vectors = rng.normal(size=(40, 15, 32))  # more than one batch of rows
    vectors[0, 0], vectors[0, 1] = 0.01 * matrix[77], 5 * matrix[123]
    got = decode(tiny_model, torch.from_numpy(vectors))
    cosine = (vectors @ matrix.T) / np.linalg.norm(matrix, axis=1)
    cosine /= np.linalg.norm(vectors, axis=-1, keepdims=True)
    np.testing.assert_array_equal(got.tokens, cosine.argmax(-1))
    np.testing.assert_allclose(got.cosine, cosine.max(-1), atol=1e-6)
    assert got.tokens[0, :2].tolist() == [77, 123]
    assert got.cosine[0, :2] == pytest.approx([1, 1])
    assert got.text is not None
    assert got.text[0][0] == tiny_model.tokenizer.decode([77])
    holed = tiny_model.embedding().clone()
    holed[77] = 0
    monkeypatch.setattr(type(tiny_model), "embedding", lambda _: holed)
    again = decode(tiny_model, torch.from_numpy(vectors[:1]))
    assert again.tokens[0, 0] != 77
    assert np.isfinite(again.cosine).all()


def test_the_start_null_is_recorded(tiny_model: LensModel) -> None:
    """A run that hardly moves decodes to the start's own tokens; a long one does not."""
    still = maximize(tiny_model, site="v", layer=1, unit=2, n_starts=4, steps=1, learning_rate=1e-6)
    assert still.share_start_tokens == 1
    np.testing.assert_allclose(still.decoded.cosine, still.start_decoded.cosine, atol=1e-4)
    moved = maximize(
        tiny_model, site="v", layer=1, unit=2, n_starts=4, steps=60, learning_rate=0.02
    )
    assert moved.share_start_tokens < 0.5
    np.testing.assert_array_equal(moved.start_decoded.tokens, still.start_decoded.tokens)


def test_nothing_after_the_site_runs_and_the_model_is_left_as_it_was(either: LensModel) -> None:
    ran: list[str] = []
    watched = ["blocks.2", "ln_final", "unembed"]
    modules = dict(either.tl.named_modules())
    handles = [
        modules[name].register_forward_pre_hook(lambda *_, name=name: ran.append(name))
        for name in watched
    ]
    before = [(p.requires_grad, p.detach().clone()) for p in either.tl.parameters()]
    tokens = torch.tensor([[5, 6, 7]])
    with torch.no_grad():
        logits = either.run_with_hooks(tokens, fwd_hooks=[])
    ran.clear()
    try:
        maximize(either, site="attn_out", layer=1, unit=0, steps=2)
        assert ran == []
        with torch.no_grad():
            torch.testing.assert_close(either.run_with_hooks(tokens, fwd_hooks=[]), logits)
        assert set(ran) == set(watched)
    finally:
        for handle in handles:
            handle.remove()
    for (needed, value), parameter in zip(before, either.tl.parameters(), strict=True):
        assert parameter.requires_grad == needed
        assert parameter.grad is None
        torch.testing.assert_close(parameter.detach(), value, rtol=0, atol=0)


def test_what_was_run_is_recorded(tiny_models: dict[str, LensModel]) -> None:
    def positions(architecture: str, **options: Any) -> str:
        model = tiny_models[architecture]
        run = maximize(model, site="q", layer=-1, unit=17, steps=1, **options)
        assert run.name == f"L{model.n_layers - 1}.q.h2.1"
        return str(run.settings["positions"])

    assert positions("gpt2") == "learned embeddings, added"
    assert positions("gpt2", position_embeddings=False) == "learned embeddings, left out"
    assert positions("llama").startswith("inside attention")


def test_refusals(tiny_models: dict[str, LensModel]) -> None:
    good: dict[str, Any] = {"site": "mlp_pre", "layer": 0, "unit": 0, "steps": 3}
    for change, message in [
        ({"unit": 128}, "no unit 128: mlp_pre of this model has units 0 to 127"),
        ({"unit": -1}, "no unit -1"),
        ({"unit": 1.5}, r"unit must be a whole number; got 1\.5"),
        ({"layer": 3}, "no layer 3: this model has layers 0 to 2"),
        ({"site": "mlp"}, "unknown site 'mlp'"),
        ({"read": "first"}, "unknown read 'first': choose from last, mean"),
        ({"n_tokens": 129}, "n_tokens is 129, the model takes 128"),
        ({"n_tokens": 0}, "n_tokens must be 1 or more; got 0"),
        ({"n_starts": 0}, "n_starts must be 1 or more; got 0"),
        ({"steps": 0}, "steps must be 1 or more; got 0"),
        ({"seed": -1}, "seed must be 0 or more; got -1"),
        ({"learning_rate": 0.0}, r"learning_rate must be above 0 and at most 1e\+30; got 0\.0"),
        ({"learning_rate": float("inf")}, r"above 0 and at most 1e\+30; got inf"),
        ({"learning_rate": float("nan")}, r"above 0 and at most 1e\+30; got nan"),
        ({"learning_rate": "a"}, "learning_rate must be a number; got 'a'"),
        ({"l2": -1.0}, r"l2 must lie between 0 and 1e\+30; got -1\.0"),
    ]:
        with pytest.raises(lp.InputError, match=message) as raised:
            maximize(tiny_models["gpt2"], **good | change)
        assert "\n" not in str(raised.value)
    with pytest.raises(lp.InputError, match="this model has none to leave out"):
        maximize(tiny_models["llama"], **good, position_embeddings=False)


def test_a_diverging_run_says_so(tiny_model: LensModel) -> None:
    with pytest.raises(lp.InputError, match=r"at step 1, start 0.*lower learning_rate") as raised:
        maximize(tiny_model, site="resid_pre", layer=0, unit=1, learning_rate=1e30, l2=1.0, steps=9)
    assert "\n" not in str(raised.value)
    with pytest.raises(lp.InputError, match=r"at step \d+, start 0.*the run diverged") as raised:
        maximize(tiny_model, site="mlp_pre", layer=2, unit=1, learning_rate=1e25, steps=50)
    assert "l2" not in str(raised.value)


def test_a_model_that_gives_no_number_says_so(
    planted: tuple[LensModel, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, _ = planted

    def broken(tokens: Any, *, fwd_hooks: list[tuple[str, Callable[..., Any]]], **_: Any) -> None:
        hooks = dict(fwd_hooks)
        embeddings = hooks["hook_embed"](torch.zeros(*tokens.shape, 32), None)
        hooks[SITES["q"].hook_name(0)]((embeddings * float("nan")).unflatten(-1, (4, 8)), None)

    monkeypatch.setattr(type(model), "run_with_hooks", lambda _, *a, **k: broken(*a, **k))
    with pytest.raises(lp.InputError, match="nan at step 0, start 0, before any update"):
        maximize(model, site="q", layer=0, unit=0, steps=1)
    monkeypatch.setattr(type(model), "run_with_hooks", lambda *_, **__: None)
    with pytest.raises(RuntimeError, match=r"blocks.0.attn.hook_q, hook_embed was not reached"):
        maximize(model, site="q", layer=0, unit=0, steps=1)
