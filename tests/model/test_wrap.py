"""Models of TransformerLens in memory, given to everything that takes a model."""

from __future__ import annotations

import inspect
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hooked_tiny import hooked_tiny
from public_functions import ALL, sound
from tiny_models import PROSE, byte_level_tokenizer
from transformer_lens.model_bridge import TransformerBridge
from transformers import AutoModelForCausalLM, AutoTokenizer

import lens_probes as lp
from lens_probes.model.backends import HAS_HOOKED_TRANSFORMER
from lens_probes.model.load import LensModel

pytestmark = pytest.mark.model
hooked_only = pytest.mark.skipif(not HAS_HOOKED_TRANSFORMER, reason="4.x has bridges only")
IDS = np.random.default_rng(0).integers(3, 390, (16, 9))
EXAMPLES = lp.Examples.from_tokens(IDS, -1, np.arange(16) % 2)
SITES = ("resid_post", "mlp_pre", "v", "z", "mlp_out")
FEW: dict[str, Any] = {"n_permutations": 20, "untrained": False}


def bridge_by_hand(folder: Path, **to: Any) -> Any:
    raw = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").to(**to)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    dtype = to.get("dtype", torch.float32)
    return TransformerBridge.boot_transformers(
        str(folder), hf_model=raw, tokenizer=tokenizer, device="cpu", dtype=dtype
    )


def read(model: Any) -> np.ndarray:
    found = lp.collect(model, EXAMPLES, sites=SITES)
    return np.concatenate([found[key] for key in found], axis=1)


@pytest.mark.parametrize("architecture", ["gpt2", "llama", "pythia"])
def test_a_bridge_made_by_hand_gives_the_numbers_of_load_model(
    architecture: str, tiny_folders: dict[str, Path], tiny_models: dict[str, LensModel]
) -> None:
    tl = bridge_by_hand(tiny_folders[architecture])
    assert np.array_equal(read(tl), read(tiny_models[architecture]))
    one, two = (
        lp.sweep(model, EXAMPLES, sites=SITES, n_permutations=20)
        for model in (tl, tiny_models[architecture])
    )
    assert one.units.equals(two.units)
    assert one.layers.equals(two.layers)  # the untrained twin too
    said = one.provenance["model"]
    assert said["processing"] == "as given"
    assert said["source"].startswith("in memory: TransformerBridge")
    assert said["weights_sha256"] == two.provenance["model"]["weights_sha256"]
    assert said["weights"]["differs_at"] == []


@hooked_only
def test_a_hooked_transformer_made_by_hand_gives_the_numbers_of_load_model(
    tiny_folders: dict[str, Path],
) -> None:
    from lens_probes.model.backends import hooked_llama
    from lens_probes.model.load import _shapes
    from lens_probes.model.options import Options

    options = Options("cpu", torch.float32, "none")
    tl, tokenizer, fresh, _ = hooked_llama(tiny_folders["llama"], options)
    loaded = LensModel(tl, tokenizer, "by name", "none", fresh, _shapes(tl))
    by_hand = hooked_tiny(tiny_folders["llama"], processing="none").tl
    assert np.array_equal(read(by_hand), read(loaded))
    wrapped = lp.wrap_model(by_hand, tokenizer=tokenizer)
    one, two = (lp.sweep(model, EXAMPLES, sites=SITES, **FEW) for model in (wrapped, loaded))
    assert one.units.equals(two.units)
    assert one.provenance["model"]["class"] == "HookedTransformer"
    again = lp.sweep(by_hand, EXAMPLES, sites=SITES, n_permutations=20)
    assert "untrained" in " ".join(again.layers.columns)


def test_a_saved_result_of_one_is_read_again(tiny_folders: dict[str, Path], tmp_path: Path) -> None:
    tl = bridge_by_hand(tiny_folders["gpt2"])
    result = lp.sweep(tl, EXAMPLES, sites=["q"], **FEW)
    result.save(tmp_path / "run")
    again = lp.SweepResult.load(tmp_path / "run").provenance["model"]
    assert again == result.provenance["model"]
    assert again["proof"]["q"] == "proved"


def test_processing_is_read_off_the_weights(
    tiny_folders: dict[str, Path], tiny_models: dict[str, LensModel]
) -> None:
    written = ["resid_pre", "resid_mid", "resid_post", "attn_out", "mlp_out"]
    models = [tiny_models["gpt2"].tl, lp.load_model(tiny_folders["gpt2"], processing="standard").tl]
    if HAS_HOOKED_TRANSFORMER:
        models += [
            hooked_tiny(tiny_folders["gpt2"], processing=on).tl for on in ("none", "standard")
        ]
    for plain, standard in zip(models[::2], models[1::2], strict=True):
        said = lp.wrap_model(plain).provenance["weights"]
        assert said.pop("differs_at") == []
        assert set(said.values()) == {False}
        said = lp.wrap_model(standard).provenance["weights"]
        assert said.pop("differs_at") == [*written, "v", "z"]
        assert set(said.values()) == {True}
    # What is said to differ does, and nothing else.
    found = [
        lp.collect(lp.wrap_model(tl), EXAMPLES, sites=[*written, "q", "k", "v", "z", "mlp_pre"])
        for tl in models[:2]
    ]
    for key in found[0]:
        same = np.allclose(found[0][key], found[1][key], atol=1e-4)
        assert same == (key[1] not in [*written, "v", "z"]), key


def test_half_precision_and_fine_tuned_weights_are_used_as_they_are(
    tiny_folders: dict[str, Path],
) -> None:
    tl = bridge_by_hand(tiny_folders["gpt2"], dtype=torch.bfloat16)
    assert lp.wrap_model(tl).provenance["dtype"] == "bfloat16"
    before = read(tl)
    with torch.no_grad():
        for weight in tl.parameters():
            weight.mul_(1.05)
    assert not np.array_equal(read(tl), before)
    standard = lp.load_model(tiny_folders["gpt2"], processing="standard").tl.to(torch.bfloat16)
    assert lp.wrap_model(standard).provenance["weights"]["writing_weights_centred"]


def test_every_public_function_takes_one(tiny_models: dict[str, LensModel]) -> None:
    tl, model = tiny_models["gpt2"].tl, tiny_models["gpt2"]
    taken = 0
    for _, module, of_area in ALL:
        for name, given in of_area.items():
            function = getattr(module, name)
            if "model" in inspect.signature(function).parameters:
                usual = sound(module, name, given, model)
                function(**{**usual, "model": tl})
                taken += 1
    assert taken > 10
    assert len(lp.paint(tl, [IDS[0]], layer=0, site="q", unit=1)) == 1
    assert len(lp.Examples.from_texts(tl, ["We can go", "They did go"] * 2, [0, 1] * 2)) == 4


def test_the_causal_card_and_replication_take_one(tiny_folders: dict[str, Path]) -> None:
    tl = bridge_by_hand(tiny_folders["gpt2"])
    tokens = np.random.default_rng(1).integers(3, 390, (60, 14))
    word = np.arange(60) // 5
    examples = lp.Examples.from_tokens(tokens, 7, word % 2, word=[f"w{i}" for i in word])
    card = lp.ablate(
        tl, examples, sites=["mlp_post"], layers=[1], top=2, n_nulls=20, n_unit_nulls=0,
        n_controls=1,
    )  # fmt: skip
    assert card.provenance["model"]["processing"] == "as given"
    result = lp.sweep(tl, examples, sites=["q"], layers=[1], **FEW)
    other = np.random.default_rng(2).integers(3, 390, (60, 14))
    again = lp.Examples.from_tokens(other, 7, word % 2, word=[f"w{i}" for i in word])
    found = lp.replicate(result, again, model=tl, n_permutations=20)
    assert len(found.lines)
    with pytest.raises(lp.InputError, match="was in memory and cannot be loaded again"):
        lp.replicate(result, again, n_permutations=20)


def test_a_patched_model_has_no_untrained_twin_and_says_so_before_the_passes(
    tiny_folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    tl = bridge_by_hand(tiny_folders["gpt2"])
    tl.blocks[0].mlp.register_parameter("extra", torch.nn.Parameter(torch.ones(3)))
    assert lp.wrap_model(tl).shapes
    with monkeypatch.context() as patched:
        patched.setattr("lens_probes._sweep.collect", lambda *_, **__: pytest.fail("a pass"))
        with pytest.raises(lp.InputError, match=r"no untrained twin .*extra.*untrained=False"):
            lp.sweep(tl, EXAMPLES, sites=["q"])
    assert len(lp.sweep(tl, EXAMPLES, sites=["q"], **FEW).units)


def test_workers_and_pickle_say_what_to_do(tiny_folders: dict[str, Path], tmp_path: Path) -> None:
    model = lp.wrap_model(bridge_by_hand(tiny_folders["gpt2"]))
    with pytest.raises(lp.InputError, match=r"memory of this process .* or use no executor"):
        pickle.dumps(model)
    with ThreadPoolExecutor(1) as pool, pytest.raises(lp.InputError, match="use no executor"):
        lp.collect(model, EXAMPLES, sites=["q"], store=tmp_path / "s", executor=pool)
    kept = lp.collect(model, EXAMPLES, sites=SITES, store=tmp_path / "s")
    assert np.array_equal(np.concatenate([kept[key] for key in kept], axis=1), read(model))


def test_the_tokenizer_is_the_one_that_was_saved_or_given(tiny_folders: dict[str, Path]) -> None:
    tl = bridge_by_hand(tiny_folders["gpt2"])
    model, loaded = lp.wrap_model(tl), lp.load_model(tiny_folders["gpt2"])
    assert model.tokenizer(PROSE)["input_ids"] == loaded.tokenizer(PROSE)["input_ids"]
    own = byte_level_tokenizer()
    assert lp.wrap_model(tl, tokenizer=own).tokenizer is own
    assert lp.wrap_model(model, tokenizer=own).tokenizer is own
    assert lp.wrap_model(model) is model
    with pytest.raises(lp.InputError, match="tokenizer must be a tokenizer of transformers"):
        lp.wrap_model(tl, tokenizer="gpt2")


@pytest.mark.parametrize("given", ["transformers", "gpt2", None, "linear"])
def test_what_is_no_model_is_one_line(given: Any, tiny_folders: dict[str, Path]) -> None:
    model = {
        "transformers": lambda: AutoModelForCausalLM.from_pretrained(tiny_folders["gpt2"]),
        "linear": lambda: torch.nn.Linear(2, 2),
    }.get(given, lambda: given)()
    with pytest.raises(lp.InputError, match="load_model") as said:
        lp.sweep(model, EXAMPLES)
    assert "\n" not in str(said.value)
    assert ("save_pretrained" in str(said.value)) == (given == "transformers")
