"""Hooks of TransformerLens and functions of a site's units as sites of a sweep."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import lens_probes as lp
from lens_probes.cli import main
from lens_probes.model.load import LensModel
from lens_probes.sites import hook_site, parse_unit_name

pytestmark = pytest.mark.model
RNG = np.random.default_rng(0)
N = 60
EXAMPLES = lp.Examples.from_tokens(
    RNG.integers(20, 300, (N, 7)),
    -1,
    np.arange(N) % 2,
    [f"w{i % 2}-{i // 2 % 10}" for i in range(N)],
)
FEW: dict[str, Any] = {"n_permutations": 40}


def width(model: LensModel, site: str = "resid_post") -> int:
    return model.shapes[site].n_units


def halves(x: torch.Tensor) -> torch.Tensor:
    return x[:, ::2] - x[:, 1::2]


def test_a_function_is_a_site_beside_those_of_the_model(
    tiny_model: LensModel, tmp_path: Path
) -> None:
    W = RNG.normal(size=(width(tiny_model), 5)).astype(np.float32)
    own = lp.Site.from_function("probe", "resid_post", lp.units.linear(W, np.ones(5), "relu"))
    read = lp.collect(tiny_model, EXAMPLES, sites=["resid_post", own], layers=[0, 1])
    assert list(read) == [(0, "resid_post"), (0, "probe"), (1, "resid_post"), (1, "probe")]
    wanted = np.maximum(read[1, "resid_post"].astype(float) @ W + 1, 0)
    np.testing.assert_allclose(read[1, "probe"], wanted, atol=1e-4)
    store = tmp_path / "store"
    for _ in range(2):  # filled, then read: what is kept is the site it is computed from
        kept = lp.collect(
            tiny_model, EXAMPLES, sites=["resid_post", own], layers=[0, 1], store=store
        )
        for key in read:
            np.testing.assert_array_equal(kept[key], read[key])
    alone = lp.collect(tiny_model, EXAMPLES, sites=own, layers=[1], store=store)
    assert list(alone) == [(1, "probe")]
    np.testing.assert_array_equal(alone[1, "probe"], read[1, "probe"])


def test_a_sweep_of_a_function_is_whole_and_says_whose_it_is(
    tiny_model: LensModel, tmp_path: Path
) -> None:
    linear = lp.units.linear(np.eye(width(tiny_model))[:, :3])
    sites = [lp.Site.from_function("first", "resid_post", linear),
             lp.Site.from_function("halves", "resid_post", halves)]  # fmt: skip
    result = lp.sweep(tiny_model, EXAMPLES, sites=sites, layers=[1], **FEW)
    raw = lp.sweep(tiny_model, EXAMPLES, sites=["resid_post"], layers=[1], untrained=False, **FEW)
    np.testing.assert_array_equal(result.units["t"][:3], raw.units["t"][:3])
    said = result.provenance["own_sites"]
    assert said["first"]["sha256"] == linear.digest
    assert said["halves"]["function"] == "halves"
    assert "known here by its name alone" in said["halves"]["note"]
    assert "untrained_share_significant" in result.layers
    assert result.paintings[0].unit.startswith("L1.")
    result.save(tmp_path / "run")
    loaded = lp.SweepResult.load(tmp_path / "run")
    assert loaded.write_report(tmp_path / "run" / "report.html").exists()
    with pytest.raises(lp.InputError, match="can be read, not written at"):
        lp.ablate(tiny_model, EXAMPLES, result=loaded, layers=[1])
    with pytest.raises(lp.InputError, match="has a site of your own, 'first'"):
        lp.replicate(loaded, EXAMPLES, model=tiny_model)
    other = lp.Site.from_function("first", "resid_post", lp.units.linear(np.eye(width(tiny_model))))
    with pytest.raises(lp.InputError, match="'first' is another than"):
        lp.replicate(loaded, EXAMPLES, model=tiny_model, sites=[other, sites[1]])
    fresh = lp.Examples.from_tokens(
        np.random.default_rng(9).integers(20, 300, (N, 7)), -1, EXAMPLES.label, EXAMPLES.word
    )
    again = lp.replicate(loaded, fresh, model=tiny_model, sites=sites, n_permutations=40)
    assert len(again.units) == len(result.units)


def test_a_function_of_some_layers_is_read_there_alone(tiny_model: LensModel) -> None:
    own = lp.Site.from_function("halves", "resid_post", halves, layers=1)
    read = lp.collect(tiny_model, EXAMPLES, sites=["mlp_out", own])
    assert [key for key in read if key[1] == "halves"] == [(1, "halves")]
    with pytest.raises(lp.InputError, match="is for layer 1 alone"):
        lp.collect(tiny_model, EXAMPLES, sites=[own], layers=[0])


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_a_hook_is_a_site(tiny_models: dict[str, LensModel], name: str) -> None:
    model = tiny_models[name]
    hooks = ["ln1.hook_normalized", "blocks.{layer}.hook_mlp_out", "blocks.attn.hook_z"]
    read = lp.collect(model, EXAMPLES, sites=hooks, layers=[1])
    assert list(read) == [(1, "ln1.hook_normalized"), (1, "mlp_out"), (1, "z")]
    with torch.inference_mode():
        cache = model.tl.run_with_cache(torch.from_numpy(EXAMPLES.tokens))[1]
    seen = cache["blocks.1.ln1.hook_normalized"][:, -1].numpy()
    np.testing.assert_allclose(read[1, "ln1.hook_normalized"], seen, atol=1e-5)
    assert "ln1.hook_normalized" not in model.shapes


def test_units_of_a_hook_are_named_as_those_of_a_site(tiny_model: LensModel) -> None:
    shapes = tiny_model.shapes | {"attn.hook_x": tiny_model.shapes["q"]}
    assert parse_unit_name("L1.attn.hook_x.h1.3", shapes)[1] == "attn.hook_x"


def test_a_function_that_writes_into_its_tensor_changes_nothing_else(
    tiny_model: LensModel,
) -> None:
    own = lp.Site.from_function("relu", "resid_post", lambda x: x.relu_())
    both = lp.collect(tiny_model, EXAMPLES, sites=["resid_post", own], layers=[0])
    np.testing.assert_array_equal(both[0, "relu"], np.maximum(both[0, "resid_post"], 0))
    assert (both[0, "resid_post"] < 0).any()


@pytest.mark.parametrize(
    ("sites", "said"),
    [
        (["attn.hook_attn_scores"], r"is no site: its shape .* is not \[batch, position, unit\]"),
        (["attn.hook_pattern"], "is no site: its shape"),
        (["hook_nothing"], "no site at hook 'hook_nothing': no layer has it"),
        (["blocks.1.hook_mlp_out"], "hook of one layer: give 'hook_mlp_out', and layers=1"),
        (["mlp_pro"], "Did you mean 'mlp_pre'"),
        ([3], "a site must be a name, or a Site"),
        ([lp.Site.from_function("f", "mlp_pre_linear", halves)], "no site 'mlp_pre_linear'"),
        ([lp.Site.from_function("f", "mlp_pre", lambda x: x.sum())], "must give .*it gives"),
        ([lp.Site.from_function("f", "mlp_pre", lambda x: np.full((len(x), 2), "a"))],
         "must give a tensor of numbers; it gives a ndarray"),
        ([lp.Site.from_function("f", "mlp_pre", lambda x: pd.DataFrame(x.numpy()))],
         "must give a tensor of numbers; it gives a DataFrame"),
        ([lp.Site.from_function("f", "mlp_pre", lambda x: x[:1])], "for 8 examples; it gives"),
        ([lp.Site.from_function("f", "mlp_pre", lambda x: x - x.mean(0))], "when it comes alone"),
        ([lp.Site.from_function("f", "mlp_pre", lambda x: x @ x)], "fails on a tensor"),
        ([lp.Site.from_function("f", "mlp_pre", lp.units.linear(np.eye(3)))], "W is for 3 units"),
        ([lp.Site.from_function("f", "mlp_pre", halves),
          lp.Site.from_function("f", "mlp_out", halves)], "two sites are called 'f'"),
    ],
)  # fmt: skip
def test_what_is_no_site_is_one_line(tiny_model: LensModel, sites: Any, said: str) -> None:
    with pytest.raises(lp.InputError, match=said) as error:
        lp.sweep(tiny_model, EXAMPLES, sites=sites, layers=[0])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("mlp_pre", "resid_post", halves), "is one of the model's"),
        (("a.b", "resid_post", halves), "use letters, digits"),
        (("a", "resid", halves), "unknown site 'resid'"),
        (("a", "resid_post", 3), "fn must be a function"),
    ],
)
def test_a_site_that_cannot_be_made_is_one_line(arguments: Any, said: str) -> None:
    with pytest.raises(lp.InputError, match=said):
        lp.Site.from_function(*arguments)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((np.eye(3), [1, 2]), r"b must be \[unit\] = \(3,\)"),
        ((np.full((2, 2), np.nan),), "W must be finite"),
        ((np.zeros((2, 2, 2)),), r"W must be \[base unit, unit\]"),
        ((np.eye(3), None, "gelu"), "unknown activation 'gelu'"),
    ],
)
def test_weights_that_do_not_fit_are_one_line(arguments: Any, said: str) -> None:
    with pytest.raises(lp.InputError, match=said):
        lp.units.linear(*arguments)


def test_elsewhere_such_sites_are_refused(tiny_model: LensModel) -> None:
    own = lp.Site.from_function("halves", "resid_post", halves)
    for site in ("hook_mlp_in", own):
        with pytest.raises(lp.InputError, match="read by sweep and collect alone"):
            lp.ablate(tiny_model, EXAMPLES, sites=[site], layers=[1])


def test_a_hook_is_named_as_its_site_where_it_is_one() -> None:
    site = hook_site("blocks.{layer}.attn.hook_q")
    assert site is lp.SITES["q"]
    assert hook_site("attn.hook_result").hook_name(3) == "blocks.3.attn.hook_result"
    assert hook_site("mlp_pre") is None


def test_the_command_takes_a_hook_and_paints_its_unit(
    tiny_folders: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["one", "two", "red", "big"] * 4
    rows = ["text,label", *(f"a {word} day,{i % 2}" for i, word in enumerate(words))]
    (tmp_path / "t.csv").write_text("\n".join(rows))
    given = f"--model {tiny_folders['gpt2']} --sites ln1.hook_normalized --layers 0 --quiet"
    out = tmp_path / "run"
    code = main(["sweep", "labelled", str(tmp_path / "t.csv"), *given.split(), "--no-untrained",
                 "--out", str(out)])  # fmt: skip
    assert code == 0
    (tmp_path / "p.txt").write_text("a big red day")
    assert main(["heatmap", str(out), "--text", str(tmp_path / "p.txt"), "--quiet"]) == 0
    assert "L0.ln1.hook_normalized." in capsys.readouterr().out
