"""Maximisation over real tokens: results are text, measured again by Hugging Face."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from raw_activations import raw_activations
from transformers import AutoModelForCausalLM

import lens_probes as lp
from lens_probes.maximize import maximize_tokens
from lens_probes.maximize.objective import Objective, unit_objective
from lens_probes.maximize.round_trip import text_tokens
from lens_probes.model.load import LensModel

pytestmark = pytest.mark.model

SMALL: dict[str, Any] = {"n_tokens": 5, "steps": 6, "n_candidates": 24}


@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
def test_the_activation_is_that_of_the_text(
    architecture: str, tiny_models: dict[str, LensModel], tiny_folders: dict[str, Path]
) -> None:
    model = tiny_models[architecture]
    raw: Any = AutoModelForCausalLM.from_pretrained(tiny_folders[architecture]).eval()
    for site, unit in (("mlp_pre", 70), ("k", 9), ("resid_post", 3)):
        found = maximize_tokens(model, site=site, layer=1, unit=unit, n_starts=2, **SMALL)
        for start, text in enumerate(found.text):
            ids = model.tokenizer(text)["input_ids"]
            assert ids == found.tokens[start].tolist()
            value = raw_activations(raw, architecture, torch.tensor(ids))[1, site][unit]
            assert found.activation[start] == pytest.approx(float(value), abs=1e-5)
        np.testing.assert_allclose(found.activation, found.path[-1], atol=1e-5)
        assert not set(found.tokens.ravel().tolist()) & set(model.tokenizer.all_special_ids)
        assert (np.diff(found.path, axis=0) >= 0).all()
        assert (found.path[-1] > found.path[0]).all()
        assert found.path.shape == (SMALL["steps"] + 1, 2)
        assert found.best == found.activation.argmax()
        best_random = model.tokenizer(found.random_text)["input_ids"]
        again = unit_objective(model, site=site, layer=1, unit=unit, n_tokens=5).of_tokens(
            np.array([best_random])
        )
        assert again[0] == pytest.approx(found.random_activation.max(), abs=1e-5)


def test_the_mean_over_tokens_is_measured_too(
    tiny_model: LensModel, tiny_folders: dict[str, Path]
) -> None:
    found = maximize_tokens(tiny_model, site="resid_post", layer=0, unit=3, read="mean", **SMALL)
    raw: Any = AutoModelForCausalLM.from_pretrained(tiny_folders["gpt2"]).eval()
    with torch.no_grad():
        states = raw(torch.from_numpy(found.tokens), output_hidden_states=True).hidden_states
    assert found.activation[0] == pytest.approx(float(states[1][0, :, 3].mean()), abs=1e-5)
    np.testing.assert_allclose(found.activation, found.path[-1], atol=1e-5)


def test_beats_as_many_random_sequences(tiny_models: dict[str, LensModel]) -> None:
    for architecture, model in tiny_models.items():
        rng = np.random.default_rng(3)
        units = rng.integers(model.shapes["mlp_pre"].n_units, size=2)
        wins = [
            maximize_tokens(
                model, site="mlp_pre", layer=1, unit=int(unit), steps=10, n_candidates=32
            ).beats_random
            for unit in units
        ]
        assert all(wins), architecture


def test_a_unit_that_never_moves_is_not_said_to_win(
    tiny_folders: dict[str, Path], tmp_path: Path
) -> None:
    raw: Any = AutoModelForCausalLM.from_pretrained(tiny_folders["gpt2"])
    with torch.no_grad():
        raw.transformer.h[0].mlp.c_fc.weight[:, 4] = 0
    raw.save_pretrained(tmp_path)
    for file in tiny_folders["gpt2"].glob("tokenizer*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    found = maximize_tokens(
        lp.load_model(tmp_path), site="mlp_pre", layer=0, unit=4, n_starts=2, **SMALL
    )
    assert not found.beats_random
    assert (found.path == found.path[0]).all()


def test_one_token_reaches_the_best_of_all(tiny_model: LensModel) -> None:
    """With every token a candidate, one step from anywhere is an exhaustive search."""
    allowed = text_tokens(tiny_model).ids
    for site, unit in (("mlp_pre", 8), ("v", 30)):
        objective = unit_objective(tiny_model, site=site, layer=1, unit=unit, n_tokens=1)
        best = objective.of_tokens(allowed[:, None])
        found = maximize_tokens(
            tiny_model, site=site, layer=1, unit=unit, n_tokens=1, steps=1, n_candidates=400,
            top_k=400,
        )  # fmt: skip
        assert found.tokens.tolist() == [[allowed[best.argmax()]]]
        assert found.activation[0] == pytest.approx(best.max(), abs=1e-6)


def test_the_gradient_ranks_the_tokens(tiny_model: LensModel) -> None:
    """A unit linear in the embedding: the first of the ranking, alone, is the best token."""
    matrix = tiny_model.embedding().numpy()
    allowed = text_tokens(tiny_model).ids
    found = maximize_tokens(
        tiny_model, site="resid_pre", layer=0, unit=13, n_tokens=3, steps=12, top_k=1,
        n_candidates=3,
    )  # fmt: skip
    assert found.tokens[0, -1] == allowed[matrix[allowed, 13].argmax()]


def test_evaluations_are_counted(tiny_model: LensModel, monkeypatch: pytest.MonkeyPatch) -> None:
    run: list[int] = []
    gradients: list[int] = []
    of_tokens, gradient_at = Objective.of_tokens, Objective.gradient_at_tokens

    def counted(self: Objective, tokens: Any) -> Any:
        run.append(len(tokens))
        return of_tokens(self, tokens)

    def counted_gradient(self: Objective, tokens: Any) -> Any:
        gradients.append(len(tokens))
        return gradient_at(self, tokens)

    monkeypatch.setattr(Objective, "of_tokens", counted)
    monkeypatch.setattr(Objective, "gradient_at_tokens", counted_gradient)
    found = maximize_tokens(tiny_model, site="q", layer=0, unit=1, n_starts=3, **SMALL)
    assert gradients == [3] * SMALL["steps"]
    *search, random = run
    assert found.n_evaluations == sum(search) + 3 * sum(gradients)
    assert random == len(found.random_activation) == found.n_evaluations
    assert sum(search) + found.n_refused == 3 * (1 + SMALL["steps"]) * SMALL["n_candidates"]


def test_same_seed_same_text(tiny_model: LensModel) -> None:
    options: dict[str, Any] = {"site": "q", "layer": 0, "unit": 1, **SMALL}
    a, b = (maximize_tokens(tiny_model, **options) for _ in range(2))
    other = maximize_tokens(tiny_model, **options, seed=1)
    assert a.text == b.text
    np.testing.assert_array_equal(a.random_activation, b.random_activation)
    assert a.path[0] != other.path[0]
    assert not np.isin(a.random_activation[:20], other.random_activation).all()


def test_only_text_survives(tiny_model: LensModel) -> None:
    allowed = text_tokens(tiny_model)
    tokenizer = tiny_model.tokenizer
    one = {i for i in range(1, 400) if tokenizer(tokenizer.decode([i]))["input_ids"] == [i]}
    assert set(allowed.ids.tolist()) == one
    half_a_character = [i for i in range(400) if "\ufffd" in tokenizer.decode([i])]
    assert len(half_a_character) > 100
    assert not one & set(half_a_character)
    t, he, eos = (tokenizer.convert_tokens_to_ids(token) for token in ("t", "he", "<|endoftext|>"))
    merged = tokenizer("the")["input_ids"]
    assert merged != [t, he]
    got = allowed.survives(np.array([[t, he], [he, t], [t, eos], [t, half_a_character[0]]]))
    assert got.tolist() == [False, True, False, False]
    assert allowed.survives(np.empty((0, 2), int)).tolist() == []
    drawn = allowed.draw(200, 6, np.random.default_rng(0))
    assert drawn.shape == (200, 6)
    assert allowed.survives(drawn).all()
    assert len(np.unique(drawn)) > 0.8 * len(allowed.ids)
    for row, text in zip(drawn, allowed.texts(drawn), strict=True):
        assert tokenizer(text)["input_ids"] == row.tolist()


class _Deaf:
    """A tokenizer that does not give back what it decodes, from `length` tokens on."""

    def __init__(self, inner: Any, length: int) -> None:
        self._inner, self._length = inner, length
        self.all_special_ids = inner.all_special_ids

    def __len__(self) -> int:
        return len(self._inner)

    def batch_decode(self, rows: list[list[int]], **options: Any) -> Any:
        return self._inner.batch_decode(rows, **options)

    def __call__(self, texts: list[str], **options: Any) -> dict[str, list[list[int]]]:
        rows = self._inner(texts, **options)["input_ids"]
        return {"input_ids": [row if len(row) < self._length else 2 * row for row in rows]}


def test_refusals(tiny_model: LensModel) -> None:
    good: dict[str, Any] = {"site": "q", "layer": 0, "unit": 0}
    for change, message in [
        ({"unit": 32}, "no unit 32: q of this model has units 0 to 31"),
        ({"n_candidates": 0}, "n_candidates must be 1 or more; got 0"),
        ({"top_k": 0}, "top_k must be 1 or more; got 0"),
        ({"steps": 2.5}, r"steps must be a whole number; got 2\.5"),
        ({"n_tokens": 200}, "n_tokens is 200, the model takes 128"),
    ]:
        with pytest.raises(lp.InputError, match=message):
            maximize_tokens(tiny_model, **good | change)
    for tokenizer, message in [
        (None, "has no tokenizer, and text needs one"),
        (_Deaf(tiny_model.tokenizer, 1), "gives no token back when its text is tokenised"),
        (_Deaf(tiny_model.tokenizer, 2), "0 of 64 random sequences of 8 tokens"),
    ]:
        with pytest.raises(lp.InputError, match=message) as raised:
            maximize_tokens(replace(tiny_model, tokenizer=tokenizer), **good)
        assert "\n" not in str(raised.value)


@pytest.mark.bundled
def test_two_units_of_the_bundled_model() -> None:
    model = lp.load_model("bundled")
    for site, layer, unit in (("mlp_pre", 2, 700), ("v", 1, 40)):
        found = maximize_tokens(model, site=site, layer=layer, unit=unit, steps=6, n_candidates=24)
        ids = model.tokenizer(found.text[0])["input_ids"]
        assert ids == found.tokens[0].tolist()
        examples = lp.Examples.from_tokens([ids], -1, [0])
        again = lp.collect(model, examples, sites=[site], layers=layer)[layer, site][0, unit]
        assert found.activation[0] == pytest.approx(float(again), rel=1e-4)
        assert found.beats_random
        # Padding on the left would mask a special token: the stand-in for embeddings is none.
        objective = unit_objective(model, site=site, layer=layer, unit=unit, n_tokens=8)
        inserted = objective.of_embeddings(model.embedding()[torch.tensor([ids])])
        assert float(inserted[0, 0]) == pytest.approx(float(again), rel=1e-4)
