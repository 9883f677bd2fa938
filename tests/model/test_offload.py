"""Models with blocks on disk: the same numbers to the bit, or one line."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import lens_probes as lp
from lens_probes.model.gguf import bundled_gguf, converted_gguf
from lens_probes.model.load import LensModel

pytestmark = pytest.mark.model
IDS = np.random.default_rng(0).integers(3, 390, (12, 9))
EXAMPLES = lp.Examples.from_tokens(IDS, -1, np.arange(12) % 2)
_REST = {"model.embed_tokens": "cpu", "model.norm": "cpu", "model.rotary_emb": "cpu"}


def half_on_disk(n_layers: int) -> dict[str, str]:
    layers = {f"model.layers.{i}": "disk" if i % 2 else "cpu" for i in range(n_layers)}
    return {**_REST, "lm_head": "cpu", **layers}


def read(model: LensModel) -> dict[Any, np.ndarray]:
    return dict(lp.collect(model, EXAMPLES, sites=list(model.shapes)).arrays)


@pytest.mark.parametrize(
    ("name", "device_map"),
    [
        ("llama", half_on_disk(3)),
        ("llama", {**_REST, "lm_head": "disk", "model.layers": "disk"}),
        ("llama", "auto"),
        ("gpt_neo", {"transformer": "cpu", "lm_head": "cpu", "transformer.h": "disk"}),
    ],
)
def test_activations_are_the_same_to_the_bit(
    name: str, device_map: Any, tiny_folders: dict[str, Path], tiny_models: dict[str, LensModel]
) -> None:
    model, whole = lp.load_model(tiny_folders[name], device_map=device_map), tiny_models[name]
    n_elsewhere = sum(weight.is_meta for weight in model.tl.parameters())
    assert (n_elsewhere > 0) == (device_map != "auto")
    found, wanted = read(model), read(whole)
    assert all(np.array_equal(found[key], wanted[key]) for key in wanted)
    assert sum(weight.is_meta for weight in model.tl.parameters()) == n_elsewhere  # gone again
    assert model.weights_digest == whole.weights_digest
    assert model.provenance["weights"] == whole.provenance["weights"]
    assert set(model.proof) == set(whole.proof)
    assert "unproved" not in model.proof.values()
    assert model.foreign_hook is None
    assert torch.equal(model.mlp_output_weights(1), whole.mlp_output_weights(1))
    sweeps = [
        lp.sweep(one, EXAMPLES, sites=["mlp_post"], n_permutations=20, untrained=False)
        for one in (model, whole)
    ]
    assert sweeps[0].units.equals(sweeps[1].units)


def test_what_cannot_be_is_one_line(tiny_folders: dict[str, Path]) -> None:
    on_disk = {"transformer": "cpu", "lm_head": "cpu", "transformer.h": "disk"}
    for given, message in [
        ({"device_map": on_disk}, "cannot be kept on disk"),
        ({"device_map": "everywhere"}, "unknown device_map 'everywhere'"),
        ({"device_map": 3}, "device_map must be"),
        ({"max_memory": {0: "1GiB"}}, "goes with device_map"),
        ({"device_map": "auto", "device": "cpu"}, "not both"),
        ({"device_map": "auto", "processing": "standard"}, "folded and centred"),
        ({"revision": "main"}, "revision is of a name"),
        ({"revision": 3}, "revision must be"),
        ({"device_map": {"no.such.part": "cpu"}}, "unknown part of the model in device_map"),
    ]:
        with pytest.raises(lp.InputError, match=message) as said:
            lp.load_model(tiny_folders["gpt2"], **given)
        assert "\n" not in str(said.value)
    model = lp.load_model(tiny_folders["llama"], device_map=half_on_disk(3))
    with pytest.raises(lp.InputError, match="no untrained twin: give untrained=False"):
        lp.sweep(model, EXAMPLES, sites=["q"])
    with pytest.raises(lp.InputError, match="no executor"):
        pickle.dumps(model)


@pytest.mark.bundled
def test_half_of_the_bundled_model_on_disk() -> None:
    folder = converted_gguf(bundled_gguf())
    found, wanted = (
        lp.collect(model, EXAMPLES, sites=["resid_post", "mlp_pre"], layers=[0, 15, 29])
        for model in (lp.load_model(folder, device_map=half_on_disk(30)), lp.load_model(folder))
    )
    assert all(np.array_equal(found[key], wanted[key]) for key in wanted)
