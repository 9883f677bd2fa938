"""Sparse autoencoders and transcoders: what sae-lens encodes, without it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import lens_probes as lp
from lens_probes.model.load import LensModel

FOLDER = Path(__file__).parent.parent / "fixtures" / "sae"
SAID = json.loads((FOLDER / "encoded.json").read_text())
X = torch.tensor(SAID["x"])


def copied(name: str, to: Path, **config: Any) -> Path:
    """A folder of the fixtures with another configuration."""
    shutil.copytree(FOLDER / name, to, dirs_exist_ok=True)
    said = json.loads((to / "cfg.json").read_text())
    (to / "cfg.json").write_text(json.dumps(said | config))
    return to


@pytest.mark.parametrize("name", sorted(SAID["encoded"]))
def test_it_encodes_as_sae_lens_does(name: str) -> None:
    site = lp.load_sae(FOLDER / name)
    assert (site.name, site.base, site.layers) == ("sae", "resid_post", (1,))
    found = site.function(X).float().numpy()
    wanted = np.array(SAID["encoded"][name])
    assert 0.05 < (wanted > 0).mean() < 0.95
    np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_folders_of_earlier_versions_are_read(tmp_path: Path) -> None:
    old = copied("topk", tmp_path / "old")
    said = json.loads((old / "cfg.json").read_text())
    hook = said.pop("metadata")["hook_name"]
    del said["architecture"], said["k"], said["apply_b_dec_to_input"]
    said |= {"hook_point": hook, "activation_fn_str": "topk", "activation_fn_kwargs": {"k": 5}}
    said |= {"normalize_activations": False, "dtype": "torch.float32"}
    (old / "cfg.json").write_text(json.dumps(said))
    (old / "sae_weights.safetensors").rename(old / "weights.safetensors")
    np.testing.assert_array_equal(
        lp.load_sae(old).function(X), lp.load_sae(FOLDER / "topk").function(X)
    )


def test_what_the_folder_does_not_say_is_given_or_noted(tmp_path: Path) -> None:
    nowhere = copied("standard", tmp_path / "a", metadata={})
    with pytest.raises(lp.InputError, match="give base and layer"):
        lp.load_sae(nowhere)
    site = lp.load_sae(nowhere, base="mlp_out", layer=2, name="mine")
    assert (site.name, site.base, site.layers, site.hook) == (
        "mine",
        "mlp_out",
        (2,),
        "hook_mlp_out",
    )
    scaled = copied("standard", tmp_path / "b", normalize_activations="expected_average_only_in")
    assert "none are applied" in lp.load_sae(scaled).recorded["note"]
    heads = copied("standard", tmp_path / "c", hook_head_index=1)
    wide = torch.cat([torch.zeros_like(X), X], dim=1)
    np.testing.assert_array_equal(lp.load_sae(heads).function(wide), site.function(X))


def test_a_random_twin_has_the_same_size_and_other_directions() -> None:
    site = lp.load_sae(FOLDER / "topk")
    twin, again = site.random_twin(3), site.random_twin(3)
    assert twin.name == "sae_random"
    assert twin == again != site.random_twin(4)
    ours, theirs = (one.function.weights["W_enc"] for one in (site, twin))
    np.testing.assert_allclose(ours.norm(dim=0), theirs.norm(dim=0), rtol=1e-5)
    assert ((twin.function(X) > 0).sum(1) <= 5).all()
    assert "random directions, seed 3" in twin.recorded["note"]
    with pytest.raises(lp.InputError, match="has no random twin"):
        lp.Site.from_function("f", "resid_post", lambda x: x).random_twin(0)
    linear = lp.Site.from_function("f", "resid_post", lp.units.linear(np.eye(3) * 2))
    np.testing.assert_allclose(
        np.linalg.norm(linear.random_twin(1).function.W, axis=0), 2, rtol=1e-6
    )


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"architecture": "temporal"}, "architecture 'temporal' cannot be read"),
        ({"activation_fn": "tanh-relu"}, "activation 'tanh-relu' is not known"),
        ({"normalize_activations": "mine"}, "normalize_activations 'mine' is not known"),
        ({"architecture": ["topk"]}, "cannot be read: standard"),
        ({"dtype": "int8"}, "dtype 'int8' is not known"),
        ({"architecture": "topk", "k": 99}, "k in cfg.json must be 24 or fewer"),
        ({"architecture": "jumprelu"}, "have no threshold"),
    ],
)
def test_a_configuration_that_is_not_known_is_one_line(
    tmp_path: Path, config: dict[str, Any], said: str
) -> None:
    with pytest.raises(lp.InputError, match=said) as error:
        lp.load_sae(copied("standard", tmp_path / "sae", **config))
    assert "\n" not in str(error.value)


def test_a_folder_that_is_damaged_is_one_line(tmp_path: Path) -> None:
    folder = copied("standard", tmp_path / "sae")
    weights = load_file(folder / "sae_weights.safetensors")
    for name, value, said in (
        ("b_enc", torch.zeros(3), r"b_enc in .* must be \[24\]"),
        (
            "W_enc",
            torch.full((8, 24), torch.nan),
            "has 192 of 192 numbers that are NaN",
        ),
        ("scaling_factor", torch.full((24,), 2.0), "scaling_factor"),
    ):
        save_file({**weights, name: value}, folder / "sae_weights.safetensors")
        with pytest.raises(lp.InputError, match=said):
            lp.load_sae(folder)
    (folder / "sae_weights.safetensors").write_bytes(b"no")
    with pytest.raises(lp.InputError, match="cannot read"):
        lp.load_sae(folder)
    (folder / "sae_weights.safetensors").unlink()
    with pytest.raises(lp.InputError, match="must have sae_weights"):
        lp.load_sae(folder)
    (folder / "cfg.json").write_text("[]")
    with pytest.raises(lp.InputError, match="must be a JSON object"):
        lp.load_sae(folder)
    with pytest.raises(lp.InputError, match="cannot read"):
        lp.load_sae(tmp_path / "nowhere")


@pytest.mark.model
def test_a_dictionary_of_another_width_is_refused_by_the_model(tiny_model: LensModel) -> None:
    examples = lp.Examples.from_tokens([[1, 2], [3, 4]], -1, [0, 1])
    with pytest.raises(lp.InputError, match="is for 8 units, the site has"):
        lp.collect(tiny_model, examples, sites=[lp.load_sae(FOLDER / "standard")])
