"""Sites are tested when a model is loaded: by identities, and against hooks on the raw model."""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hooked_tiny import hooked_tiny
from transformers import AutoModelForCausalLM

import lens_probes as lp
from lens_probes.cli import main
from lens_probes.model.backends import HAS_HOOKED_TRANSFORMER
from lens_probes.model.check import reference_of, site_shapes
from lens_probes.model.load import LensModel
from lens_probes.model.proof import EQUAL, PROVED, UNPROVED
from lens_probes.model.wrap import wrap_model
from lens_probes.report.methods import measured
from lens_probes.sites import SITES

pytestmark = pytest.mark.model
BACK_ENDS = ["bridge", *(["hooked"] if HAS_HOOKED_TRANSFORMER else [])]
# A site, and a hook of the same shape that is not it.
WRONG = [
    ("resid_pre", "hook_resid_post"), ("resid_mid", "hook_resid_pre"),
    ("resid_post", "hook_resid_mid"), ("attn_out", "hook_mlp_out"), ("mlp_out", "hook_attn_out"),
    ("mlp_post", "mlp.hook_pre"), ("z", "attn.hook_v"), ("v", "attn.hook_k"),
]  # fmt: skip


def test_what_is_proved_and_what_a_hook_has_seen(tiny_models: dict[str, LensModel]) -> None:
    assert set(tiny_models["gpt2"].proof.values()) == {PROVED}
    for name in ("llama", "pythia"):
        proof = tiny_models[name].proof
        assert {site for site, how in proof.items() if how == EQUAL} == {"q", "k"}  # rotary
        assert set(proof.values()) == {PROVED, EQUAL}
        assert list(proof) == list(tiny_models[name].shapes)
    places = tiny_models["llama"].shapes.places
    assert places["q"] == "self_attn.q_proj output"
    assert places["mlp_post"] == "mlp.down_proj input"
    assert tiny_models["pythia"].shapes.places["v"] == "attention.query_key_value output"


@pytest.mark.skipif(not HAS_HOOKED_TRANSFORMER, reason="4.x has bridges only")
@pytest.mark.parametrize("processing", ["none", "standard"])
@pytest.mark.parametrize("architecture", ["gpt2", "gpt_neo", "llama", "pythia"])
def test_a_hooked_transformer_proves_every_site(
    architecture: str, processing: Any, tiny_folders: dict[str, Path]
) -> None:
    proof = hooked_tiny(tiny_folders[architecture], processing=processing).proof
    assert set(proof.values()) == {PROVED}


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64"])
def test_half_precision_proves_as_much(dtype: str, tiny_folders: dict[str, Path]) -> None:
    assert set(lp.load_model(tiny_folders["gpt2"], dtype=dtype).proof.values()) == {PROVED}


def test_standard_processing_is_proved_by_identities(tiny_folders: dict[str, Path]) -> None:
    model = lp.load_model(tiny_folders["gpt2"], processing="standard")
    assert set(model.proof.values()) == {PROVED}
    # Not where Hugging Face has them: what centring and folded biases change.
    assert set(model.shapes.places) == {"q", "k", "mlp_pre", "mlp_post"}


@pytest.mark.parametrize("back_end", BACK_ENDS)
@pytest.mark.parametrize(("site", "hook"), WRONG)
def test_a_wrong_site_is_an_error_that_names_it(
    site: str, hook: str, back_end: str, tiny_folders: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    wrong = {**SITES, site: dataclasses.replace(SITES[site], hook=hook)}
    monkeypatch.setattr("lens_probes.model.check.SITES", wrong)
    load = lp.load_model if back_end == "bridge" else partial(hooked_tiny, processing="none")
    with pytest.raises(lp.InputError, match="is not what its name says") as said:
        load(tiny_folders["gpt2"])
    named = str(said.value).partition(" is not what")[0].rpartition(": ")[2].split(" or ")
    assert site in named
    assert len(named) == 1 or back_end == "hooked"  # no raw hooks tell which of two it is
    assert "\n" not in str(said.value)
    assert len(str(said.value)) < 500


def test_swapped_projections_are_not_what_a_hook_has_seen(
    tiny_folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rotary q and k are known by hooks alone: by the projection's name, by order in one matrix."""
    wrong = {**SITES, "k": dataclasses.replace(SITES["k"], hook="attn.hook_v")}
    monkeypatch.setattr("lens_probes.model.check.SITES", wrong)
    for name in ("llama", "pythia"):
        assert lp.load_model(tiny_folders[name]).proof["k"] == UNPROVED


def test_with_a_hook_of_ones_own_nothing_is_refused(tiny_folders: dict[str, Path]) -> None:
    tl = lp.load_model(tiny_folders["gpt2"]).tl
    handle = tl.blocks[1].mlp.register_forward_hook(lambda _, __, out: out * 1.5)
    model = wrap_model(tl)
    handle.remove()
    assert UNPROVED in model.proof.values()
    assert model.foreign_hook is None
    assert UNPROVED not in wrap_model(tl).proof.values()


def test_a_bridge_in_memory_is_compared_with_what_is_in_it(
    tiny_models: dict[str, LensModel],
) -> None:
    for name, model in tiny_models.items():
        found = wrap_model(model.tl).proof
        if name == "pythia":  # the bridge never runs the matrix that holds q, k and v
            assert {found.pop(site) for site in "qk"} == {UNPROVED}
        assert found.items() <= model.proof.items(), name


def test_a_reference_is_of_the_raw_model(tiny_folders: dict[str, Path]) -> None:
    raw = AutoModelForCausalLM.from_pretrained(tiny_folders["llama"]).eval()
    reference = reference_of(raw)
    seen = {}
    gate = raw.model.layers[2].mlp.gate_proj
    handle = gate.register_forward_hook(lambda _, __, out: seen.update(gate=out))
    with torch.no_grad():
        raw(reference.tokens)
    handle.remove()
    found = reference.seen.values[2]["mlp.gate_proj output"]
    assert np.array_equal(found[-1], seen["gate"][1, -1])
    assert np.array_equal(found[:-1], seen["gate"][0, -len(found) + 1 :])
    assert not any(module._forward_hooks for module in raw.modules())
    bridge = lp.load_model(tiny_folders["llama"]).tl
    other = dataclasses.replace(reference, seen=dataclasses.replace(reference.seen, values={}))
    assert site_shapes(bridge, other).proof["q"] == UNPROVED
    assert site_shapes(bridge, reference).proof["q"] == EQUAL


def test_provenance_and_the_command_say_it(
    tiny_folders: dict[str, Path], tiny_models: dict[str, LensModel],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert tiny_models["llama"].provenance["proof"]["q"] == EQUAL
    assert main(["sites", "--model", str(tiny_folders["llama"])]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert "equal to a hook" in lines["q"]
    assert "self_attn.q_proj output" in lines["q"]
    assert "proved" in lines["mlp_post"]


def test_the_report_says_how_the_sites_were_tested(tiny_folders: dict[str, Path]) -> None:
    ids = np.random.default_rng(0).integers(3, 390, (16, 9))
    examples = lp.Examples.from_tokens(ids, -1, np.arange(16) % 2)
    model = lp.load_model(tiny_folders["llama"])
    result = lp.sweep(model, examples, sites=["mlp_pre", "q", "k"], preset="course")
    said = measured(result)
    assert said["sites, tested when the model was loaded"] == (
        "mlp_pre: proved; q, k: equal to a hook"
    )
    assert "not as in the Hugging Face model" not in said
    standard = lp.load_model(tiny_folders["gpt2"], processing="standard")
    result = lp.sweep(standard, examples, sites=["mlp_out", "q"], preset="course")
    said = measured(result)
    assert said["not as in the Hugging Face model"] == "mlp_out (weights were processed)"
