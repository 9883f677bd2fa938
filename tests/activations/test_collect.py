"""Activations equal those of the raw Hugging Face model, read by an independent method."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hooked_tiny import hooked_tiny
from raw_activations import raw_activations, sites_of
from transformers import AutoModelForCausalLM

import lens_probes as lp
from lens_probes.activations import collect as module
from lens_probes.activations import forward
from lens_probes.model.backends import HAS_HOOKED_TRANSFORMER
from lens_probes.model.gguf import bundled_gguf, converted_gguf
from lens_probes.model.load import LensModel

pytestmark = pytest.mark.model


def assert_equal_to_raw(
    got: lp.Activations, model: torch.nn.Module, architecture: str, examples: lp.Examples
) -> None:
    rows = [
        raw_activations(model, architecture, torch.from_numpy(ids[: last + 1]))
        for ids, last in zip(examples.tokens, examples.position, strict=True)
    ]
    for key in got:
        raw = torch.stack([row[key] for row in rows]).double().numpy()
        difference = np.abs(got[key] - raw)
        assert difference.max() <= 1e-5 * np.abs(raw).max(), key
        sd = raw.std(0)
        varies = sd > 1e-6 * np.abs(raw).max()
        assert varies.mean() > 0.5, key
        assert (difference.max(0)[varies] <= 1e-4 * sd[varies]).all(), key


def random_examples(n: int, n_vocab: int, longest: int = 40, seed: int = 0) -> lp.Examples:
    """Windows of three lengths, read at three different places."""
    rng = np.random.default_rng(seed)
    rows = [rng.integers(0, n_vocab, longest - 5 * (i % 3)).tolist() for i in range(n)]
    return lp.Examples.from_tokens(rows, [-1 - i % 2 for i in range(n)], np.arange(n) % 2)


@pytest.mark.parametrize("architecture", ["gpt2", "gpt_neo", "llama", "pythia"])
def test_every_site_and_layer_equals_the_raw_model(
    architecture: str, tiny_models: dict[str, LensModel], tiny_folders: dict[str, Path]
) -> None:
    model = tiny_models[architecture]
    assert set(model.shapes) == sites_of(architecture)
    examples = random_examples(24, 400)
    got = lp.collect(model, examples, sites=list(model.shapes))
    assert len(got) == model.n_layers * len(model.shapes)
    raw = AutoModelForCausalLM.from_pretrained(tiny_folders[architecture]).eval()
    assert_equal_to_raw(got, raw, architecture, examples)


def test_local_attention_is_seen(tiny_models: dict[str, LensModel]) -> None:
    """The comparison above is only worth something if GPT-Neo's window of 6 tokens matters."""
    model = tiny_models["gpt_neo"]
    tokens = np.random.default_rng(0).integers(1, 400, (1, 30))
    other = tokens.copy()
    other[0, 0] = 0
    both = lp.Examples.from_tokens(np.concatenate([tokens, other]), -1, [0, 1])
    z = lp.collect(model, both, sites=["z"])
    assert np.abs(np.diff(z[0, "z"], axis=0)).max() > 1e-4  # global attention sees token 0
    first_local = lp.collect(model, both, sites=["z"], layers=1)[1, "z"]
    assert np.abs(np.diff(first_local, axis=0)).max() < np.abs(np.diff(z[0, "z"], axis=0)).max()


@pytest.mark.bundled
def test_three_layers_of_the_bundled_model_equal_the_raw_model() -> None:
    model = lp.load_model("bundled")
    text = lp.load_text("speeches").documents[5].text
    ids = np.array(model.tokenizer(text)["input_ids"])
    starts = np.arange(0, 20 * 37, 37)
    examples = lp.Examples.from_tokens(
        [ids[s : s + 40 + 10 * (s % 2)].tolist() for s in starts], -1, starts % 2
    )
    got = lp.collect(model, examples, sites=list(model.shapes), layers=[0, 14, 29])
    # In float64, so that the bound is on our rounding and not on the sum of two float32 runs.
    folder = converted_gguf(bundled_gguf())
    raw = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64).eval()
    assert_equal_to_raw(got, raw, "llama", examples)


@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
def test_batch_size_and_order_do_not_matter(
    architecture: str, tiny_models: dict[str, LensModel]
) -> None:
    model = tiny_models[architecture]
    examples = random_examples(17, 400)
    whole = lp.collect(model, examples, sites=["mlp_pre", "k"])
    one = lp.collect(model, examples, sites=["mlp_pre", "k"], batch_size=1)
    order = np.random.default_rng(1).permutation(17)
    shuffled = lp.collect(model, examples.select(order), sites=["mlp_pre", "k"], batch_size=4)
    for key in whole:
        scale = np.abs(whole[key]).max()
        np.testing.assert_allclose(one[key], whole[key], atol=1e-6 * scale)
        np.testing.assert_allclose(shuffled[key], whole[key][order], atol=1e-6 * scale)


@pytest.mark.skipif(not HAS_HOOKED_TRANSFORMER, reason="a bridge has Hugging Face's own weights")
@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
def test_the_order_of_weights_in_memory_changes_no_bit(
    architecture: str, tiny_folders: dict[str, Path]
) -> None:
    model = hooked_tiny(tiny_folders[architecture], processing="none")
    weights = {name: value.clone() for name, value in model.tl.named_parameters()}
    digest = model.weights_digest
    tokens = torch.from_numpy(random_examples(8, 400).tokens[:, :30])
    _, before = model.run_with_cache(tokens)
    forward.Reader(model, [(0, "q")])
    _, after = model.run_with_cache(tokens)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert all(torch.equal(weights[name], value) for name, value in model.tl.named_parameters())
    assert model.weights_digest == digest
    block = model.tl.blocks[1]
    assert block.attn.W_O.permute(2, 0, 1).is_contiguous()
    assert block.attn.W_Q.permute(0, 2, 1).is_contiguous()
    if architecture == "llama":
        assert all(w.T.is_contiguous() for w in (block.mlp.W_gate, block.mlp.W_in, block.mlp.W_out))


def test_what_follows_the_target_is_not_read(tiny_model: LensModel) -> None:
    examples = random_examples(6, 400)
    tokens = examples.tokens.copy()
    tokens[:, examples.position.max() + 1 :] = 7
    changed = lp.Examples(tokens, examples.position, examples.label)
    a = lp.collect(tiny_model, examples, sites=["resid_post"])
    b = lp.collect(tiny_model, changed, sites=["resid_post"])
    for key in a:
        np.testing.assert_array_equal(a[key], b[key])


def test_only_what_is_asked_is_run(tiny_model: LensModel) -> None:
    """No unembedding, no later layer, no other hook: also on a bridge after its last layer."""
    calls: list[str] = []
    tl = tiny_model.tl
    handles = [
        module_.register_forward_pre_hook(lambda *_, name=name: calls.append(name))
        for name, module_ in tl.named_modules()
        if name in ("unembed", "ln_final", "blocks.0", "blocks.1", "blocks.2")
    ]
    try:
        lp.collect(tiny_model, random_examples(4, 400), sites=["q"], layers=[0])
        assert set(calls) <= {"blocks.0", "blocks.1"}
        lp.collect(tiny_model, random_examples(4, 400), sites=["q"])
        assert "blocks.2" in calls
        assert "unembed" not in calls
    finally:
        for handle in handles:
            handle.remove()


def test_a_hook_that_does_not_come_back_is_noticed(
    tiny_model: LensModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        lp.SITES["q"].__class__, "hook_name", lambda _, layer: f"blocks.{layer}.attn.hook_nothing"
    )
    with pytest.raises((RuntimeError, KeyError), match="hook_nothing"):
        lp.collect(tiny_model, random_examples(4, 400), sites=["q"])


def test_refusals(tiny_model: LensModel, monkeypatch: pytest.MonkeyPatch) -> None:
    examples = random_examples(4, 400)
    for sites, layers, message in [
        (["mlp"], None, "unknown site 'mlp'.*Did you mean 'mlp_pre'"),
        (["mlp_pre_linear"], None, "this model has no site 'mlp_pre_linear': it has resid_pre"),
        ([], None, "no site given"),
        (["q"], [3], "no layer 3: this model has layers 0 to 2"),
        (["q"], [], "no layer given"),
    ]:
        with pytest.raises(lp.InputError, match=message):
            lp.collect(tiny_model, examples, sites=sites, layers=layers)
    with pytest.raises(lp.InputError, match="token id 400 is outside the model's vocabulary"):
        lp.collect(tiny_model, lp.Examples.from_tokens([[400]] * 4, 0, [0, 0, 1, 1]), sites="q")
    with pytest.raises(lp.InputError, match="129 tokens up to its target, the model takes 128"):
        lp.collect(tiny_model, lp.Examples.from_tokens([[1] * 129], -1, [0]), sites="q")
    with pytest.raises(lp.InputError, match="batch_size must be 1 or more"):
        lp.collect(tiny_model, examples, sites="q", batch_size=0)

    class Full:
        available = 1000

    monkeypatch.setattr(module.psutil, "virtual_memory", lambda: Full)
    with pytest.raises(lp.InputError, match="about 1 of the 3 layers at a time would fit"):
        lp.collect(tiny_model, examples, sites=["mlp_pre"])
