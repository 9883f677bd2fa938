"""Minimal pairs, and the smallest set of units that carries what they ask."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers.pre_tokenizers import WhitespaceSplit

import lens_probes as lp
from lens_probes.checks.toy_use import USED, toy_of_use
from lens_probes.errors import InputError
from lens_probes.model.load import LensModel
from lens_probes.screening.only import Behaviour, behaviour_of
from lens_probes.screening.pairs import PairGroup, load_pairs

pytestmark = pytest.mark.model

OWN = """
name = "own"
question = "Which class has the word?"
contrast = [["w1", "w21"], ["w2", "w22"], ["w3", "w23"], ["w4", "w24"], ["w5", "w25"],
            ["w6", "w26"], ["w7", "w27"], ["w8", "w28"]]
continuation = [["w50", "w51"], ["w52", "w53"]]
[fill]
filler = ["w60", "w61", "w62"]
[[construction]]
name = "short"
template = "w70 {contrast}"
[[construction]]
name = "long"
template = "w70 {filler} {contrast}"
"""


@pytest.fixture
def toy() -> LensModel:
    model = toy_of_use(0).model
    model.tokenizer.backend_tokenizer.pre_tokenizer = WhitespaceSplit()
    return model


@pytest.fixture
def template(tmp_path: Path) -> Path:
    path = tmp_path / "own.toml"
    path.write_text(OWN)
    return path


def test_a_template_makes_prompts_of_equal_length(toy: LensModel, template: Path) -> None:
    pairs = load_pairs(toy, template)
    assert [group.construction for group in pairs.groups] == ["short", "long"]
    assert [group.tokens.shape for group in pairs.groups] == [(16, 2), (16, 3)]
    group = pairs.groups[1]
    assert (group.tokens[::2, :-1] == group.tokens[1::2, :-1]).all()  # alike for both forms
    assert group.form.tolist() == [0, 1] * 8
    assert group.good[0].tolist() == [50, 52]
    assert group.bad[0].tolist() == [51, 53]
    assert group.good[1].tolist() == [51, 53]
    assert group.word.tolist() == np.repeat(np.arange(8), 2).tolist()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('name = "long"', "", "each with a name and a template"),
        ("{filler} ", "{other} ", r"\{other\} has no words"),
        ('["w50", "w51"]', '["w50"]', "continuation must be pairs"),
        ('["w50", "w51"]', '["w50 w1", "w51"]', "is 2 tokens of this model"),
        ("question", "question = ", "is not TOML"),
        ("{filler} ", "{filler ", "has a brace that belongs to no field"),
    ],
)
def test_a_template_that_is_wrong_is_one_line(
    toy: LensModel, template: Path, old: str, new: str, said: str
) -> None:
    template.write_text(OWN.replace(old, new))
    with pytest.raises(InputError, match=said):
        load_pairs(toy, template)
    with pytest.raises(InputError, match="choose from agreement, polarity"):
        load_pairs(toy, "nothing")


def behaviour(model: LensModel) -> Behaviour:
    rng = np.random.default_rng(0)
    tokens = rng.integers(1, 60, (8, 5))
    ids = rng.integers(1, 60, (2, 8, 1))
    group = PairGroup("one", tokens, ids[0], ids[1], np.arange(8) % 2, np.arange(8) // 2)
    return behaviour_of(model, [group], range(model.n_layers), ["mlp_post", "z"])


def test_all_units_are_the_model_and_single_ones_their_ablation(tiny_model: LensModel) -> None:
    on = behaviour(tiny_model)
    n = sum(on.widths())
    plain = on.contrast(None)
    np.testing.assert_allclose(on.contrast(np.ones(n, dtype=bool)), plain, atol=1e-5)
    kept = np.ones(n, dtype=bool)
    unit = 3
    kept[on.widths()[0] + unit] = False  # z of layer 0, before mlp_post of layer 1
    assert on.keys[1] == (0, "z")
    tokens = torch.from_numpy(on.groups[0].tokens)

    def ablate(z: torch.Tensor, hook: object) -> torch.Tensor:
        flat = z.flatten(2).clone()
        flat[..., unit] = flat[..., unit].mean(0)
        return flat.reshape(z.shape)

    logits = tiny_model.run_with_hooks(tokens, fwd_hooks=[(lp.SITES["z"].hook_name(0), ablate)])
    group = on.groups[0]
    rows = np.arange(8)
    wanted = logits[rows, -1, group.good[:, 0]] - logits[rows, -1, group.bad[:, 0]]
    np.testing.assert_allclose(on.contrast(kept), wanted.detach().numpy(), atol=1e-5)


def test_effects_are_first_order(tiny_model: LensModel) -> None:
    on = behaviour(tiny_model)
    n = sum(on.widths())
    effects, plain = on.effects(), on.contrast(None).mean()
    rng = np.random.default_rng(0)
    some = rng.permutation(n)[:40]
    exact = []
    for unit in some:
        kept = np.ones(n, dtype=bool)
        kept[unit] = False
        exact.append(plain - on.contrast(kept).mean())
    assert np.corrcoef(effects[some], exact)[0, 1] > 0.9


def test_the_used_units_of_a_toy_are_the_set(toy: LensModel, template: Path) -> None:
    kind = toy_of_use(0).kind
    found = lp.smallest_set(toy, template, n_nulls=19)
    assert found.size < 60
    best = found.units["unit"].to_numpy()[:5]
    assert set(kind[best]) <= {USED, "doubled"}
    assert found.curve["k"].iloc[0] == 0
    assert found.curve["faithfulness"].iloc[[0, -1]].tolist() == [0, 1]
    assert found.curve["completeness"].iloc[[0, -1]].tolist() == [1, 0]
    assert len(found.nulls) == 19
    assert found.provenance["sufficient_p"] <= 0.1
    chance = lp.smallest_set(toy, template, rank="random", n_nulls=0)
    assert chance.size > found.size
    assert lp.smallest_set(toy, template, rank="t", n_nulls=0).curve.shape == found.curve.shape
    assert any("keep 80 %" in line for line in found.text_lines())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rank": "best"}, "unknown rank 'best'"),
        ({"level": 2}, "level must lie between"),
        ({"n_nulls": -1}, "n_nulls must be 0 or more"),
        ({"sites": ["mlp"]}, "unknown site 'mlp'"),
        ({"pairs": None}, "pairs must be a path; got None"),
    ],
)
def test_mistakes_are_one_line(
    toy: LensModel, template: Path, options: dict[str, object], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        lp.smallest_set(toy, **{"pairs": template, **options})  # type: ignore[arg-type]
